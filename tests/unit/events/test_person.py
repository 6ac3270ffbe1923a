"""A person's record: identifiers, and how tokens end."""

from datetime import date
from functools import reduce

import pytest

from events import consent, person
from events.base import ERASED


def after(now, events):
    return reduce(person.evolve, events, now)


def erased(event):
    return event.model_copy(update=dict.fromkeys(event.personal_fields, ERASED))


def test_no_identifier_is_recorded_without_consent_c2(desk, refused):
    with refused("consent_missing"):
        desk.identifying(person.Person(), desk.consents("C1", "C4"))


def test_identifiers_are_held_as_given(desk):
    now = desk.held(birth_date="1994")
    assert (now.record, now.birth_date, now.documents[0].issuer) == ("HELD", "1994", "LA")


def test_the_same_identifiers_again_change_nothing(desk):
    ledger = desk.consents("C2", "C4")
    now = desk.published(ledger)
    assert desk.identifying(now, ledger) == []


def test_a_correction_revokes_the_tokens_that_are_out(desk):
    ledger = desk.consents("C2", "C4")
    now = desk.published(ledger, grant="tell")
    recorded, revoked = desk.identifying(now, ledger, birth_date="1994-02-27")
    assert (revoked.reason, revoked.handle, revoked.by.role) == ("correction", desk.handle, "node")
    assert (recorded.seq, revoked.seq) == (3, 4)
    now = after(now, [recorded, revoked])
    assert (now.birth_date, now.linkages["TH"].state, now.linkages["TH"].tokens) == ("1994-02-27", "UNPUBLISHED", None)


def test_a_record_of_nothing_is_refused(desk, refused):
    with refused("nothing_given"):
        desk.held(names=[], birth_date=None, documents=[])


@pytest.mark.parametrize("birth_date", ["28-02-1994", "1994-13", "1994-02-32", "94", "1994-2-28"])
def test_a_birth_date_of_another_form_is_refused(desk, refused, birth_date):
    with refused("bad_value"):
        desk.held(birth_date=birth_date)


@pytest.mark.parametrize("role", ["supervisor", "trm_focal_point", "match_adjudicator", "node"])
def test_only_first_responders_and_case_workers_record_identifiers(desk, refused, role):
    with refused("role_may_not"):
        desk.identifying(person.Person(), desk.consents("C2"), desk.act(role))


def test_a_name_has_a_part():
    with pytest.raises(ValueError, match="at least one part"):
        person.Name(first=" ", second="")


def test_identifiers_print_as_their_type_alone(desk):
    now = desk.published()
    printed = repr(now) + repr(now.names) + str(now.documents[0]) + repr(person.Contact(kind="phone", value="020 111"))
    for secret in ("Invented", "X0000000", "1994", "020", "Female", "TH", "HOLD"):
        assert secret not in printed


@pytest.mark.parametrize("purpose", ["C2", "C4"])
def test_tokens_go_when_the_consent_they_live_on_is_withdrawn(desk, purpose):
    ledger = desk.consents("C2", "C4", countries=("TH", "VN"))
    now = desk.published(ledger)
    events = consent.decide_withdraw_consent(ledger, desk.act(), purpose=purpose, by="person")
    ledger = reduce(consent.evolve, events, ledger)
    (revoked,) = person.decide_follow_consents(now, ledger, desk.act())
    assert (revoked.reason, revoked.by.role) == ("consent_over", "node")
    now = after(now, [revoked])
    assert now.live == ()
    assert person.decide_follow_consents(now, ledger, desk.act()) == []


def test_tokens_go_when_c4_has_run_out(desk):
    ledger = desk.consents("C2", "C4")
    now = desk.published(ledger)
    late = desk.act("node", at=desk.later(days=340))
    ledger = reduce(consent.evolve, consent.decide_lapse_consents(ledger, late), ledger)
    assert [e.reason for e in person.decide_follow_consents(now, ledger, late)] == ["consent_over"]


def test_only_the_tokens_of_a_country_that_c4_no_longer_names_go(desk):
    ledger = desk.consents("C2", "C4", countries=("TH", "VN"))
    now = desk.published(ledger)
    now = after(now, desk.publishing(now, ledger, country="VN", handle="b" * 32))
    events = desk.recording(ledger, purpose="C4", allowed_countries=frozenset({"VN", "KH"}))
    ledger = reduce(consent.evolve, events, ledger)
    (revoked,) = person.decide_follow_consents(now, ledger, desk.act())
    assert revoked.handle == desk.handle


def test_a_consent_given_anew_for_the_same_country_revokes_nothing(desk):
    ledger = desk.consents("C2", "C4")
    now = desk.published(ledger)
    events = desk.recording(ledger, purpose="C4", allowed_countries=frozenset({"TH"}))
    assert person.decide_follow_consents(now, reduce(consent.evolve, events, ledger), desk.act()) == []


@pytest.mark.parametrize("role", ["node", "trm_focal_point", "case_worker"])
def test_revoking_needs_no_consent_and_no_second_person(desk, role):
    now = desk.published()
    (revoked,) = person.decide_revoke_tokens(now, desk.act(role), reason="unsafe")
    assert after(now, [revoked]).live == ()


def test_a_supervisor_revokes_no_tokens(desk, refused):
    with refused("role_may_not"):
        person.decide_revoke_tokens(desk.published(), desk.act("supervisor"), reason="unsafe")


def test_revoking_is_for_one_country_or_for_all_and_twice_is_once(desk):
    ledger = desk.consents("C2", "C4", countries=("TH", "VN"))
    now = desk.published(ledger)
    now = after(now, desk.publishing(now, ledger, country="VN", handle="b" * 32))
    assert len(person.decide_revoke_tokens(now, desk.act(), reason="unsafe")) == 2
    now = after(now, person.decide_revoke_tokens(now, desk.act(), reason="unsafe", country="VN"))
    assert [one.country for one in now.live] == ["TH"]
    assert person.decide_revoke_tokens(now, desk.act(), reason="unsafe", country="VN") == []


def test_tokens_past_their_last_day_are_revoked(desk):
    now = desk.published(expires_on=date(2026, 4, 1))
    assert person.decide_expire_tokens(now, desk.act("node", at=desk.later(days=30))) == []
    (revoked,) = person.decide_expire_tokens(now, desk.act("node", at=desk.later(days=31)))
    assert revoked.reason == "expired"


def test_an_erased_record_still_folds_and_its_handles_can_be_revoked(desk):
    ledger = desk.consents("C2", "C4")
    recorded = desk.identifying(person.Person(), ledger)
    held = after(person.Person(), recorded)
    published = desk.publishing(held, ledger, grant="tell")
    now = after(person.Person(), [erased(e) for e in [*recorded, *published]])
    assert (now.record, now.erased, now.names, now.linkages) == ("HELD", True, (), {})
    assert [(one.handle, one.grant) for one in now.live] == [(desk.handle, "hold")]
    (revoked,) = person.decide_revoke_tokens(now, desk.act("node"), reason="erasure")
    assert after(now, [revoked]).live == ()


def test_nothing_personal_is_added_to_an_erased_record(desk, refused):
    ledger = desk.consents("C2", "C4")
    now = after(person.Person(), [erased(e) for e in desk.identifying(person.Person(), ledger)])
    with refused("erased"):
        desk.identifying(now, ledger)
    with refused("erased"):
        desk.publishing(now, ledger)
    with refused("erased"):
        desk.granting(now, ledger)
