"""SIGKILL at every step of a renewal, of any party, while people are published all the time.

A party dies as something is made durable, in its database, its ring or on the carrier: before it is done, or after it
was done and nobody was told. It comes back from its files. Afterwards the new epoch is in force, all that is out stands
in it alone, nothing is left of the old one, and the same people are found as if nobody had died, each once.
"""


import pytest
from mortal import MortalJob, MortalRing, kill_table, killed_at_each
from refreshing import HOLDERS, PAIR
from regions import person

from events.match import MatchTold
from events.messages import EvaluationRefused

PEOPLE = [
    person(f"R{i}", prs_IdentityNumber=f"K729041{i}", prs_FirstName=name)
    for i, name in enumerate(("Nok", "Lek", "Dao", "Kaew"))
]


class Job(MortalJob):
    """KH has published under the old epoch; TH publishes before, during and after. One party may die on the way."""

    def __init__(self, region, victim, fuse):
        honest = region.ring
        region.ring = lambda party: MortalRing(honest(party), fuse) if party == victim else honest(party)
        armed, fuse.at = fuse.at, 0
        super().__init__(region, victim, fuse)
        fuse.at = armed

    def run(self) -> "Job":
        region = self.region
        armed, self.fuse.at = self.fuse.at, 0  # people's own work is no step of a renewal
        region.publish("KH", *PEOPLE)
        region.publish("TH", PEOPLE[0])
        region.tick(3)
        self.fuse.passed, self.fuse.at = 0, armed
        for country, reason in (("KH", "compromise"), ("TH", "period")):
            holder = f"{country}.holder"
            deaths = self.deaths
            self.survive(holder, lambda c=country, why=reason: region.holders[c].renewals.ask(PAIR, why, "custodian"))
            if self.deaths > deaths:
                region.holders[country].renewals.ask(PAIR, reason, "custodian")
        for one in PEOPLE[1:]:
            self.step()
            self.step()
            armed, self.fuse.at = self.fuse.at, 0
            region.publish("TH", one)
            self.fuse.at = armed
        self.ticks(2)
        self.fuse.at = 0
        self.ticks(2)
        return self

    def outcome(self) -> dict:
        region = self.region
        refusals = [i for h in ("KH", "TH") for c in ("KH", "TH") for i in region.items(f"evaluated.{h}.{c}")
                    if isinstance(i, EvaluationRefused)]  # fmt: skip
        with region.databases["matcher"].reading() as tx:
            rows = tx.execute("SELECT country, epoch, COUNT(DISTINCT handle) FROM slots GROUP BY country, epoch")
            waiting = tx.execute("SELECT COUNT(*) FROM matcher_deferred")
            strange = tx.execute("SELECT reason FROM matcher_refused")
        return {
            "matches": {cc: region.matches(cc) for cc in ("KH", "TH")},
            "told twice": [told_twice(region, cc) for cc in ("KH", "TH")],
            "epoch": [region.nodes[cc]._post.directory.epoch(PAIR).number for cc in ("KH", "TH")],
            "progress": [[(p.state, p.epoch) for p in h.renewals.progress()] for h in region.holders.values()],
            "keys": {h: [(v.id, v.state) for v in region.ring(h).versions("share")] for h in HOLDERS},
            "peppers": [(v.id, v.state) for v in region.ring("matcher").versions("pepper")],
            "rows": sorted(rows),
            "waiting": waiting,
            "strange": strange,
            "renewing": [region.nodes[cc].status().renewing for cc in ("KH", "TH")],
            "refused": len(refusals),
            "evidence": [region.nodes[cc].evaluations.evidence() for cc in ("KH", "TH")],
            "open": [region.nodes[cc].status().open_batches for cc in ("KH", "TH")],
            "faults": [party._post.status().refused for party in region.parties.values()],
        }


def told_twice(region, country):
    """How often a node was told the same of a match again. Alone first and with the other side later is no repetition:
    a side that was dead is told by the other's grant alone.
    """
    with region.databases[country].reading() as tx:
        log = region.nodes[country]._store.log(0, 10_000, tx)
    said = [(event.match_ref, event.told) for _, event in log if isinstance(event, MatchTold)]
    return len(said) - len(set(said))


founded, job, undisturbed = kill_table(Job, "KH.holder", batch_limit=10)


def test_undisturbed_a_renewal_under_traffic_comes_to_what_it_should(undisturbed):
    found = {cc: [(f"R{i}", other, "BOTH_TOLD", "document") for i in range(4)] for cc, other in (("KH", "TH"), ("TH", "KH"))}
    assert undisturbed == {
        "matches": found,
        "told twice": [0, 0],
        "epoch": [2, 2],
        "progress": [[("rest", 2)], [("rest", 2)]],
        "keys": {holder: [("KH-TH/1/0", "destroyed"), ("KH-TH/2/0", "active")] for holder in HOLDERS},
        "peppers": [("matcher/pepper/KH-TH/1", "destroyed"), ("matcher/pepper/KH-TH/2", "active")],
        "rows": [("KH", 2, 4), ("TH", 2, 4)],
        "waiting": [(0,)],
        "strange": [],
        "renewing": [{}, {}],
        "refused": 0,
        "evidence": [[], []],
        "open": [{}, {}],
        "faults": [{}] * 5,
    }


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "victim, at", [("KH.holder", 2), ("TH.holder", 5), ("KH", 4), ("TH", 9), ("matcher", 6)], ids=str
)
def test_killed_at_some_steps_of_a_renewal_it_comes_to_the_same(job, undisturbed, victim, at, done):
    ran = job(victim, at, done=done)
    assert ran.deaths == 1
    assert ran.outcome() == undisturbed


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("victim", [*HOLDERS, "KH", "TH", "matcher"])
def test_killed_at_every_step_of_a_renewal_it_comes_to_the_same(job, undisturbed, victim, done):
    """Before the odd steps and after the even ones: after a step is before the next."""
    assert killed_at_each(lambda at: job(victim, at, done=done), undisturbed, first=1 + done, every=2) > 10
