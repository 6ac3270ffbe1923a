"""How many slots each country has handed in, for each pair: today's against its intake, and in all, for the totals.

Accepted slots must not exceed evaluated ones: holders tell theirs, the matcher tells these, and whoever reads `keys.*`
can compare. All methods work in the caller's transaction, which is the one that takes the row.
"""

from collections.abc import Sequence
from typing import Final

from events.charter import Charter
from events.clock import Clock
from events.database import Transaction
from events.messages import AcceptedTotal
from keys import quota

TABLES: Final = (
    # what keys.quota is asked with
    """CREATE TABLE IF NOT EXISTS matcher_windows (
        country TEXT NOT NULL, pair TEXT NOT NULL, day BIGINT NOT NULL, spent BIGINT NOT NULL,
        PRIMARY KEY (country, pair))""",
    # told: what the last total said
    """CREATE TABLE IF NOT EXISTS matcher_accepted (
        country TEXT NOT NULL, pair TEXT NOT NULL, epoch BIGINT NOT NULL, count BIGINT NOT NULL, told BIGINT NOT NULL,
        PRIMARY KEY (country, pair, epoch))""",
)


class Account:
    """Counts whole rows, of as many slots as the charter has."""

    def __init__(self, charter: Charter, clock: Clock) -> None:
        self._charter = charter
        self._clock = clock
        self._width = len(charter.slots)

    def has_room(self, tx: Transaction, country: str, pair: str) -> bool:
        """Whether one more row fits today."""
        return isinstance(self._ask(tx, country, pair), quota.Allow)

    def spend(self, tx: Transaction, country: str, pair: str, epoch: int) -> None:
        """Count one row that was taken."""
        verdict = self._ask(tx, country, pair)
        if isinstance(verdict, quota.Allow):
            tx.execute(
                "INSERT INTO matcher_windows VALUES (?, ?, ?, ?) ON CONFLICT (country, pair) DO UPDATE SET"
                " day = excluded.day, spent = excluded.spent",
                (country, pair, verdict.window.day, verdict.window.spent),
            )
        tx.execute(
            "INSERT INTO matcher_accepted VALUES (?, ?, ?, ?, 0) ON CONFLICT (country, pair, epoch) DO UPDATE SET"
            " count = matcher_accepted.count + excluded.count",
            (country, pair, epoch, self._width),
        )

    @staticmethod
    def untold_totals(tx: Transaction) -> list[AcceptedTotal]:
        """The totals that differ from what was announced last."""
        rows = tx.execute(
            "SELECT country, pair, epoch, count FROM matcher_accepted WHERE count <> told ORDER BY pair, epoch, country"
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
        rows = tx.execute("SELECT day, spent FROM matcher_windows WHERE country = ? AND pair = ?", (country, pair))
        window = quota.Window(*rows[0]) if rows else quota.Window(0, 0)
        today = int(self._clock.now().timestamp() // 86400)
        return quota.ask(window, self._width, self._limit(country, pair), today)

    def _limit(self, country: str, pair: str) -> int:
        """A token needs an answer of both holders, so only what both allow beyond the day's number comes on top."""
        now = self._clock.now()
        allowed = min(self._charter.allowed(h, country, pair, now) for h in self._charter.holders_of(pair))
        return self._charter.intake_per_day + allowed
