"""The rows of evaluation batches: kept from the moment a batch is made until its tokens are saved or given up.

If we crash with a batch in hand, it stands here and goes on. Its people and blinds are sealed in one box under the
store key: the pair stands in clear beside it, and who is asked about there is nobody's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from events.database import Transaction
from events.messages import Evaluated, EvaluationPurpose, EvaluationRefused, GenerationClosed
from keys import seal

ELEMENT: Final = 32
_ID: Final = 16
Answer = Evaluated | EvaluationRefused


@dataclass(frozen=True)
class Batch:
    """One request under way. The first elements are the people's rows, in order; the rest, if any, is cover."""

    id: UUID
    pair: str
    epoch: int
    generation: int
    purpose: EvaluationPurpose
    people: tuple[UUID, ...]
    blinds: tuple[bytes, ...] = field(repr=False)
    blinded: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True)
class Refused:
    """One refusal that was not looked at yet. `times`: how often this holder refused this batch that day."""

    batch: UUID
    holder: str
    said: EvaluationRefused
    times: int


def split(joined: bytes) -> tuple[bytes, ...]:
    """Elements of 32 bytes, one after another."""
    return tuple(joined[i : i + ELEMENT] for i in range(0, len(joined), ELEMENT))


def keep(tx: Transaction, batch: Batch, store_key: bytes, at: str) -> None:
    tx.execute(
        "INSERT INTO batches (id, pair, epoch, generation, purpose, box, blinded, asked_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(batch.id),
            batch.pair,
            batch.epoch,
            batch.generation,
            batch.purpose,
            seal.seal(store_key, _boxed(batch), batch.id.bytes),
            b"".join(batch.blinded),
            at,
        ),
    )


def load(tx: Transaction, batch_id: UUID, store_key: bytes) -> Batch | None:
    rows = tx.execute(
        "SELECT pair, epoch, generation, purpose, box, blinded FROM batches WHERE id = ?", (str(batch_id),)
    )
    if not rows:
        return None
    pair, epoch, generation, purpose, box, blinded = rows[0]
    elements = split(bytes(blinded))
    people, blinds = _unboxed(seal.unseal(store_key, bytes(box), batch_id.bytes), len(elements))
    return Batch(batch_id, pair, epoch, generation, purpose, people, blinds, elements)


def _boxed(batch: Batch) -> bytes:
    """The blinds, 32 bytes each, as many as elements; then the ids of the people, 16 bytes each."""
    return b"".join(batch.blinds) + b"".join(person.bytes for person in batch.people)


def _unboxed(box: bytes, elements: int) -> tuple[tuple[UUID, ...], tuple[bytes, ...]]:
    blinds, people = box[: elements * ELEMENT], box[elements * ELEMENT :]
    return tuple(UUID(bytes=people[i : i + _ID]) for i in range(0, len(people), _ID)), split(blinds)


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


def keep_answer(tx: Transaction, holder: str, answer: Evaluated) -> None:
    """The last answer counts, and whatever was refused before it is over."""
    tx.execute("DELETE FROM refusals WHERE batch = ? AND holder = ?", (str(answer.batch), holder))
    tx.execute(
        "INSERT INTO answers (batch, holder, item) VALUES (?, ?, ?)"
        " ON CONFLICT (batch, holder) DO UPDATE SET item = excluded.item",
        (str(answer.batch), holder, answer.model_dump_json()),
    )


def answers(tx: Transaction, batch_id: UUID) -> Mapping[str, Evaluated]:
    rows = tx.execute("SELECT holder, item FROM answers WHERE batch = ?", (str(batch_id),))
    return {holder: Evaluated.model_validate_json(item) for holder, item in rows}


def answered(tx: Transaction) -> list[tuple[UUID, str, int]]:
    """(batch, pair, how many holders have answered it) of those that any has."""
    rows = tx.execute("SELECT id, pair, COUNT(*) FROM batches JOIN answers ON answers.batch = id GROUP BY id, pair")
    return [(UUID(name), pair, int(count)) for name, pair, count in rows]


def keep_refusal(tx: Transaction, holder: str, said: EvaluationRefused, day: int) -> None:
    """Keep and count what was refused. Who has answered can take nothing back: that answer will be judged."""
    name = str(said.batch)
    if tx.execute("SELECT 1 FROM answers WHERE batch = ? AND holder = ?", (name, holder)):
        return
    tx.execute(
        "INSERT INTO refusals (batch, holder, item, until, day, count) VALUES (?, ?, ?, '', ?, 1)"
        " ON CONFLICT (batch, holder) DO UPDATE SET item = excluded.item, until = '', day = excluded.day,"
        " count = CASE WHEN refusals.day = excluded.day THEN refusals.count + 1 ELSE 1 END",
        (name, holder, said.model_dump_json(), day),
    )


def refused(tx: Transaction) -> Sequence[Refused]:
    """What nobody has looked at yet."""
    rows = tx.execute("SELECT batch, holder, item, count FROM refusals WHERE item <> ''")
    return [Refused(UUID(b), holder, EvaluationRefused.model_validate_json(i), n) for b, holder, i, n in rows]


def put_off(tx: Transaction, batch_id: UUID, holder: str, until: str) -> None:
    """Ask this holder no more about this batch before that time, in ISO 8601 and UTC."""
    tx.execute(
        "UPDATE refusals SET item = '', until = ? WHERE batch = ? AND holder = ?", (until, str(batch_id), holder)
    )


def waiting(tx: Transaction) -> list[tuple[str, str, str]]:
    """(pair, holder, until when) of each batch that a holder has put off."""
    return [
        (pair, holder, until)
        for pair, holder, until in tx.execute(
            "SELECT pair, holder, until FROM batches JOIN refusals ON refusals.batch = batches.id WHERE until <> ''"
        )
    ]


def due(tx: Transaction, now: str) -> list[tuple[str, str]]:
    """(batch, holder) of what was put off until now."""
    rows = tx.execute("SELECT batch, holder FROM refusals WHERE until <> '' AND until <= ?", (now,))
    return [(batch, holder) for batch, holder in rows]


def ask_again(tx: Transaction, batch: str, holder: str) -> None:
    """As if it had not been sent: with cover the same request goes at a tick like all others."""
    tx.execute("DELETE FROM requests WHERE batch = ? AND holder = ?", (batch, holder))
    tx.execute("UPDATE refusals SET until = '' WHERE batch = ? AND holder = ?", (batch, holder))


def oldest_key(tx: Transaction, pair: str) -> tuple[int, int] | None:
    """The oldest epoch and generation of a pair's key that a batch is open under; None: no batch is."""
    rows = tx.execute(
        "SELECT epoch, generation FROM batches WHERE pair = ? ORDER BY epoch, generation LIMIT 1", (pair,)
    )
    return (int(rows[0][0]), int(rows[0][1])) if rows else None


def is_told_closed(tx: Transaction, holder: str, closed: GenerationClosed) -> bool:
    """Whether this holder was told already that nothing older is open."""
    rows = tx.execute(
        "SELECT 1 FROM closed_generations WHERE pair = ? AND holder = ?"
        " AND (epoch > ? OR (epoch = ? AND generation >= ?))",
        (closed.pair, holder, closed.epoch, closed.epoch, closed.generation),
    )
    return bool(rows)


def tell_closed(tx: Transaction, holder: str, closed: GenerationClosed) -> None:
    """Note, in the transaction that tells it, that this holder was told."""
    tx.execute(
        "INSERT INTO closed_generations (pair, holder, epoch, generation) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (pair, holder) DO UPDATE SET epoch = excluded.epoch, generation = excluded.generation",
        (closed.pair, holder, closed.epoch, closed.generation),
    )


def forget(tx: Transaction, batch_id: UUID) -> None:
    for table, column in (("answers", "batch"), ("refusals", "batch"), ("requests", "batch"), ("batches", "id")):
        tx.execute(f"DELETE FROM {table} WHERE {column} = ?", (str(batch_id),))  # noqa: S608  names of ours


def forget_pair(tx: Transaction, pair: str) -> None:
    """Every batch of a pair whose agreement is over, and what holds it up. Evidence stays."""
    for (name,) in tx.execute("SELECT id FROM batches WHERE pair = ?", (pair,)):
        forget(tx, UUID(name))
    tx.execute("DELETE FROM stopped_pairs WHERE pair = ?", (pair,))
    tx.execute("DELETE FROM closed_generations WHERE pair = ?", (pair,))


def silent(tx: Transaction) -> list[tuple[str, str, str]]:
    """(pair, holder, since when) of requests that a holder neither answered nor put off."""
    rows = tx.execute(
        "SELECT pair, holder, MIN(asked_at) FROM batches JOIN requests ON requests.batch = batches.id"
        " WHERE NOT EXISTS (SELECT 1 FROM answers WHERE answers.batch = batches.id"
        " AND answers.holder = requests.holder) AND NOT EXISTS (SELECT 1 FROM refusals"
        " WHERE refusals.batch = batches.id AND refusals.holder = requests.holder AND until <> '')"
        " GROUP BY pair, holder"
    )
    return [(str(pair), str(holder), str(at)) for pair, holder, at in rows]
