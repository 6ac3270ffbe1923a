"""The contract of the event store, on SQLite and on PostgreSQL."""

import threading
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from events.access import AccessLog, access_stream, decide_log_access
from events.base import ERASED, Act, Actor, Purpose, Role
from events.case import CaseReported, case_stream, decide_close, decide_report, evolve
from events.database import open_database
from events.errors import Refused, RowTampered, StoreConflict
from events.mapper import Mapper
from events.store import EventStore
from keys import seal
from keys.persons import PersonKeys
from keys.ring import KeyRing

KEK = bytes(32)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ACT = Act(at=NOW, by=Actor(staff="w", organisation="shelter", role=Role.CASE_WORKER), purpose=Purpose.PROTECTION)


POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(params=["sqlite", "memory", POSTGRES])
def dsn(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("postgres_dsn")
    return "sqlite:///:memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def schema():
    return f"store_{uuid4().hex[:12]}"


@pytest.fixture
def database(dsn, schema):
    opened = open_database(dsn, schema=schema)
    yield opened
    opened.close()


@pytest.fixture
def persons(tmp_path):
    keys = PersonKeys(tmp_path / "persons.db", KEK)
    yield keys
    keys.close()


@pytest.fixture
def mapper(tmp_path, persons):
    ring = KeyRing.create(tmp_path / "ring.json", KEK)
    ring.add("store", "store-1", seal.new_key(), valid_from=NOW, primary=True)
    return Mapper(ring, persons)


@pytest.fixture
def store(database, mapper):
    made = EventStore(database, mapper)
    made.create()
    return made


@pytest.fixture
def report(persons):
    """A case reported about somebody new, whose key exists."""

    def reported(**of):
        person_id = uuid4()
        persons.create([person_id])
        given = {
            "case_id": uuid4(),
            "person_id": person_id,
            "owner_org": "shelter",
            "reported_on": NOW.date(),
            "source": "self",
            "age_status": "adult",
            "summary": "as she told it",
        }
        return decide_report(ACT, **{**given, **of})

    return reported


def append(database, store, events):
    with database.transaction() as tx:
        store.append(tx, events)


def test_what_was_appended_is_read_back_in_order(database, store, report):
    (reported,) = report()
    (closed,) = decide_close(evolve(None, reported), ACT, outcome="completed")
    append(database, store, [reported, closed])
    assert store.history(reported.stream) == [reported, closed]
    assert store.version(reported.stream) == 2


def test_there_is_nothing_where_nothing_was_appended(store):
    assert store.history(uuid4()) == []
    assert store.version(uuid4()) == 0
    assert store.log(0, 10) == []
    assert store.last() == 0


def test_the_log_has_every_stream_in_the_order_committed_and_is_read_in_parts(database, store, report):
    events = [event for _ in range(7) for event in report()]
    for event in events:
        append(database, store, [event])
    first = store.log(0, 4)
    rest = store.log(first[-1][0], 100)
    assert [event for _, event in first + rest] == events
    positions = [position for position, _ in first + rest]
    assert positions == sorted(set(positions))
    assert store.last() == positions[-1]


def test_a_place_that_is_taken_is_a_conflict_and_changes_nothing(database, store, report):
    (reported,) = report()
    append(database, store, [reported])
    now = evolve(None, reported)
    (mine,) = decide_close(now, ACT, outcome="completed")
    (theirs,) = decide_close(now, ACT, outcome="returned")
    append(database, store, [theirs])
    (other,) = report()
    with pytest.raises(StoreConflict, match="Load, decide and save again"):
        append(database, store, [other, mine])
    assert store.history(reported.stream) == [reported, theirs]
    assert store.history(other.stream) == []


def test_after_a_conflict_the_store_takes_events_again(database, store, report):
    (reported,) = report()
    append(database, store, [reported])
    with pytest.raises(StoreConflict):
        append(database, store, [reported])
    append(database, store, decide_close(evolve(None, reported), ACT, outcome="completed"))
    assert store.version(reported.stream) == 2


def test_events_and_our_own_rows_are_committed_together_or_not_at_all(database, store, report):
    database.create(["CREATE TABLE IF NOT EXISTS done (what TEXT PRIMARY KEY)"])
    (kept,), (lost,) = report(), report()
    with database.transaction() as tx:
        store.append(tx, [kept])
        tx.execute("INSERT INTO done VALUES (?)", ("kept",))

    def crash():
        with database.transaction() as tx:
            store.append(tx, [lost])
            tx.execute("INSERT INTO done VALUES (?)", ("lost",))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    with database.reading() as tx:
        assert tx.execute("SELECT what FROM done") == [("kept",)]
        assert [event for _, event in store.log(0, 10, tx)] == [kept]


def test_a_transaction_reads_what_it_has_appended(database, store, report):
    (reported,) = report()
    with database.transaction() as tx:
        store.append(tx, [reported])
        assert store.history(reported.stream, tx) == [reported]
        assert store.version(reported.stream, tx) == 1
        assert store.last(tx) == store.log(0, 10, tx)[0][0]


def test_appending_nothing_is_nothing(database, store):
    append(database, store, [])
    assert store.last() == 0


@pytest.mark.parametrize("dsn", ["sqlite", POSTGRES], indirect=True)
def test_a_store_opened_again_has_what_was_there(dsn, schema, database, store, mapper, report):
    (reported,) = report()
    append(database, store, [reported])
    again = open_database(dsn, schema=schema)
    try:
        reopened = EventStore(again, mapper)
        reopened.create()
        assert reopened.history(reported.stream) == [reported]
        append(again, reopened, decide_close(evolve(None, reported), ACT, outcome="completed"))
    finally:
        again.close()
    assert store.version(reported.stream) == 2


def test_many_writers_leave_no_gap_that_is_filled_later(database, store, report):
    """A reader who polls behind the last position it saw misses nothing, whoever commits first."""
    batches = [[event for _ in range(3) for event in report()] for _ in range(12)]
    seen, writing = [], threading.Event()
    writers = [threading.Thread(target=append, args=(database, store, batch)) for batch in batches]

    def poll():
        position = 0
        while True:
            over = writing.is_set()
            found = store.log(position, 5)
            seen.extend(event.event_id for _, event in found)
            position = found[-1][0] if found else position
            if over and not found:
                return

    reader = threading.Thread(target=poll)
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    writing.set()
    reader.join()
    assert len(seen) == len(set(seen)) == 36
    assert set(seen) == {event.event_id for batch in batches for event in batch}


@pytest.mark.parametrize("dsn", [POSTGRES], indirect=True)
def test_on_postgresql_nobody_else_writes_events_until_the_transaction_ends(database, store, report):
    """Whoever writes without our advisory lock too: else a position given early could become visible late."""
    locks = "SELECT mode FROM pg_locks WHERE relation = 'stored_events'::regclass AND granted"
    with database.transaction() as tx:
        store.append(tx, report())
        assert ("ExclusiveLock",) in tx.execute(locks)


def test_a_row_missing_from_a_stream_stops_the_reader(database, store, report):
    (reported,) = report()
    append(database, store, [reported, *decide_close(evolve(None, reported), ACT, outcome="completed")])
    with database.transaction() as tx:
        tx.execute("DELETE FROM stored_events WHERE originator_version = 1")
    with pytest.raises(RowTampered, match="Row 1 of stream"):
        store.history(reported.stream)


def test_two_states_swapped_in_the_table_stop_the_reader(database, store, report):
    (one,), (other,) = report(), report()
    append(database, store, [one, other])
    with database.transaction() as tx:
        rows = tx.execute("SELECT originator_id, state FROM stored_events")
        for (stream, _), (_, state) in zip(rows, reversed(rows), strict=True):
            tx.execute("UPDATE stored_events SET state = ? WHERE originator_id = ?", (state, stream))
    with pytest.raises(RowTampered):
        store.history(one.stream)
    with pytest.raises(RowTampered):
        store.log(0, 10)


def test_a_row_that_names_anything_else_than_our_events_is_not_loaded(database, store, report):
    (reported,) = report()
    append(database, store, [reported])
    with database.transaction() as tx:
        tx.execute("UPDATE stored_events SET topic = ?", ("events.case:CaseReported",))
    with pytest.raises(RowTampered, match="no event of this release"):
        store.log(0, 10)


def test_a_person_without_a_key_gets_no_personal_field_written(database, store, report):
    (reported,) = report()
    stranger = reported.model_copy(update={"person_id": uuid4()})
    with pytest.raises(Refused) as refused:
        append(database, store, [stranger])
    assert refused.value.code == "person_key_missing"
    assert store.last() == 0


def test_destroying_a_persons_key_erases_them_from_the_history_and_leaves_its_open_part(
    database, store, persons, report
):
    (reported,), (other,) = report(), report()
    append(database, store, [reported, other])
    persons.destroy(reported.person_id)
    (erased,) = store.history(case_stream(reported.case_id))
    assert isinstance(erased, CaseReported)
    assert (erased.summary, erased.age_status) == (ERASED, ERASED)
    assert (erased.case_id, erased.by, erased.at) == (reported.case_id, reported.by, reported.at)
    assert store.history(other.stream) == [other]
    (closed,) = decide_close(evolve(None, reported), ACT, outcome="completed")
    append(database, store, [closed])
    assert store.version(reported.stream) == 2


def test_nothing_personal_stands_in_the_table_in_clear(database, store, report):
    (reported,) = report()
    append(database, store, [reported])
    with database.reading() as tx:
        ((state,),) = tx.execute("SELECT state FROM stored_events")
    for clear in (b"as she told it", b"adult", b"shelter", b"case_worker"):
        assert clear not in bytes(state)


def test_the_read_log_grows_without_being_loaded(database, store, persons):
    person_id = uuid4()
    persons.create([person_id])
    stream = access_stream("shelter")
    of = {"person_id": person_id, "fields": frozenset({"names"}), "outcome": "shown", "basis": "owner"}
    for _ in range(3):
        with database.transaction() as tx:
            log = AccessLog("shelter", store.version(stream, tx))
            store.append(tx, decide_log_access(log, ACT, **of))
    assert [event.seq for event in store.history(stream)] == [1, 2, 3]
