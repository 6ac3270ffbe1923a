"""The history law: what an earlier release stored, this one reads, field by field."""

import json
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent

from events.base import class_of
from events.catalogue import EVENTS
from events.mapper import Mapper

HISTORY = json.loads((Path(__file__).parent / "event_history.json").read_text(encoding="utf-8"))


@pytest.fixture
def mapper():
    """Under the keys that make_event_history.py sealed the rows with."""
    ring = SimpleNamespace(primary=lambda _: SimpleNamespace(id="store-1"), secret=lambda *_: bytes(range(32)))
    return Mapper(ring, SimpleNamespace(get=lambda _: bytes(range(32, 64))))


def row_of(name):
    event = HISTORY[name]["event"]
    return StoredEvent(UUID(event["stream"]), event["seq"], name, bytes.fromhex(HISTORY[name]["state"]))


def plain(value):
    """Sets have no order."""
    return sorted(value, key=str) if isinstance(value, list) else value


def test_every_event_has_a_stored_row_and_no_released_name_is_gone():
    assert set(HISTORY) == set(EVENTS), "run tests/vectors/make_event_history.py"


@pytest.mark.parametrize("name", HISTORY)
def test_a_row_stored_by_an_earlier_release_still_opens_as_the_same_event(name, mapper):
    loaded = mapper.to_event(row_of(name)).model_dump(mode="json")
    was = HISTORY[name]["event"]
    assert {f: plain(loaded[f]) for f in was} == {f: plain(v) for f, v in was.items()}


@pytest.mark.parametrize("name", HISTORY)
def test_no_field_changed_its_class_or_went_and_a_new_one_has_a_default(name):
    event = EVENTS[name]
    classes = {field: class_of(event, field) for field in event.model_fields}
    assert {field: classes.get(field) for field in HISTORY[name]["classes"]} == HISTORY[name]["classes"]
    new = set(classes) - set(HISTORY[name]["classes"])
    assert not [field for field in new if event.model_fields[field].is_required()]


@pytest.mark.parametrize("name", HISTORY)
def test_every_field_of_the_sample_is_filled(name):
    assert all(value not in (None, [], "") for value in HISTORY[name]["event"].values())
