"""For tests of renewals: begin one, as both holders' custodians do, and look at what stands where."""

from refreshing import PAIR
from regions import LiveRegion


def renew(region: LiveRegion, *holders: str, reason: str = "compromise") -> None:
    """Both custodians ask, or those of the named countries."""
    for country in holders or ("KH", "TH"):
        region.holders[country].renewals.ask(PAIR, reason, "custodian")


def epoch(region: LiveRegion, country: str) -> int:
    """In force, for a country's node."""
    return region.nodes[country]._post.directory.epoch(PAIR).number


def state(region: LiveRegion, country: str) -> str:
    """Of the pair's renewal, at a country's holder."""
    (one,) = region.holders[country].renewals.progress()
    return one.state


def rows(region: LiveRegion) -> dict[tuple[str, int], int]:
    """(country, epoch) -> how many of its records stand at the matcher."""
    with region.databases["matcher"].reading() as tx:
        found = tx.execute("SELECT country, epoch, COUNT(DISTINCT handle) FROM slots GROUP BY country, epoch")
    return {(country, number): count for country, number, count in found}


def refused(region: LiveRegion) -> dict[str, int]:
    """What the matcher did not take, by reason."""
    with region.databases["matcher"].reading() as tx:
        return dict(tx.execute("SELECT reason, count FROM matcher_refused"))
