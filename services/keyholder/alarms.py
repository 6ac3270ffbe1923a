"""Alarms: a country has used most of a day's limit of one share, or asked for more than there was.

One a country, pair and day, written down in the transaction that counts; told to the log afterwards, once. With cover
on an honest country uses three quarters of the default quota and raises none. All functions work in the caller's
transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from events.database import Transaction

TABLES: Final = (
    # told: 0 | 1, to the log
    """CREATE TABLE IF NOT EXISTS holder_alarms (
        country TEXT NOT NULL, pair TEXT NOT NULL, day BIGINT NOT NULL, spent BIGINT NOT NULL, bound BIGINT NOT NULL,
        at TEXT NOT NULL, told BIGINT NOT NULL, PRIMARY KEY (country, pair, day))""",
)
PERCENT: Final = 80
"""Of a day's limit: the quota, and what is left of the allowances that stand."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What was spent on one day, numbered as the quota's, and of what limit, when it was raised."""

    country: str
    pair: str
    day: int
    spent: int
    limit: int
    at: datetime


def is_due(spent: int, limit: int) -> bool:
    """Whether so much of a limit is an alarm."""
    return spent * 100 >= limit * PERCENT


def raise_once(tx: Transaction, country: str, pair: str, day: int, *, spent: int, limit: int, at: datetime) -> None:
    """Write an alarm down, unless this country has one of this pair and day already."""
    tx.execute(
        "INSERT INTO holder_alarms VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT (country, pair, day) DO NOTHING",
        (country, pair, day, spent, limit, at.isoformat()),
    )


def untold(tx: Transaction) -> list[Alarm]:
    """What the log was not told yet."""
    return _rows(tx, "WHERE told = 0 ORDER BY day, pair, country")


def told(tx: Transaction, alarms: Sequence[Alarm]) -> None:
    tx.executemany(
        "UPDATE holder_alarms SET told = 1 WHERE country = ? AND pair = ? AND day = ?",
        [(a.country, a.pair, a.day) for a in alarms],
    )


def listed(tx: Transaction, since: int) -> list[Alarm]:
    """Those of this day and later ones, the newest first."""
    return _rows(tx, "WHERE day >= ? ORDER BY day DESC, pair, country", since)


def _rows(tx: Transaction, where: str, *values: int) -> list[Alarm]:
    rows = tx.execute(f"SELECT country, pair, day, spent, bound, at FROM holder_alarms {where}", values)  # noqa: S608
    return [Alarm(c, p, day, spent, limit, datetime.fromisoformat(at)) for c, p, day, spent, limit, at in rows]
