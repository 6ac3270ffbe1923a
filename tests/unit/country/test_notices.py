"""What the matcher says, held against our own record: a matcher that oversteps is refused, named and counted."""

from datetime import timedelta

import pytest
from regions import person
from structlog.testing import capture_logs

from events.match import MatchTold
from events.messages import MatchNotice, MatchOver


@pytest.fixture
def handle(region):
    """KH's handle for a person whom it publishes towards TH, under `hold`."""

    def make(reference: str = "A", grant: str = "hold") -> str:
        region.publish("KH", person(reference, x_consent_C4="TH"), grant=grant)
        region.settle()
        return region.file("KH", reference).person.live[0].handle

    return make


@pytest.fixture
def say(region):
    """The matcher says this to KH, in one envelope. Returns why notices were refused."""

    def make(*notices) -> list[str]:
        topic = next(t for t in region.charter.topics if t.name == "notices.KH")
        with region.databases["matcher"].transaction() as tx:
            region.matcher._post.write(tx, topic, notices)
        last = region.envelopes("notices.KH")[-1].header.seq
        with capture_logs() as logs:
            region.settle()
        refused = [line for line in logs if line["event"] == "notice.refused"]
        assert all((line["writer"], line["seq"]) == ("matcher", last + 1) for line in refused)
        return [line["code"] for line in refused]

    return make


def notice(region, handle: str, **fields) -> MatchNotice:
    now = region.clock.now()
    given = {
        "match_ref": "M-1", "handle": handle, "other_country": "TH", "told": "this_side", "band": "document",
        "slot": None, "epoch": 1, "half_time": now + timedelta(days=45), "decide_by": now + timedelta(days=90),
    }
    return MatchNotice(**(given | fields))


def told(region) -> list[MatchTold]:
    log = region.nodes["KH"]._store.log(0, 10_000)
    return [event for _, event in log if isinstance(event, MatchTold)]


def states(region) -> list[tuple[str, str]]:
    rows = region.nodes["KH"].desk.matches(region.act("KH", "focal"))
    return sorted((r.match.match_ref, r.match.state) for r in rows)


def test_a_notice_is_a_match_on_the_focal_points_list_with_our_own_reference_and_grant(region, handle, say):
    mine = handle()
    assert say(notice(region, mine)) == []
    (row,) = region.nodes["KH"].desk.matches(region.act("KH", "focal"))
    assert (row.reference, row.match.other_country, row.match.state, row.match.band, row.match.slot) == (
        "A", "TH", "TOLD", "document", None
    )
    assert (row.own.grant, row.case_id) == ("hold", region.case_id("KH", "A"))
    assert region.nodes["KH"].status().told == 1


def test_a_notice_that_is_repeated_is_told_once(region, handle, say):
    mine = handle(grant="tell")
    assert say(notice(region, mine), notice(region, mine)) == say(notice(region, mine)) == []
    assert len(told(region)) == 1
    both = notice(region, mine, told="both", slot=0)
    assert say(both) == say(both, notice(region, mine)) == []
    assert [e.told for e in told(region)] == ["this_side", "both"]


def test_when_both_know_the_slot_is_told(region, handle, say):
    assert say(notice(region, handle(grant="tell"), told="both", slot=3)) == []
    (row,) = region.nodes["KH"].desk.matches(region.act("KH", "focal"))
    assert (row.match.state, row.match.slot) == ("BOTH_TOLD", 3)


WRONG = {
    "unknown_handle": {"handle": "0" * 32},
    "wrong_country": {"other_country": "LA"},
    "grant_never_tell": {"told": "both", "slot": 0},
    "told_too_much": {"slot": 0},
}


@pytest.mark.parametrize("code", WRONG)
def test_a_notice_that_the_matcher_had_no_right_to_is_refused_and_harms_no_other(region, handle, say, code):
    mine = handle()
    wrong = notice(region, **{"handle": mine, "match_ref": "M-0"} | WRONG[code])
    assert say(wrong, notice(region, mine)) == [code]
    assert states(region) == [("M-1", "TOLD")]


def test_tokens_that_are_revoked_match_nobody_any_more(region, handle, say):
    mine = handle()
    region.nodes["KH"].desk.withdraw_consent(
        region.act("KH", "worker"), region.case_id("KH", "A"), purpose="C4", by="person"
    )
    assert say(notice(region, mine)) == ["tokens_not_out"]
    assert states(region) == []


def test_a_reference_that_stands_for_one_match_cannot_stand_for_another(region, handle, say):
    one, other = handle("A"), handle("B")
    assert say(notice(region, one)) == []
    assert say(notice(region, other)) == ["another_match"]
    assert say(notice(region, other, match_ref="M-2")) == []
    assert states(region) == [("M-1", "TOLD"), ("M-2", "TOLD")]


def test_the_end_that_the_other_side_makes_is_heard_without_a_reason(region, handle, say):
    mine = handle(grant="tell")
    say(notice(region, mine, told="both", slot=0))
    assert say(MatchOver(match_ref="M-1", handle=mine)) == []
    (row,) = region.nodes["KH"].desk.matches(region.act("KH", "focal"))
    assert (row.match.state, row.match.reason) == ("CLOSED", "other_side_ended")


def test_an_end_of_what_was_never_told_changes_nothing(region, handle, say):
    """Our own word that the tokens are revoked may have crossed the telling, which we refused."""
    mine = handle()
    assert say(MatchOver(match_ref="M-9", handle=mine), MatchOver(match_ref="M-1", handle="0" * 32)) == []
    assert region.matches("KH") == []


def test_a_match_that_is_over_is_told_again_only_when_tokens_or_a_tell_came_since(region, handle, say):
    mine = handle(grant="tell")
    both = notice(region, mine, told="both", slot=0)
    say(both)
    region.tick()
    region.nodes["KH"].desk.close_match(region.act("KH", "focal"), "M-1", "referred")
    assert say(both) == ["match_over"]
    region.tick()
    desk = region.nodes["KH"].desk
    desk.set_grant(region.act("KH", "focal"), region.case_id("KH", "A"), "TH", "tell", "review")
    desk.sign(region.act("KH", "deputy"), [(w.id, "tell") for w, _ in desk.awaiting(region.act("KH", "focal"))])
    assert say(both) == []
    assert states(region) == [("M-1", "BOTH_TOLD")]


def test_a_match_on_the_list_can_be_closed_by_a_focal_point_at_any_time_and_once(region, handle, say):
    say(notice(region, handle()))
    desk, focal = region.nodes["KH"].desk, region.act("KH", "focal")
    desk.close_match(focal, "M-1", "referred")
    desk.close_match(focal, "M-1", "referred")
    assert states(region) == [("M-1", "CLOSED")]
    region.tick()
    assert [i.kind for i in region.items("linkage.KH") if i.kind == "match_ended"] == ["match_ended"]


def test_every_envelope_of_notices_counts_as_a_heartbeat_and_the_last_with_room_is_known(region):
    before = region.nodes["KH"].status().roomy_tick
    region.tick(3)
    assert region.nodes["KH"].status().roomy_tick == before + 3
