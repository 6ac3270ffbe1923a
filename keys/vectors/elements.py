"""The suites of the group and of what is proved in it: hashing, ristretto255, blind evaluation, the batch proof."""

from collections.abc import Iterator
from functools import partial
from itertools import chain

from keys import dleq, group, oprf, shares
from keys.errors import InvalidElement, InvalidProof
from keys.expand import expand_message_xmd
from keys.group import Element, Scalar
from keys.vectors.suite import Check, Figures, Suite, flipped, refused

_TWO: Scalar = b"\2" + bytes(31)
_WEIGHT = b"\1" * 16


class Expansion(Figures):
    message: str
    size: int
    uniform: bytes


class Expansions(Suite):
    """expand_message_xmd with SHA-512, of ASCII messages under one tag."""

    dst: str
    vectors: tuple[Expansion, ...]

    def checks(self) -> Iterator[Check]:
        return (partial(self._holds, v) for v in self.vectors)

    def _holds(self, v: Expansion) -> bool:
        return expand_message_xmd(v.message.encode(), self.dst.encode(), v.size) == v.uniform


class Mapped(Figures):
    input: bytes
    output: bytes


class Ristretto(Suite):
    """Encodings to refuse, the one-way map, and the multiples of the generator from 0 on."""

    bad_encodings: tuple[bytes, ...]
    one_way_map: tuple[Mapped, ...]
    small_multiples: tuple[bytes, ...]

    def checks(self) -> Iterator[Check]:
        return chain(
            (partial(_is_refused, encoding) for encoding in self.bad_encodings),
            (partial(_is_mapped, v) for v in self.one_way_map),
            (partial(self._is_multiple, i) for i in range(len(self.small_multiples))),
        )

    def _is_multiple(self, i: int) -> bool:
        expected = self.small_multiples[i]
        if i == 0:
            return expected == group.IDENTITY == group.total([])
        sums = group.add([self.small_multiples[i - 1]], [self.small_multiples[1]])
        return sums == [expected] and group.multiply_base(bytes([i]) + bytes(31)) == expected


class Evaluation(Figures):
    """A batch of RFC 9497; the last two in the verifiable mode alone."""

    inputs: tuple[bytes, ...]
    blinds: tuple[bytes, ...]
    blinded: tuple[bytes, ...]
    evaluated: tuple[bytes, ...]
    outputs: tuple[bytes, ...]
    proof: bytes | None = None
    r: bytes | None = None


class Evaluations(Figures):
    """Those under one key."""

    mode: int
    seed: bytes
    info: bytes
    secret: bytes
    public: bytes | None
    vectors: tuple[Evaluation, ...]

    def holds(self, v: Evaluation) -> bool:
        blinded = oprf.blind_with(v.blinds, v.inputs, self.mode)
        secret, public = oprf.derive_key_pair(self.seed, self.info, self.mode)
        return (
            secret == self.secret
            and self.public in {None, public}
            and blinded == list(v.blinded)
            and oprf.blind_evaluate(secret, blinded) == list(v.evaluated)
            and oprf.finalize(v.inputs, v.blinds, v.evaluated) == list(v.outputs)
            and (v.proof is None or _is_proved(secret, public, v, v.proof))
        )


class BlindEvaluations(Suite):
    """RFC 9497, ristretto255-SHA512, modes OPRF and VOPRF."""

    suites: tuple[Evaluations, ...]

    def checks(self) -> Iterator[Check]:
        return (partial(suite.holds, v) for suite in self.suites for v in suite.vectors)


class Asked(Figures):
    """The fields of a dleq.Statement."""

    charter_digest: bytes
    requester: str
    pair: str
    epoch: int
    generation: int
    purpose: str
    batch: bytes
    holder: str
    public: bytes


class Batch(Figures):
    """One proof of one batch, with every step of it, as docs/protocol.md names them."""

    statement: Asked
    share: bytes
    r: bytes
    knowledge: bytes
    blinded: tuple[bytes, ...]
    evaluated: tuple[bytes, ...]
    D: bytes
    seed: bytes
    weights: tuple[bytes, ...]
    M: bytes
    V: bytes
    t2: bytes
    t3: bytes
    proof: bytes

    def holds(self) -> bool:
        """What is hashed and weighed is what stands here; the proof and its like are taken, and altered ones are not.

        The challenge hashes transcript, seed, M, V, t2 and t3: a proof made elsewhere that is taken shows them all.
        """
        statement = dleq.Statement(**dict(self.statement))
        return (
            dleq.request_digest(statement, self.blinded) == self.D
            and group.weighted_sum(self.blinded, self.weights) == self.M
            and group.weighted_sum(self.evaluated, self.weights) == self.V
            and group.multiply(self.blinded, self.share) == list(self.evaluated)
            and self._is_proved(statement)
            and self._is_introduced()
        )

    def _is_proved(self, statement: dleq.Statement) -> bool:
        dleq.verify(statement, self.blinded, self.evaluated, self.proof)
        made = dleq.prove(statement, self.share, self.blinded, self.evaluated)
        dleq.verify(statement, self.blinded, self.evaluated, made)
        wrong = [group.add([self.evaluated[0]], [self.blinded[0]])[0], *self.evaluated[1:]]
        return refused(
            InvalidProof,
            lambda: dleq.verify(statement, self.blinded, self.evaluated, flipped(self.proof)),
            lambda: dleq.verify(statement, self.blinded, wrong, self.proof),
        )

    def _is_introduced(self) -> bool:
        s = self.statement
        place = (s.charter_digest, s.pair, s.epoch, s.generation, s.holder)
        shares.verify_introduction(*place, s.public, self.knowledge)
        share, proof = shares.introduce(*place)
        shares.verify_introduction(*place, share.public, proof)
        return (
            refused(InvalidProof, lambda: shares.verify_introduction(*place, s.public, proof))
            and group.multiply_base(share.secret) == share.public
        )


class BatchProof(Suite):
    """Ours: the proof of a batch of evaluations, and that of a share's introduction."""

    batches: tuple[Batch, ...]

    def checks(self) -> Iterator[Check]:
        return (batch.holds for batch in self.batches)


def _is_refused(encoding: Element) -> bool:
    """By everything that takes an element, wherever it stands."""
    good = group.multiply_base(_TWO)
    return refused(
        InvalidElement,
        lambda: group.validate([good, encoding]),
        lambda: group.multiply([good, encoding], _TWO),
        lambda: group.multiply_each([good, encoding], [_TWO, _TWO]),
        lambda: group.add([good], [encoding]),
        lambda: group.add([encoding], [good]),
        lambda: group.total([good, encoding]),
        lambda: group.weighted_sum([good, encoding], [_WEIGHT, _WEIGHT]),
    )


def _is_mapped(v: Mapped) -> bool:
    return group.map_to_group([v.input]) == [v.output]


def _is_proved(secret: Scalar, public: Element, v: Evaluation, proof: bytes) -> bool:
    oprf.verify_evaluation(public, v.blinded, v.evaluated, proof)
    evaluated, made = oprf.verifiable_evaluate(secret, public, v.blinded)
    oprf.verify_evaluation(public, v.blinded, evaluated, made)
    return evaluated == list(v.evaluated) and refused(
        InvalidProof, lambda: oprf.verify_evaluation(public, v.blinded, v.evaluated, flipped(proof))
    )
