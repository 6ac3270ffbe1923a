"""How many evaluations a holder answers one country, for one pair, in one day; and rows that the matcher takes. Pure.

A window is one day, numbered from any fixed start. It only moves forward: a clock that is set back finds the later
day's window, spent as far as it was. Who counts keeps the window durably before it answers.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """What was spent on the latest day seen."""

    day: int
    spent: int


@dataclass(frozen=True, slots=True)
class Allow:
    """Answer, after keeping this window."""

    window: Window


@dataclass(frozen=True, slots=True)
class Deny:
    """Do not answer. `retry_day` is the first day with room for this many; None: no day's limit has room, ask less."""

    retry_day: int | None


def on(window: Window, today: int) -> Window:
    """The window that counts today: a new day's, or the later one that was seen already."""
    return window if window.day >= today else Window(today, 0)


def ask(window: Window, n: int, limit: int, today: int) -> Allow | Deny:
    """Whether `n` more evaluations fit under `limit` today.

    n        at least 1; anything else is denied for good, so that nothing can win back what was spent
    limit    the day's allowance, whatever it is made of
    """
    if not 0 < n <= limit:
        return Deny(retry_day=None)
    current = on(window, today)
    if current.spent + n > limit:
        return Deny(retry_day=current.day + 1)
    return Allow(Window(current.day, current.spent + n))


def limit_of(daily: int, granted: int, earlier: Iterable[int]) -> int:
    """One day's limit, where something beyond the daily number was granted once, for a span of days.

    granted  all that stands on this day
    earlier  what was spent on each day of that span before this one: what it drew beyond the daily number is gone
    """
    return daily + max(0, granted - sum(max(0, spent - daily) for spent in earlier))
