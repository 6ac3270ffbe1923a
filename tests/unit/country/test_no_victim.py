"""That a person is no victim takes two officials; what waits for the second stands sealed, and is over in time."""

from datetime import date, timedelta

import pytest
from desks import refused
from regions import person

from events.access import access_stream
from events.case import VictimNotIdentified


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
