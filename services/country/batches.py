"""The rows of evaluation batches: kept from the moment a batch is made until its tokens are saved or given up.

If we crash with a batch in hand, it stands here with its blinds (sealed under the store key), and goes on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import TypeAdapter

from events.database import Transaction
from events.messages import Evaluated, EvaluationRefused
from keys import seal

ELEMENT = 32
Answer = Evaluated | EvaluationRefused
_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)


@dataclass(frozen=True)
class Batch:
    """One request under way. The first elements are the people's rows, in order; the rest, if any, is cover."""

    id: UUID
    pair: str
    epoch: int
    generation: int
    people: tuple[UUID, ...]
    blinds: tuple[bytes, ...] = field(repr=False)
    blinded: tuple[bytes, ...] = field(repr=False)


def split(joined: bytes) -> tuple[bytes, ...]:
    """Elements of 32 bytes, one after another."""
    return tuple(joined[i : i + ELEMENT] for i in range(0, len(joined), ELEMENT))


def keep(tx: Transaction, batch: Batch, store_key: bytes, at: str) -> None:
    tx.execute(
        "INSERT INTO batches (id, pair, epoch, generation, people, blinds, blinded, asked_at) VALUES (?,?,?,?,?,?,?,?)",
        (
            str(batch.id),
            batch.pair,
            batch.epoch,
            batch.generation,
            json.dumps([str(p) for p in batch.people]),
            seal.seal(store_key, b"".join(batch.blinds), batch.id.bytes),
            b"".join(batch.blinded),
            at,
        ),
    )


def load(tx: Transaction, batch_id: UUID, store_key: bytes) -> Batch | None:
    rows = tx.execute(
        "SELECT pair, epoch, generation, people, blinds, blinded FROM batches WHERE id = ?", (str(batch_id),)
    )
    if not rows:
        return None
    pair, epoch, generation, people, blinds, blinded = rows[0]
    return Batch(
        batch_id,
        pair,
        epoch,
        generation,
        tuple(UUID(p) for p in json.loads(people)),
        split(seal.unseal(store_key, bytes(blinds), batch_id.bytes)),
        split(bytes(blinded)),
    )


def open_count(tx: Transaction, pair: str) -> int:
    count: int = tx.execute("SELECT COUNT(*) FROM batches WHERE pair = ?", (pair,))[0][0]
    return count


def unsent(tx: Transaction, pair: str, holder: str) -> UUID | None:
    """The oldest batch of a pair that this holder has not been sent."""
    rows = tx.execute(
        "SELECT id FROM batches WHERE pair = ? AND NOT EXISTS"
        " (SELECT 1 FROM requests WHERE requests.batch = batches.id AND holder = ?) ORDER BY asked_at LIMIT 1",
        (pair, holder),
    )
    return UUID(rows[0][0]) if rows else None


def mark_sent(tx: Transaction, batch_id: UUID, holder: str) -> None:
    tx.execute("INSERT INTO requests (batch, holder) VALUES (?, ?)", (str(batch_id), holder))


def keep_answer(tx: Transaction, holder: str, answer: Answer) -> None:
    drop_answer(tx, answer.batch, holder)
    tx.execute(
        "INSERT INTO answers (batch, holder, item) VALUES (?, ?, ?)",
        (str(answer.batch), holder, answer.model_dump_json()),
    )


def drop_answer(tx: Transaction, batch_id: UUID, holder: str) -> None:
    tx.execute("DELETE FROM answers WHERE batch = ? AND holder = ?", (str(batch_id), holder))


def ask_again(tx: Transaction, batch_id: UUID, holder: str) -> None:
    """Forget what this holder said, and that it was asked: it is sent the same request once more."""
    drop_answer(tx, batch_id, holder)
    tx.execute("DELETE FROM requests WHERE batch = ? AND holder = ?", (str(batch_id), holder))


def answers(tx: Transaction, batch_id: UUID) -> Mapping[str, Answer]:
    rows = tx.execute("SELECT holder, item FROM answers WHERE batch = ?", (str(batch_id),))
    return {holder: _ANSWER.validate_json(item) for holder, item in rows}


def refusals(tx: Transaction) -> list[tuple[str, str, EvaluationRefused]]:
    """(pair, holder, refusal) of each batch that a holder has put off."""
    rows = tx.execute("SELECT pair, holder, item FROM batches JOIN answers ON answers.batch = batches.id")
    said = [(pair, holder, _ANSWER.validate_json(item)) for pair, holder, item in rows]
    return [(pair, holder, answer) for pair, holder, answer in said if isinstance(answer, EvaluationRefused)]


def answered(tx: Transaction) -> Sequence[UUID]:
    """Batches to which at least one holder has said something."""
    return [UUID(row[0]) for row in tx.execute("SELECT DISTINCT batch FROM answers ORDER BY batch")]


def forget(tx: Transaction, batch_id: UUID) -> None:
    for table, column in (("answers", "batch"), ("requests", "batch"), ("batches", "id")):
        tx.execute(f"DELETE FROM {table} WHERE {column} = ?", (str(batch_id),))  # noqa: S608  names of ours
