"""The contract of a database (events.database), on each that we have."""

import sqlite3
import threading
from uuid import uuid4

import pytest

from events.database import open_database
from events.errors import StoreConflict, StoreUnavailable

TABLE = "CREATE TABLE IF NOT EXISTS t (id BIGSERIAL PRIMARY KEY, a BIGINT UNIQUE, b BLOB, c TEXT)"


POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)
on_disk = pytest.mark.parametrize("opened", ["file", POSTGRES], indirect=True)
"""A database in memory ends with its process, and its readers wait for its writer, as its contract says."""


@pytest.fixture(params=["file", "memory", POSTGRES])
def opened(request, tmp_path):
    """Opens the same database again and again, as several processes would (in memory: one, once)."""
    kind, made = request.param, []
    schema = f"t_{uuid4().hex}"

    def open_it():
        if kind == "memory":
            made[:] = made or [open_database("sqlite:///:memory:")]
            return made[0]
        dsn = f"sqlite:///{tmp_path}/a.db" if kind == "file" else request.getfixturevalue("postgres_dsn")
        made.append(open_database(dsn, schema=schema))
        return made[-1]

    yield open_it
    for database in made:
        database.close()


@pytest.fixture
def database(opened):
    made = opened()
    made.create([TABLE])
    return made


def rows(database):
    with database.reading() as tx:
        return tx.execute("SELECT a FROM t ORDER BY id")


def insert(tx, a):
    tx.execute("INSERT INTO t (a, b, c) VALUES (?, ?, ?)", (a, b"\x00\xff", "ສົມ % ?"))


def test_what_was_written_is_read_as_it_was(database):
    with database.transaction() as tx:
        insert(tx, 2**53)
        tx.execute("INSERT INTO t (a) VALUES (?)", (None,))
    with database.reading() as tx:
        assert tx.execute("SELECT a, b, c FROM t WHERE a = ?", (2**53,)) == [(2**53, b"\x00\xff", "ສົມ % ?")]
        assert tx.execute("SELECT b, c FROM t WHERE a IS NULL AND 7 % 4 = 3") == [(None, None)]
        assert tx.execute("SELECT a FROM t WHERE a = ?", (5,)) == []


def test_tables_are_made_once_and_kept(database):
    with database.transaction() as tx:
        insert(tx, 1)
    database.create([TABLE])
    assert rows(database) == [(1,)]


def test_many_rows_are_written_at_once_in_their_order(database):
    with database.transaction() as tx:
        tx.executemany("INSERT INTO t (a) VALUES (?)", ((a,) for a in (5, 3, 4)))
        tx.executemany("INSERT INTO t (a) VALUES (?)", [])
    assert rows(database) == [(5,), (3,), (4,)]


def test_an_error_undoes_the_whole_transaction(database):
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        insert(tx, 1)
        1 / 0  # noqa: B018
    assert rows(database) == []
    with database.transaction() as tx:
        insert(tx, 1)
    assert rows(database) == [(1,)]


def test_a_savepoint_fails_alone(database):
    with database.transaction() as tx:
        insert(tx, 1)
        with pytest.raises(ZeroDivisionError), tx.savepoint():
            insert(tx, 2)
            with tx.savepoint():
                insert(tx, 3)
            1 / 0  # noqa: B018
        with tx.savepoint():
            insert(tx, 4)
    assert rows(database) == [(1,), (4,)]


def test_a_key_that_stands_already_is_a_conflict_and_a_savepoint_goes_on_after_it(database):
    with database.transaction() as tx:
        insert(tx, 1)
        with pytest.raises(StoreConflict), tx.savepoint():
            insert(tx, 1)
        with pytest.raises(StoreConflict), tx.savepoint():
            tx.executemany("INSERT INTO t (a) VALUES (?)", [(7,), (1,)])
        insert(tx, 2)
    assert rows(database) == [(1,), (2,)]


def test_what_the_database_cannot_do_is_our_error_and_undoes_everything(database):
    with pytest.raises(StoreUnavailable), database.transaction() as tx:
        insert(tx, 1)
        tx.execute("SELECT nothing FROM nowhere")
    assert rows(database) == []


def test_a_reader_cannot_write(database):
    with pytest.raises(StoreUnavailable), database.reading() as tx:
        insert(tx, 1)
    with database.transaction() as tx:
        insert(tx, 2)
    assert rows(database) == [(2,)]


@on_disk
def test_a_reader_sees_one_moment_and_does_not_wait_for_the_writer(database):
    inside, checked = threading.Event(), threading.Event()

    def write():
        with database.transaction() as tx:
            insert(tx, 1)
            inside.set()
            assert checked.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    assert inside.wait(30)
    with database.reading() as tx:
        assert tx.execute("SELECT count(*) FROM t") == [(0,)]
        checked.set()
        writer.join(30)
        assert tx.execute("SELECT count(*) FROM t") == [(0,)]
    assert rows(database) == [(1,)]


def test_writers_take_turns_whichever_process_they_are_in(opened, database):
    """Read, add one, write: with turns no addition is lost, and nobody is refused."""
    databases = [database, opened()]
    with database.transaction() as tx:
        insert(tx, 0)

    def add(database):
        for _ in range(25):
            with database.transaction() as tx:
                ((a,),) = tx.execute("SELECT a FROM t")
                tx.execute("UPDATE t SET a = ?", (a + 1,))

    threads = [threading.Thread(target=add, args=(d,)) for d in databases * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert rows(database) == [(100,)]


def test_the_order_of_numbers_is_the_order_of_commits(opened, database):
    """A reader who polls by number never skips one that is committed later."""
    other, seen = opened(), []

    def write(database, start):
        for a in range(start, start + 20):
            with database.transaction() as tx:
                insert(tx, a)

    threads = [threading.Thread(target=write, args=(d, n)) for d, n in ((database, 0), (other, 100))]
    for thread in threads:
        thread.start()
    while len(seen) < 40:
        last = seen[-1] if seen else 0
        with database.reading() as tx:
            seen += [number for (number,) in tx.execute("SELECT id FROM t WHERE id > ? ORDER BY id", (last,))]
    for thread in threads:
        thread.join(60)
    assert len(seen) == len(set(seen)) == 40


def test_a_transaction_inside_another_of_the_same_thread_is_refused(database):
    with database.transaction():
        for again in (database.transaction, database.reading):
            with pytest.raises(RuntimeError, match="open already"), again():
                pass
    with database.reading():
        pass


@on_disk
def test_what_was_committed_is_there_when_it_is_opened_again(opened, database):
    with database.transaction() as tx:
        insert(tx, 1)
    database.close()
    assert rows(opened()) == [(1,)]


def test_the_librarys_recorder_writes_in_our_transaction(database):
    """What events.store builds on: its rows and ours come and go together."""
    recorder, insert_events = recorder_of(database)
    recorder.create_table()
    event = stored_event()
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        insert(tx, 1)
        insert_events(tx.cursor, [event])
        1 / 0  # noqa: B018
    assert rows(database) == []
    assert recorder.select_events(event.originator_id) == []
    with database.transaction() as tx:
        insert(tx, 1)
        insert_events(tx.cursor, [event])
    assert rows(database) == [(1,)]
    assert len(recorder.select_events(event.originator_id)) == 1


def recorder_of(database):
    """The library's recorder, and its function that inserts with a given cursor."""
    if database.dialect == "sqlite":
        from eventsourcing.sqlite import SQLiteApplicationRecorder

        recorder = SQLiteApplicationRecorder(database.datastore)
        return recorder, recorder._insert_events
    from eventsourcing.postgres import PostgresApplicationRecorder

    recorder = PostgresApplicationRecorder(database.datastore)
    return recorder, recorder._insert_stored_events


def stored_event():
    from eventsourcing.persistence import StoredEvent

    return StoredEvent(originator_id=uuid4(), originator_version=1, topic="t", state=b"x")


@pytest.mark.parametrize("dsn", ["mysql://x", "nowhere.db", ""])
def test_another_form_of_database_is_refused(dsn):
    with pytest.raises(ValueError, match="this is neither"):
        open_database(dsn)


def test_a_schema_with_odd_characters_is_refused():
    with pytest.raises(ValueError, match="schema"):
        open_database("postgresql://x", schema='a"; DROP')


def test_a_file_that_cannot_be_opened_is_our_error(tmp_path):
    with pytest.raises(StoreUnavailable):
        open_database(f"sqlite:///{tmp_path}/missing/a.db")


def test_a_file_that_is_no_database_is_our_error(tmp_path):
    (tmp_path / "a.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreUnavailable) as raised:
        open_database(f"sqlite:///{tmp_path}/a.db")
    assert isinstance(raised.value.__cause__, sqlite3.DatabaseError)
