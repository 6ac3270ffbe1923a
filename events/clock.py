"""The only clock. Everything that needs the time is given one; nothing else asks the system.

Refuses naive times: every time is in UTC and says so.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
"""Before every time that anybody tells."""


def day_of(at: datetime) -> int:
    """The number of a day in UTC, from 1 January 1970."""
    return int(at.timestamp() // 86400)


class Clock(Protocol):
    """Tells the time: aware, in UTC. It may go back; whoever must not, remembers where it was."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved: for tests and replays."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("A clock needs an aware time: give it a time zone.")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds; back, if negative."""
        self._now += timedelta(seconds=seconds)
