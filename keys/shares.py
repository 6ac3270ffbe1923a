"""A pair's key in two shares: introduce one, evaluate with it, unblind two answers. Pure.

The key of a pair is k = k_A + k_B and exists nowhere: each holder draws its share, publishes K_j = k_j·G and proves
that it knows k_j. Without that proof a holder could wait for the other's K_A and publish X - K_A, for an X whose
logarithm it knows: the pair's public key would be its own. The proof is bound to charter, pair, epoch, generation and
holder, so a share introduced in one place counts in no other. That no K_j is repeated, the directory watches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest

from keys import group, labels
from keys.errors import InvalidProof, InvalidScalar
from keys.group import Element, Scalar


@dataclass(frozen=True, slots=True)
class Share:
    """One holder's share of a pair's key in one epoch; `generation` counts its refreshes."""

    pair: str
    epoch: int
    generation: int
    holder: str
    secret: Scalar = field(repr=False)
    public: Element


def introduce(charter_digest: bytes, pair: str, epoch: int, generation: int, holder: str) -> tuple[Share, bytes]:
    """A fresh share and the proof of knowledge to publish with it: c | s, 64 bytes.

    source   Schnorr's proof, made non-interactive by hashing; RFC 8235 in form
    """
    (secret,) = group.random_scalars(1)
    share = Share(pair, epoch, generation, holder, secret, group.multiply_base(secret))
    return share, prove_knowledge(charter_digest, share)


def prove_knowledge(charter_digest: bytes, share: Share) -> bytes:
    """The proof of knowledge of a share that stands already: c | s, 64 bytes, another each time."""
    (r,) = group.random_scalars(1)
    context = _context(charter_digest, share.pair, share.epoch, share.generation, share.holder)
    c = _challenge(context, share.public, group.multiply_base(r))
    return c + group.scalar_subtract(r, group.scalar_multiply(c, share.secret))


def verify_introduction(
    charter_digest: bytes, pair: str, epoch: int, generation: int, holder: str, public: Element, proof: bytes
) -> None:
    """Returns if whoever made the proof knows the secret of `public` and meant it for exactly this place.

    raises   InvalidProof; InvalidElement: `public` is not canonical, or the identity
    """
    context = _context(charter_digest, pair, epoch, generation, holder)
    try:
        commitment = group.add([group.multiply_base(proof[32:])], group.multiply([public], proof[:32]))[0]
    except InvalidScalar as error:
        raise InvalidProof(f"The proof of knowledge of {holder}'s share is not two scalars.") from error
    if not compare_digest(proof[:32], _challenge(context, public, commitment)):
        raise InvalidProof(
            f"{holder} has not shown that it knows its share of {pair}, epoch {epoch}, generation {generation}: "
            "do not use it."
        )


def evaluate(share: Share, blinded: Sequence[Element]) -> list[Element]:
    """A holder's half of the answers, k_j·B_i.

    blinded  canonical, none the identity, which would give the same answer for every share
    raises   InvalidElement
    source   RFC 9497 section 3.3.1, BlindEvaluate
    """
    return group.multiply(blinded, share.secret)


def unblind(
    blinds: Sequence[Scalar], first: Sequence[Element], second: Sequence[Element], *outside: Sequence[Element]
) -> list[Element]:
    """All parts to the answers under the pair's key, without their blinds: r_i^-1·(Z_iA + Z_iB), and Z_iC where an
    outside body has a third share.

    first, ...  each verified before (keys.dleq)
    cost        an addition and a multiplication an element, one inversion for all
    raises      InvalidElement: not canonical, or the identity, or different counts, or parts that cancel out,
                which independent shares never make; InvalidScalar
    """
    for further in outside:
        second = group.add(second, further)
    return group.multiply_sums(first, second, group.invert(blinds))


def _context(charter_digest: bytes, pair: str, epoch: int, generation: int, holder: str) -> bytes:
    """The place that a proof of knowledge is bound to."""
    if not 0 <= epoch < 1 << 64 or not 0 <= generation < 1 << 64:
        raise InvalidProof("Epoch and generation must be from 0 to 2^64 - 1.")
    numbers = epoch.to_bytes(8, "big"), generation.to_bytes(8, "big")
    return labels.framed(charter_digest, pair.encode(), *numbers, holder.encode())


def _challenge(context: bytes, public: Element, commitment: Element) -> Scalar:
    return group.hash_to_scalar(labels.framed(context, public, commitment), labels.KNOWLEDGE)
