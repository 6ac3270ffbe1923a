"""A region in which a key is renewed while people are published: what is done, and what it comes to."""

from mortal import Fuse, MortalJob
from regions import LiveRegion, person

from events import rotations
from services.matcher.peppers import named

PEOPLE = [
    person(f"R{i}", prs_IdentityNumber=f"K729041{i}", prs_FirstName=name)
    for i, name in enumerate(("Nok", "Lek", "Dao", "Kaew"))
]
BOTH = {
    cc: [(f"R{i}", other, "BOTH_TOLD", "document") for i in range(len(PEOPLE))]
    for cc, other in (("KH", "TH"), ("TH", "KH"))
}


def ask(region: LiveRegion, purpose: rotations.Noted = "pepper", party: str = "matcher") -> None:
    """As the command does, from outside."""
    with region.databases[party].transaction() as tx:
        rotations.ask(tx, purpose, region.clock.now())


def states(region: LiveRegion) -> dict[str, str]:
    """Pepper -> state, as the store has it, and whether the ring has its secret."""
    secrets = {v.id: v.secret is not None for v in region.ring("matcher").versions("pepper")}
    with region.databases["matcher"].reading() as tx:
        return {n.name: f"{n.state}{', kept' if secrets[n.name] else ''}" for n in named(tx)}


def both_told(region: LiveRegion) -> dict[str, int]:
    """How often each country's handles were told `both`, all stream epochs; what is sent twice is one envelope."""
    topics = {cc: f"notices.{cc}" for cc in ("KH", "TH")}
    sent = {cc: dict(zip((e.hash for e in region.envelopes(t)), region.bodies(t), strict=True)) for cc, t in topics.items()}
    return {
        cc: sum(getattr(item, "told", "") == "both" for body in bodies.values() for item in body.items)
        for cc, bodies in sent.items()
    }


def accepted(region: LiveRegion) -> list[tuple[str, int]]:
    with region.databases["matcher"].reading() as tx:
        return [tuple(row) for row in tx.execute("SELECT country, count FROM matcher_accepted ORDER BY country")]


class Change(MortalJob):
    """KH publishes under the matcher's old key, TH before, while and after it is renewed; one party may die on the way.

    Moments are counted from when the change is asked for; people's own work is none.
    """

    purpose: rotations.Noted = "pepper"

    def __init__(self, region: LiveRegion, victim: str, fuse: Fuse) -> None:
        armed, fuse.at = fuse.at, 0
        super().__init__(region, victim, fuse)
        region.publish("KH", *PEOPLE)
        region.tick(2)
        region.publish("TH", PEOPLE[0])
        region.tick(3)
        ask(region, self.purpose)
        fuse.at = armed

    def run(self) -> "Change":
        for one in PEOPLE[1:]:
            self.step()
            armed, self.fuse.at = self.fuse.at, 0
            self.region.publish("TH", one)
            self.fuse.at = armed
            self.ticks(1)
        self.ticks(6)
        self.fuse.at = 0
        return self

    def outcome(self) -> dict:
        region = self.region
        return {
            "matches": {cc: region.matches(cc) for cc in ("KH", "TH")},
            "told": both_told(region),
            "peppers": states(region),
            "sealing": [v.state for v in region.ring("matcher").versions("sealing")],
            "accepted": accepted(region),
            "refused": {r for p in region.parties.values() for r in p._post.status().refused} - {"want_of_what_is_gone"},
        }
