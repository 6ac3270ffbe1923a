"""How many slots each country has handed in, for each pair: day by day against its intake, and in all, for the totals.

Accepted slots must not exceed evaluated ones: holders tell theirs, the matcher tells these, and whoever reads `keys.*`
can compare. So that they never do in what is published either, a total counts what was accepted before the turn of a
span, and is told a while after it, when holders have told what they evaluated up to that turn.

All methods work in the caller's transaction, which is the one that takes the row.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from events.charter import Charter
from events.clock import Clock, day_of
from events.database import Transaction
from events.directory import Directory
from events.messages import AcceptedTotal
from keys import quota

TABLES: Final = (
    # what keys.quota is asked with
    """CREATE TABLE IF NOT EXISTS matcher_days (
        country TEXT NOT NULL, pair TEXT NOT NULL, day BIGINT NOT NULL, count BIGINT NOT NULL,
        PRIMARY KEY (country, pair, day))""",
    # span: in which the last row was counted; before: what was counted when it began; told: what the last total said
    """CREATE TABLE IF NOT EXISTS matcher_accepted (
        country TEXT NOT NULL, pair TEXT NOT NULL, epoch BIGINT NOT NULL, count BIGINT NOT NULL, span BIGINT NOT NULL,
        before BIGINT NOT NULL, told BIGINT NOT NULL, PRIMARY KEY (country, pair, epoch))""",
)
_LATE: Final = 1 / 30
"""Of a span, how long after its turn totals are told: a day of a month."""


class Account:
    """Counts whole rows, of as many slots as the charter has."""

    def __init__(self, charter: Charter, directory: Directory, clock: Clock) -> None:
        self._charter = charter
        self._directory = directory
        self._clock = clock
        self._width = len(charter.slots)

    def has_room(self, tx: Transaction, country: str, pair: str) -> bool:
        """Whether one more row fits today."""
        return isinstance(self._ask(tx, country, pair), quota.Allow)

    def spend(self, tx: Transaction, country: str, pair: str, epoch: int, *, daily: bool) -> None:
        """Count one row that was taken; on the day's number too, if it is `daily`."""
        verdict = self._ask(tx, country, pair)
        if daily and isinstance(verdict, quota.Allow):
            tx.execute(
                "INSERT INTO matcher_days VALUES (?, ?, ?, ?) ON CONFLICT (country, pair, day) DO UPDATE SET"
                " count = excluded.count",
                (country, pair, verdict.window.day, verdict.window.spent),
            )
        tx.execute(
            "INSERT INTO matcher_accepted VALUES (?, ?, ?, ?, ?, 0, 0) ON CONFLICT (country, pair, epoch) DO UPDATE SET"
            " before = CASE WHEN excluded.span > matcher_accepted.span THEN matcher_accepted.count"
            " ELSE matcher_accepted.before END,"
            " span = CASE WHEN excluded.span > matcher_accepted.span THEN excluded.span ELSE matcher_accepted.span END,"
            " count = matcher_accepted.count + excluded.count",
            (country, pair, epoch, self._width, self._span_at(self._clock.now())),
        )

    def due_span(self) -> int:
        """The span whose totals may be told by now: its turn is some time ago."""
        seconds = self._charter.totals_seconds
        return int(self._clock.now().timestamp() / seconds - _LATE)

    @staticmethod
    def untold_totals(tx: Transaction, span: int) -> list[AcceptedTotal]:
        """The totals of what was accepted before this span began, where they differ from what was announced last."""
        rows = tx.execute(
            "SELECT country, pair, epoch, total FROM (SELECT country, pair, epoch, told,"
            " CASE WHEN span < ? THEN count ELSE before END AS total FROM matcher_accepted) AS totals"
            " WHERE total > told ORDER BY pair, epoch, country",
            (span,),
        )
        return [AcceptedTotal(country=c, pair=p, epoch=e, count=n) for c, p, e, n in rows]

    @staticmethod
    def told(tx: Transaction, totals: Sequence[AcceptedTotal]) -> None:
        """Note what was announced, in the transaction that announces it."""
        tx.executemany(
            "UPDATE matcher_accepted SET told = ? WHERE country = ? AND pair = ? AND epoch = ?",
            [(t.count, t.country, t.pair, t.epoch) for t in totals],
        )

    def _ask(self, tx: Transaction, country: str, pair: str) -> quota.Allow | quota.Deny:
        rows = tx.execute(
            "SELECT day, count FROM matcher_days WHERE country = ? AND pair = ? ORDER BY day DESC LIMIT 1",
            (country, pair),
        )
        window = quota.Window(*rows[0]) if rows else quota.Window(0, 0)
        return quota.ask(window, self._width, self._limit(tx, country, pair), day_of(self._clock.now()))

    def _limit(self, tx: Transaction, country: str, pair: str) -> int:
        """A token needs an answer of both holders, so only what both allow beyond the day's number comes on top.

        As at the holders an allowance is granted once for its whole span.
        """
        return min(self._limit_by(tx, holder, country, pair) for holder in self._charter.holders_of(pair))

    def _limit_by(self, tx: Transaction, holder: str, country: str, pair: str) -> int:
        now, daily = self._clock.now(), self._charter.intake_per_day
        standing = self._directory.allowances(holder, country, pair, now, tx)
        if not standing:
            return daily
        since = min(day_of(a.valid_from) for a in standing)
        rows = tx.execute(
            "SELECT count FROM matcher_days WHERE country = ? AND pair = ? AND day >= ? AND day < ?",
            (country, pair, since, day_of(now)),
        )
        return quota.limit_of(daily, sum(a.count for a in standing), [count for (count,) in rows])

    def _span_at(self, at: datetime) -> int:
        return int(at.timestamp() // self._charter.totals_seconds)
