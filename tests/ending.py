"""An agreement that ends: what two custodians of one side say, and what is left of the pair at every party."""

from regions import LiveRegion

from events.base import Actor, Role
from events.envelope import read_body
from services.keyholder.endings import Wish

PAIR = "KH-TH"
HOLDERS = ("KH.holder", "TH.holder")
_TABLES = ("handles", "slots", "grounds", "changed_values", "hot_values", "found", "matcher_deferred", "matcher_taken")


def custodian(name: str, role: Role = Role.KEY_CUSTODIAN) -> Actor:
    return Actor(staff=name, organisation="key-office", role=role)


def ask_end(region: LiveRegion, country: str, *staff: str, pair: str = PAIR, reason: str = "withdrawn") -> None:
    """These custodians of one country's holder say that the agreement is over."""
    for name in staff or ("custodian-1", "custodian-2"):
        region.holders[country].endings.ask(custodian(name), Wish(pair=pair, reason=reason))


def left_at_matcher(region: LiveRegion, pair: str = PAIR) -> dict[str, int]:
    """Table -> rows of a pair, of those that have any."""
    with region.databases["matcher"].reading() as tx:
        counts = {t: tx.execute(f"SELECT COUNT(*) FROM {t} WHERE pair = ?", (pair,))[0][0] for t in _TABLES}
    return {table: count for table, count in counts.items() if count}


def shares_alive(region: LiveRegion, holder: str, pair: str = PAIR) -> list[str]:
    """What a holder's ring has that is not destroyed, of a pair."""
    ring = region.ring(holder)
    return [v.id for p in ("share", "refresh") for v in ring.versions(p) if v.id.startswith(pair) and v.secret]


def said(region: LiveRegion, kind: str) -> list:
    """All announcements of one kind, by whoever, in the order of parties. What a crash has sent twice is said once."""
    topics = [t.name for t in region.charter.topics if t.family == "keys"]
    envelopes = {envelope.hash: envelope for topic in topics for envelope in region.envelopes(topic)}
    return [item for one in envelopes.values() for item in read_body("keys", one.box).items if item.kind == kind]
