"""A case's rules, one sentence each."""

from datetime import date
from functools import reduce

import pytest

from events import case
from events.base import ERASED
from events.errors import Refused, RowTampered

SCREENING = {
    "indicator_set_version": "commit-1",
    "acts": frozenset({"recruited"}),
    "means": frozenset({"debt"}),
    "purposes": frozenset({"labour"}),
    "result": "presumed",
}
YES = {"decided_by": "Police", "decided_on": date(2026, 3, 1), "legal_basis": "law 1", "informed_in": "lo"}
NO = {
    "decided_by": "NGO",
    "decided_on": date(2026, 3, 1),
    "reason": "no indicator holds",
    "informed_in": "lo",
    "review_until": date(2026, 6, 1),
}


def screened(desk, **of):
    now = desk.reported(**of)
    return reduce(case.evolve, case.decide_screen(now, desk.consents("C1"), desk.act(), **SCREENING), now)


def refused_status(desk):
    now = desk.reported()
    second = desk.actor("identification_authority", "second official")
    act = desk.act("identification_authority", second, staff="first official")
    return reduce(case.evolve, case.decide_not_identify(now, act, **NO), now)


def test_a_case_needs_no_consent_and_no_name(desk):
    now = desk.reported()
    assert (now.state, now.identification, now.protection, now.seq) == ("OPEN", "UNASSESSED", "WAITING", 1)


def test_a_report_carries_its_act_and_its_place(desk):
    (event,) = case.decide_report(
        desk.act("first_responder", staff="hotline 3"),
        case_id=desk.case_id,
        person_id=desk.person_id,
        owner_org="shelter",
        reported_on=date(2026, 3, 1),
        source="hotline",
        age_status="unknown",
        reference="TH-000001",
    )
    assert (event.stream, event.seq, event.at) == (case.case_stream(desk.case_id), 1, desk.now)
    assert (event.by.staff, event.person_id, event.reference) == ("hotline 3", desk.person_id, "TH-000001")


@pytest.mark.parametrize("role", ["supervisor", "identification_authority", "analyst", "node", "matcher"])
def test_a_role_that_the_law_does_not_name_may_not_report(desk, refused, role):
    with refused("role_may_not"):
        case.decide_report(
            desk.act(role),
            case_id=desk.case_id,
            person_id=desk.person_id,
            owner_org="shelter",
            reported_on=date(2026, 3, 1),
            source="self",
            age_status="adult",
        )


def test_a_value_that_is_none_of_the_codes_is_refused_without_repeating_it(desk, refused):
    with refused("bad_value"):
        desk.reported(age_status="X0000000")


def test_a_refused_value_is_named_by_its_field(desk):
    with pytest.raises(Refused, match=r"Mend what was entered\. reported_on: .* source: "):
        desk.reported(reported_on="X0000000", source="rumour")


def test_no_screening_without_consent_c1(desk, refused):
    with refused("consent_missing"):
        case.decide_screen(desk.reported(), desk.consents("C2"), desk.act(), **SCREENING)


def test_no_screening_after_c1_has_run_out(desk, refused):
    ledger = desk.consents("C1", expires_on=date(2026, 3, 5))
    with refused("consent_missing"):
        case.decide_screen(desk.reported(), ledger, desk.act(at=desk.later(days=4)), **SCREENING)


def test_screening_moves_the_case_to_screened_and_may_be_done_again(desk):
    now = screened(desk)
    assert now.identification == "SCREENED"
    assert case.decide_screen(now, desk.consents("C1"), desk.act(), **SCREENING)


def test_an_adult_is_presumed_a_victim_only_with_means(desk, refused):
    with refused("means_missing"):
        case.decide_screen(desk.reported(), desk.consents("C1"), desk.act(), **{**SCREENING, "means": frozenset()})


@pytest.mark.parametrize("age", ["child", "disputed", "unknown"])
def test_a_child_needs_no_means(desk, age):
    of = {**SCREENING, "means": frozenset()}
    assert case.decide_screen(desk.reported(age_status=age), desk.consents("C1"), desk.act(), **of)


def test_a_case_worker_of_another_organisation_may_not_screen_or_close(desk, refused):
    now = desk.reported()
    stranger = desk.act(organisation="another house")
    with refused("other_organisation"):
        case.decide_screen(now, desk.consents("C1"), stranger, **SCREENING)
    with refused("other_organisation"):
        case.decide_close(now, stranger, outcome="completed")


def test_a_first_responder_screens_only_who_they_reported(desk, refused):
    with refused("not_reporter"):
        case.decide_screen(desk.reported(), desk.consents("C1"), desk.act("first_responder"), **SCREENING)


def test_identification_hangs_on_no_consent(desk):
    now = desk.reported()
    events = case.decide_identify(now, desk.act("identification_authority"), **YES)
    assert reduce(case.evolve, events, now).identification == "IDENTIFIED"


def test_a_case_worker_may_not_identify(desk, refused):
    with refused("role_may_not"):
        case.decide_identify(desk.reported(), desk.act(), **YES)


def test_who_is_identified_is_not_screened_or_identified_again(desk, refused):
    now = desk.reported()
    now = reduce(case.evolve, case.decide_identify(now, desk.act("identification_authority"), **YES), now)
    with refused("wrong_state"):
        case.decide_screen(now, desk.consents("C1"), desk.act(), **SCREENING)
    with refused("wrong_state"):
        case.decide_identify(now, desk.act("identification_authority"), **YES)


def test_a_no_takes_two_officials(desk, refused):
    now = desk.reported()
    with refused("second_needed"):
        case.decide_not_identify(now, desk.act("identification_authority"), **NO)
    with refused("second_role_may_not"):
        case.decide_not_identify(now, desk.act("identification_authority", desk.actor("supervisor")), **NO)


def test_one_official_in_two_roles_is_still_one_person(desk, refused):
    second = desk.actor("identification_authority", "official", organisation="another house")
    with refused("same_person"):
        case.decide_not_identify(desk.reported(), desk.act("identification_authority", second, staff="official"), **NO)


def test_a_no_can_be_reviewed_until_a_date_that_lies_ahead(desk, refused):
    second = desk.actor("identification_authority", "second official")
    act = desk.act("identification_authority", second, staff="first official")
    with refused("date_past"):
        case.decide_not_identify(desk.reported(), act, **{**NO, "review_until": date(2026, 3, 1)})


@pytest.mark.parametrize("official", ["first official", "second official"])
def test_after_a_no_another_official_says_yes(desk, refused, official):
    now = refused_status(desk)
    with refused("same_official"):
        case.decide_identify(now, desk.act("identification_authority", staff=official), **YES)
    events = case.decide_identify(now, desk.act("identification_authority", staff="third official"), **YES)
    assert reduce(case.evolve, events, now).refused_by == frozenset()


def test_a_new_screening_does_not_let_the_same_official_review_their_no(desk, refused):
    now = refused_status(desk)
    now = reduce(case.evolve, case.decide_screen(now, desk.consents("C1"), desk.act(), **SCREENING), now)
    with refused("same_official"):
        case.decide_identify(now, desk.act("identification_authority", staff="first official"), **YES)


def test_a_no_leaves_protection_as_it_is(desk):
    assert refused_status(desk).protection == "WAITING"


def test_closing_ends_the_case_and_its_help_and_leaves_identification(desk):
    now = screened(desk)
    now = reduce(case.evolve, case.decide_close(now, desk.act(), outcome="settled_here"), now)
    assert (now.state, now.protection, now.identification, now.outcome) == (
        "CLOSED",
        "ENDED",
        "SCREENED",
        "settled_here",
    )


def test_identification_goes_on_in_a_closed_case(desk):
    now = desk.reported()
    now = reduce(case.evolve, case.decide_close(now, desk.act(), outcome="left_care"), now)
    assert case.decide_identify(now, desk.act("identification_authority"), **YES)


def test_a_closed_case_is_not_closed_again(desk, refused):
    now = desk.reported()
    now = reduce(case.evolve, case.decide_close(now, desk.act(), outcome="completed"), now)
    with refused("wrong_state"):
        case.decide_close(now, desk.act(), outcome="completed")


@pytest.mark.parametrize("age", ["child", "disputed", "unknown"])
def test_a_childs_case_is_closed_by_a_supervisor(desk, refused, age):
    now = desk.reported(age_status=age)
    with refused("supervisor_closes"):
        case.decide_close(now, desk.act(), outcome="completed")
    assert case.decide_close(now, desk.act("supervisor"), outcome="completed")


def test_an_erased_report_still_folds_and_counts_as_of_unknown_age(desk):
    (event,) = case.decide_report(
        desk.act(),
        case_id=desk.case_id,
        person_id=desk.person_id,
        owner_org="shelter",
        reported_on=date(2026, 3, 1),
        source="self",
        age_status="adult",
        summary="what she said",
    )
    erased = event.model_copy(update=dict.fromkeys(event.personal_fields, ERASED))
    now = case.evolve(None, erased)
    assert (now.age_status, now.summary, now.state) == ("unknown", None, "OPEN")


def test_a_stream_that_does_not_begin_with_a_report_is_not_folded(desk):
    (event,) = case.decide_close(desk.reported(), desk.act(), outcome="completed")
    with pytest.raises(RowTampered):
        case.evolve(None, event)


def test_a_case_prints_without_what_was_said(desk):
    now = desk.reported(summary="Invented", reference="X0000000")
    assert "Invented" not in repr(now)
    assert "X0000000" not in repr(now)
