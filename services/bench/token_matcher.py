"""A token's cost to the matcher: its index behind the pepper, into the tracked store, and a look for company.

The matcher does no arithmetic of the group. Bare is what any store of indices must do: an HMAC-SHA256, a row into one
indexed SQLite table, and a look-up by value, each look-up for itself. Both stand on files, hold as many rows before,
and commit once a batch. What is ours above bare: a handle's state, the notes of what has changed, the matches' grounds,
and all of it so that a crash, a correction or a revocation leaves exactly what stands.
"""

import hmac
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from events.clock import SystemClock
from events.database import open_database
from events.ids import new_handle
from events.messages import Submission
from keys.pepper import SecretPepper
from matching.index import INDEX, Index
from services.bench import world
from services.bench.measure import Figure, Stopwatch, in_turns, microseconds_each
from services.bench.setting import Setting
from services.demo.region import SLOTS

ROUNDS: Final = 7
RECORDS: Final = 102
"""Records of one batch: 510 tokens in the demo's five slots."""
BEFORE: Final = 5000
"""Records of the other country that are there before."""
_KNOWN: Final = 5
"""Of a batch's records, so many share their tokens with one that is there: one in twenty."""
_LOOKED_AT: Final = 500


def measure(setting: Setting) -> Iterator[Figure]:
    pepper, there = secrets.token_bytes(32), [_row() for _ in range(BEFORE)]
    ours, bare = _Ours(setting.work / "index.db", pepper, there), _Bare(setting.work / "bare.db", pepper, there)
    try:
        pairs = in_turns(lambda: ours.take(_batch(there)), lambda: bare.take(_batch(there)), ROUNDS)
    finally:
        ours.close()
        bare.close()
    n = RECORDS * len(SLOTS)
    yield Figure.of(
        "token-matcher",
        f"pepper, insert, look for company, beside {BEFORE:,} records of {len(SLOTS)} slots; "
        "bare: HMAC-SHA256, SQLite insert, look-up",
        "µs CPU/token",
        n,
        microseconds_each(pairs, n),
    )


def _row() -> bytes:
    """One record's indices."""
    return secrets.token_bytes(INDEX * len(SLOTS))


def _batch(there: Sequence[bytes]) -> list[bytes]:
    known = [secrets.choice(there) for _ in range(_KNOWN)]
    return known + [_row() for _ in range(RECORDS - _KNOWN)]


class _Ours:
    def __init__(self, path: Path, pepper: bytes, there: Sequence[bytes]) -> None:
        self._database = open_database(f"sqlite:///{path}")
        kept = SecretPepper(pepper)
        self._index = Index(self._database, lambda _pair, _epoch: kept, SLOTS)
        self._index.create()
        self._at = SystemClock().now()
        self.take(there, world.ABROAD)

    def take(self, batch: Sequence[bytes], country: str = world.HOME) -> float:
        sent = [self._submission(indices) for indices in batch]
        with Stopwatch(time.process_time) as watch:
            self._submit(country, sent)
            self._look()
        return watch.seconds

    def _submit(self, country: str, sent: Sequence[Submission]) -> None:
        with self._database.transaction() as tx:
            for one in sent:
                self._index.submit(tx, country, one, at=self._at)

    def _submission(self, indices: bytes) -> Submission:
        return Submission(
            handle=new_handle(),
            pair=world.PAIR,
            epoch=1,
            schema_version=1,
            indices=indices,
            grant="tell",
            grant_until=self._at + timedelta(days=90),
        )

    def _look(self) -> None:
        looked = _LOOKED_AT
        while looked == _LOOKED_AT:
            with self._database.transaction() as tx:
                looked = self._index.company(tx, at=self._at, tick=1, limit=_LOOKED_AT)

    def close(self) -> None:
        self._database.close()


class _Bare:
    def __init__(self, path: Path, pepper: bytes, there: Sequence[bytes]) -> None:
        self._pepper = pepper
        self._connection = sqlite3.connect(path)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("CREATE TABLE slots (peppered BLOB NOT NULL, handle TEXT NOT NULL)")
        self._connection.execute("CREATE INDEX slots_by_value ON slots (peppered, handle)")
        self.take(there)

    def take(self, batch: Sequence[bytes]) -> float:
        rows = [(new_handle(), indices[start : start + INDEX]) for indices in batch for start in _STARTS]
        with Stopwatch(time.process_time) as watch:
            values = [(hmac.digest(self._pepper, index, "sha256"), handle) for handle, index in rows]
            with self._connection:
                self._connection.executemany("INSERT INTO slots VALUES (?, ?)", values)
            for peppered, _ in values:
                self._connection.execute("SELECT handle FROM slots WHERE peppered = ?", (peppered,)).fetchall()
        return watch.seconds

    def close(self) -> None:
        self._connection.close()


_STARTS: Final = range(0, INDEX * len(SLOTS), INDEX)
