"""Who may be asked about, and who is told: rules alone, no store, no clock.

Side X is told of a match with a person of Y if and only if Y's grant towards X is `tell`. No claim, state or date of a
case decides, and nothing about the match itself. What could not be heard in time counts as `hold`: an expired grant,
and a stream that lags, which may hide one. What was told stays told, and is told once.

Source: lifecycle.json, `who_is_told` and TokensPublished.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from events.messages import Grant
from events.model import countries_of

Told = Literal["this_side", "both"]

Reason = Literal[
    # why no token may be made (may_publish)
    "not_your_pair", "pair_not_agreed", "no_identifiers", "keeping_not_consented", "matching_not_consented",
    "country_not_allowed", "country_unsafe", "not_approved", "asked_by_another", "approved_by_the_same",
    # why the index takes nothing from an item (matching.index)
    "unknown_epoch", "wrong_size", "unknown_handle", "not_your_handle", "other_pair", "revoked", "unknown_match",
]


@dataclass(frozen=True, slots=True)
class Allow:
    """Yes."""


@dataclass(frozen=True, slots=True)
class Deny:
    """No, and why: a stable code."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Publication:
    """What decides whether a person's tokens may be made for one pair of countries.

    own, towards     the country that holds the record, and the one that it would be matched with
    pairs            the charter's
    identifiers_held the person's record holds identifiers
    keeping, matching  C2 and C4 stand (given, or overridden in date), now
    allowed          the countries that C4 names; unsafe: those that the newest risk assessment calls unsafe
    recorded_by      the staff member who recorded C4; asked_by: the one who asks; approved_by: the focal point
    """

    own: str
    towards: str
    pairs: Collection[str]
    identifiers_held: bool
    keeping: bool
    matching: bool
    allowed: frozenset[str]
    recorded_by: str | None
    asked_by: str | None
    approved_by: str | None
    unsafe: frozenset[str] = frozenset()


def may_publish(asked: Publication) -> Allow | Deny:
    """Whether tokens may be made: consents, destination, and two people. The first rule that says no is the reason."""
    checks: tuple[tuple[bool, Reason], ...] = (
        (asked.own != asked.towards, "not_your_pair"),
        (any(set(countries_of(p)) == {asked.own, asked.towards} for p in asked.pairs), "pair_not_agreed"),
        (asked.identifiers_held, "no_identifiers"),
        (asked.keeping, "keeping_not_consented"),
        (asked.matching, "matching_not_consented"),
        (asked.towards in asked.allowed, "country_not_allowed"),
        (asked.towards not in asked.unsafe, "country_unsafe"),
        (asked.asked_by is not None and asked.asked_by == asked.recorded_by, "asked_by_another"),
        (asked.approved_by is not None, "not_approved"),
        (asked.approved_by != asked.asked_by, "approved_by_the_same"),
    )
    return next((Deny(reason) for holds, reason in checks if not holds), Allow())


@dataclass(frozen=True, slots=True)
class Standing:
    """One side of a found match, as far as the matcher has heard.

    grant         this side's, towards the other: whether the *other* may be told
    applied_tick  the newest tick that an applied envelope of this side's stream opened, of several partitions the
                  oldest of these; None: none yet. All that was written before that tick has then been applied
    told          what this side has been told; given_back: it alone, and it has ended it since
    """

    grant: Grant
    grant_until: datetime
    applied_tick: int | None
    told: Told | Literal["given_back"] | None

    @property
    def knows(self) -> bool:
        return self.told in {"this_side", "both"}


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is decided. `found_tick`: the tick that ran when the match was found; `patience`: in ticks."""

    at: datetime
    tick: int
    found_tick: int
    patience: int = 1


def stricter(one: Grant, other: Grant) -> Grant:
    """`hold`, unless both tell: what stands in a new stream epoch until a human sets it anew."""
    return "tell" if one == other == "tell" else "hold"


def counts_as(side: Standing, moment: Moment) -> Grant:
    """The grant as it counts at this moment: `hold` after its end, and while this side's stream lags.

    A stream lags until a tick that began after the finding has been applied, so that every grant written before the
    finding has been heard; and while the newest applied tick is more than `patience` ticks old.
    """
    applied = side.applied_tick
    lags = applied is None or applied <= moment.found_tick or applied < moment.tick - moment.patience
    return "hold" if lags or moment.at >= side.grant_until else side.grant


def who_is_told(first: Grant, second: Grant) -> tuple[bool, bool]:
    """The table: the first side is told if the second grants `tell`, and the other way round."""
    return second == "tell", first == "tell"


def notices(first: Standing, second: Standing, moment: Moment) -> tuple[Told | None, Told | None]:
    """What each side is to be told now; None: nothing, or nothing new.

    Each thing is told once: `this_side` at most once, `both` at most once, and never `this_side` after `both`. A later
    hold does not alter what was told: who was told alone knows, so when the other side comes to know, both do. Who has
    ended it since has given back what it knew.
    """
    now_first, now_second = who_is_told(counts_as(first, moment), counts_as(second, moment))
    first_knows, second_knows = now_first or first.knows, now_second or second.knows
    if first_knows and second_knows:
        return _unless(first.told, "both"), _unless(second.told, "both")
    return (
        "this_side" if first_knows and first.told is None else None,
        "this_side" if second_knows and second.told is None else None,
    )


def notices_again(first: Standing, second: Standing, moment: Moment) -> tuple[Told | None, Told | None]:
    """What each side is to be told of a match that both knew and that was over: all, if both tell now; else nothing.

    What they knew of it before does not count: it was taken back.
    """
    told = all(counts_as(side, moment) == "tell" for side in (first, second))
    return ("both", "both") if told else (None, None)


def _unless(told: str | None, news: Told) -> Told | None:
    return None if told == news else news
