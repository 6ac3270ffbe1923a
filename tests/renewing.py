"""For tests of renewals: begin one, as both holders' custodians do, and look at what stands where."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from refreshing import PAIR
from regions import LiveRegion, regions_in

COUNTRIES = ("KH", "TH")


def pair_region(**rules: Any) -> tuple[Any, Any, Any]:
    """Three fixtures, to be bound to their names: `new_region` makes one; `founded`, KH and TH under these rules of the
    charter; `region`, a copy of it for each test.
    """

    @pytest.fixture(scope="module")
    def new_region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., LiveRegion]]:
        with regions_in(tmp_path_factory.mktemp("renewals")) as make:
            yield make

    @pytest.fixture(scope="module")
    def founded(new_region: Callable[..., LiveRegion]) -> LiveRegion:
        return new_region(*COUNTRIES, **rules)

    @pytest.fixture
    def region(founded: LiveRegion, tmp_path: Path) -> Iterator[LiveRegion]:
        with founded.copied(tmp_path / "region") as copy:
            yield copy

    return new_region, founded, region


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


def matched(region: LiveRegion) -> list[list[str]]:
    """Of each country, the records that were told of a match by their document."""
    return [[row[0] for row in region.matches(cc) if row[3] == "document"] for cc in COUNTRIES]


def steps(region: LiveRegion, count: int) -> None:
    """So many steps of every party, in turns; no tick passes."""
    for _ in range(count):
        for party in list(region.parties.values()):
            party.step()
