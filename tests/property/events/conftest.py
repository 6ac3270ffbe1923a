"""A mapper over real keys, and events of every kind with every field drawn."""

import types
from datetime import UTC, date, datetime
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from pydantic import AwareDatetime

from events.base import Actor, Code, Erased, Language, Purpose, Role, Short
from events.catalogue import EVENTS
from events.mapper import Mapper
from events.messages import Bytes
from events.model import Country, Hex16, Hex32
from events.person import BirthDate, Contact, Document, Name
from keys import seal
from keys.persons import PersonKeys
from keys.ring import KeyRing

KEK = bytes(32)
PERSON = uuid4()

_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_country = st.sampled_from(["KH", "CN", "LA", "MM", "TH", "VN"])
_code = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,20}", fullmatch=True)
_date = st.dates(date(1950, 1, 1), date(2100, 1, 1))
_named = {
    Country: _country,
    Code: _code,
    Short: _text,
    Language: st.sampled_from(["lo", "th", "zh-Hant"]),
    Hex16: st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    Hex32: st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    BirthDate: st.one_of(_date.map(str), st.just("1988"), st.just("1988-07")),
    Bytes: st.binary(min_size=1, max_size=100),
    AwareDatetime: st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    UUID: st.uuids(),
    date: _date,
    str: _text,
    int: st.integers(1, 7),
    bytes: st.binary(min_size=1, max_size=100),
    Role: st.sampled_from(Role),
    Purpose: st.sampled_from(Purpose),
    Actor: st.builds(Actor, staff=_text, organisation=_text, role=st.sampled_from(Role)),
    Name: st.builds(Name, first=_text.map(lambda t: "n" + t), second=_text, script=st.sampled_from(["Laoo", None])),
    Document: st.builds(Document, number=_text, issuer=st.one_of(st.none(), _country)),
    Contact: st.builds(Contact, kind=st.just("phone"), value=_text),
    types.NoneType: st.none(),
}


def values(hint):
    """What a field of this type may hold."""
    if hint in _named:
        return _named[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return values(args[0]) if len(args) == 2 else values(Annotated[args[:-1]])
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([values(a) for a in args if a is not Erased])
    if origin is frozenset:
        return st.frozensets(values(args[0]), max_size=4)
    return st.lists(values(args[0]), max_size=3).map(tuple)


def any_event(name, person_id):
    hints = get_type_hints(EVENTS[name], include_extras=True)
    fields = {field: values(hints[field]) for field in EVENTS[name].model_fields}
    fields |= {"person_id": st.just(person_id), "seq": st.integers(1, 2**40)}
    return st.builds(EVENTS[name], **fields)


@pytest.fixture(scope="session")
def events_of():
    """`events_of(name)`: a strategy for events of this name about PERSON; `events_of()` for those of any name."""
    every = {name: any_event(name, PERSON) for name in EVENTS}
    return lambda name=None: every[name] if name else st.one_of(list(every.values()))


@pytest.fixture(scope="session")
def persons(tmp_path_factory):
    keys = PersonKeys(tmp_path_factory.mktemp("persons") / "persons.db", KEK)
    keys.create([PERSON])
    yield keys
    keys.close()


@pytest.fixture(scope="session")
def mapper(tmp_path_factory, persons):
    ring = KeyRing.create(tmp_path_factory.mktemp("ring") / "ring.json", KEK)
    ring.add("store", "store-1", seal.new_key(), valid_from=datetime(2026, 1, 1, tzinfo=UTC), primary=True)
    return Mapper(ring, persons)
