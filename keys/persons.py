"""Persons' data keys: one each, in a file apart from every event store, so that destroying one erases a person.

A key stands here only wrapped, bound to its person; the row of a destroyed key stays as a tombstone, so an erased
person is never given a new key under the old id. A tombstone names no one: it is a random id. Destroyed bytes are
overwritten in the file (secure_delete) and the rollback journal is removed; what a disk or a backup keeps of them is
wrapped, and closed for good once the key that wraps them is destroyed. Backups of this file are kept apart from the
data's, and at most 30 days.

The key that wraps all of them stands in the ring (purpose `data`), so the ring alone stands under the key-encryption
key, and a change of that is one replacement of one file. In older homes persons' keys stand under the key-encryption
key itself; `open_persons` moves them.

One process holds the file at a time: another one's cache would not see a key destroyed. Threads may share it.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Final
from uuid import UUID

from keys import labels, seal
from keys.errors import KeyInUse, RingDamaged, SealBroken
from keys.files import refuse_open_to_others
from keys.ring import KeyRing

_CACHED: Final = 20_000
"""Keys in memory at most, some 4 MB: a replay of a country's store reads each person's key many times."""

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS person_key (person_id BLOB PRIMARY KEY, wrapped BLOB) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS whole (one INTEGER PRIMARY KEY CHECK (one = 1), proof BLOB NOT NULL)",
)
_PROOF: Final = "INSERT INTO whole VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET proof = excluded.proof"
_LIVING: Final = "SELECT COUNT(*) FROM person_key WHERE wrapped IS NOT NULL"
_DESTROY: Final = "INSERT INTO person_key VALUES (?, NULL) ON CONFLICT (person_id) DO UPDATE SET wrapped = NULL"


class PersonKeys:
    """The data keys of the persons in one country's care.

    key      wraps them, 32 bytes
    before   keys that they may stand under still, of a change that was not finished: then it is finished now
    raises   RingDamaged: not our file, open to others, wrapped under another key, or not writable
    """

    def __init__(self, path: Path, key: bytes, *, before: Iterable[bytes] = ()) -> None:
        self._path = path
        self._key = key
        self._lock = RLock()
        self._cache: OrderedDict[UUID, bytes] = OrderedDict()
        with self._failures():
            # Made empty with its mode before SQLite writes to it; its journal takes the same mode.
            path.touch(mode=0o600, exist_ok=True)
            refuse_open_to_others(path)
            self._database = sqlite3.connect(path, check_same_thread=False, timeout=10)
            try:
                self._prepare(before)
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
        rows = [(p.bytes, seal.seal(self._key, seal.new_key(), _place(p))) for p in person_ids]
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

    def rewrap(self, key: bytes) -> None:
        """Wrap every key under another one, in one transaction; durable on return. If we crash: all under the old one
        or all under the new one.

        cost  two seals a person: a second for 100,000
        """
        with self._lock, self._failures():
            self._rewrap(self._key, key)
            self._key = key

    def standing_under(self, key: bytes) -> int:
        """How many persons' keys open under this one, each tried. Cost: 10 us a person."""
        with self._lock, self._failures():
            rows = self._database.execute("SELECT person_id, wrapped FROM person_key WHERE wrapped IS NOT NULL")
            return sum(_opens(key, wrapped, _place(UUID(bytes=person))) for person, wrapped in rows)

    def take(self, rows: Mapping[UUID, bytes | None]) -> int:
        """Take rows of a backup, in one transaction; what stands here goes before them, a tombstone above all.

        rows     as `rows_in` gave them, under the same key
        returns  how many persons have a key again
        raises   RingDamaged: one does not open; then none is taken
        """
        with self._lock, self._failures():
            for person, wrapped in rows.items():
                if wrapped is not None:
                    seal.unseal(self._key, wrapped, _place(person))
            before = self.living()
            with self._database:
                self._database.executemany(
                    "INSERT OR IGNORE INTO person_key VALUES (?, ?)", [(p.bytes, row) for p, row in rows.items()]
                )
                # A person who was erased after the backup stays erased; one erased before it, whose key came back here
                # by another way, is erased again.
                gone = [(p.bytes,) for p, row in rows.items() if row is None]
                self._database.executemany(_DESTROY, gone)
            self._cache.clear()
            return self.living() - before

    def living(self) -> int:
        """How many persons have a key."""
        with self._lock, self._failures():
            return int(self._database.execute(_LIVING).fetchone()[0])

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
            key = seal.unseal(self._key, row[0], _place(person_id))
        self._cache[person_id] = key
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return key

    def _prepare(self, before: Iterable[bytes]) -> None:
        self._database.execute("PRAGMA journal_mode = DELETE")  # a write-ahead log would keep destroyed keys
        self._database.execute("PRAGMA synchronous = EXTRA")  # the folder too, or a commit may go with the power
        self._database.execute("PRAGMA secure_delete = ON")
        with self._database:
            for table in _TABLES:
                self._database.execute(table)
            if not self._database.execute("SELECT 1 FROM whole").fetchone():
                self._database.execute(_PROOF, (_proof(self._key),))
        (proof,) = self._database.execute("SELECT proof FROM whole").fetchone()
        wraps = next((key for key in (self._key, *before) if _proves(key, proof)), None)
        if wraps is None:
            raise SealBroken("These persons' keys stand under none of the keys that they may stand under.")
        if wraps != self._key:
            self._rewrap(wraps, self._key)

    def _rewrap(self, old: bytes, new: bytes) -> None:
        rows = self._database.execute("SELECT person_id, wrapped FROM person_key WHERE wrapped IS NOT NULL").fetchall()
        moved = [(_moved(UUID(bytes=person), wrapped, old, new), person) for person, wrapped in rows]
        with self._database:
            self._database.executemany("UPDATE person_key SET wrapped = ? WHERE person_id = ?", moved)
            self._database.execute(_PROOF, (_proof(new),))

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise RingDamaged(f"The persons' keys in {self._path} cannot be used: {error}.") from error
        except SealBroken as error:
            raise RingDamaged(
                f"A key in {self._path} does not open: the row was altered, or the key that wraps it is another one. "
                "If the ring was restored, take its newest backup."
            ) from error


def living_in(path: Path) -> int | None:
    """How many persons have a key in this file, which another process may have open; None: there is no such file."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            return int(database.execute(_LIVING).fetchone()[0])
    except sqlite3.Error:
        return None


def rows_in(path: Path, key: bytes) -> dict[UUID, bytes | None]:
    """Every person's key in this file, wrapped under `key`; None: destroyed. Another process may have the file open.

    raises   RingDamaged: no such file, or a key stands under another one
    """
    refuse_open_to_others(path)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            rows = database.execute("SELECT person_id, wrapped FROM person_key ORDER BY person_id").fetchall()
    except sqlite3.Error as error:
        raise RingDamaged(f"The persons' keys in {path} cannot be read: {error}.") from error
    found = {UUID(bytes=person): wrapped for person, wrapped in rows}
    if not all(wrapped is None or _opens(key, wrapped, _place(person)) for person, wrapped in found.items()):
        raise RingDamaged(f"A key in {path} stands under another one than the ring's: start the party, then try again.")
    return found


def open_persons(path: Path, ring: KeyRing, *, kek: bytes, at: datetime) -> PersonKeys:
    """The persons' keys of this ring, under its primary `data` key, which is made where there is none yet.

    Whatever change of that key was cut off is finished: the persons' keys are moved, and only then older `data` keys
    destroyed.

    kek      the key-encryption key: older homes have them under that
    raises   RingDamaged, as PersonKeys; KeyInUse: a row stands under an older key, which nothing of ours leaves so
    """
    if not any(v.state == "primary" for v in ring.versions("data")):
        new_data_key(ring, at=at)
    older = [v for v in ring.versions("data") if v.state == "active"]
    before = [*(ring.secret("data", v.id) for v in older), kek]
    persons = PersonKeys(path, ring.secret("data", ring.primary("data").id), before=before)
    try:
        destroy_older(ring, persons)
    except KeyInUse:
        persons.close()
        raise
    return persons


def new_data_key(ring: KeyRing, *, at: datetime) -> bytes:
    """Give the ring a new primary `data` key. Persons' keys are to be moved under it."""
    key = seal.new_key()
    ring.add("data", f"data.{len(ring.versions('data')) + 1}", key, valid_from=at, primary=True)
    return key


def destroy_older(ring: KeyRing, persons: PersonKeys) -> None:
    """Destroy every `data` key but the primary one. Raises KeyInUse: a person's key stands under one still."""
    for version in ring.versions("data"):
        if version.state == "active":
            standing = persons.standing_under(ring.secret("data", version.id))
            ring.destroy("data", version.id, standing=standing)


def _place(person_id: UUID) -> bytes:
    return labels.framed(labels.PERSON_KEY, person_id.bytes)


def _proof(key: bytes) -> bytes:
    return seal.seal(key, b"", labels.PERSONS_WHOLE)


def _proves(key: bytes, proof: bytes) -> bool:
    return _opens(key, proof, labels.PERSONS_WHOLE)


def _opens(key: bytes, box: bytes, place: bytes) -> bool:
    try:
        seal.unseal(key, box, place)
    except SealBroken:
        return False
    return True


def _moved(person_id: UUID, wrapped: bytes, old: bytes, new: bytes) -> bytes:
    return seal.seal(new, seal.unseal(old, wrapped, _place(person_id)), _place(person_id))
