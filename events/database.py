"""One party's database: SQLite or PostgreSQL, the event tables and our own tables in one transaction.

Built on the connection pools of `eventsourcing`, so that its recorders, given `Transaction.cursor`, write in the very
transaction that moves our heads and cursors. Writers take turns: on SQLite by its write lock, on PostgreSQL by an
advisory lock, in every process that opened this database, so the order of commits is the order of any numbering.

Refuses nested transactions of one thread: the inner one would not see the outer one's work, or wait for it for ever.
If we crash inside a transaction, nothing of it happened; once it has ended, all of it is on the disk.
"""

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any, Literal, Protocol
from uuid import uuid4

from eventsourcing.persistence import PersistenceError
from eventsourcing.sqlite import SQLiteCursor, SQLiteDatastore

from events.errors import EventsError, StoreConflict, StoreUnavailable

Dialect = Literal["sqlite", "postgres"]
_LOCK_TIMEOUT = 60  # seconds that a SQLite writer waits for another process's write


class Transaction(Protocol):
    """What can be done inside a transaction.

    After an error only the end of a savepoint, or of the whole transaction, can follow.
    Raises StoreConflict where a uniqueness rule says no, StoreUnavailable for all else that the database refuses.
    """

    cursor: Any
    """The recorder's own cursor, for `events.store` only."""

    def execute(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, `?` for each parameter in every dialect; all its rows as tuples, none for a write."""
        ...

    def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for each row of parameters."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """A part that can fail alone: an exception that leaves the block undoes the block, and goes on."""
        ...


class Database(ABC):
    """A party's database. All methods may be called from several threads; open one a process and file or schema."""

    dialect: Dialect
    datastore: Any
    """The pool that `events.store` gives to the library's recorder."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._mine = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Read and write. Commits when the block ends, undoes everything on any exception."""
        with self._alone(), self._writing, _translated(), self._transaction() as tx:
            yield tx

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One consistent view, as of the first read. Never waits for a writer (except on a database in memory)."""
        with self._alone(), _translated(), self._reading() as tx:
            yield tx

    def create(self, statements: Sequence[str]) -> None:
        """Run DDL with IF NOT EXISTS. The words BLOB, BIGINT and BIGSERIAL PRIMARY KEY are put in the dialect's way."""
        with self.transaction() as tx:
            for statement in statements:
                tx.execute(self._ddl(statement))

    def close(self) -> None:
        """Give all connections back. Transactions that are still open fail."""
        self.datastore.close()

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Transaction]: ...

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Transaction]: ...

    @abstractmethod
    def _ddl(self, statement: str) -> str: ...

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if getattr(self._mine, "inside", False):
            raise RuntimeError("This thread has a transaction open already: work through that one.")
        self._mine.inside = True
        try:
            yield
        finally:
            self._mine.inside = False


class _Transaction:
    """Statements on one cursor of the driver's; `cursor` is the recorder's beside it, on the same connection."""

    _faults: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, cursor: Any, driver: Any) -> None:
        self.cursor = cursor
        self._driver = driver
        self._depth = 0

    def execute(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            self._driver.execute(self._in_dialect(sql), params)
            return self._driver.fetchall() if self._driver.description else []
        except self._faults as error:
            raise _ours(error) from error

    def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        try:
            self._driver.executemany(self._in_dialect(sql), rows)
        except self._faults as error:
            raise _ours(error) from error

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        self._depth += 1
        name = f"part_{self._depth}"
        self.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self.execute(f"ROLLBACK TO SAVEPOINT {name}")
            raise
        finally:
            self.execute(f"RELEASE SAVEPOINT {name}")
            self._depth -= 1

    def _in_dialect(self, sql: str) -> str:
        return sql


class _PostgresTransaction(_Transaction):
    def __init__(self, connection: Any) -> None:
        import psycopg
        from psycopg.rows import tuple_row

        super().__init__(connection.cursor(), connection.cursor(row_factory=tuple_row))
        self._faults = (psycopg.Error,)

    def _in_dialect(self, sql: str) -> str:
        return _percent_signs(sql)


@lru_cache(maxsize=1024)
def _percent_signs(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


class SqliteDatabase(Database):
    """A file in write-ahead mode, or (path `:memory:`) a database of this process alone, where readers do wait."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: str) -> None:
        super().__init__()
        if path == ":memory:":
            path = f"file:samaki-{uuid4().hex}?mode=memory&cache=shared"
        self.datastore = SQLiteDatastore(path, lock_timeout=_LOCK_TIMEOUT, pool_timeout=_LOCK_TIMEOUT)
        with self._reading():
            pass  # the first connection makes the file, and keeps a database in memory alive

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self.datastore.get_connection(commit=True) as connection:
            # IMMEDIATE: a reader that becomes a writer after another process's commit would be refused, not waited for
            cursor, driver = _sqlite_cursors(connection, "BEGIN IMMEDIATE")
            try:
                yield _Transaction(cursor, driver)
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        with self.datastore.get_connection(commit=False) as connection:
            cursor, driver = _sqlite_cursors(connection, "BEGIN")
            driver.execute("PRAGMA query_only = 1")
            try:
                yield _Transaction(cursor, driver)
            finally:
                connection.rollback()
                driver.execute("PRAGMA query_only = 0")

    def _ddl(self, statement: str) -> str:
        numbered = statement.replace("BIGSERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT")
        return numbered.replace("BIGINT", "INTEGER")


def _sqlite_cursors(connection: Any, begin: str) -> tuple[SQLiteCursor, sqlite3.Cursor]:
    cursor: SQLiteCursor = connection.cursor()
    driver: sqlite3.Cursor = connection.cursor().sqlite_cursor
    driver.row_factory = None  # plain tuples; the recorder's cursor keeps its own rows
    driver.execute(begin)
    return cursor, driver


class PostgresDatabase(Database):
    """One schema of a PostgreSQL database. All our tables, and the recorder's, stand in that schema."""

    dialect: Dialect = "postgres"

    def __init__(self, dsn: str, schema: str) -> None:
        super().__init__()
        from eventsourcing.postgres import PostgresDatastore
        from psycopg.conninfo import conninfo_to_dict
        from psycopg.rows import dict_row

        given = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
        given["options"] = f"{given.get('options', '')} -c search_path={schema}".strip()
        self.datastore = PostgresDatastore(
            "", "", "", "", "", schema=schema, pool_size=1, max_overflow=9, pool_open_timeout=10
        )
        # The library's five parameters have no place for TLS, so the pool gets libpq's own, all of them.
        self.datastore.pool.kwargs = {"row_factory": dict_row, **given}
        self._lock_key = f"samaki {schema}"
        with self.transaction() as tx:
            tx.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        # The pool is open now. Waiting for it again, as the library would for each connection, is not safe in threads.
        self.datastore.pool_open_timeout = None

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self.datastore.get_connection() as connection, connection.transaction():
            tx = _PostgresTransaction(connection)
            tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (self._lock_key,))
            yield tx

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        with self.datastore.get_connection() as connection, connection.transaction(force_rollback=True):
            tx = _PostgresTransaction(connection)
            tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield tx

    def _ddl(self, statement: str) -> str:
        return statement.replace("BLOB", "BYTEA")


def open_database(dsn: str, *, schema: str = "samaki") -> Database:
    """Open `sqlite:///path`, `sqlite:///:memory:` or `postgresql://user@host/name` (libpq's URI, TLS options and all).

    schema  where a PostgreSQL database keeps this party's tables: letters, digits and `_`; SQLite has no use for it
    raises  StoreUnavailable: cannot be opened; ValueError: no such form
    """
    if dsn.startswith("sqlite:///"):
        with _translated():
            return SqliteDatabase(dsn.removeprefix("sqlite:///"))
    if dsn.startswith(("postgresql://", "postgres://")):
        if not schema.replace("_", "").isalnum() or not schema.isascii():
            raise ValueError(f"The schema name {schema!r} has other characters than letters, digits and '_'.")
        with _translated():
            return PostgresDatabase(dsn, schema)
    raise ValueError("A database is sqlite:///path or postgresql://user@host/name; this is neither.")


def _ours(error: Exception) -> EventsError:
    """Our name for a driver's or the recorder's error: both keep to the names of Python's database API (PEP 249)."""
    if any(kind.__name__ == "IntegrityError" for kind in type(error).__mro__):
        return StoreConflict("A row with this key stands already: someone else wrote first.")
    return StoreUnavailable(f"The database refused ({type(error).__name__}): nothing was done.")


@contextmanager
def _translated() -> Iterator[None]:
    """What the pool, the recorder and the end of a transaction raise, under our names. The block's own errors pass."""
    try:
        yield
    except (sqlite3.Error, PersistenceError) as error:
        raise _ours(error) from error
