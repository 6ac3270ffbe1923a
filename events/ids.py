"""New names for things: random where nothing may be learnt from them, derived where two parties must agree.

Refuses to make an id from anything about a person: no identifier, no token, no hash of one.
"""

import secrets
from uuid import UUID, uuid4, uuid5

_STREAMS = UUID("6f0c8a52-3c63-4a5c-9a2e-5a8f0b1d7e21")
_REF_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


def new_id() -> UUID:
    """A random id (UUID4, 122 random bits)."""
    return uuid4()


def stream_id(kind: str, key: UUID) -> UUID:
    """The id of the stream of one aggregate: the same for the same kind and key, different for any other."""
    return uuid5(_STREAMS, f"{kind}:{key}")


def new_handle() -> str:
    """A pseudonym under which a record is submitted: 128 random bits, 32 hex digits."""
    return secrets.token_hex(16)


def new_match_ref() -> str:
    """A match's reference that people can read out: `M-` and 12 letters and digits (59 random bits), none alike."""
    return "M-" + "".join(secrets.choice(_REF_LETTERS) for _ in range(12))
