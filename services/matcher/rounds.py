"""Matches that both sides know: whether they run, on which side they are over, and what brings them back.

A round begins when both are told and ends, for both, when one side says so or its row is revoked; the other side hears
of it, without a reason. A match is told to both anew only when each side has published or said `tell` again since: its
own node would refuse it otherwise (lifecycle.json, MatchTold: "from CLOSED only on tokens published or a tell set
since"). What only one side knows begins no round, and its end is nobody else's business: it lapses.

All functions work in the caller's transaction.
"""

from dataclasses import dataclass
from typing import Final

from events.database import Transaction
from events.messages import MatchOver
from events.model import countries_of
from matching.found import Found

TABLES: Final = (
    # running: 0 | 1; over: this side has not spoken since the end
    """CREATE TABLE IF NOT EXISTS matcher_rounds (
        match_ref TEXT PRIMARY KEY, pair TEXT NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL,
        running BIGINT NOT NULL, first_over BIGINT NOT NULL, second_over BIGINT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS matcher_rounds_first ON matcher_rounds (first)",
    "CREATE INDEX IF NOT EXISTS matcher_rounds_second ON matcher_rounds (second)",
)


@dataclass(frozen=True, slots=True)
class Ending:
    """What a country is told: a match that it knows is over."""

    country: str
    over: MatchOver


def begin(tx: Transaction, match: Found) -> None:
    """Both sides are told now."""
    tx.execute(
        "INSERT INTO matcher_rounds VALUES (?, ?, ?, ?, 1, 0, 0) ON CONFLICT (match_ref) DO UPDATE SET running = 1",
        (match.match_ref, match.pair, match.first.handle, match.second.handle),
    )


def end_of_handle(tx: Transaction, handle: str) -> list[Ending]:
    """The row behind this handle is gone: every running round of it ends. Returns what the other sides are told."""
    return _end(
        tx,
        handle,
        tx.execute(
            "SELECT match_ref, pair, first, second FROM matcher_rounds WHERE running = 1 AND ? IN (first, second)"
            " ORDER BY match_ref",
            (handle,),
        ),
    )


def end_of_match(tx: Transaction, match_ref: str, handle: str) -> list[Ending]:
    """The side of this handle ends one match. Over already, or never known to both: nobody is told anything."""
    return _end(
        tx,
        handle,
        tx.execute(
            "SELECT match_ref, pair, first, second FROM matcher_rounds WHERE running = 1 AND match_ref = ?"
            " AND ? IN (first, second)",
            (match_ref, handle),
        ),
    )


def renewed(tx: Transaction, handle: str) -> None:
    """The side of this handle has published, or said `tell`, again."""
    tx.execute("UPDATE matcher_rounds SET first_over = 0 WHERE first = ?", (handle,))
    tx.execute("UPDATE matcher_rounds SET second_over = 0 WHERE second = ?", (handle,))


def reopened(tx: Transaction) -> list[str]:
    """The matches that were over, and on both sides are not any more."""
    rows = tx.execute(
        "SELECT match_ref FROM matcher_rounds WHERE running = 0 AND first_over = 0 AND second_over = 0"
        " ORDER BY match_ref"
    )
    return [match_ref for (match_ref,) in rows]


def _end(tx: Transaction, handle: str, rows: list[tuple[str, str, str, str]]) -> list[Ending]:
    endings = []
    for match_ref, pair, first, second in rows:
        tx.execute(
            "UPDATE matcher_rounds SET running = 0, first_over = 1, second_over = 1 WHERE match_ref = ?", (match_ref,)
        )
        one, other = countries_of(pair)
        country, told = (other, second) if handle == first else (one, first)
        endings.append(Ending(country, MatchOver(match_ref=match_ref, handle=told)))
    return endings
