"""SIGKILL at every step of a refresh, of either holder or of a country, while people are published all the time.

A party dies as something is made durable, before it is done or after it was done and nobody was told, and comes back
from its files. Afterwards the new generation is in force and whole, nothing is left of the old one, and the same people
are found as if nobody had died; no request was refused and nobody accused.
"""

from contextlib import ExitStack

import pytest
from mortal import Fuse, Killed, MortalDatabase, MortalStream
from refreshing import HOLDERS, PAIR
from regions import LiveRegion, person, regions_in

from events.messages import EvaluationRefused

PEOPLE = [
    person(f"R{i}", prs_IdentityNumber=f"K729041{i}", prs_FirstName=name)
    for i, name in enumerate(("Nok", "Lek", "Dao", "Kaew", "Ying"))
]


class Job:
    """KH publishes under the old generation, TH during the refresh and after it; one party may die on the way."""

    def __init__(self, region: LiveRegion, victim: str, fuse: Fuse) -> None:
        self.region, self.victim, self.fuse, self.deaths = region, victim, fuse, 0
        region.wrap = lambda _party, database, stream: (MortalDatabase(database, fuse), MortalStream(stream, fuse))
        region.kill(victim)
        self.survive(victim, lambda: region.start(victim))

    def run(self) -> "Job":
        region = self.region
        armed, self.fuse.at = self.fuse.at, 0  # people's own work is no step of a refresh
        region.publish("KH", *PEOPLE)
        region.tick(2)
        region.publish("TH", PEOPLE[0])
        self.fuse.passed, self.fuse.at = 0, armed
        self.survive("KH.holder", lambda: region.holders["KH"].refreshes.ask(PAIR, "custodian"))
        if self.deaths:
            region.holders["KH"].refreshes.ask(PAIR, "custodian")
        for one in PEOPLE[1:]:
            self.rounds(2)
            armed, self.fuse.at = self.fuse.at, 0
            region.publish("TH", one)
            self.fuse.at = armed
        self.ticks(8)
        self.fuse.at = 0
        return self

    def survive(self, party: str, act):
        try:
            return act()
        except Killed:
            self.deaths += 1
            self.region.kill(party)
            self.region.wrap = lambda _party, database, stream: (database, stream)
            self.region.start(party)
            return True

    def rounds(self, count: int) -> bool:
        done = False
        for _ in range(count):
            done = any([self.survive(p, lambda p=p: self.region.parties[p].step()) for p in [*self.region.parties]])  # noqa: C419
        return done

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.region.clock.advance(60)
            for _ in range(60):
                if not self.rounds(1):
                    break
            else:
                raise AssertionError("The region does not come to rest.")

    def outcome(self) -> dict:
        region = self.region
        refusals = [i for h in ("KH", "TH") for c in ("KH", "TH") for i in region.items(f"evaluated.{h}.{c}")
                    if isinstance(i, EvaluationRefused)]  # fmt: skip
        rings = {holder: region.ring(holder) for holder in HOLDERS}
        return {
            "matches": {cc: region.matches(cc) for cc in ("KH", "TH")},
            "generation": [region.nodes[cc]._post.directory.active_generation(PAIR, 1) for cc in ("KH", "TH")],
            "progress": [[(p.state, p.generation) for p in h.refreshes.progress()] for h in region.holders.values()],
            "keys": {
                h: [(v.purpose, v.id, v.state) for p in ("share", "refresh") for v in ring.versions(p)]
                for h, ring in rings.items()
            },
            "refused": len(refusals),
            "evidence": [region.nodes[cc].evaluations.evidence() for cc in ("KH", "TH")],
            "open": [region.nodes[cc].status().open_batches for cc in ("KH", "TH")],
            "faults": [party._post.status().refused for party in region.parties.values()],
        }


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("refresh")) as make:
        yield make("KH", "TH", batch_limit=5)


@pytest.fixture
def job(founded, tmp_path):
    with ExitStack() as made:

        def make(victim: str, at: int, *, done: bool) -> Job:
            region = made.enter_context(founded.copied(tmp_path / f"{victim}{at}{done}"))
            return Job(region, victim, Fuse(at, done=done)).run()

        yield make


@pytest.fixture(scope="module")
def undisturbed(founded, tmp_path_factory):
    region = founded.copied(tmp_path_factory.mktemp("undisturbed") / "region")
    outcome = Job(region, "KH.holder", Fuse(10**9, done=False)).run().outcome()
    region.close()
    return outcome


def test_undisturbed_a_refresh_under_traffic_comes_to_what_it_should(undisturbed):
    keys = [("share", "KH-TH/1/0", "destroyed"), ("share", "KH-TH/1/1", "active"), ("refresh", "KH-TH/1/1", "destroyed")]
    assert undisturbed == {
        "matches": {cc: [(f"R{i}", other, "BOTH_TOLD", "document") for i in range(5)] for cc, other in (("KH", "TH"), ("TH", "KH"))},
        "generation": [1, 1],
        "progress": [[("rest", 1)], [("rest", 1)]],
        "keys": dict.fromkeys(HOLDERS, keys),
        "refused": 0,
        "evidence": [[], []],
        "open": [{}, {}],
        "faults": [{}] * 5,
    }


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 3, 6, 9, 14])
@pytest.mark.parametrize("victim", ["KH.holder", "TH.holder"])
def test_killed_at_some_steps_of_a_refresh_it_comes_to_the_same(job, undisturbed, victim, at, done):
    ran = job(victim, at, done=done)
    assert ran.deaths == 1
    assert ran.outcome() == undisturbed


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("victim, stride", [("KH.holder", 1), ("TH.holder", 1), ("KH", 4), ("TH", 4), ("matcher", 9)])
def test_killed_at_every_step_of_a_refresh_it_comes_to_the_same(job, undisturbed, victim, stride, done):
    """A holder at each step; those who have no part in it but their own work, at some: test_kill.py has the rest."""
    at, deaths = 1, 1
    while deaths:
        ran = job(victim, at, done=done)
        deaths = ran.deaths
        assert ran.outcome() == undisturbed, f"killed at {at}"
        ran.region.close()
        at += stride
    assert at > 15
