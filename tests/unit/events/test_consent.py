"""A consent ledger's rules, one sentence each."""

from datetime import date
from functools import reduce
from uuid import uuid4

import pytest

from events import consent
from events.base import ERASED

C6 = {"receiver_org": "house of Vientiane", "receiver_country": "LA", "receiver_fields": frozenset({"names"})}
CHILD = {
    "age_status": "child",
    "capacity": "child_assent_plus_guardian",
    "guardian": "aunt",
    "best_interest_ref": uuid4(),
}


def after(ledger, events):
    return reduce(consent.evolve, events, ledger)


def test_what_was_never_asked_does_not_stand(desk):
    ledger = consent.Consents()
    assert not ledger.stands("C4", desk.now)
    assert ledger.allowed_countries(desk.now) == frozenset()
    assert ledger.recorded_by("C4") is None


def test_a_given_consent_stands_through_its_last_day_and_no_longer(desk):
    ledger = desk.consents("C1", expires_on=date(2026, 3, 4))
    assert ledger.stands("C1", desk.later(days=2, hours=14))
    assert not ledger.stands("C1", desk.later(days=3))


def test_a_refused_consent_does_not_stand(desk):
    assert not desk.consents("C1", answer="refused").stands("C1", desk.now)


def test_c4_names_its_countries_and_who_recorded_it(desk):
    ledger = desk.consents("C4", countries=("TH", "VN"))
    assert ledger.allowed_countries(desk.now) == {"TH", "VN"}
    assert ledger.recorded_by("C4") == "case_worker"


def test_c4_with_no_country_is_a_refusal(desk):
    ledger = desk.consents("C4", countries=())
    assert not ledger.stands("C4", desk.now)
    assert [e.state for e in ledger.entries.values()] == ["REFUSED"]


def test_c4_is_never_for_all(desk, refused):
    with refused("bad_value"):
        desk.consents("C4", countries=("all",))


def test_a_new_answer_takes_the_place_of_the_older_one(desk):
    ledger = desk.consents("C4", countries=("TH",))
    lapsed, recorded = desk.recording(ledger, purpose="C4", allowed_countries=frozenset({"VN"}))
    assert (lapsed.reason, lapsed.by.role, lapsed.seq, recorded.seq) == ("replaced", "node", 2, 3)
    ledger = after(ledger, [lapsed, recorded])
    assert ledger.allowed_countries(desk.now) == {"VN"}


def test_a_refusal_takes_the_place_of_what_was_given(desk):
    ledger = desk.consents("C4")
    ledger = after(ledger, desk.recording(ledger, purpose="C4", answer="refused"))
    assert not ledger.stands("C4", desk.now)


def test_an_answer_to_another_purpose_replaces_nothing(desk):
    ledger = desk.consents("C1", "C2")
    assert ledger.stands("C1", desk.now)
    assert ledger.stands("C2", desk.now)


def test_two_receivers_are_two_consents(desk):
    ledger = after(consent.Consents(), desk.recording(consent.Consents(), purpose="C6", **C6))
    ledger = after(ledger, desk.recording(ledger, purpose="C6", **{**C6, "receiver_org": "another house"}))
    assert len(ledger.given("C6")) == 2
    ledger = after(ledger, desk.recording(ledger, purpose="C6", **C6))
    assert len(ledger.given("C6")) == 2


def test_a_refusal_that_names_no_receiver_is_about_them_all(desk):
    ledger = after(consent.Consents(), desk.recording(consent.Consents(), purpose="C6", **C6))
    ledger = after(ledger, desk.recording(ledger, purpose="C6", answer="refused"))
    assert ledger.given("C6") == []


@pytest.mark.parametrize("missing", sorted(C6))
def test_c6_names_organisation_country_and_fields(desk, refused, missing):
    with refused("names_nothing"):
        desk.recording(consent.Consents(), purpose="C6", **{k: v for k, v in C6.items() if k != missing})


def test_c3_names_the_organisation(desk, refused):
    with refused("names_nothing"):
        desk.recording(consent.Consents(), purpose="C3")


def test_the_same_entry_recorded_again_changes_nothing(desk):
    entry = uuid4()
    ledger = after(consent.Consents(), desk.recording(consent.Consents(), consent_id=entry))
    assert desk.recording(ledger, consent_id=entry) == []


@pytest.mark.parametrize("last_day, code", [(date(2026, 3, 1), "date_past"), (date(2027, 3, 4), "too_long")])
def test_a_consent_ends_in_the_future_and_within_a_year(desk, refused, last_day, code):
    with refused(code):
        desk.recording(consent.Consents(), expires_on=last_day)


@pytest.mark.parametrize("age", ["child", "disputed", "unknown"])
@pytest.mark.parametrize("lack", [{"capacity": "adult"}, {"capacity": "supported_adult"}, {"guardian": None}])
def test_a_child_consents_by_assent_with_a_guardian(desk, refused, age, lack):
    with refused("guardian_missing"):
        desk.recording(consent.Consents(), **{**CHILD, "age_status": age, **lack})


@pytest.mark.parametrize("purpose", ["C4", "C6", "C7"])
def test_a_best_interest_decision_stands_behind_what_reaches_abroad(desk, refused, purpose):
    of = {**CHILD, **C6, "purpose": purpose, "allowed_countries": frozenset({"TH"})}
    with refused("best_interest_missing"):
        desk.recording(consent.Consents(), **{**of, "best_interest_ref": None})
    assert after(consent.Consents(), desk.recording(consent.Consents(), **of)).stands(purpose, desk.now)


def test_a_childs_screening_needs_no_best_interest_decision(desk):
    assert desk.recording(consent.Consents(), **{**CHILD, "best_interest_ref": None})


def test_a_child_refuses_alone_and_it_stands_against_the_guardian(desk):
    of = {**CHILD, "purpose": "C4", "allowed_countries": frozenset({"TH"})}
    ledger = after(consent.Consents(), desk.recording(consent.Consents(), **of))
    ledger = after(
        ledger, desk.recording(ledger, purpose="C4", answer="refused", age_status="child", capacity="adult")
    )
    assert not ledger.stands("C4", desk.now)


@pytest.mark.parametrize("role", ["supervisor", "trm_focal_point", "data_protection_officer", "node"])
def test_only_first_responders_and_case_workers_take_consents(desk, refused, role):
    with refused("role_may_not"):
        desk.recording(consent.Consents(), desk.act(role))


@pytest.mark.parametrize("role", ["first_responder", "case_worker", "supervisor", "data_protection_officer"])
def test_anybody_she_can_reach_records_a_withdrawal(desk, role):
    ledger = desk.consents("C4")
    events = consent.decide_withdraw_consent(ledger, desk.act(role), purpose="C4", by="person")
    ledger = after(ledger, events)
    assert not ledger.stands("C4", desk.now)
    assert events[0].withdrawn_on == desk.now.date()


def test_the_node_withdraws_nothing(desk, refused):
    with refused("role_may_not"):
        consent.decide_withdraw_consent(desk.consents("C4"), desk.act("node"), purpose="C4", by="person")


def test_withdrawn_twice_is_withdrawn_once(desk):
    ledger = desk.consents("C4")
    ledger = after(ledger, consent.decide_withdraw_consent(ledger, desk.act(), purpose="C4", by="guardian"))
    assert consent.decide_withdraw_consent(ledger, desk.act(), purpose="C4", by="guardian") == []
    assert consent.decide_withdraw_consent(consent.Consents(), desk.act(), purpose="C4", by="guardian") == []


def test_one_of_several_receivers_can_be_withdrawn(desk):
    first, second = uuid4(), uuid4()
    ledger = after(consent.Consents(), desk.recording(consent.Consents(), purpose="C6", consent_id=first, **C6))
    other = {**C6, "receiver_org": "another house"}
    ledger = after(ledger, desk.recording(ledger, purpose="C6", consent_id=second, **other))
    events = consent.decide_withdraw_consent(ledger, desk.act(), purpose="C6", by="person", consent_id=first)
    assert [e.consent_id for e in after(ledger, events).given("C6")] == [second]


def test_the_node_lapses_what_is_past_its_last_day_and_nothing_else(desk):
    ledger = desk.consents("C1", expires_on=date(2026, 3, 4))
    ledger = after(ledger, desk.recording(ledger, purpose="C2"))
    assert consent.decide_lapse_consents(ledger, desk.act("node", at=desk.later(days=2))) == []
    (lapsed,) = consent.decide_lapse_consents(ledger, desk.act("node", at=desk.later(days=3)))
    assert lapsed.reason == "expired"
    ledger = after(ledger, [lapsed])
    assert [e.purpose for e in ledger.entries.values() if e.state == "LAPSED"] == ["C1"]
    assert consent.decide_lapse_consents(ledger, desk.act("node", at=desk.later(days=3))) == []


def test_a_case_worker_lapses_nothing(desk, refused):
    with refused("role_may_not"):
        consent.decide_lapse_consents(desk.consents("C1"), desk.act())


def test_an_erased_answer_still_folds_and_allows_no_country(desk):
    (event,) = desk.recording(consent.Consents(), purpose="C4", allowed_countries=frozenset({"TH"}))
    ledger = after(consent.Consents(), [event.model_copy(update=dict.fromkeys(event.personal_fields, ERASED))])
    assert ledger.stands("C4", desk.now)
    assert ledger.allowed_countries(desk.now) == frozenset()


def test_the_seven_informed_points_are_one_to_seven(desk, refused):
    assert desk.recording(consent.Consents(), informed_points=frozenset({1, 7}))
    with refused("bad_value"):
        desk.recording(consent.Consents(), informed_points=frozenset({8}))
