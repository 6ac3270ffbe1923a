"""SIGKILL at every step of a change of the matcher's pepper, of the matcher or of a country, while people are published.

Whoever dies comes back from its files. Afterwards the new pepper stands alone, the old one is destroyed, and the same
matches are known, each told once; nobody's intake is charged twice.
"""

from contextlib import ExitStack

import pytest
from changes import BOTH, PEOPLE, Change
from mortal import Fuse, killed_at_each
from regions import regions_in


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("peppers")) as make:
        yield make("KH", "TH", batch_limit=5)


@pytest.fixture
def job(founded, tmp_path):
    with ExitStack() as made:

        def make(victim: str, at: int, *, done: bool) -> Change:
            region = made.enter_context(founded.copied(tmp_path / f"{victim}{at}{done}"))
            return Change(region, victim, Fuse(at, done=done)).run()

        yield make


@pytest.fixture(scope="module")
def undisturbed(founded, tmp_path_factory):
    region = founded.copied(tmp_path_factory.mktemp("undisturbed") / "region")
    outcome = Change(region, "matcher", Fuse(10**9, done=False)).run().outcome()
    region.close()
    return outcome


def test_undisturbed_a_change_under_traffic_comes_to_what_it_should(undisturbed):
    slots = 5 * len(PEOPLE)
    assert undisturbed == {
        "matches": BOTH,
        "told": {"KH": len(PEOPLE), "TH": len(PEOPLE)},
        "peppers": {"matcher/pepper/KH-TH/1": "destroyed", "matcher/pepper/KH-TH/1.2": "current, kept"},
        "sealing": ["primary"],
        "accepted": [("KH", slots), ("TH", slots)],
        "refused": set(),
    }


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("victim, at", [("matcher", 1), ("matcher", 2), ("matcher", 4), ("matcher", 7), ("KH", 9)])
def test_killed_at_some_steps_of_the_change_it_comes_to_the_same(job, undisturbed, victim, at, done):
    ran = job(victim, at, done=done)
    assert ran.deaths == 1
    assert ran.outcome() == undisturbed


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_killed_at_every_step_of_the_change_it_comes_to_the_same(job, undisturbed, done):
    assert killed_at_each(lambda at: job("matcher", at, done=done), undisturbed) > 20


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("at", range(2, 42, 4))
def test_killed_at_many_steps_a_country_says_its_rows_again_all_the_same(job, undisturbed, at):
    ran = job("KH", at, done=at % 8 == 2)
    assert ran.deaths == 1
    assert ran.outcome() == undisturbed
