"""Canonical inputs to tokens, in batches, through a pair's two key holders; tokens to the indices that leave.

The country blinds, both holders raise to their shares, the country adds and unblinds: T = k·H(input), and nobody held
k or saw the input. A token stays in the country; only its index travels, with which the matcher can compare but not
compute. An empty slot gets the token of a random input, which nobody can tell from a full one.

Refuses answers that do not fit the batch. Whether the holders used the right key is shown by their proofs (keys.dleq):
check them first.
Source: RFC 9497 section 3.3, with the key in two shares; `Finalize` hashes with other data here (`index`).
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from keys import labels, oprf, shares
from keys.errors import InvalidElement, InvalidScalar
from keys.group import Element, Scalar
from matching.errors import BatchInvalid


class Blinded(bytes):
    """r·H(input), 32 bytes: says nothing about the input without r. Goes to the holders."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<Blinded>"

    __str__ = __repr__


class Token(bytes):
    """k·H(input), 32 bytes, under one pair's key. Never leaves the country."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<Token>"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, repr=False)
class Blinding:
    """One batch: the blinds (secret, to be kept until the answers are in) and what is sent, in the same order."""

    blinds: tuple[Scalar, ...]
    blinded: tuple[Blinded, ...]

    def __repr__(self) -> str:
        return f"<Blinding of {len(self.blinds)}>"


def blind(inputs: Sequence[bytes | None]) -> Blinding:
    """Hash each input to the group and blind it. None, an empty slot or cover, becomes a random input.

    cost     a hash and a multiplication an input
    """
    blinds, blinded = oprf.blind([secrets.token_bytes(32) if one is None else one for one in inputs])
    return Blinding(tuple(blinds), tuple(map(Blinded, blinded)))


def unblind(
    blinds: Sequence[Scalar], first: Sequence[Element], second: Sequence[Element], *outside: Sequence[Element]
) -> list[Token]:
    """The tokens, from all holders' answers to one batch, whose proofs have been checked.

    first, ...  k_A·B_i and k_B·B_i, in the order of the batch; and k_C·B_i where an outside body has a third share
    cost        an addition and a multiplication a token, one inversion a batch
    raises      BatchInvalid: another number than was sent, or bytes that are no element (of the blinds: no scalar)
    """
    answers = (first, second, *outside)
    if any(len(answer) != len(blinds) for answer in answers):
        came = " and ".join(str(len(answer)) for answer in answers)
        raise BatchInvalid(f"A batch of {len(blinds)} was sent; the holders answered {came}. Ask again.")
    try:  # an answer of the identity, which would leave the token under the other holders' shares, is refused too
        return list(map(Token, shares.unblind(blinds, *answers)))
    except (InvalidElement, InvalidScalar) as error:
        raise BatchInvalid("The holders' answers do not make tokens: ask all again, and keep what came.") from error


def index(pair: str, epoch: int, recipe: str, token: Token) -> bytes:
    """What leaves in a token's stead: the first 32 bytes of SHA-512(label | pair | epoch | recipe | T), framed.

    The slot's number is not in it, so that any slot of one side can meet any slot of the other for the same recipe.
    """
    message = labels.framed(labels.INDEX, pair.encode(), str(epoch).encode(), recipe.encode(), token)
    return hashlib.sha512(message).digest()[:32]


def indices(pair: str, epoch: int, slots: Sequence[str], tokens: Sequence[Token]) -> list[bytes]:
    """The indices of one record's row: token i is of the recipe of slot i. Raises BatchInvalid on another number."""
    if len(slots) != len(tokens):
        raise BatchInvalid(f"A row has {len(slots)} slots; {len(tokens)} tokens came.")
    return [index(pair, epoch, recipe, token) for recipe, token in zip(slots, tokens, strict=True)]
