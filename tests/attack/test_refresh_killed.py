"""SIGKILL at every step of a refresh, of either holder or of a country, while people are published all the time.

A party dies as something is made durable, before it is done or after it was done and nobody was told, and comes back
from its files. Afterwards the new generation is in force and whole, nothing is left of the old one, and the same people
are found as if nobody had died; no request was refused and nobody accused.
"""


import pytest
from mortal import MortalJob, kill_table, killed_at_each
from refreshing import HOLDERS, PAIR
from regions import person

from events.messages import EvaluationRefused

PEOPLE = [
    person(f"R{i}", prs_IdentityNumber=f"K729041{i}", prs_FirstName=name)
    for i, name in enumerate(("Nok", "Lek", "Dao", "Kaew", "Ying"))
]


class Job(MortalJob):
    """KH publishes under the old generation, TH during the refresh and after it; one party may die on the way."""

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
            self.step()
            self.step()
            armed, self.fuse.at = self.fuse.at, 0
            region.publish("TH", one)
            self.fuse.at = armed
        self.ticks(8)
        self.fuse.at = 0
        return self

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


founded, job, undisturbed = kill_table(Job, "KH.holder", batch_limit=5)


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
@pytest.mark.parametrize("victim", ["KH.holder", "TH.holder", "KH", "TH", "matcher"])
def test_killed_at_every_step_of_a_refresh_it_comes_to_the_same(job, undisturbed, victim, done):
    assert killed_at_each(lambda at: job(victim, at, done=done), undisturbed) > 13
