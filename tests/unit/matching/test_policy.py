from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from matching import policy
from matching.policy import Allow, Deny

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOMENT = policy.Moment(at=NOW, tick=10, found_tick=5)
ASKED = policy.Publication(
    own="LA", towards="TH", pairs=("KH-TH", "LA-TH"), identifiers_held=True, keeping=True, matching=True,
    allowed=frozenset({"TH", "VN"}), recorded_by="worker", asked_by="worker", approved_by="focal",
)


def side(grant="tell", told=None, applied=10, until=NOW + timedelta(days=1)):
    return policy.Standing(grant, until, applied, told)


@pytest.mark.parametrize("x, y, told", [
    ("tell", "tell", (True, True)),
    ("hold", "tell", (True, False)),
    ("tell", "hold", (False, True)),
    ("hold", "hold", (False, False)),
])
def test_a_side_is_told_if_the_other_grants_it(x, y, told):
    assert policy.who_is_told(x, y) == told


@pytest.mark.parametrize("x, y, news", [
    ("tell", "tell", ("both", "both")),
    ("hold", "tell", ("this_side", None)),
    ("tell", "hold", (None, "this_side")),
    ("hold", "hold", (None, None)),
])
def test_the_first_telling_follows_the_table(x, y, news):
    assert policy.notices(side(x), side(y), MOMENT) == news


def test_what_was_told_is_not_told_again():
    assert policy.notices(side("hold", told="this_side"), side("tell"), MOMENT) == (None, None)
    assert policy.notices(side(told="both"), side(told="both"), MOMENT) == (None, None)


def test_who_was_told_alone_is_told_both_once_it_tells_too():
    assert policy.notices(side("tell", told="this_side"), side("tell"), MOMENT) == ("both", "both")


def test_a_later_hold_does_not_alter_what_was_told():
    assert policy.notices(side("hold", told="this_side"), side("hold"), MOMENT) == (None, None)
    assert policy.notices(side("tell", told="this_side"), side("hold"), MOMENT) == ("both", "both")
    assert policy.notices(side("hold", told="both"), side("hold", told="both"), MOMENT) == (None, None)


def test_a_grant_ends_at_its_time():
    assert policy.counts_as(side(until=NOW + timedelta(microseconds=1)), MOMENT) == "tell"
    assert policy.counts_as(side(until=NOW), MOMENT) == "hold"


@pytest.mark.parametrize("applied, tick, counts", [
    (None, 10, "hold"),   # nothing heard yet
    (5, 6, "hold"),       # only up to the tick of the finding
    (6, 6, "tell"),       # a tick that began after it
    (6, 7, "tell"),       # one tick late: as ticks are
    (6, 8, "hold"),       # later: something may be withheld
    (8, 8, "tell"),       # caught up again
])
def test_a_stream_that_lags_counts_as_hold(applied, tick, counts):
    assert policy.counts_as(side(applied=applied), replace(MOMENT, tick=tick)) == counts


def test_patience_is_in_ticks():
    assert policy.counts_as(side(applied=6), replace(MOMENT, tick=9, patience=3)) == "tell"
    assert policy.counts_as(side(applied=6), replace(MOMENT, tick=10, patience=3)) == "hold"


def test_one_sides_lag_silences_the_other_side_alone():
    assert policy.notices(side(applied=None), side(), MOMENT) == ("this_side", None)


def test_the_stricter_of_two_grants_is_hold_unless_both_tell():
    told = [(a, b) for a in ("tell", "hold") for b in ("tell", "hold") if policy.stricter(a, b) == "tell"]
    assert told == [("tell", "tell")]


def test_tokens_may_be_made_with_consents_an_allowed_country_and_two_people():
    assert policy.may_publish(ASKED) == Allow()
    assert policy.may_publish(replace(ASKED, own="TH", towards="LA", allowed=frozenset({"LA"}))) == Allow()


@pytest.mark.parametrize("change, reason", [
    ({"towards": "LA"}, "not_your_pair"),
    ({"towards": "VN"}, "pair_not_agreed"),
    ({"identifiers_held": False}, "no_identifiers"),
    ({"keeping": False}, "keeping_not_consented"),
    ({"matching": False}, "matching_not_consented"),
    ({"allowed": frozenset({"VN"})}, "country_not_allowed"),
    ({"allowed": frozenset()}, "country_not_allowed"),
    ({"unsafe": frozenset({"TH"})}, "country_unsafe"),
    ({"asked_by": "another"}, "asked_by_another"),
    ({"asked_by": None, "recorded_by": None}, "asked_by_another"),
    ({"approved_by": None}, "not_approved"),
    ({"approved_by": "worker"}, "approved_by_the_same"),
])
def test_no_token_is_made_where_one_of_them_is_missing(change, reason):
    assert policy.may_publish(replace(ASKED, **change)) == Deny(reason)
