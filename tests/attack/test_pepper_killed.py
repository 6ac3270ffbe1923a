"""SIGKILL at every step of a change of the matcher's pepper, of the matcher or of a country, while people are published.

Whoever dies comes back from its files. Afterwards the new pepper stands alone, the old one is destroyed, and the same
matches are known, each told once; nobody's intake is charged twice.
"""


import pytest
from changes import BOTH, PEOPLE, Change
from mortal import kill_table, killed_at_each

founded, job, undisturbed = kill_table(Change, "matcher", batch_limit=5)


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
