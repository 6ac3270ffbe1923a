"""What every event is made of."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from pydantic import ValidationError

from events.base import ERASED, Act, Actor, Event, FieldClass, Open, Purpose, Role, class_of, kept
from events.catalogue import EVENTS, NAMES

BY = Actor(staff="one", organisation="shelter", role=Role.CASE_WORKER)


def test_an_act_without_a_time_zone_is_refused():
    with pytest.raises(ValidationError):
        Act(at=datetime(2026, 3, 2, 9), by=BY, purpose=Purpose.PROTECTION)  # noqa: DTZ001  that is the point


def test_times_of_any_zone_are_kept_in_utc():
    vientiane = datetime(2026, 3, 2, 3, tzinfo=timezone(timedelta(hours=7)))
    act = Act(at=vientiane, by=BY, purpose=Purpose.PROTECTION)
    assert act.at.tzinfo is UTC
    assert act.today.day == 1


def test_what_the_node_does_in_consequence_is_its_own():
    act = Act(at=datetime(2026, 3, 2, tzinfo=UTC), by=BY, purpose=Purpose.MATCHING, second_by=BY, note="said so")
    node = act.by_node()
    assert (node.by.role, node.second_by, node.note, node.purpose) == (Role.NODE, None, None, Purpose.UPKEEP)


def test_a_field_without_a_class_is_no_event():
    with pytest.raises(TypeError, match="neither Open nor Personal"):

        class Careless(Event):
            name: str


def test_an_event_is_frozen_and_closed():
    class Something(Event):
        what: Open[str]

    base = {"stream": uuid4(), "seq": 1, "at": datetime(2026, 3, 2, tzinfo=UTC), "by": BY, "person_id": uuid4()}
    event = Something(**base, purpose="protection", what="x")
    with pytest.raises(ValidationError):
        event.what = "y"
    with pytest.raises(ValidationError):
        Something(**base, purpose="protection", what="x", more="z")


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_prints_without_its_content(name):
    event = EVENTS[name].model_construct(stream=uuid4(), seq=3, note="Invented")
    assert repr(event) == str(event) == f"<{name} {event.stream} 3>"


@pytest.mark.parametrize("name", EVENTS)
def test_every_events_fields_are_classed_and_its_note_is_personal(name):
    event = EVENTS[name]
    assert event.open_fields | event.personal_fields == set(event.model_fields)
    assert class_of(event, "note") is FieldClass.PERSONAL


def test_the_catalogue_goes_both_ways():
    assert {NAMES[event]: event for event in EVENTS.values()} == dict(EVENTS)


def test_what_is_erased_is_false_and_gives_way():
    assert not ERASED
    assert repr(ERASED) == "<Erased>"
    assert kept(ERASED, "unknown") == "unknown"
    assert kept(None, "unknown") is None
