"""What a key holder is to do with its shares, and what it waits for: refreshes and renewals that are to begin or were
given up, since when a key has been active, and which former keys a country needs no more.

All functions work in the caller's transaction.
"""

from datetime import datetime
from typing import Final

from events.database import Transaction

TABLES: Final = (
    # refreshes that this holder is to begin, or gave up (failed: why); staff, asked_at:
    # who asked and when, kept as evidence; staff is '' where the period was over
    """CREATE TABLE IF NOT EXISTS holder_refreshes (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, generation BIGINT NOT NULL, reason TEXT NOT NULL,
        staff TEXT NOT NULL, asked_at TEXT NOT NULL, failed TEXT NOT NULL, PRIMARY KEY (pair, epoch, generation))""",
    # epochs that this holder is to introduce; staff, asked_at as above
    """CREATE TABLE IF NOT EXISTS holder_renewals (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, reason TEXT NOT NULL, staff TEXT NOT NULL, asked_at TEXT NOT NULL,
        PRIMARY KEY (pair, epoch))""",
    # since when this holder has known that a generation is active
    """CREATE TABLE IF NOT EXISTS holder_active (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, generation BIGINT NOT NULL, since TEXT NOT NULL,
        PRIMARY KEY (pair, epoch, generation))""",
    # the epoch and generation below which a country has no batch open
    """CREATE TABLE IF NOT EXISTS holder_closed (
        country TEXT NOT NULL, pair TEXT NOT NULL, epoch BIGINT NOT NULL, generation BIGINT NOT NULL,
        PRIMARY KEY (country, pair, epoch))""",
)


def want_refresh(
    tx: Transaction, pair: str, epoch: int, generation: int, reason: str, staff: str, at: datetime
) -> None:
    """Note that this holder is to begin the refresh that makes this generation."""
    row = (pair, epoch, generation, reason, staff, at.isoformat(), "")
    tx.execute("INSERT INTO holder_refreshes VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def wanted_refresh(tx: Transaction, pair: str, epoch: int, above: int) -> int | None:
    """The newest generation, above this one, that this holder is to begin."""
    rows = tx.execute(
        "SELECT MAX(generation) FROM holder_refreshes WHERE pair = ? AND epoch = ? AND generation > ? AND failed = ''",
        (pair, epoch, above),
    )
    return None if rows[0][0] is None else int(rows[0][0])


def refresh_reason(tx: Transaction, pair: str, epoch: int, generation: int) -> str:
    """Why this holder is to begin a refresh; '': it is not to."""
    rows = tx.execute(
        "SELECT reason FROM holder_refreshes WHERE pair = ? AND epoch = ? AND generation = ?", (pair, epoch, generation)
    )
    return str(rows[0][0]) if rows else ""


def fail_refresh(tx: Transaction, pair: str, epoch: int, generation: int, why: str) -> None:
    """A refresh is given up."""
    tx.execute(
        "INSERT INTO holder_refreshes VALUES (?, ?, ?, 'joined', '', '', ?) ON CONFLICT (pair, epoch, generation)"
        " DO UPDATE SET failed = excluded.failed",
        (pair, epoch, generation, why),
    )


def failed_refresh(tx: Transaction, pair: str, epoch: int, generation: int) -> str:
    """Why a refresh was given up; '': it was not."""
    rows = tx.execute(
        "SELECT failed FROM holder_refreshes WHERE pair = ? AND epoch = ? AND generation = ?", (pair, epoch, generation)
    )
    return str(rows[0][0]) if rows else ""


def want_renewal(tx: Transaction, pair: str, epoch: int, reason: str, staff: str, at: datetime) -> None:
    """Note that this holder is to introduce its share of this epoch."""
    row = (pair, epoch, reason, staff, at.isoformat())
    tx.execute("INSERT INTO holder_renewals VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)


def wanted_renewal(tx: Transaction, pair: str, above: int) -> int | None:
    """The newest epoch, above this one, that this holder is to introduce."""
    rows = tx.execute("SELECT MAX(epoch) FROM holder_renewals WHERE pair = ? AND epoch > ?", (pair, above))
    return None if rows[0][0] is None else int(rows[0][0])


def renewal_reason(tx: Transaction, pair: str, epoch: int) -> str:
    """Why this holder is to introduce an epoch; '': nobody asked it to."""
    rows = tx.execute("SELECT reason FROM holder_renewals WHERE pair = ? AND epoch = ?", (pair, epoch))
    return str(rows[0][0]) if rows else ""


def note_active(tx: Transaction, pair: str, epoch: int, generation: int, at: datetime) -> None:
    """Note that this holder knows, from now on, that a generation is active."""
    tx.execute("INSERT INTO holder_active VALUES (?, ?, ?, ?)", (pair, epoch, generation, at.isoformat()))


def active_since(tx: Transaction, pair: str, epoch: int, generation: int) -> datetime | None:
    """Since when this holder has known that a generation is active."""
    rows = tx.execute(
        "SELECT since FROM holder_active WHERE pair = ? AND epoch = ? AND generation = ?", (pair, epoch, generation)
    )
    return datetime.fromisoformat(rows[0][0]) if rows else None


def later_since(tx: Transaction, pair: str, epoch: int) -> datetime | None:
    """Since when this holder has known that a later epoch than this is in force."""
    rows = tx.execute("SELECT MIN(since) FROM holder_active WHERE pair = ? AND epoch > ?", (pair, epoch))
    return datetime.fromisoformat(rows[0][0]) if rows[0][0] else None


def close(tx: Transaction, country: str, pair: str, epoch: int, generation: int) -> None:
    """Note that a country has no batch open under a generation below this one."""
    tx.execute(
        "INSERT INTO holder_closed VALUES (?, ?, ?, ?) ON CONFLICT (country, pair, epoch) DO UPDATE SET generation ="
        " CASE WHEN excluded.generation > holder_closed.generation THEN excluded.generation"
        " ELSE holder_closed.generation END",
        (country, pair, epoch, generation),
    )


def closed_by(tx: Transaction, pair: str, epoch: int, generation: int) -> set[str]:
    """The countries that have no batch open under any epoch and generation below this one."""
    rows = tx.execute(
        "SELECT country FROM holder_closed WHERE pair = ? AND (epoch > ? OR (epoch = ? AND generation >= ?))",
        (pair, epoch, epoch, generation),
    )
    return {country for (country,) in rows}


def closed_epochs(tx: Transaction, pair: str) -> dict[str, int]:
    """Country -> the epoch below which it has no batch open."""
    rows = tx.execute("SELECT country, MAX(epoch) FROM holder_closed WHERE pair = ? GROUP BY country", (pair,))
    return {country: int(epoch) for country, epoch in rows}
