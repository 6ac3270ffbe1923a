"""What an erasure says of the key that it destroys, before it does. Pure.

A key that is gone can prove nothing. So its last use leaves two hashes in the history: whoever finds a copy of a key
later, in a backup that should not be, can show which erasure it escaped. They tell nobody anything else: the key was 32
random bytes.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from keys import labels

_MICROSECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Farewell:
    """Both 32 bytes. `key_hash`: of the key; `proof`: under the key, over whom and when it was destroyed."""

    key_hash: bytes
    proof: bytes


def farewell(key: bytes, person_id: UUID, at: datetime) -> Farewell:
    """The last words of a person's key.

    key      32 bytes
    returns  key_hash = BLAKE2b-256(label | key); proof = BLAKE2b-256(key; label | person | microseconds from 1970)
    """
    moment = round(at.timestamp() * _MICROSECOND).to_bytes(8, "big")
    return Farewell(
        key_hash=_hash(labels.framed(labels.ERASED_KEY, key)),
        proof=_hash(labels.framed(labels.ERASURE, person_id.bytes, moment), key),
    )


def _hash(message: bytes, key: bytes = b"") -> bytes:
    return hashlib.blake2b(message, key=key, digest_size=32).digest()
