"""The signed wire form: bytes in, bytes out.

    length (4, big-endian) | header, JSON | length (4) | body | signature (64)

The body of a sealed topic is sealed to the reader's X25519 key, with the header's exact bytes as associated data; on
`keys.*` it is public. The writer signs everything before the signature, under DSSE's pre-authentication encoding
(Ed25519); the SHA-256 of the same bytes is what the next envelope of the stream names as its predecessor. The signature
is not in the hash: one envelope has one hash, however often it is signed.

Refuses to guess: what does not parse, exactly and whole, is EnvelopeInvalid, and what a stream says is believed only
after `is_signed_by`.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, ValidationError

from events.charter import Family
from events.errors import EnvelopeInvalid
from events.messages import ITEMS_OF, Body
from events.model import Hex32, PartyId, Value
from keys import labels, seal, sign

Number = Annotated[int, Field(ge=0, lt=2**53)]
"""Fits every database's integers and every JSON reader's."""
KeyId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]

MAX_SIZE: Final = 8 * 1024 * 1024
"""Bytes of the largest envelope; the broker takes no larger one."""
NO_HASH: Final = bytes(32)
"""What the first envelope of a stream epoch names as its predecessor."""
_SIGNATURE: Final = 64


class Header(Value):
    """Who wrote which envelope of which stream, after which one, for whom. Everybody can read it."""

    writer: PartyId
    key_id: KeyId
    epoch: Annotated[int, Field(ge=1, lt=2**53)]
    topic: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
    partition: Number
    seq: Number
    prev: Hex32
    charter_version: Annotated[int, Field(ge=1, lt=2**53)]
    recipient: PartyId | None
    sealing_key: KeyId | None
    kind: Family
    event_id: UUID
    """Stays the same when the event is sealed anew: effects are keyed by it."""
    sealed_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope as it travels, and its header as read. Nothing in it is true before `is_signed_by` says so."""

    header: Header
    signed: bytes
    """Everything before the signature."""
    box: bytes
    """The body: sealed, or public."""
    signature: bytes

    def __repr__(self) -> str:
        h = self.header
        return f"<Envelope {h.writer} {h.topic}/{h.partition} {h.epoch}:{h.seq}, {len(self.signed)} bytes>"

    @property
    def hash(self) -> bytes:
        """32 bytes that stand for header and body."""
        return hashlib.sha256(self.signed).digest()

    @property
    def wire(self) -> bytes:
        return self.signed + self.signature

    def is_signed_by(self, public: bytes) -> bool:
        """Whether the holder of this Ed25519 key signed exactly these bytes."""
        return sign.is_valid(public, sign.pae(labels.ENVELOPE_TYPE, self.signed), self.signature)

    def opened(self, secret: bytes | None) -> bytes:
        """The body's plain bytes. `secret`: the X25519 key that it is sealed to; None: it is public.

        raises   keys.errors.SealBroken
        """
        if secret is None:
            return self.box
        return seal.unseal_from(secret, self.box, aad=self.signed[4 : -4 - len(self.box)])


def pack(header: Header, plain: bytes, *, seed: bytes, recipient: bytes | None) -> Envelope:
    """Seal, frame and sign one envelope.

    plain      the body, JSON
    seed       the writer's Ed25519 secret, whose id is `header.key_id`
    recipient  the reader's X25519 public key, whose id is `header.sealing_key`; None on public topics
    """
    head = header.model_dump_json().encode()
    box = plain if recipient is None else seal.seal_to(recipient, plain, aad=head)
    signed = b"".join((len(head).to_bytes(4, "big"), head, len(box).to_bytes(4, "big"), box))
    if len(signed) + _SIGNATURE > MAX_SIZE:
        raise ValueError(f"An envelope of {len(signed)} bytes exceeds the {MAX_SIZE} of the wire: send less at once.")
    return Envelope(header, signed, box, sign.sign(seed, sign.pae(labels.ENVELOPE_TYPE, signed)))


def unpack(wire: bytes) -> Envelope:
    """Read one envelope's frame and header. Raises EnvelopeInvalid; checks no signature."""
    if not 8 + _SIGNATURE <= len(wire) <= MAX_SIZE:
        raise EnvelopeInvalid(f"An envelope has {8 + _SIGNATURE} to {MAX_SIZE} bytes; this has {len(wire)}.")
    signed, signature = wire[:-_SIGNATURE], wire[-_SIGNATURE:]
    head, rest = _cut(signed)
    box, beyond = _cut(rest)
    if beyond:
        raise EnvelopeInvalid(f"{len(beyond)} bytes stand between an envelope's body and its signature.")
    try:
        return Envelope(Header.model_validate_json(head), signed, box, signature)
    except ValidationError as error:
        raise EnvelopeInvalid(f"An envelope's header has {error.error_count()} wrong fields.") from error


def read_body(kind: Family, plain: bytes) -> Body:
    """The body in these bytes, with only what this family of topics may carry.

    Refuses also what is no harm to JSON but to whoever stores it or reckons with it: integers beyond 2^53, times
    without a zone or near the calendar's ends, and the character NUL. Raises EnvelopeInvalid.
    """
    if b"\\u0000" in plain:
        raise EnvelopeInvalid("A body contains the character NUL.")
    try:
        body = Body.model_validate_json(plain)
    except ValidationError as error:
        raise EnvelopeInvalid(f"A body has {error.error_count()} wrong fields.") from error
    for item in body.items:
        if not isinstance(item, ITEMS_OF[kind]):
            raise EnvelopeInvalid(f"A body of {kind!r} carries a {item.kind!r}, which has no place there.")
    if not all(map(_is_storable, (body, *body.items, *body.heads, *body.wants))):
        raise EnvelopeInvalid("A body carries a number beyond 2^53, or a time without a zone or of no year of ours.")
    return body


_YEARS: Final = range(1970, 9000)
"""What a time may be of: far enough from both ends of the calendar for any zone and any span to be added."""


def _cut(framed: bytes) -> tuple[bytes, bytes]:
    """A part after its length, and the rest."""
    size = int.from_bytes(framed[:4], "big")
    if len(framed) < 4 + size:
        raise EnvelopeInvalid(f"An envelope's part of {size} bytes was cut to {len(framed) - 4}.")
    return framed[4 : 4 + size], framed[4 + size :]


def _is_storable(value: BaseModel) -> bool:
    return all(
        (not isinstance(field, int) or abs(field) < 2**53)
        and (not isinstance(field, datetime) or (field.tzinfo is not None and field.year in _YEARS))
        for field in value.__dict__.values()
    )
