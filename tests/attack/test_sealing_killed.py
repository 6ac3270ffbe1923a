"""SIGKILL at every step of a renewal of the matcher's sealing key that a custodian asked for, while people are published.

Whoever dies comes back from its files. Afterwards one new key is in use, the former is accepted still, and the same
matches are known, each told once.
"""


import pytest
from changes import BOTH, PEOPLE, Change
from mortal import kill_table, killed_at_each


class Renewal(Change):
    purpose = "sealing"


founded, job, undisturbed = kill_table(Renewal, "matcher", batch_limit=5)


def test_undisturbed_a_renewal_under_traffic_comes_to_what_it_should(undisturbed):
    slots = 5 * len(PEOPLE)
    assert undisturbed == {
        "matches": BOTH,
        "told": {"KH": len(PEOPLE), "TH": len(PEOPLE)},
        "peppers": {"matcher/pepper/KH-TH/1": "current, kept"},
        "sealing": ["active", "primary"],
        "accepted": [("KH", slots), ("TH", slots)],
        "refused": set(),
    }


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 5])
def test_killed_at_some_steps_of_the_renewal_it_comes_to_the_same(job, undisturbed, at, done):
    ran = job("matcher", at, done=done)
    assert ran.deaths == 1
    assert ran.outcome() == undisturbed


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_killed_at_every_step_of_the_renewal_it_comes_to_the_same(job, undisturbed, done):
    assert killed_at_each(lambda at: job("matcher", at, done=done), undisturbed) > 20
