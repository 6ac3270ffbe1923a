"""Counts for analysts: matches told to both sides, and outlines of case events. And who asked to see them.

What is kept is a count a cell and batch, never which match or case it was; a pseudonym or a reference is not needed, so
it is dropped. Nothing here can be seen before services.matcher.cells has released it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from events.base import Actor
from events.catalogue import EVENTS
from events.charter import Charter
from events.database import Transaction
from events.messages import Band, Outline
from services.matcher.cells import Cell, Tally, released

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS matcher_told (
        pair TEXT NOT NULL, band TEXT NOT NULL, month TEXT NOT NULL, batch BIGINT NOT NULL, count BIGINT NOT NULL,
        PRIMARY KEY (pair, band, month, batch))""",
    """CREATE TABLE IF NOT EXISTS matcher_outlines (
        event TEXT NOT NULL, month TEXT NOT NULL, batch BIGINT NOT NULL, count BIGINT NOT NULL,
        PRIMARY KEY (event, month, batch))""",
    # what: matches | outlines; filters: JSON
    """CREATE TABLE IF NOT EXISTS matcher_queries (
        id BIGSERIAL PRIMARY KEY, at TEXT NOT NULL, officer TEXT NOT NULL, organisation TEXT NOT NULL,
        role TEXT NOT NULL, what TEXT NOT NULL, filters TEXT NOT NULL)""",
)
OUTLINED: Final = tuple(sorted(n for n, e in EVENTS.items() if any(w.what == "outline" for w in e.rules.wire)))
"""The case events that countries send outlines of."""


@dataclass(frozen=True, slots=True)
class Query:
    """Somebody asked for counts."""

    at: datetime
    officer: str
    organisation: str
    role: str
    what: str
    filters: Mapping[str, str]


def batch_of(charter: Charter, at: datetime) -> int:
    """The number of the batch that runs at this time."""
    return int(at.timestamp() // charter.analyst_batch_seconds)


def count_told(tx: Transaction, charter: Charter, pair: str, band: Band, at: datetime) -> None:
    """Both sides of a match were told for the first time, in the transaction that tells them."""
    tx.execute(
        "INSERT INTO matcher_told VALUES (?, ?, ?, ?, 1) ON CONFLICT (pair, band, month, batch)"
        " DO UPDATE SET count = matcher_told.count + 1",
        (pair, band, f"{at:%Y-%m}", batch_of(charter, at)),
    )


def count_outline(tx: Transaction, charter: Charter, outline: Outline, at: datetime) -> bool:
    """Count an outline at its arrival, so that no batch that is over changes. False: no event that is outlined."""
    if outline.event not in OUTLINED:
        return False
    tx.execute(
        "INSERT INTO matcher_outlines VALUES (?, ?, ?, 1) ON CONFLICT (event, month, batch)"
        " DO UPDATE SET count = matcher_outlines.count + 1",
        (outline.event, f"{at:%Y-%m}", batch_of(charter, at)),
    )
    return True


def told_cells(tx: Transaction, charter: Charter, at: datetime) -> dict[Cell, int]:
    """(pair, band, month) > matches told to both sides, as far as they may be seen."""
    rows = tx.execute("SELECT pair, band, month, batch, count FROM matcher_told")
    return _released([Tally((pair, band, month), batch, n) for pair, band, month, batch, n in rows], charter, at)


def outline_cells(tx: Transaction, charter: Charter, at: datetime) -> dict[Cell, int]:
    """(event, month) > case events, as far as they may be seen."""
    rows = tx.execute("SELECT event, month, batch, count FROM matcher_outlines")
    return _released([Tally((event, month), batch, n) for event, month, batch, n in rows], charter, at)


def _released(tallies: list[Tally], charter: Charter, at: datetime) -> dict[Cell, int]:
    return released(tallies, current_batch=batch_of(charter, at), least=charter.small_cell)


def log_query(tx: Transaction, at: datetime, actor: Actor, what: str, filters: Mapping[str, str]) -> None:
    """Write down who asks for what. It must be committed before the answer is made."""
    tx.execute(
        "INSERT INTO matcher_queries (at, officer, organisation, role, what, filters) VALUES (?, ?, ?, ?, ?, ?)",
        (at.isoformat(), actor.staff, actor.organisation, actor.role.value, what, json.dumps(dict(filters))),
    )


def queries(tx: Transaction, limit: int) -> list[Query]:
    """Who asked, the newest first."""
    rows = tx.execute(
        "SELECT at, officer, organisation, role, what, filters FROM matcher_queries ORDER BY id DESC LIMIT ?", (limit,)
    )
    return [
        Query(datetime.fromisoformat(at), officer, organisation, role, what, json.loads(filters))
        for at, officer, organisation, role, what, filters in rows
    ]
