"""One batch on its way through both holders of a pair, as the token benches need it.

512 elements: the rows of 102 invented people in the demo's five slots, the empty ones filled, and two random elements
as cover would add. Charters allow 320 (the default) to 1,280 (the demo) a request; costs a token hardly differ.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from keys import dleq, shares
from keys.group import Element
from keys.shares import Share
from services.bench import world
from services.demo.region import SLOTS

SIZE: Final = 512
PEOPLE: Final = SIZE // len(SLOTS)


@dataclass(frozen=True)
class Holder:
    """A key holder's share, and all that its proofs state."""

    share: Share
    statement: dleq.Statement

    def answer(self, blinded: Sequence[Element]) -> tuple[list[Element], bytes]:
        """Answers and proof."""
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


def inputs() -> list[bytes | None]:
    """What is hashed to the group, in the order of people and slots; then cover."""
    full = world.inputs(world.people(PEOPLE), world.HOME)
    return [*full, *[None] * (SIZE - len(full))]
