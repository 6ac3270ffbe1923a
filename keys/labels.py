"""Every domain-separation string, once, and the framing that keeps the parts of a hashed message apart.

No two labels are equal and none begins another (tests/unit/keys/test_labels.py), so a signature, hash or seal
made for one use is worth nothing in another. A released label is never reused for something else.
"""

from typing import Final

CHARTER: Final = b"SAMAKI-v1 charter"
"""Prefix of the message that members' roots sign."""

ENVELOPE_TYPE: Final = "application/vnd.samaki.envelope.v1"
"""DSSE payload type of every envelope (keys.sign.pae)."""

MATCH_INPUT: Final = b"SAMAKI-v1 match"
"""First part of every input that becomes a token: match | schema version | recipe | canonical parts."""

INDEX: Final = b"SAMAKI-v1 index"
"""The index of a token: label | pair | epoch | recipe | T."""

# The proof of a batch of evaluations (keys.dleq), in the order of its steps.
DIGEST: Final = b"SAMAKI-v1 batch request digest"
CONTEXT: Final = b"SAMAKI-v1 batch proof context"
SEED: Final = b"SAMAKI-v1 batch proof seed"
WEIGHT: Final = b"SAMAKI-v1 batch proof weight"
CHALLENGE: Final = b"SAMAKI-v1 batch proof challenge"

KNOWLEDGE: Final = b"SAMAKI-v1 share knowledge"
"""The proof that whoever publishes a share knows its secret (keys.shares)."""

REFRESH_PART: Final = b"SAMAKI-v1 refresh part"
"""Associated data of what one holder adds to a refresh, sealed to the other (keys.refresh)."""

SEAL_TO: Final = b"SAMAKI-v1 seal to recipient"
"""The key of one message sealed to a public key (keys.seal)."""

ANSWER: Final = b"SAMAKI-v1 answer"
"""What a holder signs of its answer itself, so that a wrong one convicts it without any seal being opened."""

REFUSAL: Final = b"SAMAKI-v1 refusal"
"""What a holder signs of its refusal itself, so that a pair it has stopped can be shown to anybody."""

DROPPED: Final = b"SAMAKI-v1 dropped rows"
"""What the matcher commits to of an agreement that ended (services.matcher.endings)."""

REFERENCE: Final = b"SAMAKI-v1 reference"
PSEUDONYM: Final = b"SAMAKI-v1 pseudonym"
"""Keyed hashes that never leave a country's node as such: a file's record id; a person in statistics."""

RING_ENTRY: Final = b"SAMAKI-v1 ring entry"
RING_WHOLE: Final = b"SAMAKI-v1 ring whole"
PERSON_KEY: Final = b"SAMAKI-v1 person key"
PERSONS_WHOLE: Final = b"SAMAKI-v1 persons store"
"""Associated data of what is wrapped (keys.ring, keys.persons)."""

ERASED_KEY: Final = b"SAMAKI-v1 destroyed person key"
ERASURE: Final = b"SAMAKI-v1 erasure"
"""What an erasure says of the key that it destroys (keys.erasure)."""

TOKEN_KEK: Final = b"SAMAKI-v1 key-encryption key of a token"
"""The key-encryption key that a PKCS#11 token gives: HMAC under its own key of label | salt (keys.kek)."""

KEK_MARK: Final = b"SAMAKI-v1 former key-encryption key"
"""Of a hash by which a key file is known again that a ring stood under (keys.rotation)."""

PERSONS_BACKUP: Final = b"SAMAKI-v1 backup of persons' keys"
"""Associated data of a backup: label | its date (keys.backup)."""

EVENT_OPEN: Final = b"SAMAKI-v1 event row, open part"
EVENT_PERSONAL: Final = b"SAMAKI-v1 event row, personal part"
"""Associated data of the two parts of a stored event: label | stream | seq | name | the other part (events.mapper)."""


def oprf_context(mode: int) -> bytes:
    """The contextString of ristretto255-SHA512: mode 0 is OPRF, 1 is VOPRF. Source: RFC 9497 section 3.1."""
    return b"OPRFV1-" + mode.to_bytes(1, "big") + b"-ristretto255-SHA512"


TOKEN_TO_GROUP: Final = b"HashToGroup-" + oprf_context(1)
"""The tag under which match inputs are hashed to the group: RFC 9497's own, for mode 1."""


def framed(*parts: bytes) -> bytes:
    """The parts, each after its length in 8 bytes, big-endian: two different lists never give the same bytes."""
    return b"".join(piece for part in parts for piece in (len(part).to_bytes(8, "big"), part))  # a batch copied once
