"""Epochs of a pair's key as everybody follows them, whatever two holders announce and in whatever order it is read.

The model: a number is in force once both holders have introduced it for one schema version, and the highest such is. A
reader may know less than all; what it takes for the epoch in force only grows, is never ahead of what was announced,
and comes to the same for all who have read all.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from keys import epochs
from keys.epochs import Epoch

HOLDERS = ("KH.holder", "TH.holder")
COUNTRIES = ("KH", "TH")
READERS = range(3)
OVERLAP = timedelta(days=7)
STATES = ("PREPARED", "ACTIVE", "DRAINING", "RETIRED", "DESTROYED")


class Epochs(RuleBasedStateMachine):
    seen: set[str]

    @initialize(first=st.integers(1, 3))
    def begin(self, first):
        self.first, self.now = first, datetime(2026, 3, 1, tzinfo=UTC)
        self.said = {holder: [] for holder in HOLDERS}
        """holder -> (number, schema version) in the order it introduced them."""
        self.read = {reader: dict.fromkeys(HOLDERS, 0) for reader in READERS}
        self.force = dict.fromkeys(READERS)
        self.since = {}
        self.closed = {}
        self.states = {reader: {} for reader in READERS}

    # ---- what is known

    @staticmethod
    def known(said):
        """As whoever folds announcements one by one: an epoch that stands is not changed."""
        schemas = {}
        for holder, introduced in said.items():
            for number, schema in introduced:
                schemas.setdefault(number, {}).setdefault(holder, schema)
        return [Epoch(number, by) for number, by in schemas.items()]

    def seen_by(self, reader):
        return self.known({holder: self.said[holder][: self.read[reader][holder]] for holder in HOLDERS})

    def model(self, said):
        whole = [
            number for number, schema in said[HOLDERS[0]]
            if (number, schema) in said[HOLDERS[1]] and number >= self.first
        ]  # fmt: skip
        return max(whole, default=None)

    # ---- what happens

    @rule(holder=st.sampled_from(HOLDERS), ahead=st.sampled_from([1, 1, 1, 1, 0, -1, 2, 70]), schema=st.sampled_from([1, 1, 1, 1, 2]))
    def introduce(self, holder, ahead, schema):
        own = [number for number, _ in self.said[holder]]
        number = max(own, default=self.first - 1) + ahead
        allowed = epochs.may_introduce(number, own, self.first)
        assert not epochs.may_introduce(self.first + epochs.MOST, range(1, self.first + epochs.MOST), self.first)
        assert allowed == (0 < number < self.first + epochs.MOST and (ahead <= 1 or number <= self.first))
        if allowed and number not in own:
            self.said[holder].append((number, schema))

    @rule(reader=st.sampled_from(READERS), holder=st.sampled_from(HOLDERS), more=st.sampled_from([1, 9]))
    def hear(self, reader, holder, more):
        self.read[reader][holder] = min(len(self.said[holder]), self.read[reader][holder] + more)
        found = epochs.active(self.seen_by(reader), HOLDERS, self.first)
        if found and found.number != self.force[reader]:
            assert self.force[reader] is None or found.number > self.force[reader]
            self.force[reader] = found.number
            self.since.setdefault((reader, found.number), self.now)

    @rule(reader=st.sampled_from(READERS), ahead=st.sampled_from([0, 1]))
    def both_begin_the_next_and_a_reader_hears_all(self, reader, ahead):
        for holder in HOLDERS:
            self.introduce(holder, ahead, 1)
        for holder in HOLDERS:
            self.hear(reader, holder, 99)

    @rule(country=st.sampled_from(COUNTRIES), reader=st.sampled_from(READERS))
    def a_country_closes_what_is_before_the_epoch_in_force(self, country, reader):
        if self.force[reader] is not None:
            self.closed[country] = max(self.closed.get(country, 0), self.force[reader])

    @rule(days=st.sampled_from([1, 8]))
    def time_passes(self, days):
        self.now += timedelta(days=days)

    # ---- what holds

    @invariant()
    def a_reader_takes_the_highest_that_both_mean_alike_and_is_never_ahead(self):
        all_known = self.model(self.said)
        for reader in READERS:
            heard = {holder: self.said[holder][: self.read[reader][holder]] for holder in HOLDERS}
            assert self.force[reader] == self.model(heard)
            assert self.force[reader] is None or self.force[reader] <= all_known
            if heard == self.said:
                assert self.force[reader] == all_known

    @invariant()
    def what_is_before_it_goes_once_both_have_closed_it_or_the_overlap_is_over_and_not_sooner(self):
        for reader in READERS:
            for number in range(1, (self.force[reader] or 1)):
                both = all(self.closed.get(country, 0) > number for country in COUNTRIES)
                late = self.now - self.later_since(reader, number) >= OVERLAP
                assert self.is_over(reader, number) == (both or late)
        assert not epochs.is_over(COUNTRIES, {}, 1, since=None, now=self.now, overlap=OVERLAP)

    def later_since(self, reader, number):
        """When this reader first saw a later epoch in force."""
        return min(since for (who, later), since in self.since.items() if who == reader and later > number)

    def is_over(self, reader, number):
        since = self.later_since(reader, number)
        return epochs.is_over(COUNTRIES, self.closed, number, since=since, now=self.now, overlap=OVERLAP)

    @invariant()
    def every_state_only_moves_on_and_one_at_most_is_issued_in(self):
        for reader in READERS:
            force, before = self.force[reader], self.states[reader]
            for epoch in self.seen_by(reader):
                over = force is not None and epoch.number < force and self.is_over(reader, epoch.number)
                past = before.get(epoch.number, "PREPARED")
                state = epochs.state_of(epoch.number, force, retired=over or past == "RETIRED")
                assert STATES.index(state) >= STATES.index(past)
                assert (state == "RETIRED") == (over or past == "RETIRED")
                before[epoch.number] = state
                self.seen.add(state)
            assert [number for number, state in before.items() if state == "ACTIVE"] == ([force] if force else [])
            assert epochs.state_of(1, force, retired=True, destroyed=True) == "DESTROYED"


@pytest.mark.parametrize("examples", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_whoever_follows_the_epochs_of_a_pair_comes_to_the_same_and_never_goes_back(examples):
    Epochs.seen = set()
    run_state_machine_as_test(Epochs, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None))
    assert Epochs.seen == set(STATES) - {"DESTROYED"}
