"""What countries send about people's records: submissions, grants, revocations.

A country may submit so many slots a day for each pair; what is more waits here, sealed, and is taken on the days after,
in its order. Grants and revocations never wait, and reach what waits too: a `hold` is not overtaken by the row that it
is about. A row that comes again unchanged costs nothing, for nobody evaluated anything for it.

Refuses, and counts by reason, what a country may not say; a refused item harms no other, nor its stream.
If we crash, the transaction that took an envelope is undone whole, and the envelope is read again.
"""

import hmac
from collections.abc import Mapping
from typing import Final

from events.charter import Charter
from events.clock import Clock
from events.database import Transaction
from events.messages import GrantChanged, Revocation, Submission
from keys import labels, seal
from matching.index import INDEX, Index
from matching.policy import Allow, Deny, stricter
from services.matcher import rounds
from services.matcher.account import Account

TABLES: Final = (
    # the stream epoch in which a country last sent or revoked this row, and what the row was, behind the pepper
    """CREATE TABLE IF NOT EXISTS matcher_rows (
        handle TEXT PRIMARY KEY, stream_epoch BIGINT NOT NULL, digest BLOB NOT NULL)""",
    # item: the submission, sealed
    """CREATE TABLE IF NOT EXISTS matcher_deferred (
        id BIGSERIAL PRIMARY KEY, handle TEXT NOT NULL UNIQUE, country TEXT NOT NULL, pair TEXT NOT NULL,
        stream_epoch BIGINT NOT NULL, item BLOB NOT NULL)""",
    # rows that were taken away while they waited, and in which stream epoch
    """CREATE TABLE IF NOT EXISTS matcher_withdrawn (
        handle TEXT PRIMARY KEY, country TEXT NOT NULL, stream_epoch BIGINT NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS matcher_refused (reason TEXT PRIMARY KEY, count BIGINT NOT NULL)",
)
AT_ONCE: Final = 200
"""Rows that waited and are taken in one transaction."""


class Intake:
    """Works in the caller's transactions.

    peppers    matching epoch > the index's pepper
    store_key  seals the rows that wait
    """

    def __init__(
        self, charter: Charter, *, index: Index, peppers: Mapping[int, bytes], store_key: bytes, clock: Clock
    ) -> None:
        self._charter = charter
        self._index = index
        self._peppers = peppers
        self._store_key = store_key
        self._clock = clock
        self.account = Account(charter, clock)

    # ---- what comes

    def submit(self, tx: Transaction, country: str, stream_epoch: int, sent: Submission) -> None:
        """Take a row, or let it wait. One that waits for the same handle gives way to it."""
        refusal = self._refusal(country, sent)
        if refusal:
            refuse(tx, refusal)
            return
        if self._was_withdrawn(tx, country, stream_epoch, sent.handle):
            refuse(tx, "revoked")
            return
        sent = self._with_the_stricter(tx, country, stream_epoch, sent)
        tx.execute("DELETE FROM matcher_deferred WHERE handle = ? AND country = ?", (sent.handle, country))
        if self._is_same(tx, sent) or (
            not self._others_wait(tx, country, sent.pair) and self.account.has_room(tx, country, sent.pair)
        ):
            self._accept(tx, country, stream_epoch, sent)
        else:
            self._defer(tx, country, stream_epoch, sent)

    def set_grant(self, tx: Transaction, country: str, sent: GrantChanged) -> None:
        """Set a grant anew, also on a row that waits. A `tell` reopens what was over on this side."""
        waits = self._waiting(tx, sent.handle, country)
        if waits:
            stream_epoch, row = waits
            changed = row.model_copy(update={"grant": sent.grant, "grant_until": sent.grant_until})
            tx.execute(
                "UPDATE matcher_deferred SET item = ?, stream_epoch = ? WHERE handle = ?",
                (self._sealed(changed), stream_epoch, sent.handle),
            )
        result = self._index.set_grant(tx, country, sent)
        if isinstance(result, Allow):
            if sent.grant == "tell":
                rounds.renewed(tx, sent.handle)
        elif not waits:
            refuse(tx, result.reason)

    def revoke(self, tx: Transaction, country: str, stream_epoch: int, sent: Revocation) -> list[rounds.Ending]:
        """Take a row away, wherever it stands. Returns what the other sides of its matches are told."""
        waits = self._waiting(tx, sent.handle, country)
        tx.execute("DELETE FROM matcher_deferred WHERE handle = ? AND country = ?", (sent.handle, country))
        result = self._index.revoke(tx, country, sent, at=self._clock.now())
        if isinstance(result, Deny):
            if waits:  # never taken in: this is all that remembers that it was taken away
                tx.execute(
                    "INSERT INTO matcher_withdrawn VALUES (?, ?, ?) ON CONFLICT (handle) DO UPDATE SET"
                    " stream_epoch = excluded.stream_epoch",
                    (sent.handle, country, stream_epoch),
                )
            else:
                refuse(tx, result.reason)
            return []
        tx.execute("UPDATE matcher_rows SET stream_epoch = ? WHERE handle = ?", (stream_epoch, sent.handle))
        return rounds.end_of_handle(tx, sent.handle)

    # ---- what waited

    def places_with_room(self, tx: Transaction) -> list[tuple[str, str]]:
        """The countries and pairs of which a row waits that could be taken today."""
        waiting = tx.execute("SELECT DISTINCT country, pair FROM matcher_deferred ORDER BY country, pair")
        return [(country, pair) for country, pair in waiting if self.account.has_room(tx, country, pair)]

    def take_waiting(self, tx: Transaction, country: str, pair: str) -> int:
        """Take the oldest rows that wait here, as many as today allows and at most AT_ONCE. Returns how many."""
        rows = tx.execute(
            "SELECT handle, stream_epoch, item FROM matcher_deferred WHERE country = ? AND pair = ?"
            " ORDER BY id LIMIT ?",
            (country, pair, AT_ONCE),
        )
        taken = 0
        for handle, stream_epoch, item in rows:
            if not self.account.has_room(tx, country, pair):
                break
            tx.execute("DELETE FROM matcher_deferred WHERE handle = ?", (handle,))
            self._accept(tx, country, stream_epoch, self._opened(handle, bytes(item)))
            taken += 1
        return taken

    # ---- within

    def _refusal(self, country: str, sent: Submission) -> str | None:
        """What the index would refuse on any day: such a row does not wait for one."""
        charter = self._charter
        checks = (
            (sent.pair in charter.pairs_of(country), "pair_not_agreed"),
            (sent.epoch in self._peppers, "unknown_epoch"),
            (sent.schema_version == charter.schema_version, "unknown_schema"),
            (len(sent.indices) == INDEX * len(charter.slots), "wrong_size"),
        )
        return next((reason for holds, reason in checks if not holds), None)

    def _accept(self, tx: Transaction, country: str, stream_epoch: int, sent: Submission) -> None:
        """Into the index, and, if it is not there already, on the account."""
        is_same, restored = self._is_same(tx, sent), self._is_older(tx, sent.handle, stream_epoch)
        result = self._index.submit(tx, country, sent, at=self._clock.now(), restored=restored)
        if isinstance(result, Deny):
            refuse(tx, result.reason)
            return
        if not is_same:
            self.account.spend(tx, country, sent.pair, sent.epoch)
        tx.execute(
            "INSERT INTO matcher_rows VALUES (?, ?, ?) ON CONFLICT (handle) DO UPDATE SET"
            " stream_epoch = excluded.stream_epoch, digest = excluded.digest",
            (sent.handle, stream_epoch, self._digest(sent)),
        )
        if not restored:
            rounds.renewed(tx, sent.handle)

    def _defer(self, tx: Transaction, country: str, stream_epoch: int, sent: Submission) -> None:
        tx.execute(
            "INSERT INTO matcher_deferred (handle, country, pair, stream_epoch, item) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (handle) DO NOTHING",  # another country's handle: it could not be taken either
            (sent.handle, country, sent.pair, stream_epoch, self._sealed(sent)),
        )

    @staticmethod
    def _was_withdrawn(tx: Transaction, country: str, stream_epoch: int, handle: str) -> bool:
        """Whether a row was taken away while it waited, in an older epoch of its stream: then this is a repetition."""
        rows = tx.execute(
            "SELECT stream_epoch FROM matcher_withdrawn WHERE handle = ? AND country = ?", (handle, country)
        )
        if rows and rows[0][0] < stream_epoch:
            return True
        tx.execute("DELETE FROM matcher_withdrawn WHERE handle = ? AND country = ?", (handle, country))
        return False

    def _with_the_stricter(self, tx: Transaction, country: str, stream_epoch: int, sent: Submission) -> Submission:
        """In a new stream epoch the stricter of both grants stands, also of a row that waits."""
        waits = self._waiting(tx, sent.handle, country)
        if waits is None or waits[0] >= stream_epoch:
            return sent
        before = waits[1]
        until = min(before.grant_until, sent.grant_until)
        return sent.model_copy(update={"grant": stricter(before.grant, sent.grant), "grant_until": until})

    @staticmethod
    def _is_older(tx: Transaction, handle: str, stream_epoch: int) -> bool:
        """Whether we know the row from an older epoch of its stream: then this is a repetition, no human's word."""
        rows = tx.execute("SELECT stream_epoch FROM matcher_rows WHERE handle = ?", (handle,))
        return bool(rows and rows[0][0] < stream_epoch)

    def _is_same(self, tx: Transaction, sent: Submission) -> bool:
        rows = tx.execute("SELECT digest FROM matcher_rows WHERE handle = ?", (sent.handle,))
        return bool(rows and hmac.compare_digest(bytes(rows[0][0]), self._digest(sent)))

    def _digest(self, sent: Submission) -> bytes:
        """Stands for a row; longer than an index, so it is never the digest of one."""
        return hmac.digest(self._peppers[sent.epoch], labels.framed(sent.handle.encode(), sent.indices), "sha256")

    @staticmethod
    def _others_wait(tx: Transaction, country: str, pair: str) -> bool:
        return bool(
            tx.execute("SELECT 1 FROM matcher_deferred WHERE country = ? AND pair = ? LIMIT 1", (country, pair))
        )

    def _waiting(self, tx: Transaction, handle: str, country: str) -> tuple[int, Submission] | None:
        rows = tx.execute(
            "SELECT stream_epoch, item FROM matcher_deferred WHERE handle = ? AND country = ?", (handle, country)
        )
        return (rows[0][0], self._opened(handle, bytes(rows[0][1]))) if rows else None

    def _sealed(self, sent: Submission) -> bytes:
        return seal.seal(self._store_key, sent.model_dump_json().encode(), sent.handle.encode())

    def _opened(self, handle: str, box: bytes) -> Submission:
        return Submission.model_validate_json(seal.unseal(self._store_key, box, handle.encode()))


def refuse(tx: Transaction, reason: str) -> None:
    """Count an item that was not taken. Which country's it was is not kept: some reasons tell of a person."""
    tx.execute(
        "INSERT INTO matcher_refused VALUES (?, 1) ON CONFLICT (reason)"
        " DO UPDATE SET count = matcher_refused.count + 1",
        (reason,),
    )


def refused(tx: Transaction) -> dict[str, int]:
    """How many items were not taken, by reason, ever."""
    return dict(tx.execute("SELECT reason, count FROM matcher_refused ORDER BY reason"))


def waiting(tx: Transaction) -> dict[str, int]:
    """How many rows wait for another day, by country."""
    return dict(tx.execute("SELECT country, COUNT(*) FROM matcher_deferred GROUP BY country ORDER BY country"))
