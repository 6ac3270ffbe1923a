"""What was evaluated and what was accepted, as `keys.*` tells it: totals that cannot be are findings of the audit."""

from datetime import UTC, datetime, timedelta

import pytest
from audited import KEYS, evaluated

from events.charter import Allowance


def test_totals_that_agree_are_no_finding(world):
    for holder in ("KH.holder", "TH.holder"):
        world.tells(holder, 100)
    world.accepts(100)
    report = world.report()
    assert report.ok
    (row,) = report.totals
    assert (row.country, row.accepted, row.verdict) == ("KH", 100, "holds")
    assert row.evaluated == row.most_in_a_day == {"KH.holder": 100, "TH.holder": 100}
    assert row.allowed_in_a_day == {"KH.holder": 320, "TH.holder": 320}


def test_more_accepted_than_one_holder_evaluated(world):
    world.accepts(101)
    world.tells("KH.holder", 101)
    world.tells("TH.holder", 100)
    (finding,) = world.report().findings
    assert (finding.code, finding.writer, finding.seq) == ("accepted_above_evaluated", "matcher", 5)
    assert "accepted 101 slots of KH for KH-TH, epoch 1; by TH.holder's count 100" in finding.sentence
    assert world.report().totals[0].verdict == "exceeds"


def test_tokens_that_nobody_evaluated_show_once_the_holders_would_have_told(make_world):
    world = make_world(totals_seconds=120)
    world.accepts(1)
    assert world.found() == []
    assert world.report().totals[0].verdict == "open"
    world.live(3)
    assert world.found() == [("accepted_above_evaluated", "keys.matcher", 5)] * 2  # by either holder's count
    (row,) = world.report().totals
    assert (row.evaluated, row.verdict) == ({}, "exceeds")


def test_evaluations_told_after_their_acceptance_are_no_finding(make_world):
    world = make_world(totals_seconds=120)
    world.accepts(1)
    world.live(1)
    for holder in ("KH.holder", "TH.holder"):
        world.tells(holder, 1)
    world.live(5)
    assert world.found() == []


def test_a_day_above_the_quota(world):
    world.tells("TH.holder", 321)
    (finding,) = world.report().findings
    assert (finding.code, finding.topic) == ("over_quota", "keys.TH.holder")
    assert "evaluated 321 for KH and KH-TH in one day; the charter allows 320" in finding.sentence


def test_an_allowance_of_that_holder_country_and_pair_counts(make_world):
    start = datetime(2026, 3, 1, tzinfo=UTC)
    allowance = Allowance(
        holder="TH.holder", country="KH", pair="KH-TH", count=10, valid_from=start, valid_until=start + timedelta(1),
        reason="a bulk of records",
    )
    world = make_world(allowances=(allowance,))
    world.tells("TH.holder", 330)
    assert world.found() == []
    world.tells("KH.holder", 330)
    assert world.found() == [("over_quota", KEYS, 6)]


def test_a_holder_that_understates_its_greatest_day(world):
    world.tells("TH.holder", 5000, most=320)
    (finding,) = world.report().findings
    assert finding.code == "over_quota"
    assert "5000" in finding.sentence


@pytest.mark.parametrize("later", [evaluated(9, 9), evaluated(11, 4)])
def test_a_total_that_falls(world, later):
    world.tells("TH.holder", 10, most=5)
    world.say("TH.holder", later)
    assert world.found() == [("total_fell", "keys.TH.holder", 7)]


def test_a_total_of_somebody_elses_counting(world):
    world.say("KH", evaluated(3))
    assert world.found() == [("not_its_total", "keys.KH", 5)]


def test_a_total_about_a_country_outside_the_pair(world):
    world.say("TH.holder", evaluated(3, country="LA"))
    assert world.found() == [("not_of_the_pair", "keys.TH.holder", 6)]
