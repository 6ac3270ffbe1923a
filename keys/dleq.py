"""The proof that every answer of a batch was made with the published share, pure.

A holder whose public share is K = k·G shows that Z_i = k·B_i for all i at once, with 64 bytes. The proof is bound to
the whole request and to who asked whom for what, so it proves nothing about any other batch. Every number is 8 bytes
big-endian, every part of a hashed message is framed by its length (labels.framed):

    D    = SHA-512(label | charter digest | requester | pair | epoch | generation | purpose | batch id | n | B_1..B_n)
    ctx  = label | charter digest | pair | epoch | generation | holder | K | D | n
    seed = SHA-512(label | ctx | B_1..B_n | Z_1..Z_n)
    w_i  = 16-byte block i mod 4 of SHA-512(label | seed | i div 4), i from 0
    M = sum w_i·B_i    V = sum w_i·Z_i    t2 = r·G    t3 = r·M    (r fresh)
    c = HashToScalar(ctx | seed | M | V | t2 | t3) under its label    proof = (c, r - c·k)

The weights come from the whole batch. RFC 9497's come from one item at a time, and a holder could search for a batch
of wrong answers that passes: its proof stands in keys.oprf for the RFC's vectors only.

Refused: no element, lists of different lengths, a non-canonical element or the identity anywhere (K, B, Z, M, V).
How many elements a charter allows is the caller's to check, before it works on a request.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Final

from keys import group, labels
from keys.errors import InvalidProof, InvalidScalar
from keys.group import Element, Scalar

_START: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for what. `batch` is the request's id, 16 bytes."""

    charter_digest: bytes
    requester: str
    pair: str
    epoch: int
    generation: int
    purpose: str
    batch: bytes


@dataclass(frozen=True, slots=True)
class Statement(Question):
    """Who answered whom, for what, under which public share."""

    holder: str
    public: Element


def prove(statement: Statement, share: Scalar, blinded: Sequence[Element], evaluated: Sequence[Element]) -> bytes:
    """The proof c | s, 64 bytes, for answers made with `share`; of other answers it is a proof that fails.

    cost     one weighted sum: about as much as evaluating
    raises   InvalidProof: nothing to prove, or not one answer an element; InvalidElement, InvalidScalar
    """
    context, seed = _transcript(statement, blinded, evaluated)
    M = group.weighted_sum(blinded, _weights(seed, len(blinded)))
    (r,) = group.random_scalars(1)
    V, t3 = group.multiply([M], share)[0], group.multiply([M], r)[0]
    c = _challenge(context, seed, M, V, group.multiply_base(r), t3)
    return c + group.scalar_subtract(r, group.scalar_multiply(c, share))


def verify(statement: Statement, blinded: Sequence[Element], evaluated: Sequence[Element], proof: bytes) -> None:
    """Returns if every answer was made with the share of `statement.public`; else nothing of the batch may be used.

    cost     two weighted sums
    raises   InvalidProof; InvalidElement: some element is not canonical, or the identity
    """
    if len(proof) != 64:
        raise InvalidProof(f"A proof has 64 bytes, that of {statement.holder} has {len(proof)}.")
    context, seed = _transcript(statement, blinded, evaluated)
    weights = _weights(seed, len(blinded))
    M, V = group.weighted_sum(blinded, weights), group.weighted_sum(evaluated, weights)
    c, s = proof[:32], proof[32:]
    try:
        t2 = group.add([group.multiply_base(s)], group.multiply([statement.public], c))[0]
        t3 = group.add(group.multiply([M], s), group.multiply([V], c))[0]
    except InvalidScalar as error:
        raise InvalidProof(f"The proof of {statement.holder} is not two scalars.") from error
    if not compare_digest(c, _challenge(context, seed, M, V, t2, t3)):
        raise InvalidProof(
            f"The proof of {statement.holder} for {len(blinded)} answers ({statement.pair}, epoch {statement.epoch}, "
            f"generation {statement.generation}) does not hold: use none of them, and keep it as evidence."
        )


def request_digest(question: Question, blinded: Sequence[Element]) -> bytes:
    """D: what was asked, 64 bytes. The same for both holders: it says nothing of who answers."""
    return hashlib.sha512(
        labels.framed(
            labels.DIGEST,
            question.charter_digest,
            question.requester.encode(),
            question.pair.encode(),
            _number(question.epoch),
            _number(question.generation),
            question.purpose.encode(),
            question.batch,
            _number(len(blinded)),
            b"".join(blinded),
        )
    ).digest()


def answer_message(digest: bytes, holder: str, evaluated: Sequence[Element], proof: bytes) -> bytes:
    """What a holder signs of its answer (keys.sign), so that a wrong one convicts it before anybody.

    digest   of the request (`request_digest`): it binds charter, requester, pair, epoch, generation and elements
    """
    return labels.framed(labels.ANSWER, digest, holder.encode(), b"".join(evaluated), proof)


def refusal_message(
    question: Question,
    blinded: Sequence[Element],
    holder: str,
    *,
    reason: str,
    sentence: str,
    retry_at: datetime | None,
) -> bytes:
    """What a holder signs of its refusal (keys.sign), so that what it said can be shown to anybody.

    blinded   the elements that were asked, as they came: a refused request may hold what is no element
    retry_at  with its time zone; signed as microseconds from 1970, 8 bytes big-endian, and None as nothing
    raises    InvalidProof: a number out of range
    """
    again = b"" if retry_at is None else _number((retry_at - _START) // timedelta(microseconds=1))
    return labels.framed(
        labels.REFUSAL,
        question.charter_digest,
        question.requester.encode(),
        holder.encode(),
        request_digest(question, blinded),
        reason.encode(),
        again,
        sentence.encode(),
    )


def _transcript(statement: Statement, blinded: Sequence[Element], evaluated: Sequence[Element]) -> tuple[bytes, bytes]:
    """The context and the seed of the weights.

    Elements are joined: the weighted sums refuse any that has not 32 bytes, and with it two readings of one batch.
    """
    if not blinded or len(blinded) != len(evaluated):
        raise InvalidProof(f"A batch has one answer an element and at least one; got {len(evaluated)}, {len(blinded)}.")
    context = labels.framed(
        labels.CONTEXT,
        statement.charter_digest,
        statement.pair.encode(),
        _number(statement.epoch),
        _number(statement.generation),
        statement.holder.encode(),
        statement.public,
        request_digest(statement, blinded),
        _number(len(blinded)),
    )
    seed = hashlib.sha512(labels.framed(labels.SEED, context, b"".join(blinded), b"".join(evaluated))).digest()
    return context, seed


def _weights(seed: bytes, n: int) -> list[bytes]:
    """16 bytes an element: nobody can aim at them, since each depends on all elements and answers."""
    return group.hashed_weights(labels.framed(labels.WEIGHT, seed) + _number(8), n)  # the 8 frames each hash's number


def _challenge(context: bytes, seed: bytes, *elements: Element) -> Scalar:
    """Of M, V, t2 and t3, in this order."""
    return group.hash_to_scalar(labels.framed(context, seed, *elements), labels.CHALLENGE)


def _number(value: int) -> bytes:
    if not 0 <= value < 1 << 64:
        raise InvalidProof("A number of a statement must be from 0 to 2^64 - 1.")
    return value.to_bytes(8, "big")
