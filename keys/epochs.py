"""The epochs of a pair's key: each has shares of its own, and two live side by side while one takes the other's place.

Pure. An epoch begins when a holder introduces its first share of it (generation 0; refreshes count on within it), and
only moves on:

    PREPARED   some holders have introduced their shares, not all
    ACTIVE     all have, for one schema version, and no later epoch: tokens are issued in it
    DRAINING   a later one is active: tokens of it are accepted, none are issued
    RETIRED    both countries have all their rows in a later one, or the overlap is over: nothing of it is accepted
    DESTROYED  its shares, pepper and rows are gone

What is known of shares decides, in whatever order two holders' announcements are read. An epoch whose holders meant
different schema versions is never active, and the next one may be begun.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

State = Literal["PREPARED", "ACTIVE", "DRAINING", "RETIRED", "DESTROYED"]
MOST: Final = 64
"""Epochs from the charter's first one on: a year each. A charter that raises the first makes room again."""
MOST_EVALUATIONS: Final = 1 << 30
"""Under one epoch: then it is renewed, whatever its age."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What was introduced of one epoch. schemas: holder -> the schema version that its tokens are made with."""

    number: int
    schemas: Mapping[str, int]

    def schema(self, holders: Collection[str]) -> int | None:
        """The schema version that all holders introduced it for; None: one is missing, or they differ."""
        meant = {self.schemas.get(holder) for holder in holders}
        return meant.pop() if len(meant) == 1 else None


def active(epochs: Iterable[Epoch], holders: Collection[str], first: int) -> Epoch | None:
    """The epoch that tokens are issued in; None: there is none yet. Below the charter's first one none are."""
    whole = (e for e in epochs if e.number >= first and e.schema(holders) is not None)
    return max(whole, key=lambda e: e.number, default=None)


def may_introduce(number: int, own: Iterable[int], first: int) -> bool:
    """Whether a holder that has introduced its `own` epochs may introduce this one: its next, or the charter's first.

    By its own announcements alone: how far other holders have been read decides nothing.
    """
    return 0 < number < first + MOST and number <= max(max(own, default=0) + 1, first)


def is_over(
    countries: Collection[str],
    closed: Mapping[str, int],
    number: int,
    *,
    since: datetime | None,
    now: datetime,
    overlap: timedelta,
) -> bool:
    """Whether what stands in this epoch may go: all countries have closed it, or time has. Once over, it stays so.

    closed   country -> the epoch below which it needs nothing
    since    when a later epoch was first seen to be active; None: never
    """
    is_closed = all(closed.get(country, 0) > number for country in countries)
    return is_closed or (since is not None and now >= since + overlap)


def state_of(number: int, in_force: int | None, *, retired: bool = False, destroyed: bool = False) -> State:
    """What an epoch is, for whoever knows this."""
    if destroyed:
        return "DESTROYED"
    if retired:
        return "RETIRED"
    if in_force is None or number > in_force:
        return "PREPARED"
    return "ACTIVE" if number == in_force else "DRAINING"
