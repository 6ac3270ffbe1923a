"""Pairs that are stopped: a holder answered wrongly, or refuses in a way that no waiting mends. Its signed word is kept
as evidence, for anybody to judge, and the pair asks no more until an operator has settled it with the holder.

All functions work in the caller's transaction.
"""

import json

from events.database import Transaction
from events.evidence import Evidence


def stop(tx: Transaction, record: Evidence) -> None:
    """Keep the evidence, and ask this pair no more. Stopped already, the first reason stands."""
    place = (str(record.request.batch), record.holder)
    tx.execute(
        "INSERT INTO evidence (batch, holder, found_at, record) VALUES (?, ?, ?, ?)",
        (*place, record.found_at.isoformat(), record.model_dump_json()),
    )
    tx.execute(
        "INSERT INTO stopped_pairs (pair, holder, reason) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (record.request.pair, record.holder, record.reason),
    )


def is_stopped(tx: Transaction, pair: str) -> bool:
    return bool(tx.execute("SELECT 1 FROM stopped_pairs WHERE pair = ?", (pair,)))


def resume(tx: Transaction, pair: str) -> None:
    """Ask this pair again; the evidence stays."""
    tx.execute("DELETE FROM stopped_pairs WHERE pair = ?", (pair,))


def evidence(tx: Transaction) -> list[dict[str, object]]:
    """Every wrong answer and refusal that stopped a pair, as events.evidence has them: oldest first."""
    rows = tx.execute("SELECT record FROM evidence ORDER BY found_at, batch, holder")
    return [json.loads(record) for (record,) in rows]


def reasons(tx: Transaction) -> dict[str, str]:
    """Pair -> whom an operator has to speak to, and why."""
    rows = tx.execute("SELECT pair, holder, reason FROM stopped_pairs")
    return {pair: f"{holder} is stopped: {reason}" for pair, holder, reason in rows}
