"""A match on this side: what a notice may do, and what it may not."""

from functools import reduce

import pytest

from events import match, person
from events.errors import RowTampered


def after(now, events):
    return reduce(match.evolve, events, now)


def test_this_side_alone_is_told_the_band_and_no_slot(desk, refused):
    now = desk.told()
    assert (now.state, now.band, now.slot, now.other_country) == ("TOLD", "document", None, "TH")
    with refused("told_too_much"):
        desk.telling(None, desk.published(), slot=0)


def test_both_are_told_with_the_common_slot_when_the_own_grant_is_tell(desk):
    now = desk.told(desk.published(grant="tell"), told="both", slot=3)
    assert (now.state, now.slot) == ("BOTH_TOLD", 3)


def test_both_told_is_refused_when_the_own_grant_never_was_tell(desk, refused):
    with refused("grant_never_tell"):
        desk.telling(None, desk.published(), told="both", slot=3)


def test_a_later_hold_does_not_undo_that_both_may_be_told(desk):
    ledger = desk.consents("C2", "C4")
    who = desk.published(ledger, grant="tell")
    act = desk.act("trm_focal_point")
    who = reduce(person.evolve, desk.granting(who, ledger, act, grant="hold", reason="doubt"), who)
    assert desk.told(who, told="both", slot=1).state == "BOTH_TOLD"


@pytest.mark.parametrize("role", ["node", "trm_focal_point", "case_worker"])
def test_only_the_matcher_tells(desk, refused, role):
    with refused("role_may_not"):
        desk.telling(None, desk.published(), desk.act(role))


def test_a_handle_that_is_not_ours_is_refused(desk, refused):
    with refused("unknown_handle"):
        desk.telling(None, desk.published(), handle="f" * 32)
    with refused("unknown_handle"):
        desk.telling(None, person.Person())


def test_a_handle_published_for_another_country_is_refused(desk, refused):
    with refused("wrong_country"):
        desk.telling(None, desk.published(), other_country="VN")


def test_nothing_is_told_about_revoked_tokens(desk, refused):
    who = desk.published()
    who = reduce(person.evolve, person.decide_revoke_tokens(who, desk.act(), reason="unsafe"), who)
    with refused("tokens_not_out"):
        desk.telling(None, who)


@pytest.mark.parametrize("told", ["this_side", "both"])
def test_a_repeated_notice_changes_nothing(desk, told):
    who = desk.published(grant="tell")
    now = desk.told(who, told=told)
    assert desk.telling(now, who, told=told, half_time=desk.later(days=50)) == []


def test_this_side_alone_is_told_once_a_pair_also_after_a_correction(desk):
    ledger = desk.consents("C2", "C4")
    who = desk.published(ledger)
    now = desk.told(who)
    events = desk.identifying(who, ledger, birth_date="1994-02-27")
    now = after(now, match.decide_follow_revocation(now, events[-1], desk.act()))
    who = reduce(person.evolve, events, who)
    late = desk.approval(at=desk.later(days=1))
    who = reduce(person.evolve, desk.publishing(who, ledger, late, reason="correction", token_set=b"u" * 64), who)
    assert desk.telling(now, who) == []


def test_telling_both_sets_the_dates_anew_under_the_same_reference(desk):
    who = desk.published(grant="tell")
    now = desk.told(who)
    now = after(now, desk.telling(now, who, told="both", slot=2, decide_by=desk.later(days=120)))
    assert (now.state, now.decide_by, now.match_ref, now.seq) == ("BOTH_TOLD", desk.later(days=120), "M-1", 2)
    assert desk.telling(now, who) == []


def test_a_closed_match_opens_only_after_new_tokens_or_a_tell(desk, refused):
    ledger = desk.consents("C2", "C4")
    who = desk.published(ledger, grant="tell")
    now = desk.told(who)
    closing = desk.act("trm_focal_point", at=desk.later(days=1))
    now = after(now, match.decide_close_match(now, closing, reason="referred"))
    with refused("match_over"):
        desk.telling(now, who, told="both")
    tell = desk.act("trm_focal_point", desk.actor("supervisor"), at=desk.later(days=2))
    who = reduce(person.evolve, desk.granting(who, ledger, tell), who)
    assert after(now, desk.telling(now, who, told="both")).state == "BOTH_TOLD"


def test_a_hold_set_since_does_not_open_a_closed_match(desk, refused):
    ledger = desk.consents("C2", "C4")
    who = desk.published(ledger, grant="tell")
    now = desk.told(who)
    now = after(now, match.decide_close_match(now, desk.act("node", at=desk.later(days=1)), reason="expiry"))
    hold = desk.act("trm_focal_point", at=desk.later(days=2))
    who = reduce(person.evolve, desk.granting(who, ledger, hold, grant="hold", reason="doubt"), who)
    with refused("match_over"):
        desk.telling(now, who, told="both")


def test_a_notice_under_another_reference_is_not_this_match(desk, refused):
    who = desk.published()
    with refused("another_match"):
        desk.telling(desk.told(who), who, match_ref="M-2")


def test_the_same_handle_and_reference_make_the_same_match(desk):
    assert match.match_id_of(desk.handle, "M-1") == match.match_id_of(desk.handle, "M-1")
    assert match.match_id_of(desk.handle, "M-1") != match.match_id_of(desk.handle, "M-2")
    assert match.match_id_of(desk.handle, "M-1") != match.match_id_of("f" * 32, "M-1")


@pytest.mark.parametrize("role", ["node", "trm_focal_point"])
def test_each_side_ends_a_match_alone_and_twice_is_once(desk, role):
    now = after(desk.told(), match.decide_close_match(desk.told(), desk.act(role), reason="withdrawal"))
    assert (now.state, now.reason, now.closed_at) == ("CLOSED", "withdrawal", desk.now)
    assert match.decide_close_match(now, desk.act(role), reason="withdrawal") == []


def test_a_case_worker_ends_no_match(desk, refused):
    with refused("role_may_not"):
        match.decide_close_match(desk.told(), desk.act(), reason="withdrawal")


def test_a_missed_date_ends_a_match_and_never_tells(desk):
    now = desk.told()
    assert match.decide_lapse_match(now, desk.act("node", at=desk.later(days=89))) == []
    (event,) = match.decide_lapse_match(now, desk.act("node", at=desk.later(days=90)))
    assert event.reason == "expiry"


@pytest.mark.parametrize(
    "because, closes_as",
    [("consent_over", "withdrawal"), ("correction", "withdrawal"), ("unsafe", "withdrawal"), ("expired", "expiry"),
     ("erasure", "erasure"), ("death", "death")],
)
def test_revoked_tokens_close_the_match_of_that_handle(desk, because, closes_as):
    who = desk.published()
    now = desk.told(who)
    (revoked,) = person.decide_revoke_tokens(who, desk.act(), reason=because)
    (closed,) = match.decide_follow_revocation(now, revoked, desk.act())
    assert (closed.reason, closed.by.role) == (closes_as, "node")
    assert match.decide_follow_revocation(now, revoked.model_copy(update={"handle": "f" * 32}), desk.act()) == []


def test_a_stream_that_does_not_begin_with_the_telling_is_not_folded(desk):
    (event,) = match.decide_close_match(desk.told(), desk.act("node"), reason="withdrawal")
    with pytest.raises(RowTampered):
        match.evolve(None, event)
