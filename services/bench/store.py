"""Events a second into and out of the event store, beside the bare recorder of `eventsourcing`.

Ours seals each event to its row, under the node's key and the person's, and checks on reading that nothing was altered
or is missing; the recorder writes rows of the same names and sizes, as many a transaction, and reads them back as rows.
Everything is committed to the disk. Three laps: an import (fifty people a transaction), single commands (one event a
transaction, where the disk decides), and a replay of every stream.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from eventsourcing.sqlite import SQLiteApplicationRecorder

from events.base import Event
from events.database import Database, open_database
from events.store import EventStore
from services.bench.imported import Imported, imported
from services.bench.measure import Figure, Pair, Stopwatch, in_turns, per_second
from services.bench.setting import Setting

T = TypeVar("T")
ROUNDS: Final = 5
PEOPLE: Final = 400
_SINGLES: Final = 200
"""Events that are committed one by one."""
_fresh = count()


class Laps(NamedTuple):
    """Seconds for each part of one run."""

    imported: float
    single: float
    replayed: float


class Counts(NamedTuple):
    """How much one run moves: events of both ways of writing, streams, mean bytes of a row."""

    imported: int
    single: int
    streams: int
    bytes: int


def measure(setting: Setting) -> Iterator[Figure]:
    with imported(setting.work / "import", PEOPLE) as load:
        yield from _on("sqlite", load, lambda: _sqlite(setting.work))
        if setting.postgres is not None:
            dsn = setting.postgres
            yield from _on("postgres", load, lambda: _postgres(dsn))


def _on(dialect: str, load: Imported, fresh: Callable[[], Any]) -> Iterator[Figure]:
    *chunks, last = load.chunks()
    singles = [[event] for event in last[:_SINGLES]]
    rows = [[load.mapper.to_row(event) for event in chunk] for chunk in chunks]
    single_rows = [[load.mapper.to_row(event)] for (event,) in singles]
    streams = list(dict.fromkeys(event.stream for event in chain(*chunks, *singles)))

    def ours() -> Laps:
        with fresh() as database:
            store = EventStore(database, load.mapper)
            store.create()
            return _laps(lambda events: _append(store, database, events), store.history, chunks, singles, streams)

    def bare() -> Laps:
        with fresh() as database:
            recorder = _recorder(database)
            recorder.create_table()
            return _laps(recorder.insert_events, recorder.select_events, rows, single_rows, streams)

    pairs = in_turns(ours, bare, ROUNDS)
    counts = Counts(sum(map(len, chunks)), len(singles), len(streams), load.row_size)
    yield from _figures(dialect, pairs, counts)


def _append(store: EventStore, database: Database, events: Sequence[Event]) -> None:
    with database.transaction() as tx:
        store.append(tx, events)


def _recorder(database: Database) -> Any:
    if database.dialect == "sqlite":
        return SQLiteApplicationRecorder(database.datastore)
    from eventsourcing.postgres import PostgresApplicationRecorder

    return PostgresApplicationRecorder(database.datastore)


def _laps(
    append: Callable[[Sequence[T]], object],
    history: Callable[[UUID], object],
    chunks: Sequence[Sequence[T]],
    singles: Sequence[Sequence[T]],
    streams: Sequence[UUID],
) -> Laps:
    importing, commanding, replaying = (Stopwatch(time.perf_counter) for _ in range(3))
    with importing:
        for chunk in chunks:
            append(chunk)
    with commanding:
        for single in singles:
            append(single)
    with replaying:
        for stream in streams:
            history(stream)
    return Laps(importing.seconds, commanding.seconds, replaying.seconds)


def _figures(dialect: str, pairs: Sequence[Pair[Laps]], counts: Counts) -> Iterator[Figure]:
    total = counts.imported + counts.single
    for lap, n, what in (
        ("imported", counts.imported, f"append {counts.imported:,} events of {counts.bytes} bytes, 50 people a commit"),
        ("single", counts.single, f"append {counts.single} events, each with a commit of its own"),
        ("replayed", total, f"replay {total:,} events of {counts.streams:,} streams"),
    ):
        runs = per_second([Pair(getattr(p.ours, lap), getattr(p.baseline, lap)) for p in pairs], n)
        yield Figure.of(f"store-{lap}/{dialect}", f"{what}; bare: eventsourcing's recorder", "events/s", n, runs)


@contextmanager
def _sqlite(folder: Path) -> Iterator[Database]:
    path = folder / f"store-{next(_fresh)}.db"
    database = open_database(f"sqlite:///{path}")
    try:
        yield database
    finally:
        database.close()
        path.unlink()


@contextmanager
def _postgres(dsn: str) -> Iterator[Database]:
    schema = f"samaki_bench_{next(_fresh)}"
    database = open_database(dsn, schema=schema)
    try:
        yield database
    finally:
        with database.transaction() as tx:
            tx.execute(f"DROP SCHEMA {schema} CASCADE")
        database.close()
