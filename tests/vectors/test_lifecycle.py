"""Our events against the law: names, fields and their classes, roles, second persons, moves, consents, what leaves."""

import json
from pathlib import Path

import pytest

from events.base import Chosen, Event, Role, class_of
from events.catalogue import EVENTS
from events.consent import CONSENTS, MUST_NAME

LAW = json.loads((Path(__file__).parent / "lifecycle_machines.json").read_text(encoding="utf-8"))

RENAMED = {
    ("ConsentRecorded", "purpose"): "consent",  # `purpose` is what the act is for
    ("ConsentWithdrawn", "by"): "withdrawn_by",  # `by` is who recorded it
    ("TokensPublished", "schema"): "schema_version",  # pydantic has a `schema` of its own
}
IN_BASE = {("CaseReported", "person_id"), ("RecordAccessed", "person_id"), ("RecordAccessed", "purpose")}
LEFT_OUT = {("MatchTold", "levels"), ("MatchTold", "contradictions")}  # they come with the keyed features
ADDED = {("CaseReported", "reference"), ("MatchTold", "match_id")}


def law_fields(name):
    left = LEFT_OUT | IN_BASE
    fields = [(f["name"], f["class"]) for f in LAW["events"][name]["payload"] if (name, f["name"]) not in left]
    return {RENAMED.get((name, field), field): kind for field, kind in fields}


def law_move(move):
    to = move["to"] if isinstance(move["to"], str) else Chosen(move["to"]["by"], move["to"]["map"])
    return (move["machine"], tuple(move["from"]), to)


def test_every_event_of_the_catalogue_stands_in_the_law():
    assert set(LAW["events"]) == set(EVENTS)


def test_the_roles_are_the_laws():
    assert [r.value for r in Role] == LAW["roles"]


def test_the_consents_and_what_they_must_name_are_the_laws():
    assert list(CONSENTS) == list(LAW["consents"])
    names = {c: tuple(f for f in fields if f != "expires_on") for c, fields in LAW["consents"].items() if fields}
    assert names == {**MUST_NAME, "C4": ("allowed_countries",)}


@pytest.mark.parametrize("name", EVENTS)
def test_fields_and_their_classes_are_the_laws(name):
    event = EVENTS[name]
    own = {f: class_of(event, f).value for f in event.model_fields if f not in Event.model_fields}
    assert {f: kind for f, kind in own.items() if (name, f) not in ADDED} == law_fields(name)


@pytest.mark.parametrize("name", EVENTS)
def test_roles_second_person_consents_and_conditions_are_the_laws(name):
    rules, law = EVENTS[name].rules, LAW["events"][name]
    assert rules.aggregate == law["aggregate"]
    assert {r.value for r in rules.roles} == set(law["roles"])
    assert list(rules.consents) == law["consents"]
    assert [{"machine": m, "in": list(states)} for m, states in rules.requires] == law["requires"]
    if law["second"] is None:
        assert rules.second is None
    else:
        assert {r.value for r in rules.second.roles} == set(law["second"]["roles"])
        assert (rules.second.where, rules.second.unless) == (law["second"]["from"], law["second"].get("unless"))


@pytest.mark.parametrize("name", EVENTS)
def test_moves_are_the_laws(name):
    ours = [(m.machine, m.origins, m.to) for m in EVENTS[name].rules.moves]
    assert ours == [law_move(m) for m in LAW["events"][name]["moves"]]


@pytest.mark.parametrize("name", EVENTS)
def test_what_leaves_the_country_is_what_the_law_lets_leave(name):
    left = {field for event, field in LEFT_OUT if event == name}
    law = [
        (w["to"], w["what"], [f for f in w["carries"] if f not in left], w["needs"])
        for w in LAW["events"][name]["wire"]
    ]
    assert [(w.to, w.what, list(w.carries), list(w.needs)) for w in EVENTS[name].rules.wire] == law


@pytest.mark.parametrize("name", EVENTS)
def test_nothing_identifying_leaves(name):
    event = EVENTS[name]
    for wire in event.rules.wire:
        assert not [f for f in wire.carries if class_of(event, f).value == "identifying"]
