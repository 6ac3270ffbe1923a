"""The oblivious pseudorandom function of RFC 9497, suite ristretto255-SHA512, modes OPRF (0) and VOPRF (1). Pure.

Batches throughout: element i of every list belongs to input i. Match tokens are this function in mode 1 up to its
last hash, with the key in two shares (matching.tokens, keys.shares) and another proof (keys.dleq). The RFC's own
proof stands here only so that its vectors hold our group to it: nothing of Samaki's trusts it, because its batch
weights can be aimed at.
"""

import hashlib
from collections.abc import Sequence
from hmac import compare_digest
from itertools import count

from keys import group
from keys.errors import InvalidProof, InvalidScalar
from keys.group import Element, Scalar
from keys.labels import oprf_context

OPRF = 0
VOPRF = 1


def blind(inputs: Sequence[bytes], mode: int = VOPRF) -> tuple[list[Scalar], list[Element]]:
    """Fresh blinds r_i and blinded elements r_i·H(x_i), which say nothing of the inputs.

    raises   InvalidElement: an input hashes to the identity (nobody can find one)
    source   RFC 9497 section 3.3.1, Blind
    """
    blinds = group.random_scalars(len(inputs))
    return blinds, blind_with(blinds, inputs, mode)


def blind_with(blinds: Sequence[Scalar], inputs: Sequence[bytes], mode: int = VOPRF) -> list[Element]:
    """`blind` with given blinds."""
    return group.hash_and_multiply(inputs, b"HashToGroup-" + oprf_context(mode), blinds)


def blind_evaluate(secret: Scalar, blinded: Sequence[Element]) -> list[Element]:
    """Raises InvalidElement, InvalidScalar. Source: RFC 9497 section 3.3.1, BlindEvaluate."""
    return group.multiply(blinded, secret)


def unblind(blinds: Sequence[Scalar], evaluated: Sequence[Element]) -> list[Element]:
    """The answers without their blinds, k·H(x_i), with one inversion for all. Raises InvalidElement, InvalidScalar."""
    return group.multiply_each(evaluated, group.invert(blinds))


def finalize(inputs: Sequence[bytes], blinds: Sequence[Scalar], evaluated: Sequence[Element]) -> list[bytes]:
    """The function's outputs, 64 bytes each. Source: RFC 9497 section 3.3.1, Finalize."""
    outputs = []
    for message, element in zip(inputs, unblind(blinds, evaluated), strict=True):
        outputs.append(hashlib.sha512(_sized(message) + _sized(element) + b"Finalize").digest())
    return outputs


def derive_key_pair(seed: bytes, info: bytes, mode: int) -> tuple[Scalar, Element]:
    """A secret and its public key from 32 random bytes. Source: RFC 9497 section 3.2.1, DeriveKeyPair."""
    for counter in count():
        secret = group.hash_to_scalar(
            seed + _sized(info) + counter.to_bytes(1, "big"), b"DeriveKeyPair" + oprf_context(mode)
        )
        if secret != bytes(32):
            break
    return secret, group.multiply_base(secret)


def verifiable_evaluate(
    secret: Scalar, public: Element, blinded: Sequence[Element]
) -> tuple[list[Element], bytes]:
    """Answers and the RFC's proof c | s. Source: RFC 9497 sections 3.3.2, BlindEvaluate, and 2.2.1, GenerateProof."""
    evaluated = blind_evaluate(secret, blinded)
    M = _composite(blinded, _weights(public, blinded, evaluated))
    (r,) = group.random_scalars(1)
    Z, t3 = group.multiply([M], secret)[0], group.multiply([M], r)[0]
    c = _challenge(public, M, Z, group.multiply_base(r), t3)
    return evaluated, c + group.scalar_subtract(r, group.scalar_multiply(c, secret))


def verify_evaluation(public: Element, blinded: Sequence[Element], evaluated: Sequence[Element], proof: bytes) -> None:
    """Raises InvalidProof, InvalidElement. Source: RFC 9497 section 2.2.2, VerifyProof."""
    if not blinded or len(blinded) != len(evaluated):
        raise InvalidProof(f"A batch has one answer an element; got {len(evaluated)} for {len(blinded)}.")
    weights = _weights(public, blinded, evaluated)
    M, Z = _composite(blinded, weights), _composite(evaluated, weights)
    c, s = proof[:32], proof[32:]
    try:
        t2 = group.add([group.multiply_base(s)], group.multiply([public], c))[0]
        t3 = group.add(group.multiply([M], s), group.multiply([Z], c))[0]
    except InvalidScalar as error:
        raise InvalidProof("A proof is two scalars of 32 bytes.") from error
    if not compare_digest(c, _challenge(public, M, Z, t2, t3)):
        raise InvalidProof(f"The proof of {len(blinded)} answers does not hold.")


def _weights(public: Element, blinded: Sequence[Element], evaluated: Sequence[Element]) -> list[Scalar]:
    """RFC 9497 section 2.2.1, ComputeComposites: each weight hashes its own item and the key, not the batch."""
    context = oprf_context(VOPRF)
    seed = hashlib.sha512(_sized(public) + _sized(b"Seed-" + context)).digest()
    return [
        group.hash_to_scalar(
            _sized(seed) + i.to_bytes(2, "big") + _sized(C) + _sized(D) + b"Composite", b"HashToScalar-" + context
        )
        for i, (C, D) in enumerate(zip(blinded, evaluated, strict=True))
    ]


def _composite(elements: Sequence[Element], weights: Sequence[Scalar]) -> Element:
    return group.total(group.multiply_each(elements, weights))


def _challenge(public: Element, M: Element, Z: Element, t2: Element, t3: Element) -> Scalar:
    transcript = b"".join(_sized(element) for element in (public, M, Z, t2, t3)) + b"Challenge"
    return group.hash_to_scalar(transcript, b"HashToScalar-" + oprf_context(VOPRF))


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(2, "big") + part
