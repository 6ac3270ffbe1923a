"""Who was silent, and for whom there is grace."""

from datetime import UTC, datetime, timedelta

import pytest
from posts import Posts

from services.auditor.ticks import Rhythm, grace_of

PLACE, OTHER = ("linkage.KH", 0), ("cases.KH", 0)


@pytest.fixture
def hourly(tmp_path):
    return Posts(tmp_path, tick_seconds=3600).charter


@pytest.fixture
def rhythm_of(hourly):
    """`rhythm_of({place: hours})`: KH heard on these places in these hours, the matcher until `region`."""

    def make(heard, *, region=20, now=48):
        start = datetime(2026, 3, 1, tzinfo=UTC)
        rhythm = Rhythm(hourly, start + timedelta(hours=now))
        for place, hours in heard.items():
            for hour in hours:
                rhythm.hear("KH", place, start + timedelta(hours=hour, minutes=59))
        rhythm.hear("matcher", ("keys.matcher", 0), start + timedelta(hours=region))
        first = hourly.tick_at(start)
        return rhythm, lambda silences: [(s.first - first, s.last - first, s.count) for s in silences]

    return make


def always(since, until):
    return True


@pytest.mark.parametrize(("tick_seconds", "grace"), [(3600, 1), (60, 1), (30, 2), (1, 60), (0.5, 120)])
def test_grace_is_a_minute_and_at_least_a_tick(tmp_path, tick_seconds, grace):
    assert grace_of(Posts(tmp_path, tick_seconds=tick_seconds).charter) == grace


def test_one_missed_tick_is_within_the_grace_and_two_are_not(rhythm_of):
    rhythm, hours = rhythm_of({PLACE: [*range(5), *range(6, 10), *range(12, 21)]})
    assert hours(rhythm.of_party("KH")) == [(10, 11, 2)]


def test_the_tick_that_runs_is_not_due(rhythm_of):
    rhythm, _ = rhythm_of({PLACE: range(19)}, region=20)
    assert rhythm.of_party("KH") == []
    rhythm, hours = rhythm_of({PLACE: range(18)}, region=20)
    assert hours(rhythm.of_party("KH")) == [(18, 19, 2)]


def test_a_party_that_was_never_heard_was_never_silent(rhythm_of):
    rhythm, _ = rhythm_of({})
    assert rhythm.of_party("KH") == []
    assert rhythm.of_stream("KH", PLACE, since=None, can_seal=always) == []


def test_a_stream_is_silent_only_while_its_writer_is_heard(rhythm_of):
    rhythm, hours = rhythm_of({OTHER: [*range(6), *range(10, 21)], PLACE: [0, 1, 2]})
    assert hours(rhythm.of_stream("KH", PLACE, since=None, can_seal=always)) == [(3, 19, 13)]


def test_a_stream_is_not_asked_for_what_could_not_be_sealed(rhythm_of):
    rhythm, hours = rhythm_of({OTHER: range(21)})
    opened = datetime(2026, 3, 1, 15, 30, tzinfo=UTC)
    silences = rhythm.of_stream("KH", PLACE, since=None, can_seal=lambda since, until: since >= opened)
    assert hours(silences) == [(16, 19, 4)]


def test_a_stream_whose_past_is_dropped_is_asked_from_what_there_is(rhythm_of):
    rhythm, hours = rhythm_of({OTHER: range(21), PLACE: range(10, 21)})
    first = rhythm.first_heard(PLACE)
    assert rhythm.of_stream("KH", PLACE, since=first, can_seal=always) == []
    assert hours(rhythm.of_stream("KH", PLACE, since=None, can_seal=always)) == [(0, 9, 10)]


def test_a_tick_that_has_not_come_makes_nobody_else_silent(rhythm_of):
    rhythm, _ = rhythm_of({PLACE: range(21)}, region=400, now=21)
    assert rhythm.of_party("KH") == []


