"""A refresh of a pair's key: both shares move, their sum does not. Pure.

Each holder draws a part δ_j and offers D_j = δ_j·G with an X25519 key made for this refresh alone. When both offers
stand, each reveals its δ_j, sealed to the other's key. Then

    k_j' = k_j + δ_own - δ_other        K_j' = K_j + D_own - D_other

so k_A' + k_B' = k_A + k_B, and anybody checks each new public share for itself: a holder that moves its share otherwise
is the one that is named. Parts and keys are destroyed when both new shares stand; what was sealed to them may stay in
public, and opens no more. Whoever has an old share of one holder and a new one of the other has nothing.
"""

from dataclasses import dataclass, field, replace
from typing import Final, Self

from keys import group, labels, seal
from keys.errors import InvalidProof, InvalidScalar, KeysError
from keys.group import Element, Scalar
from keys.shares import Share

_SCALAR: Final = 32
BOX: Final = seal.OVERHEAD_TO + _SCALAR
"""Bytes of a revealed part."""


@dataclass(frozen=True, slots=True)
class Part:
    """One holder's part of one refresh: δ and D = δ·G; `opener` opens what is sealed to `seal_to` (X25519)."""

    delta: Scalar = field(repr=False)
    opener: bytes = field(repr=False)
    public: Element
    seal_to: bytes

    @property
    def secret(self) -> bytes:
        """What is kept of it, 64 bytes."""
        return self.delta + self.opener

    @property
    def offered(self) -> bytes:
        """What is published of it, 64 bytes."""
        return self.public + self.seal_to

    @classmethod
    def kept(cls, secret: bytes, offered: bytes) -> Self:
        """The part whose `secret` and `offered` these are."""
        return cls(secret[:_SCALAR], secret[_SCALAR:], offered[: group.SIZE], offered[group.SIZE :])


@dataclass(frozen=True, slots=True)
class Place:
    """Which refresh of which key a part belongs to, and whose part it is."""

    charter_digest: bytes
    pair: str
    epoch: int
    generation: int
    holder: str

    @property
    def bound(self) -> bytes:
        """What the seal of a part is bound to."""
        numbers = self.epoch.to_bytes(8, "big"), self.generation.to_bytes(8, "big")
        return labels.framed(
            labels.REFRESH_PART, self.charter_digest, self.pair.encode(), *numbers, self.holder.encode()
        )


def draw() -> Part:
    """A fresh part."""
    (delta,) = group.random_scalars(1)
    opener, seal_to = seal.new_sealing_pair()
    return Part(delta, opener, group.multiply_base(delta), seal_to)


def reveal(part: Part, place: Place, to: bytes) -> bytes:
    """A part sealed to the other holder's key of this refresh, BOX bytes.

    place    whose holder is the part's own
    raises   SealBroken: no key, or one of low order
    """
    return seal.seal_to(to, part.delta, place.bound)


def opened(own: Part, box: bytes, place: Place, public: Element) -> Scalar:
    """The other holder's δ.

    place    whose holder is the other; `public` is the D that it offered
    raises   SealBroken; InvalidProof: it opens, and is not what was offered
    """
    delta = seal.unseal_from(own.opener, box, place.bound)
    try:
        fits = group.multiply_base(delta) == public
    except InvalidScalar:
        fits = False
    if not fits:
        raise InvalidProof(f"{place.holder} revealed another part than it offered for {place.pair}: do not go on.")
    return delta


def moved(share: Share, own: Scalar, other: Scalar, generation: int) -> Share:
    """The share in its next generation: k + own - other."""
    secret = group.scalar_subtract(group.scalar_add(share.secret, own), other)
    return replace(share, generation=generation, secret=secret, public=group.multiply_base(secret))


def is_moved(before: Element, own: Element, other: Element, after: Element) -> bool:
    """Whether a public share was moved by exactly what both holders offered: K' + D_other = K + D_own."""
    try:
        left, right = group.add([after, before], [other, own])
    except KeysError:
        return False
    return left == right
