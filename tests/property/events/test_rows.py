"""Laws of the mapper: what is sealed opens, only in its place, and without the person's key only its open part."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.base import ERASED
from events.catalogue import EVENTS
from events.errors import RowTampered
from events.mapper import Mapper
from keys import seal
from keys.ring import KeyRing


@pytest.mark.parametrize("name", EVENTS)
def test_what_is_sealed_opens_as_it_was(name, mapper, events_of):
    @given(events_of(name))
    def holds(event):
        row = mapper.to_row(event)
        assert (row.originator_id, row.originator_version, row.topic) == (event.stream, event.seq, name)
        assert mapper.to_event(row) == event

    holds()


def test_a_row_opens_in_no_other_place(mapper, events_of):
    @given(events_of(), events_of(), st.sampled_from(["originator_id", "originator_version", "topic", "state"]))
    def holds(one, other, column):
        row, stranger = mapper.to_row(one), mapper.to_row(other)
        moved = replace(row, **{column: getattr(stranger, column)})
        if moved == row:
            return
        with pytest.raises(RowTampered):
            mapper.to_event(moved)

    holds()


def test_a_row_with_any_byte_altered_or_cut_does_not_open(mapper, events_of):
    @given(events_of(), st.data())
    def holds(event, data):
        row = mapper.to_row(event)
        at = data.draw(st.integers(0, len(row.state) - 1))
        flipped = bytes([row.state[at] ^ data.draw(st.integers(1, 255))])
        for state in (row.state[:at] + flipped + row.state[at + 1 :], row.state[:at], row.state + b"\0"):
            with pytest.raises(RowTampered):
                mapper.to_event(replace(row, state=state))

    holds()


def test_the_halves_of_two_rows_do_not_make_a_row(mapper, events_of):
    """Not even two versions of one row, sealed to the same place under the same keys."""

    @given(events_of("IdentifiersRecorded"), events_of("IdentifiersRecorded"))
    def holds(one, other):
        other = other.model_copy(update={"stream": one.stream, "seq": one.seq})
        rows = [mapper.to_row(one), mapper.to_row(other)]
        cuts = [len(r.state) - len(personal_box(r.state)) for r in rows]
        mixed = rows[0].state[: cuts[0]] + rows[1].state[cuts[1] :]
        robbed = rows[0].state[: cuts[0]]
        for state in (mixed, robbed):
            with pytest.raises(RowTampered):
                mapper.to_event(replace(rows[0], state=state))

    holds()


def personal_box(state):
    opens = 6 + state[1]
    return state[opens + int.from_bytes(state[opens - 4 : opens], "big") :]


@pytest.mark.parametrize("name", EVENTS)
def test_with_the_persons_key_destroyed_only_the_open_part_loads(name, mapper, events_of):
    """The store's key alone opens no personal field, and the row of an event that had none loads whole."""

    class NoKeys:
        def get(self, _):
            return None

    blind = Mapper(mapper._ring, NoKeys())

    @given(events_of(name))
    def holds(event):
        loaded = blind.to_event(mapper.to_row(event))
        assert all(getattr(loaded, f) == getattr(event, f) for f in event.open_fields)
        had = any(getattr(event, f) is not None for f in event.personal_fields)
        expected = dict.fromkeys(event.personal_fields, ERASED if had else None)
        assert {f: getattr(loaded, f) for f in event.personal_fields} == expected

    holds()


def test_a_row_under_another_nodes_store_key_does_not_open(mapper, persons, events_of, tmp_path):
    other = Mapper(fresh_ring(tmp_path), persons)

    @given(events_of())
    def holds(event):
        with pytest.raises(RowTampered):
            other.to_event(mapper.to_row(event))

    holds()


def fresh_ring(folder):
    ring = KeyRing.create(folder / f"{uuid4()}.json", bytes(32))
    ring.add("store", "store-1", seal.new_key(), valid_from=datetime(2026, 1, 1, tzinfo=UTC), primary=True)
    return ring
