"""Quotas over several days, and who may be believed about whom, on totals alone."""

from datetime import timedelta

import pytest
from audited import accepted, evaluated
from posts import Posts

from events.charter import Allowance
from services.auditor.announcements import Told
from services.auditor.findings import Findings
from services.auditor.totals import Presence, keep_books

START = Posts.START


@pytest.fixture
def codes(tmp_path):
    """`codes(told..., **rules)`: what is amiss with totals told so many days after the holders were first heard."""

    def judge(*told, heard_for=30.0, **rules):
        charter = Posts(tmp_path, **{"totals_seconds": 86400, **rules}).charter
        topics = {t.writer: t for t in charter.topics if t.family == "keys"}
        totals = [
            Told(topics[who], 1, seq, START + timedelta(days=day), total) for seq, (who, day, total) in enumerate(told)
        ]
        presence = Presence(START, START + timedelta(days=heard_for))
        findings = Findings()
        keep_books(charter, totals, {"KH.holder": presence, "TH.holder": presence}).rows(findings)
        return [(f.code, f.seq) for f in findings.listed()]

    return judge


def allowance(**changes) -> Allowance:
    given = {
        "holder": "TH.holder", "country": "KH", "pair": "KH-TH", "count": 10, "valid_from": START - timedelta(days=1),
        "valid_until": START + timedelta(days=9), "reason": "a bulk of records",
    }
    return Allowance(**(given | changes))


@pytest.mark.parametrize(("day", "count", "expected"), [
    (0.0, 320, []), (0.4, 321, [("over_quota", 0)]), (0.6, 640, []), (0.6, 641, [("over_quota", 0)]),
    (3.0, 1280, []), (3.0, 1281, [("over_quota", 0)]),
])  # fmt: skip
def test_a_whole_count_fits_into_its_days_whatever_the_greatest_day_is_said_to_be(codes, day, count, expected):
    assert codes(("TH.holder", day, evaluated(count, 320))) == expected


def test_an_allowance_counts_once_and_not_anew_each_day(codes):
    assert codes(("TH.holder", 1, evaluated(650, 330)), allowances=(allowance(),)) == []
    assert codes(("TH.holder", 1, evaluated(651, 330)), allowances=(allowance(),)) == [("over_quota", 0)]


@pytest.mark.parametrize("other", [
    {"holder": "KH.holder"}, {"country": "TH"}, {"valid_from": START + timedelta(days=2)},
])  # fmt: skip
def test_an_allowance_for_somebody_else_or_a_later_time_counts_nothing(codes, other):
    told = ("TH.holder", 0, evaluated(321))
    assert codes(told, allowances=(allowance(),)) == []
    assert codes(told, allowances=(allowance(**other),)) == [("over_quota", 0)]


def test_an_allowance_that_is_over_still_covers_the_day_it_covered(codes):
    assert codes(("TH.holder", 20, evaluated(330, 330)), allowances=(allowance(),)) == []


def test_an_accepted_total_is_held_against_what_was_told_after_it(codes):
    before = [(holder, 1, evaluated(5)) for holder in ("KH.holder", "TH.holder")]
    after = [(holder, 2, evaluated(9)) for holder in ("KH.holder", "TH.holder")]
    assert codes(*before, ("matcher", 1.5, accepted(9)), *after) == []
    assert codes(*before, ("matcher", 1.5, accepted(10)), *after) == [("accepted_above_evaluated", 2)] * 2


def test_a_holder_without_the_time_to_tell_is_waited_for(codes):
    early = [(holder, 1, evaluated(5)) for holder in ("KH.holder", "TH.holder")]
    assert codes(*early, ("matcher", 1.5, accepted(6)), heard_for=2.4) == []
    assert codes(*early, ("matcher", 1.5, accepted(6)), heard_for=2.6) == [("accepted_above_evaluated", 2)] * 2


def test_accounts_of_other_countries_and_epochs_are_apart(codes):
    told = [(holder, 1, evaluated(5, country="TH")) for holder in ("KH.holder", "TH.holder")]
    assert codes(*told, ("matcher", 1, accepted(5, country="TH"))) == []
    assert codes(*told, ("matcher", 1, accepted(5))) == [("accepted_above_evaluated", 2)] * 2
