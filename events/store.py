"""The event store of one country: every event of every aggregate, in one log, beside our own tables.

Rows are written by the recorders of `eventsourcing` with the cursor of our own transaction, so that events and what
follows from them are committed together or not at all. On PostgreSQL the library's table lock is taken first, so the
log never shows a gap that is filled later. Its database functions stay off (they would drop tracking), and so do its
notifications: the log is polled.

If we crash before the transaction ends, nothing was stored. A row that does not open in its place, or a stream with a
row missing, stops the reader with RowTampered: a store that was altered is not worked on.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import SQLiteApplicationRecorder

from events.base import Event
from events.database import Database, Transaction
from events.errors import RowTampered, StoreConflict
from events.mapper import Mapper

_TABLE: Final = "stored_events"
_HISTORY: Final = "SELECT originator_version, topic, state FROM stored_events WHERE originator_id = ? ORDER BY 1"
_VERSION: Final = "SELECT MAX(originator_version) FROM stored_events WHERE originator_id = ?"


class _Rows(Protocol):
    """What differs between the dialects."""

    taken: type[Exception]
    """The driver's error for a place that is taken."""
    log: str
    """Position, stream, version, name and state of the rows behind a position, at most so many."""
    last: str
    """The log's last position."""

    def create(self) -> None: ...

    def insert(self, cursor: Any, rows: Sequence[StoredEvent]) -> None: ...

    def key(self, stream: UUID) -> object:
        """A stream's id as the column holds it."""
        ...


class _SqliteRows:
    taken: type[Exception] = sqlite3.IntegrityError
    log = "SELECT rowid, * FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?"
    last = "SELECT MAX(rowid) FROM stored_events"

    def __init__(self, datastore: Any) -> None:
        self._recorder = SQLiteApplicationRecorder(datastore, events_table_name=_TABLE)

    def create(self) -> None:
        self._recorder.create_table()

    def insert(self, cursor: Any, rows: Sequence[StoredEvent]) -> None:
        self._recorder._insert_events(cursor, rows)  # noqa: SLF001  its public form opens a transaction of its own

    def key(self, stream: UUID) -> object:
        return stream.hex


class _PostgresRows:
    log = (
        "SELECT notification_id, originator_id, originator_version, topic, state FROM stored_events "
        "WHERE notification_id > ? ORDER BY notification_id LIMIT ?"
    )
    last = "SELECT MAX(notification_id) FROM stored_events"

    def __init__(self, datastore: Any) -> None:
        import psycopg
        from eventsourcing.postgres import PostgresAggregateRecorder, PostgresApplicationRecorder

        self.taken: type[Exception] = psycopg.IntegrityError
        self._recorder = PostgresApplicationRecorder(datastore, events_table_name=_TABLE)
        self._without_notify = PostgresAggregateRecorder._insert_stored_events  # noqa: SLF001

    def create(self) -> None:
        self._recorder.create_table()

    def insert(self, cursor: Any, rows: Sequence[StoredEvent]) -> None:
        self._recorder._lock_table(cursor)  # noqa: SLF001  until the transaction ends
        self._without_notify(self._recorder, cursor, rows)

    def key(self, stream: UUID) -> object:
        return stream


class EventStore:
    """The events of one country. Methods may be called from several threads, each transaction from one.

    `tx` is a transaction of the same database; where it is left out, a reading one is opened.
    """

    def __init__(self, database: Database, mapper: Mapper) -> None:
        self._database = database
        self._mapper = mapper
        make: type[_SqliteRows | _PostgresRows] = _SqliteRows if database.dialect == "sqlite" else _PostgresRows
        self._rows: _Rows = make(database.datastore)

    def create(self) -> None:
        """Make the table if it is missing. Before anything else, and not inside a transaction."""
        self._rows.create()

    def append(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Add these events, all or none, in this order; durable when the transaction has ended.

        raises  StoreConflict: another writer took one of their places; the transaction is lost, so load, decide, again
                Refused("person_key_missing")
        """
        rows = [self._mapper.to_row(event) for event in events]
        if not rows:
            return
        try:
            self._rows.insert(tx.cursor, rows)
        except self._rows.taken as error:
            raise StoreConflict(
                f"One of {len(rows)} events found its place taken: someone else appended to its stream first. "
                "Load, decide and save again."
            ) from error

    def history(self, stream: UUID, tx: Transaction | None = None) -> list[Event]:
        """A stream's events from the first on; none where there is no such stream.

        raises  RowTampered: a row does not open, or one before the last is missing
        """
        with self._reading(tx) as read:
            found = read.execute(_HISTORY, (self._rows.key(stream),))
        rows = [StoredEvent(stream, version, topic, bytes(state)) for version, topic, state in found]
        for expected, row in enumerate(rows, 1):
            if row.originator_version != expected:
                raise RowTampered(f"Row {expected} of stream {stream} is missing. Compare it with a backup.")
        return [self._mapper.to_event(row) for row in rows]

    def version(self, stream: UUID, tx: Transaction | None = None) -> int:
        """The number of a stream's last event, 0 where there is none; cheap however long the stream is."""
        with self._reading(tx) as read:
            ((last,),) = read.execute(_VERSION, (self._rows.key(stream),))
        return last or 0

    def log(self, after: int, limit: int, tx: Transaction | None = None) -> list[tuple[int, Event]]:
        """At most `limit` events behind position `after` (0: from the start), in the order committed.

        Positions rise; they may leave gaps, which are never filled later. Raises RowTampered.
        """
        with self._reading(tx) as read:
            found = read.execute(self._rows.log, (after, limit))
        return [
            (place, self._mapper.to_event(StoredEvent(_uuid(stream), version, topic, bytes(state))))
            for place, stream, version, topic, state in found
        ]

    def last(self, tx: Transaction | None = None) -> int:
        """The position of the log's last event, 0 where it is empty."""
        with self._reading(tx) as read:
            ((last,),) = read.execute(self._rows.last)
        return last or 0

    def _reading(self, tx: Transaction | None) -> AbstractContextManager[Transaction]:
        return nullcontext(tx) if tx is not None else self._database.reading()


def _uuid(stream: Any) -> UUID:
    return stream if isinstance(stream, UUID) else UUID(hex=stream)
