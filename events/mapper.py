"""An event to a row and back, sealed to its place.

The open fields are sealed under the node's store key, the personal and identifying ones under the person's own key.
What is authenticated beside them binds stream, version and name, and each part to the other: a row that was moved,
swapped, altered, or robbed of its personal part raises RowTampered. Rows name events of the closed catalogue, never
anything that could be imported.

When the person's key is destroyed the event still loads, with `ERASED` in every personal field that it had; no new
personal field can be written for that person.
A row's state: format (1) | length of key id (1) | key id | length of open box (4) | open box | personal box, if any.
"""

from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from events.base import ERASED, Event
from events.catalogue import EVENTS, NAMES
from events.errors import Refused, RowTampered
from keys import labels, seal
from keys.errors import SealBroken, UnknownKey
from keys.persons import PersonKeys
from keys.ring import KeyRing

_FORMAT: Final = b"\x01"
_IN_COLUMNS: Final = {"stream", "seq"}


class Mapper:
    """Events to rows and back. One a node; its methods may be called from several threads.

    ring     new rows are sealed under its primary `store` key, rows under its older ones still open
    persons  the persons' data keys
    raises   keys.errors.UnknownKey: the ring has no primary store key
    """

    def __init__(self, ring: KeyRing, persons: PersonKeys) -> None:
        ring.primary("store")
        self._ring = ring
        self._persons = persons

    def to_row(self, event: Event) -> StoredEvent:
        """Seal one event to its place.

        raises  Refused("person_key_missing"): it has personal fields, and the person's key is destroyed or not yet made
        """
        name = NAMES[type(event)]
        place = (event.stream.bytes, event.seq.to_bytes(8, "big"), name.encode())
        fields = event.model_dump(mode="json", exclude=_IN_COLUMNS)
        personal = {field: fields.pop(field) for field in event.personal_fields}
        opened = to_json(fields)
        personal_box = b""
        if any(value is not None for value in personal.values()):
            aad = labels.framed(labels.EVENT_PERSONAL, *place, opened)
            personal_box = seal.seal(self._person_key(event.person_id), to_json(personal), aad)
        key = self._ring.primary("store")
        aad = labels.framed(labels.EVENT_OPEN, *place, personal_box)
        open_box = seal.seal(self._ring.secret("store", key.id), opened, aad)
        return StoredEvent(event.stream, event.seq, name, _packed(key.id, open_box, personal_box))

    def to_event(self, row: StoredEvent) -> Event:
        """Open one row in its place. Raises RowTampered."""
        kind = EVENTS.get(row.topic)
        if kind is None or not isinstance(row.originator_id, UUID):
            raise RowTampered(f"{_where(row)} bears a name that is no event of this release. Is the software older?")
        place = (row.originator_id.bytes, row.originator_version.to_bytes(8, "big"), row.topic.encode())
        key_id, open_box, personal_box = _unpacked(row)
        try:
            aad = labels.framed(labels.EVENT_OPEN, *place, personal_box)
            opened = seal.unseal(self._ring.secret("store", key_id), open_box, aad)
            fields: dict[str, Any] = from_json(opened)
            if personal_box:
                aad = labels.framed(labels.EVENT_PERSONAL, *place, opened)
                fields |= self._personal(kind, UUID(fields["person_id"]), personal_box, aad)
        except (SealBroken, UnknownKey) as error:
            raise RowTampered(
                f"{_where(row)} does not open: moved, swapped or altered, or another key's. Compare it with a backup."
            ) from error
        return _loaded(kind, row, fields)

    def _person_key(self, person_id: UUID) -> bytes:
        key = self._persons.get(person_id)
        if key is None:
            raise Refused(
                "person_key_missing",
                "This person has no key: erased, or not given one yet. Create a person's key before the first event.",
            )
        return key

    def _personal(self, kind: type[Event], person_id: UUID, box: bytes, aad: bytes) -> dict[str, Any]:
        key = self._persons.get(person_id)
        if key is None:
            return dict.fromkeys(kind.personal_fields, ERASED)
        personal: dict[str, Any] = from_json(seal.unseal(key, box, aad))
        return personal


def _loaded(kind: type[Event], row: StoredEvent, fields: dict[str, Any]) -> Event:
    try:
        return kind.model_validate({**fields, "stream": row.originator_id, "seq": row.originator_version})
    except ValidationError as error:
        raise RowTampered(
            f"{_where(row)} opens but is no {row.topic} of this release ({error.error_count()} fields). "
            "Is the software older than the row?"
        ) from error


def begins_under(key_id: str) -> bytes:
    """How the state of every row begins that stands under this key: so they can be counted without being opened."""
    name = key_id.encode()
    return _FORMAT + len(name).to_bytes(1, "big") + name


def _packed(key_id: str, open_box: bytes, personal_box: bytes) -> bytes:
    return begins_under(key_id) + len(open_box).to_bytes(4, "big") + open_box + personal_box


def _unpacked(row: StoredEvent) -> tuple[str, bytes, bytes]:
    """Key id, open box and personal box. Raises RowTampered where the lengths do not fit."""
    state = row.state
    opens = 6 + int.from_bytes(state[1:2], "big")
    ends = opens + int.from_bytes(state[opens - 4 : opens], "big")
    if not state.startswith(_FORMAT) or len(state) < max(opens, ends):
        raise RowTampered(f"{_where(row)} has another form than a row of ours. Compare it with a backup.")
    key_id = state[2 : opens - 4].decode(errors="replace")
    return key_id, state[opens:ends], state[ends:]


def _where(row: StoredEvent) -> str:
    return f"Row {row.originator_version} of stream {row.originator_id}"
