"""What people command at a node, and what it refuses them: roles, organisations, consents, children, the read log."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from regions import person

from events.access import access_stream
from events.base import Act, Actor, Purpose, Role
from events.case import VictimNotIdentified
from events.errors import Refused
from events.person import Name

STAFF = {
    "nurse": ("clinic", Role.FIRST_RESPONDER),
    "another nurse": ("clinic", Role.FIRST_RESPONDER),
    "police": ("police", Role.CASE_WORKER),
    "officer": ("data-protection", Role.DATA_PROTECTION_OFFICER),
    "colleague": ("welfare-office", Role.CASE_WORKER),
    "another authority": ("immigration", Role.IDENTIFICATION_AUTHORITY),
    "another focal": ("ministry", Role.TRM_FOCAL_POINT),
}


@pytest.fixture
def act(region):
    """An act at KH, now: of the founded staff, or of somebody of another organisation."""

    def make(staff: str) -> Act:
        if staff not in STAFF:
            return region.act("KH", staff)
        organisation, role = STAFF[staff]
        return Act(
            at=region.clock.now(),
            by=Actor(staff=staff, organisation=organisation, role=role),
            purpose=Purpose.PROTECTION,
        )

    return make


@pytest.fixture
def desk(region):
    return region.nodes["KH"].desk


@pytest.fixture
def opened(region, desk, act):
    """Open a case; returns its id."""

    def make(staff: str = "worker", age_status: str = "adult"):
        today = region.clock.now().date()
        return desk.report(act(staff), reported_on=today, source="self", age_status=age_status, summary="her story")[0]

    return make


@pytest.fixture
def consents(region, desk, act):
    """Record an answer to one question."""

    def record(case_id, purpose: str, answer: str = "given", staff: str = "worker", **more) -> None:
        fields = {
            "scope": "as on the form", "language": "km", "capacity": "adult",
            "expires_on": region.clock.now().date() + timedelta(days=200),
        }
        desk.record_consent(act(staff), case_id, purpose=purpose, answer=answer, **(fields | more))

    return record


@pytest.fixture
def identifies(desk, act):
    """Record who she is."""

    def record(case_id, staff: str = "worker", birth_date: str = "1991-04-23") -> None:
        names = (Name(first="Somsak", second="Vongphachan"),)
        desk.record_identifiers(
            act(staff), case_id, names=names, birth_date=birth_date, documents=(), gender="Feminine",
            citizenships=frozenset({"LA"}),
        )

    return record


def refused(code: str):
    return pytest.raises(Refused, check=lambda error: error.code == code)


def tokens(desk, act, case_id, staff: str = "worker") -> dict[str, tuple[str, str]]:
    return {c: (state, reason) for c, state, reason in desk.read_case(act(staff), case_id).publications}


# ---- who may see and do what


def test_a_case_belongs_to_the_organisation_of_whoever_reports_it(desk, act, opened):
    case_id, other = opened(), opened("police")
    assert [row.case_id for row in desk.cases(act("worker"))] == [case_id]
    assert [row.case_id for row in desk.cases(act("police"))] == [other]
    assert desk.read_case(act("supervisor"), case_id).case.owner_org == "welfare-office"


def test_another_organisation_reads_nothing_of_a_case_and_its_try_is_logged(region, desk, act, opened):
    case_id = opened()
    with refused("other_organisation"):
        desk.read_case(act("police"), case_id)
    (logged,) = region.nodes["KH"]._store.history(access_stream("police"))
    assert (logged.outcome, logged.basis, logged.by.staff) == ("refused", "none", "police")


def test_a_first_responder_reads_the_cases_that_they_reported_and_no_other(desk, act, opened):
    case_id = opened("nurse")
    assert desk.read_case(act("nurse"), case_id).case.summary == "her story"
    with refused("not_reporter"):
        desk.read_case(act("another nurse"), case_id)


@pytest.mark.parametrize("staff", ["focal", "operator", "reviewer", "authority"])
def test_roles_that_do_not_work_on_cases_read_none(desk, act, opened, staff):
    case_id = opened()
    for reading in (lambda: desk.read_case(act(staff), case_id), lambda: desk.cases(act(staff))):
        with refused("role_may_not"):
            reading()


@pytest.mark.parametrize("staff", ["police", "focal", "operator", "reviewer"])
def test_only_those_who_work_on_a_case_record_who_she_is(desk, act, opened, consents, identifies, staff):
    case_id = opened()
    consents(case_id, "C2")
    with pytest.raises(Refused) as error:
        identifies(case_id, staff)
    assert error.value.code in {"other_organisation", "role_may_not"}
    assert desk.read_case(act("worker"), case_id).person.record == "PSEUDONYM"


INDICATORS = {
    "indicator_set_version": "2026-1", "acts": frozenset({"Recruitment"}), "means": frozenset({"Deception"}),
    "purposes": frozenset({"ForcedLabour"}), "result": "presumed",
}  # fmt: skip
OF_ITS_ORGANISATION = {
    "read": lambda desk, act, case_id: desk.read_case(act, case_id),
    "screen": lambda desk, act, case_id: desk.screen(act, case_id, **INDICATORS),
    "close": lambda desk, act, case_id: desk.close(act, case_id, outcome="completed"),
    "identifiers": lambda desk, act, case_id: desk.record_identifiers(
        act, case_id, names=(Name(first="A"),), birth_date="1991", documents=(), gender="Feminine", citizenships=frozenset()
    ),
    "consent": lambda desk, act, case_id: desk.record_consent(
        act, case_id, purpose="C9", answer="refused", scope="as on the form", language="km", capacity="adult"
    ),
    "ask": lambda desk, act, case_id: desk.ask_publication(act, case_id, ["TH"]),
    "pull": lambda desk, act, case_id: desk.revoke(act, case_id, None),
}


@pytest.mark.parametrize("command", OF_ITS_ORGANISATION)
def test_a_case_worker_of_another_organisation_commands_nothing_of_a_case(desk, act, opened, consents, command):
    case_id = opened()
    consents(case_id, "C1")
    with refused("other_organisation"):
        OF_ITS_ORGANISATION[command](desk, act("police"), case_id)


def test_an_authority_and_a_focal_point_act_for_every_organisation_of_the_country(
    region, desk, act, opened, consents, identifies
):
    case_id = opened()
    consents(case_id, "C2")
    consents(case_id, "C4", allowed_countries=frozenset({"TH"}))
    identifies(case_id)
    desk.ask_publication(act("worker"), case_id, ["TH"])
    (waiting,) = desk.awaiting(act("another focal"))
    desk.sign(act("another focal"), [(waiting[0].id, "tell")])
    region.settle()
    assert desk.set_grant(act("another focal"), case_id, "TH", "hold", "review")
    desk.revoke(act("another focal"), case_id, "TH")
    assert region.nodes["KH"].desk.read_case(act("worker"), case_id).person.live == ()
    desk.identify(
        act("another authority"), case_id, decided_by="Police", decided_on=act("worker").today, legal_basis="the law",
        informed_in="km",
    )  # fmt: skip
    assert desk.cases(act("worker"))[0].identification == "IDENTIFIED"


def test_a_case_that_is_not_there_is_said_not_to_be_there(desk, act):
    with refused("no_such_case"):
        desk.read_case(act("worker"), uuid4())


def test_every_reading_of_a_case_is_logged_with_its_fields_and_no_content(region, desk, act, opened):
    case_id = opened()
    before = len(region.nodes["KH"]._store.history(access_stream("welfare-office")))
    file = desk.read_case(act("supervisor"), case_id)
    logged = region.nodes["KH"]._store.history(access_stream("welfare-office"))[before:]
    assert [(e.person_id, e.outcome, e.basis, e.by.staff) for e in logged] == [
        (file.case.person_id, "shown", "owner", "KH-supervisor")
    ]
    assert logged[0].fields == {"case", "consents", "identifiers"}


def test_looking_at_what_waits_or_at_matches_is_a_reading_of_each_person_in_it(region, desk):
    region.import_rows("KH", [person("A"), person("B", prs_IdentityNumber="K2")])
    act = region.act("KH", "focal")
    desk.awaiting(act)
    people = {e.person_id for e in region.nodes["KH"]._store.history(access_stream("trm-desk"))}
    assert people == {region.file("KH", name).case.person_id for name in "AB"}


def test_a_list_of_cases_shows_nothing_personal_and_logs_nothing(region, desk, act, opened):
    opened()
    (row,) = desk.cases(act("worker"))
    assert set(vars(row)) == {"case_id", "owner_org", "state", "identification", "reported_on"}
    assert region.nodes["KH"]._store.history(access_stream("welfare-office")) == []


# ---- consents


def test_without_consent_to_keeping_nobody_records_who_she_is(desk, act, opened, identifies):
    case_id = opened()
    with refused("consent_missing"):
        identifies(case_id)
    assert desk.read_case(act("worker"), case_id).person.names == ()


def test_without_consent_to_matching_nothing_is_asked_for_and_the_case_says_why(desk, act, opened, consents, identifies):
    case_id = opened()
    consents(case_id, "C2")
    identifies(case_id)
    with refused("matching_not_consented"):
        desk.ask_publication(act("worker"), case_id, ["TH"])
    assert tokens(desk, act, case_id) == dict.fromkeys(("LA", "TH"), ("none", "matching_not_consented"))
    assert desk.awaiting(act("focal")) == []


def test_a_refusal_is_no_consent(desk, act, opened, consents, identifies):
    case_id = opened()
    consents(case_id, "C2")
    identifies(case_id)
    consents(case_id, "C4", "refused", allowed_countries=frozenset({"TH"}))
    with refused("matching_not_consented"):
        desk.ask_publication(act("worker"), case_id, ["TH"])


def test_a_country_that_she_did_not_name_gets_no_token_and_the_case_says_why(desk, act, opened, consents, identifies):
    case_id = opened()
    consents(case_id, "C2")
    identifies(case_id)
    consents(case_id, "C4", allowed_countries=frozenset({"LA"}))
    with refused("country_not_allowed"):
        desk.ask_publication(act("worker"), case_id, ["LA", "TH"])  # all, or none
    assert desk.awaiting(act("focal")) == []
    assert tokens(desk, act, case_id) == {"LA": ("none", "not_asked"), "TH": ("none", "country_not_allowed")}


def test_a_country_without_an_agreement_is_refused(desk, act, opened, consents, identifies):
    case_id = opened()
    consents(case_id, "C2")
    identifies(case_id)
    consents(case_id, "C4", allowed_countries=frozenset({"US", "TH"}))
    with refused("pair_not_agreed"):
        desk.ask_publication(act("worker"), case_id, ["US"])


def test_without_identifiers_there_is_nothing_to_make_tokens_of(desk, act, opened, consents):
    case_id = opened()
    consents(case_id, "C2")
    consents(case_id, "C4", allowed_countries=frozenset({"TH"}))
    with refused("no_identifiers"):
        desk.ask_publication(act("worker"), case_id, ["TH"])


def test_only_the_case_worker_who_recorded_her_consent_asks_for_tokens(desk, act, opened, consents, identifies):
    case_id = opened()
    consents(case_id, "C2")
    identifies(case_id)
    consents(case_id, "C4", allowed_countries=frozenset({"TH"}))
    with refused("asked_by_another"):
        desk.ask_publication(act("colleague"), case_id, ["TH"])
    for staff in ("supervisor", "focal"):
        with refused("role_may_not"):
            desk.ask_publication(act(staff), case_id, ["TH"])
    assert desk.ask_publication(act("worker"), case_id, ["TH"]) == 1


def test_why_there_are_no_tokens_does_not_depend_on_who_reads(desk, act, opened, consents, identifies):
    case_id = opened()
    consents(case_id, "C2")
    identifies(case_id)
    consents(case_id, "C4", allowed_countries=frozenset({"TH"}))
    said = [tokens(desk, act, case_id, staff) for staff in ("worker", "supervisor", "colleague")]
    assert said == [{"LA": ("none", "country_not_allowed"), "TH": ("none", "not_asked")}] * 3


def test_anybody_she_can_reach_takes_her_consent_back(desk, act, opened, consents):
    for staff in ("police", "another nurse", "officer", "supervisor"):
        case_id = opened()
        consents(case_id, "C4", allowed_countries=frozenset({"TH"}))
        desk.withdraw_consent(act(staff), case_id, purpose="C4", by="person")
        ledger = desk.read_case(act("worker"), case_id).consents
        assert not ledger.stands("C4", act("worker").at)
    with refused("role_may_not"):
        desk.withdraw_consent(act("operator"), case_id, purpose="C4", by="person")


# ---- children


@pytest.mark.parametrize("age_status", ["child", "unknown", "disputed"])
def test_whoever_may_be_a_child_consents_with_a_guardian_only(opened, consents, age_status):
    case_id = opened(age_status=age_status)
    for more in ({}, {"guardian": "G"}, {"capacity": "child_assent_plus_guardian"}):
        with refused("guardian_missing"):
            consents(case_id, "C2", **more)
    consents(case_id, "C2", capacity="child_assent_plus_guardian", guardian="G")


def test_a_child_is_matched_only_with_a_best_interest_decision_behind_it(desk, act, opened, consents, identifies):
    case_id = opened(age_status="child")
    with_guardian = {"capacity": "child_assent_plus_guardian", "guardian": "G"}
    consents(case_id, "C2", **with_guardian)
    identifies(case_id, birth_date="2012-04-23")
    with refused("best_interest_missing"):
        consents(case_id, "C4", allowed_countries=frozenset({"TH"}), **with_guardian)
    with refused("matching_not_consented"):
        desk.ask_publication(act("worker"), case_id, ["TH"])
    consents(case_id, "C4", allowed_countries=frozenset({"TH"}), best_interest_ref=uuid4(), **with_guardian)
    assert desk.ask_publication(act("worker"), case_id, ["TH"]) == 1


def test_a_child_refuses_without_anybody_beside_it(opened, consents):
    consents(opened(age_status="child"), "C4", "refused")


def test_a_childs_case_is_closed_by_a_supervisor(desk, act, opened):
    case_id = opened(age_status="child")
    with refused("supervisor_closes"):
        desk.close(act("worker"), case_id, outcome="completed")
    desk.close(act("supervisor"), case_id, outcome="completed")
    assert desk.cases(act("worker"))[0].state == "CLOSED"


# ---- the case's other machines


def test_screening_takes_consent_c1_and_identification_an_authority(desk, act, opened, consents):
    case_id = opened()
    with refused("consent_missing"):
        desk.screen(act("worker"), case_id, **INDICATORS)
    consents(case_id, "C1")
    desk.screen(act("worker"), case_id, **INDICATORS)
    decision = {
        "decided_by": "Police", "decided_on": act("worker").today, "legal_basis": "the law", "informed_in": "km",
    }
    with refused("role_may_not"):
        desk.identify(act("worker"), case_id, **decision)
    assert desk.cases(act("worker"))[0].identification == "SCREENED"
    desk.identify(act("authority"), case_id, **decision)
    assert desk.cases(act("worker"))[0].identification == "IDENTIFIED"


@pytest.fixture
def no_victim(desk, act):
    """The first official asks; returns the id under which it waits."""

    def ask(case_id, staff: str = "authority", **changes):
        today = act(staff).today
        decision = {
            "decided_by": "Police", "decided_on": today, "reason": "her reason", "informed_in": "km",
            "review_until": today + timedelta(days=30),
        }
        desk.ask_not_identify(act(staff), case_id, **(decision | changes))
        return next(w.id for w, _ in desk.decisions(act(staff)) if w.case_id == case_id)

    return ask


def test_that_a_person_is_no_victim_takes_two_officials(region, desk, act, opened, no_victim):
    case_id = opened()
    name = no_victim(case_id)
    assert desk.cases(act("worker"))[0].identification == "UNASSESSED"
    with refused("same_person"):
        desk.sign_decision(act("authority"), name)
    for staff in ("worker", "supervisor", "focal"):
        with refused("second_role_may_not"):
            desk.sign_decision(act(staff), name)
    desk.sign_decision(act("assessor"), name)
    assert desk.cases(act("worker"))[0].identification == "NOT_IDENTIFIED"
    *_, said = (e for _, e in region.nodes["KH"]._store.log(0, 100) if isinstance(e, VictimNotIdentified))
    assert (said.by.staff, said.second_by.staff, said.reason) == ("KH-authority", "KH-assessor", "her reason")
    assert desk.decisions(act("assessor")) == []
    with refused("no_such_request"):
        desk.sign_decision(act("assessor"), name)


@pytest.mark.parametrize(
    "change, code",
    [({"review_until": date(2026, 1, 1)}, "date_past"), ({"reason": ""}, "bad_value"), ({"informed_in": "?"}, "bad_value")],
)
def test_what_no_second_official_could_sign_is_refused_to_the_first(desk, act, opened, no_victim, change, code):
    case_id = opened()
    with refused(code):
        no_victim(case_id, **change)
    with refused("role_may_not"):
        no_victim(case_id, "worker")
    assert desk.decisions(act("assessor")) == []


def test_whoever_was_said_to_be_no_victim_is_not_said_so_again(desk, act, opened, no_victim):
    case_id = opened()
    desk.sign_decision(act("assessor"), no_victim(case_id))
    with refused("wrong_state"):
        no_victim(case_id)


def test_a_decision_that_is_declined_or_asked_anew_is_not_taken(desk, act, opened, no_victim):
    case_id = opened()
    first, second = no_victim(case_id), no_victim(case_id)
    for name in (first, second):
        with refused("role_may_not"):
            desk.decline_decision(act("focal"), name)
    with refused("no_such_request"):
        desk.decline_decision(act("assessor"), first)
    desk.decline_decision(act("assessor"), second)
    assert desk.decisions(act("assessor")) == []
    assert desk.cases(act("worker"))[0].identification == "UNASSESSED"


def test_a_decision_that_waits_is_over_when_something_else_is_recorded_of_her_identification(desk, act, opened, no_victim):
    case_id, other = opened(), opened()
    name, waits = no_victim(case_id), no_victim(other)
    today = act("authority").today
    desk.identify(
        act("assessor"), case_id, decided_by="Police", decided_on=today, legal_basis="the law", informed_in="km"
    )
    with refused("no_such_request"):
        desk.sign_decision(act("assessor"), name)
    assert [w.id for w, _ in desk.decisions(act("assessor"))] == [waits]


def test_a_decision_that_nobody_signs_within_seven_days_is_dropped(region, desk, act, opened, no_victim):
    no_victim(opened())
    region.sleep(days=6.9)
    assert len(desk.decisions(act("assessor"))) == 1
    region.sleep(days=0.2)
    assert desk.decisions(act("assessor")) == []


def test_two_lists_of_what_waits_are_signed_by_two_kinds_of_people(region, desk, act, opened, no_victim):
    region.import_rows("KH", [person("A", x_consent_C4="TH")])
    decision = no_victim(opened())
    ((publication, _),) = desk.awaiting(act("focal"))
    with refused("no_such_request"):
        desk.sign(act("focal"), [(decision, "tell")])
    for answer in (desk.sign_decision, desk.decline_decision):
        with refused("no_such_request"):
            answer(act("assessor"), publication.id)


def test_looking_at_what_an_official_wants_to_decide_is_a_reading(region, desk, act, opened, no_victim):
    case_id = opened()
    no_victim(case_id)
    (logged,) = region.nodes["KH"]._store.history(access_stream("identification-board"))
    person_id = desk.read_case(act("worker"), case_id).case.person_id
    assert (logged.person_id, logged.basis, logged.fields) == (person_id, "desk", {"reference", "decision"})
    for staff in ("worker", "focal", "operator"):
        with refused("role_may_not"):
            desk.decisions(act(staff))


def test_what_waits_of_her_stands_sealed_in_the_nodes_tables(region, opened, no_victim):
    no_victim(opened())
    with region.databases["KH"].reading() as tx:
        ((row),) = tx.execute("SELECT * FROM awaiting")
    assert not any("her reason" in str(value) for value in row)


# ---- what is refused


def test_what_is_refused_changes_nothing(region, desk, act, opened, consents, identifies):
    case_id = opened()
    last = region.nodes["KH"]._store.last()
    for refusal in (
        lambda: identifies(case_id),
        lambda: consents(case_id, "C2", expires_on=act("worker").today - timedelta(days=1)),
        lambda: consents(case_id, "C2", scope=""),
        lambda: desk.ask_publication(act("worker"), case_id, ["TH"]),
        lambda: desk.set_grant(act("focal"), case_id, "TH", "hold", "review"),
        lambda: desk.close(act("police"), case_id, outcome="completed"),
    ):
        with pytest.raises(Refused):
            refusal()
    assert region.nodes["KH"]._store.last() == last


def test_what_is_refused_repeats_nothing_of_it(opened, consents):
    with pytest.raises(Refused) as error:
        consents(opened(), "C2", language="Vongphachan")
    assert error.value.code == "bad_value"
    assert "Vongphachan" not in error.value.sentence
