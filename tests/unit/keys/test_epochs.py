"""The states of an epoch, and a machine of two holders, two countries and time against them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from keys import epochs
from keys.epochs import MOST, Epoch

HOLDERS = ("KH.holder", "TH.holder")
COUNTRIES = ("KH", "TH")
START = datetime(2026, 3, 1, tzinfo=UTC)
OVERLAP = timedelta(days=90)
ORDER = ("PREPARED", "ACTIVE", "DRAINING", "RETIRED", "DESTROYED")


def whole(number, schema=1):
    return Epoch(number, dict.fromkeys(HOLDERS, schema))


def test_the_newest_epoch_that_both_holders_introduced_is_active():
    known = [whole(1), whole(2), Epoch(3, {"KH.holder": 1})]
    assert epochs.active(known, HOLDERS, 1) == whole(2)
    assert epochs.active(known[2:], HOLDERS, 1) is None


def test_holders_that_mean_different_schema_versions_make_no_epoch():
    mixed = Epoch(2, {"KH.holder": 2, "TH.holder": 1})
    assert epochs.active([whole(1), mixed], HOLDERS, 1) == whole(1)
    assert epochs.active([whole(1), mixed, whole(3, schema=2)], HOLDERS, 1).schema(HOLDERS) == 2


def test_below_the_charters_first_epoch_none_is_active():
    assert epochs.active([whole(1)], HOLDERS, 2) is None
    assert epochs.active([whole(1), whole(2)], HOLDERS, 2) == whole(2)


@pytest.mark.parametrize(
    ("own", "first", "may"),
    [((), 1, {1}), ((1,), 1, {1, 2}), ((1, 2), 1, {1, 2, 3}), ((1,), 5, {1, 2, 3, 4, 5}), (range(1, MOST + 1), 1, set(range(1, MOST + 1)))],
)
def test_a_holder_goes_on_by_one_or_to_the_charters_first_and_not_for_ever(own, first, may):
    assert {n for n in range(-1, MOST + 9) if epochs.may_introduce(n, own, first)} == may


@pytest.mark.parametrize(
    ("closed", "days", "over"),
    [({}, 0, False), ({"KH": 2}, 89, False), ({"KH": 2, "TH": 2}, 0, True), ({"KH": 3, "TH": 2}, 0, True), ({}, 90, True),
     ({"KH": 1, "TH": 2}, 89, False)],
)
def test_an_epoch_goes_when_both_countries_have_closed_it_or_time_has(closed, days, over):
    now = START + timedelta(days=days)
    assert epochs.is_over(COUNTRIES, closed, 1, since=START, now=now, overlap=OVERLAP) is over


def test_time_closes_nothing_before_a_later_epoch_is_in_force():
    assert not epochs.is_over(COUNTRIES, {}, 1, since=None, now=START + 2 * OVERLAP, overlap=OVERLAP)


class Life(RuleBasedStateMachine):
    """One pair's epochs. The model: each only moves on, one at most is active, nothing is dropped that is needed."""

    def __init__(self):
        super().__init__()
        self.introduced = {holder: [1] for holder in HOLDERS}
        self.closed, self.since, self.now = {}, {1: START}, START
        self.destroyed, self.seen = set(), {}

    @property
    def known(self):
        numbers = {n for own in self.introduced.values() for n in own}
        return [Epoch(n, {h: 1 for h in HOLDERS if n in self.introduced[h]}) for n in sorted(numbers)]

    @property
    def active(self):
        return epochs.active(self.known, HOLDERS, 1).number

    def retired(self, number):
        if number >= self.active:
            return False
        since = min((at for n, at in self.since.items() if n > number), default=None)
        return epochs.is_over(COUNTRIES, self.closed, number, since=since, now=self.now, overlap=OVERLAP)

    def states(self):
        return {
            e.number: epochs.state_of(
                e.number, self.active, retired=self.retired(e.number), destroyed=e.number in self.destroyed
            )
            for e in self.known
        }

    @rule(holder=st.sampled_from(HOLDERS), number=st.integers(0, 9))
    def introduce(self, holder, number):
        if epochs.may_introduce(number, self.introduced[holder], 1) and number not in self.introduced[holder]:
            self.introduced[holder].append(number)
        self.since.setdefault(self.active, self.now)

    @rule(country=st.sampled_from(COUNTRIES))
    def close(self, country):
        self.closed[country] = max(self.active, self.closed.get(country, 0))

    @rule(days=st.integers(0, 50))
    def wait(self, days):
        self.now += timedelta(days=days)

    @rule()
    def destroy(self):
        self.destroyed |= {n for n, state in self.states().items() if state == "RETIRED"}

    @invariant()
    def exactly_one_is_active_and_all_only_move_on(self):
        states = self.states()
        assert list(states.values()).count("ACTIVE") == 1
        for number, state in states.items():
            before = self.seen.get(number, "PREPARED")
            assert ORDER.index(state) >= ORDER.index(before)
        self.seen = states

    @invariant()
    def nothing_is_destroyed_that_tokens_are_issued_in(self):
        assert self.active not in self.destroyed
        assert all(number < self.active for number in self.destroyed)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
