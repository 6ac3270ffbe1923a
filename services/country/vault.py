"""What the node's own tables say of a person: sealed in its row, and found again by a keyed tag.

A thief of the disk without the key-encryption key sees how many rows there are and whose, not what they say.
"""

import hashlib
from typing import TypeVar
from uuid import UUID

from events.model import Value
from keys import labels, seal

V = TypeVar("V", bound=Value)


class Vault:
    """`store_key` seals, `search_key` tags; 32 bytes each."""

    def __init__(self, store_key: bytes, search_key: bytes) -> None:
        self._store_key = store_key
        self._search_key = search_key

    def tag(self, *parts: str) -> bytes:
        """16 bytes that stand for these words in a column."""
        message = labels.framed(labels.REFERENCE, *(p.encode() for p in parts))
        return hashlib.blake2b(message, key=self._search_key, digest_size=16).digest()

    def tag_of_country(self, person_id: UUID | str, country: str) -> bytes:
        """16 bytes that stand for a country in one person's rows: in nobody else's, or rows could be counted by it.

        Totals are public. Were a country's tag the same in all rows, who counts them would know which country it is.
        """
        return self.tag("country", str(person_id), country)

    def tag_of_batch(self, batch: UUID) -> bytes:
        """16 bytes that stand for a batch in a person's row: it stands beside its pair in another table, and nothing in
        this one leads there.
        """
        return self.tag("batch", str(batch))

    def pseudonym(self, person_id: str) -> str:
        """The name of a person in statistics, 32 hex digits: nothing links it to a handle."""
        message = labels.framed(labels.PSEUDONYM, person_id.encode())
        return hashlib.blake2b(message, key=self._search_key, digest_size=16).hexdigest()

    def shut(self, place: tuple[str, ...], value: Value) -> bytes:
        """Seal a value to its place: table and key of its row."""
        return seal.seal(self._store_key, value.model_dump_json().encode(), _aad(place))

    def open(self, place: tuple[str, ...], box: bytes, kind: type[V]) -> V:
        """What was shut in this place. Raises keys.errors.SealBroken if it was moved or altered."""
        return kind.model_validate_json(seal.unseal(self._store_key, bytes(box), _aad(place)))


def _aad(place: tuple[str, ...]) -> bytes:
    return labels.framed(*(p.encode() for p in place))
