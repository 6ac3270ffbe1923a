"""SIGKILL at every step of the end of an agreement, of any party, while people are published.

A party dies as something is made durable, before it is done or after it was done and nobody was told, and comes back
from its files. Afterwards nothing is left of the pair anywhere, everybody was told once, and nobody is accused.
"""


import pytest
from ending import HOLDERS, PAIR, ask_end, left_at_matcher, said, shares_alive
from mortal import Fuse, MortalJob, kill_table, killed_at_each
from regions import person

from keys.ring import KeyRing

PARTIES = ("KH.holder", "TH.holder", "KH", "TH", "matcher")


class Job(MortalJob):
    """Both publish; KH's custodians end it with a batch of TH's under way; one party may die on the way."""

    def run(self) -> "Job":
        region = self.region
        armed, self.fuse.at = self.fuse.at, 0  # people's own work is no step of an end
        region.publish("KH", person("K1"))
        region.publish("TH", person("T1"))
        region.tick(3)
        region.holders["KH"].refreshes.ask(PAIR, "custodian")
        region.publish("TH", person("T2", prs_IdentityNumber="K2", prs_FirstName="Lek"))
        ask_end(region, "KH")
        self.fuse.passed, self.fuse.at = 0, armed
        self.ticks(4)
        self.fuse.at = 0
        return self

    def outcome(self) -> dict:
        region = self.region
        return {
            "shares": [shares_alive(region, holder) for holder in HOLDERS],
            "left": left_at_matcher(region),
            "told": {cc: [row[:2] for row in region.matches(cc)] for cc in ("KH", "TH")},
            "tokens": [region.tokens("KH", "K1"), region.tokens("TH", "T1"), region.tokens("TH", "T2")],
            "said": [(i.holder, i.reason) for i in said(region, "agreement_ended")],
            "dropped": len(said(region, "agreement_dropped")),
            "known": [[e.is_done for e in region.nodes[cc].status().ended] for cc in ("KH", "TH")],
            "open": [region.nodes[cc].status().open_batches for cc in ("KH", "TH")],
            "evidence": [region.nodes[cc].evaluations.evidence() for cc in ("KH", "TH")],
            "faults": [party._post.status().refused for party in region.parties.values()],
        }


founded, job, undisturbed = kill_table(Job, "KH.holder", batch_limit=5)


def test_undisturbed_nothing_is_left_of_an_agreement_and_all_were_told(undisturbed):
    over = ("revoked", "agreement_ended")
    assert undisturbed == {
        "shares": [[], []],
        "left": {},
        "told": {"KH": [("K1", "TH")], "TH": [("T1", "KH")]},
        "tokens": [{"TH": over}, {"KH": over}, {"KH": ("refused", "agreement_ended")}],
        "said": [("KH.holder", "withdrawn"), ("TH.holder", "other_side")],
        "dropped": 1,
        "known": [[True], [True]],
        "open": [{}, {}],
        "evidence": [[], []],
        "faults": [{}] * 5,
    }


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 3, 5])
@pytest.mark.parametrize("victim", PARTIES)
def test_killed_at_some_steps_of_an_end_it_comes_to_the_same(job, undisturbed, victim, at, done):
    ran = job(victim, at, done=done)
    assert ran.deaths == 1
    assert ran.outcome() == undisturbed


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2])
def test_killed_while_the_ring_destroys_it_destroys_the_rest(founded, tmp_path, undisturbed, done, at):
    """The ring's own file changes one key at a time: a holder may die between two of them."""
    region = founded.copied(tmp_path / "region")
    fuse = Fuse(0, done=done)
    with pytest.MonkeyPatch.context() as patch:
        job = Job(region, "KH.holder", fuse)
        honest = KeyRing.destroy

        def destroy(ring, *place):
            if ring is region.holders["KH"]._ring and place[0] in {"share", "refresh"}:
                with fuse():
                    return honest(ring, *place)
            return honest(ring, *place)

        patch.setattr(KeyRing, "destroy", destroy)
        fuse.at = 0
        job.fuse = fuse
        ran = _with_fuse_armed_for_destruction(job, at)
    assert ran.outcome() == undisturbed
    region.close()


def _with_fuse_armed_for_destruction(job: Job, at: int) -> Job:
    region = job.region
    region.publish("KH", person("K1"))
    region.publish("TH", person("T1"))
    region.tick(3)
    region.holders["KH"].refreshes.ask(PAIR, "custodian")
    region.publish("TH", person("T2", prs_IdentityNumber="K2", prs_FirstName="Lek"))
    ask_end(region, "KH")
    region.wrap = lambda _party, database, stream: (database, stream)
    job.fuse.passed, job.fuse.at = 0, at
    job.ticks(4)
    assert job.deaths == 1
    job.fuse.at = 0
    return job


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("victim", PARTIES)
def test_killed_at_every_step_of_an_end_it_comes_to_the_same(job, undisturbed, victim, done):
    assert killed_at_each(lambda at: job(victim, at, done=done), undisturbed) > 5
