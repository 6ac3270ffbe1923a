"""Persons' data keys: one each, in a file apart from every event store, so that destroying one erases a person.

A key stands here only wrapped, bound to its person; the row of a destroyed key stays as a tombstone, so an erased
person is never given a new key under the old id. Destroyed bytes are overwritten in the file (secure_delete) and the
rollback journal is removed; what a disk or a backup keeps of them is wrapped, and closed for good when the
key-encryption key changes. Backups of this file are kept apart from the data's, and at most 30 days.

One process holds the file at a time: another one's cache would not see a key destroyed. Threads may share it.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Final
from uuid import UUID

from keys import labels, seal
from keys.errors import RingDamaged, SealBroken
from keys.files import refuse_open_to_others

_CACHED: Final = 20_000
"""Keys in memory at most, some 4 MB: a replay of a country's store reads each person's key many times."""

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS person_key (person_id BLOB PRIMARY KEY, wrapped BLOB) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS whole (one INTEGER PRIMARY KEY CHECK (one = 1), proof BLOB NOT NULL)",
)
_DESTROY: Final = "INSERT INTO person_key VALUES (?, NULL) ON CONFLICT (person_id) DO UPDATE SET wrapped = NULL"


class PersonKeys:
    """The data keys of the persons in one country's care.

    raises   RingDamaged: not our file, open to others, wrapped under another key-encryption key, or not writable
    """

    def __init__(self, path: Path, kek: bytes) -> None:
        self._path = path
        self._kek = kek
        self._lock = RLock()
        self._cache: OrderedDict[UUID, bytes] = OrderedDict()
        with self._failures():
            # Made empty with its mode before SQLite writes to it; its journal takes the same mode.
            path.touch(mode=0o600, exist_ok=True)
            refuse_open_to_others(path)
            self._database = sqlite3.connect(path, check_same_thread=False, timeout=10)
            try:
                self._prepare()
            except (sqlite3.Error, SealBroken):
                self._database.close()
                raise

    def __repr__(self) -> str:
        return f"<PersonKeys {self._path}>"

    def create(self, person_ids: Iterable[UUID]) -> None:
        """Give each of these persons a key, unless there is or was one. Durable when it returns.

        Call it before the first event of a person is written: after a crash in between there is a key too many,
        never an event that nobody can read.
        """
        rows = [(p.bytes, seal.seal(self._kek, seal.new_key(), _place(p))) for p in person_ids]
        with self._lock, self._failures(), self._database:
            self._database.executemany("INSERT OR IGNORE INTO person_key VALUES (?, ?)", rows)

    def get(self, person_id: UUID) -> bytes | None:
        """A person's key, 32 bytes; None: destroyed, or never made."""
        with self._lock:
            cached = self._cache.get(person_id)
            if cached is not None:
                self._cache.move_to_end(person_id)
                return cached
            return self._read(person_id)

    def destroy(self, person_id: UUID) -> None:
        """Erase: nothing under this person's key can be read again. Durable when it returns; twice is once."""
        with self._lock:
            self._cache.pop(person_id, None)
            with self._failures(), self._database:
                self._database.execute(_DESTROY, (person_id.bytes,))

    def close(self) -> None:
        with self._lock:
            self._cache.clear()
            self._database.close()

    def _read(self, person_id: UUID) -> bytes | None:
        with self._failures():
            query = "SELECT wrapped FROM person_key WHERE person_id = ?"
            row = self._database.execute(query, (person_id.bytes,)).fetchone()
            if row is None or row[0] is None:
                return None
            key = seal.unseal(self._kek, row[0], _place(person_id))
        self._cache[person_id] = key
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return key

    def _prepare(self) -> None:
        self._database.execute("PRAGMA journal_mode = DELETE")  # a write-ahead log would keep destroyed keys
        self._database.execute("PRAGMA synchronous = EXTRA")  # the folder too, or a commit may go with the power
        self._database.execute("PRAGMA secure_delete = ON")
        with self._database:
            for table in _TABLES:
                self._database.execute(table)
            proof = seal.seal(self._kek, b"", labels.PERSONS_WHOLE)
            self._database.execute("INSERT OR IGNORE INTO whole VALUES (1, ?)", (proof,))
        (found,) = self._database.execute("SELECT proof FROM whole").fetchone()
        seal.unseal(self._kek, found, labels.PERSONS_WHOLE)  # refuses another key-encryption key at the start

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise RingDamaged(f"The persons' keys in {self._path} cannot be used: {error}.") from error
        except SealBroken as error:
            raise RingDamaged(
                f"A key in {self._path} does not open: the key-encryption key is another one, or the row was altered."
            ) from error


def _place(person_id: UUID) -> bytes:
    return labels.framed(labels.PERSON_KEY, person_id.bytes)
