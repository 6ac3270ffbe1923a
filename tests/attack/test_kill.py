"""SIGKILL at any moment of the job, for node, key holder and matcher: the same matches, no more and no fewer.

A party dies as something is made durable: before it is done, or after it was done and nobody was told. It comes back
from its files at once; people whose command was cut short give it again. Quotas are not counted twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from mortal import Fuse, MortalJob, killed_at_each
from regions import person, regions_in

from events.person import Document, Name

PEOPLE = [
    person(f"R{i}", prs_IdentityNumber=f"K729041{i}", prs_FirstName=name)
    for i, name in enumerate(("Nok", "Lek", "Dao", "Kaew"))
]
HELD = person("HELD", prs_IdentityNumber="K5550001", prs_FirstName="Ying")


MAY_DIFFER = {"RecordAccessed", "MatchTold"}
"""Events whose number is not the same each time: a side that lags for a tick may be told in two steps."""


class Job(MortalJob):
    """KH and TH publish five people; one is corrected, one withdraws, one is held; with a death on the way."""

    def run(self) -> "Job":
        for country in ("KH", "TH"):
            self.people(country, lambda c=country: self.region.import_rows(c, PEOPLE))
            self.people(country, lambda c=country: self.region.approve(c))
        self.people("KH", lambda: self.region.import_rows("KH", [HELD]))
        self.people("KH", lambda: self.region.approve("KH", "hold"))
        self.people("TH", lambda: self.region.import_rows("TH", [HELD]))
        self.people("TH", lambda: self.region.approve("TH"))
        self.ticks(4)
        self.people("KH", self.correct)
        self.people("KH", self.ask)
        self.people("KH", lambda: self.region.approve("KH"))
        self.people("TH", self.withdraw)
        self.ticks(6)
        self.fuse.at = 0  # looking at what it came to kills nobody
        return self

    # ---- people's work, given again where it was cut short

    def correct(self) -> None:
        region = self.region
        region.nodes["KH"].desk.record_identifiers(
            region.act("KH", "worker"), region.case_id("KH", "R1"), names=(Name(first="Lekk", second="V"),),
            birth_date="1991-04-23", documents=(Document(number="K7290411", issuer="LA"),), gender="Feminine",
            citizenships=frozenset({"LA"}),
        )

    def ask(self) -> None:
        self.region.nodes["KH"].desk.ask_publication(
            self.region.act("KH", "worker"), self.region.case_id("KH", "R1"), ["TH"]
        )

    def withdraw(self) -> None:
        self.region.nodes["TH"].desk.withdraw_consent(
            self.region.act("TH", "worker"), self.region.case_id("TH", "R2"), purpose="C4", by="person"
        )

    def people(self, country: str, act: Callable[[], Any]) -> None:
        before = self.deaths
        self.survive(country, act)
        if self.deaths > before:
            act()

    # ---- what it came to

    def outcome(self) -> dict[str, Any]:
        region = self.region
        events = {cc: Counter(type(e).__name__ for _, e in region.nodes[cc]._store.log(0, 10_000)) for cc in ("KH", "TH")}
        with region.databases["KH.holder"].reading() as kh, region.databases["TH.holder"].reading() as th:
            spent = [tx.execute("SELECT country, spent FROM holder_windows ORDER BY country") for tx in (kh, th)]
        with region.databases["matcher"].reading() as tx:
            found = tx.execute("SELECT band, stands, first_told, second_told, COUNT(*) FROM found GROUP BY 1, 2, 3, 4")
            accepted = tx.execute("SELECT country, count FROM matcher_accepted ORDER BY country")
        return {
            "matches": {cc: region.matches(cc) for cc in ("KH", "TH")},
            "tokens": {cc: region.nodes[cc].status().publications for cc in ("KH", "TH")},
            "events": {cc: {k: n for k, n in c.items() if k not in MAY_DIFFER} for cc, c in events.items()},
            "spent": spent,
            "found": sorted(found),
            "accepted": accepted,
            "batches": [region.nodes[cc].status().open_batches for cc in ("KH", "TH")],
        }


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("kill")) as make:
        yield make("KH", "TH", batch_limit=10)


@pytest.fixture
def job(founded, tmp_path) -> Iterator[Callable[..., Job]]:
    with ExitStack() as made:

        def make(victim: str, at: int, *, done: bool) -> Job:
            region = made.enter_context(founded.copied(tmp_path / f"{at}{done}"))
            return Job(region, victim, Fuse(at, done=done)).run()

        yield make


@pytest.fixture(scope="module")
def undisturbed(founded, tmp_path_factory) -> dict[str, Any]:
    region = founded.copied(tmp_path_factory.mktemp("undisturbed") / "region")
    outcome = Job(region, "KH", Fuse(10**9, done=False)).run().outcome()
    region.close()
    return outcome


VICTIMS = ("KH", "KH.holder", "matcher")


def test_undisturbed_the_job_comes_to_what_it_should(undisturbed):
    states = {cc: [(r, state) for r, _, state, _ in rows] for cc, rows in undisturbed["matches"].items()}
    assert states == {
        "KH": [("HELD", "TOLD"), ("R0", "BOTH_TOLD"), ("R1", "CLOSED"), ("R2", "CLOSED"), ("R3", "BOTH_TOLD")],
        "TH": [("R0", "BOTH_TOLD"), ("R1", "CLOSED"), ("R2", "CLOSED"), ("R3", "BOTH_TOLD")],
    }
    assert undisturbed["spent"] == [[("KH", 30), ("TH", 25)]] * 2
    assert undisturbed["accepted"] == [("KH", 30), ("TH", 25)]


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [5, 30, 62])
@pytest.mark.parametrize("victim", VICTIMS)
def test_killed_at_some_moments_of_the_job_it_comes_to_the_same(job, undisturbed, victim, at, done):
    ran = job(victim, at, done=done)
    assert ran.deaths == 1
    assert ran.outcome() == undisturbed


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("victim", VICTIMS)
def test_killed_at_every_moment_of_the_job_it_comes_to_the_same(job, undisturbed, victim, done):
    assert killed_at_each(lambda at: job(victim, at, done=done), undisturbed) > 80


@pytest.mark.parametrize("victim", ["KH", "TH.holder", "matcher"])
def test_a_party_that_is_away_for_weeks_in_the_middle_of_the_job_costs_no_match(founded, tmp_path, victim):
    """Longer than any sealing key is accepted, and than any envelope is kept by a broker."""
    region = founded.copied(tmp_path / "region")
    for country in ("KH", "TH"):
        region.publish(country, *PEOPLE)
    for party in ("KH", "TH"):
        region.parties[party].step()
    region.kill(victim)
    for _ in range(8):
        region.sleep(days=5)
        region.tick()
    region.start(victim)
    region.tick(8)
    told = {cc: [(r, state) for r, _, state, _ in region.matches(cc)] for cc in ("KH", "TH")}
    assert told == {cc: [(f"R{i}", "BOTH_TOLD") for i in range(4)] for cc in ("KH", "TH")}
    region.close()
