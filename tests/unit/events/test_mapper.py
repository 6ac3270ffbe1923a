"""The mapper's keys: which one a row is sealed under, and what happens without one."""

from dataclasses import replace

import pytest

from events import person
from events.base import ERASED
from events.errors import Refused, RowTampered
from events.mapper import Mapper
from keys import seal
from keys.errors import UnknownKey
from keys.persons import PersonKeys
from keys.ring import KeyRing

KEK = bytes(32)


@pytest.fixture
def ring(tmp_path, desk):
    made = KeyRing.create(tmp_path / "ring.json", KEK)
    made.add("store", "old", seal.new_key(), valid_from=desk.now, primary=True)
    return made


@pytest.fixture
def persons(tmp_path, desk):
    keys = PersonKeys(tmp_path / "persons.db", KEK)
    keys.create([desk.person_id])
    yield keys
    keys.close()


@pytest.fixture
def recorded(desk):
    (event,) = desk.identifying(person.Person(), desk.consents("C2"))
    return event


def test_after_a_new_store_key_old_rows_still_open_and_new_ones_are_under_it(ring, persons, recorded, desk):
    mapper = Mapper(ring, persons)
    old = mapper.to_row(recorded)
    ring.add("store", "new", seal.new_key(), valid_from=desk.now, primary=True)
    new = mapper.to_row(recorded)
    assert (b"old" in old.state[:8], b"new" in new.state[:8]) == (True, True)
    assert mapper.to_event(old) == mapper.to_event(new) == recorded


def test_a_row_under_a_destroyed_store_key_does_not_open(ring, persons, recorded, desk):
    mapper = Mapper(ring, persons)
    row = mapper.to_row(recorded)
    ring.add("store", "new", seal.new_key(), valid_from=desk.now, primary=True)
    ring.destroy("store", "old")
    with pytest.raises(RowTampered):
        mapper.to_event(row)


def test_a_ring_without_a_store_key_makes_no_mapper(tmp_path, persons):
    with pytest.raises(UnknownKey):
        Mapper(KeyRing.create(tmp_path / "empty.json", KEK), persons)


def test_another_persons_key_does_not_open_a_row(ring, persons, recorded, tmp_path, desk):
    row = Mapper(ring, persons).to_row(recorded)
    others = PersonKeys(tmp_path / "others.db", KEK)
    others.create([desk.person_id])
    with pytest.raises(RowTampered):
        Mapper(ring, others).to_event(row)
    others.close()


def test_once_erased_a_person_gets_nothing_personal_but_tokens_can_be_revoked(ring, persons, desk):
    mapper = Mapper(ring, persons)
    published = desk.published()
    (revoked,) = person.decide_revoke_tokens(published, desk.act("node"), reason="erasure")
    persons.destroy(desk.person_id)
    assert mapper.to_event(mapper.to_row(revoked)) == revoked
    with pytest.raises(Refused) as refused:
        mapper.to_row(revoked.model_copy(update={"note": "something personal"}))
    assert refused.value.code == "person_key_missing"


def test_an_erased_event_has_erased_in_every_personal_field_also_in_those_that_were_empty(ring, persons, recorded):
    mapper = Mapper(ring, persons)
    row = mapper.to_row(recorded)
    persons.destroy(recorded.person_id)
    loaded = mapper.to_event(row)
    assert {getattr(loaded, field) for field in loaded.personal_fields} == {ERASED}
    assert recorded.note is None


@pytest.mark.parametrize(
    "state", [b"", b"\x01", b"\x02" + bytes(60), b"\x01\xff" + bytes(60), b"\x01\x00" + b"\xff" * 4]
)
def test_bytes_of_another_form_are_no_row(ring, persons, recorded, state):
    mapper = Mapper(ring, persons)
    with pytest.raises(RowTampered):
        mapper.to_event(replace(mapper.to_row(recorded), state=state))
