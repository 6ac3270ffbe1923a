"""Whether a key holder may answer a request at all, before anything is counted or computed. Pure.

A refusal is an answer like any other: signed, with a reason that a machine can act on and a sentence for people, made
of ids and counts. This file refuses to look at the quota: that is asked when the request is otherwise in order.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from events.charter import Charter
from events.messages import EvaluationAsked
from events.model import countries_of
from keys import group
from keys.errors import InvalidElement
from keys.group import Element

Reason = Literal[
    "over_quota", "not_your_pair", "agreement_ended", "unknown_epoch", "unknown_generation", "bad_size", "bad_element"
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not. `retry_at`: when the same request may be answered; None: never, mend it."""

    reason: Reason
    sentence: str
    retry_at: datetime | None = None


def form_refusal(
    asked: EvaluationAsked, requester: str, *, holder: str, charter: Charter, pairs: Collection[str],
    epochs: Collection[int],
    generations: Collection[int],
) -> Refusal | None:
    """What is wrong with a request's frame: pair, epoch, generation, size. None: nothing is.

    pairs                those that this holder evaluates for: of the charter's, all whose agreement has not ended
    epochs, generations  those that this holder has shares of: of the request's pair, and of its epoch
    """
    if asked.pair not in charter.pairs or not _fits(asked.pair, requester, holder, charter):
        return Refusal("not_your_pair", f"{holder} holds no share of {asked.pair} that {requester} may ask with.")
    if asked.pair not in pairs:
        return Refusal("agreement_ended", f"The agreement of {asked.pair} is over: {holder} has no share any more.")
    if asked.epoch not in epochs:
        newest = max(epochs, default=0)
        return Refusal("unknown_epoch", f"{holder} evaluates in epoch {newest}, not {asked.epoch}: evaluate again.")
    if asked.generation not in generations:
        return Refusal("unknown_generation", f"{holder} has no share of generation {asked.generation} any more or yet.")
    if len(asked.blinded) != group.SIZE * asked.n or asked.n > charter.batch_limit:
        return Refusal(
            "bad_size",
            f"{asked.n} elements of {group.SIZE} bytes were announced, {len(asked.blinded)} bytes came; a request has "
            f"at most {charter.batch_limit} elements.",
        )
    return None


def _fits(pair: str, requester: str, holder: str, charter: Charter) -> bool:
    return requester in countries_of(pair) and holder in charter.holders_of(pair)


def element_refusal(blinded: Sequence[Element]) -> Refusal | None:
    """Whether an element is not canonical, or the identity, which would be evaluated alike under every share."""
    try:
        group.validate(blinded)
    except InvalidElement as error:
        return Refusal("bad_element", str(error))
    return None


def split(elements: bytes) -> list[Element]:
    """The elements that stand one after another in these bytes."""
    return [elements[start : start + group.SIZE] for start in range(0, len(elements), group.SIZE)]
