"""One batch on its way through both holders of a pair, as the token benches need it.

512 elements: the rows of 102 invented people in the demo's five slots, the empty ones filled, and two random elements
as cover would add. Charters allow 320 (the default) to 1,280 (the demo) a request. Costs a token hardly differ with
libsodium; natively a weighted term of a larger batch costs less.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from keys import dleq, oprf, shares
from keys.group import Element
from keys.shares import Share
from matching import tokens
from matching.tokens import Blinding, Token
from services.bench import bare, world
from services.bench.measure import Stopwatch
from services.demo.region import SLOTS
from services.keyholder import requests

SIZE: Final = 512
PEOPLE: Final = SIZE // len(SLOTS)


@dataclass(frozen=True)
class Holder:
    """A key holder's share, and all that its proofs state."""

    share: Share
    statement: dleq.Statement

    def answer(self, asked: bytes) -> tuple[list[Element], bytes]:
        """Refuse what is no element; answers and proof."""
        blinded = requests.split(asked)
        if requests.element_refusal(blinded) is not None:
            raise ValueError("The bench made an element that a key holder refuses.")
        evaluated = shares.evaluate(self.share, blinded)
        return evaluated, dleq.prove(self.statement, self.share.secret, blinded, evaluated)


def holders() -> tuple[Holder, Holder]:
    """Both holders of the pair, with fresh shares, asked the same batch."""
    digest, batch = secrets.token_bytes(32), secrets.token_bytes(16)
    first = dleq.Statement(
        charter_digest=digest,
        requester=world.HOME,
        pair=world.PAIR,
        epoch=1,
        generation=0,
        purpose="match",
        batch=batch,
        holder=f"{world.HOME}.holder",
        public=bytes(32),
    )
    return _holder(first), _holder(replace(first, holder=f"{world.ABROAD}.holder"))


def _holder(statement: dleq.Statement) -> Holder:
    share, _ = shares.introduce(
        statement.charter_digest, statement.pair, statement.epoch, statement.generation, statement.holder
    )
    return Holder(share, replace(statement, public=share.public))


def inputs() -> list[bytes]:
    """What is hashed to the group, in the order of people and slots, random where a slot is empty; then cover."""
    full = world.inputs(world.people(PEOPLE), world.HOME)
    empty = [None] * (SIZE - len(full))
    return [secrets.token_bytes(32) if one is None else one for one in (*full, *empty)]


@dataclass(frozen=True)
class Passage:
    """One batch there and back. A step is timed where its party would do it, with nothing kept from another party."""

    inputs: Sequence[bytes]
    holders: tuple[Holder, Holder]

    def run(self, country: Stopwatch, holder: Stopwatch) -> list[Token]:
        """The tokens, verified. The country's steps run on the one watch, the holders' on the other."""
        *_, made = self.steps(country, holder)
        return made

    def steps(self, country: Stopwatch, holder: Stopwatch) -> Iterator[list[Token]]:
        """`run` one party at a time: blind, the one holder, the other, verify and unblind; then the tokens are there.
        """
        bare.apart()
        with country:
            blinding = tokens.blind(self.inputs)
        yield []
        asked = b"".join(blinding.blinded)
        answers = []
        for one in self.holders:
            bare.apart()
            with holder:
                answers.append(one.answer(asked))
            yield []
        if bare.apart():  # but the country's own process has not forgotten what it blinded
            oprf.blind_with(blinding.blinds, self.inputs)
        with country:
            made = self._tokens(blinding, answers)
        yield made

    def _tokens(self, blinding: Blinding, answers: Sequence[tuple[list[Element], bytes]]) -> list[Token]:
        for holder, (evaluated, proof) in zip(self.holders, answers, strict=True):
            dleq.verify(holder.statement, blinding.blinded, evaluated, proof)
        return tokens.unblind(blinding.blinds, answers[0][0], answers[1][0])
