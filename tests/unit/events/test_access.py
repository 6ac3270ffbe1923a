"""The read log."""

import pytest

from events import access
from events.base import Role

PERSONS = set(Role) - {
    Role.KEY_CUSTODIAN,
    Role.SECURITY_REVIEWER,
    Role.ANALYST,
    Role.NODE_OPERATOR,
    Role.NODE,
    Role.MATCHER,
}


def logging(desk, role="case_worker", seq=0, **of):
    given = {
        "person_id": desk.person_id,
        "fields": frozenset({"names", "birth_date"}),
        "outcome": "shown",
        "basis": "owner",
    }
    return access.decide_log_access(access.AccessLog("shelter", seq), desk.act(role), **{**given, **of})


def test_a_reading_names_the_fields_and_the_purpose_and_the_ground(desk):
    (event,) = logging(desk, seq=41)
    assert (event.seq, event.stream) == (42, access.access_stream("shelter"))
    assert (event.fields, event.basis, event.purpose) == ({"names", "birth_date"}, "owner", "protection")


def test_a_refusal_is_an_event_too(desk):
    (event,) = logging(desk, outcome="refused", basis="none")
    assert event.outcome == "refused"


def test_nothing_is_shown_without_a_ground(desk, refused):
    with refused("no_basis"):
        logging(desk, basis="none")


@pytest.mark.parametrize("role", sorted(PERSONS))
def test_every_role_that_may_see_a_person_leaves_a_trace(desk, role):
    assert logging(desk, role)


@pytest.mark.parametrize("role", sorted(set(Role) - PERSONS))
def test_readers_and_machines_read_no_person(desk, refused, role):
    with refused("role_may_not"):
        logging(desk, role)


def test_each_organisation_has_a_log_of_its_own():
    assert access.access_stream("shelter") != access.access_stream("desk")
