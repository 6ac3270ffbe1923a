"""Agreements that ended: all that the matcher has of such a pair goes at once, and nobody is told of it any more.

Rows, what they stood on, matches that were found, notices that had not left, rows that waited for another day: all in
one transaction, with the announcement that it is done. If we crash before it commits, nothing is gone and nothing is
said, and the next round does it; nothing is looked at, decided or sent in between. A matcher that is restored from a
backup hears of the end again, and drops again. Totals and what was released to analysts stay: nobody is in them.

What can be shown of it: the announcement holds a commitment to the handles that were dropped, and no count, for how
many live rows a pair has is nobody's business. Whoever inspects the matcher gets its opening, and each country can find
its own handles in it. That nothing was kept elsewhere it cannot show. What makes rows worthless is the destroyed share.

    commitment = SHA-256(framed("SAMAKI-v1 dropped rows", salt, pair, first handle, ..., last handle)), handles sorted
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from typing import Final

import structlog

from events.charter import Charter
from events.clock import Clock
from events.database import Database, Transaction
from events.endings import has_said, newest_epoch
from events.messages import AgreementDropped
from events.post import Post
from keys import labels, seal

log = structlog.get_logger()

TABLES: Final = (
    # epoch: with which the agreement began; opening: what opens the commitment that was announced, sealed
    """CREATE TABLE IF NOT EXISTS matcher_dropped (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, opening BLOB NOT NULL, PRIMARY KEY (pair, epoch))""",
)
_BY_HANDLE: Final = (
    "DELETE FROM matcher_heard WHERE handle IN (SELECT handle FROM handles WHERE pair = ?)",
    "DELETE FROM matcher_heard WHERE handle IN (SELECT handle FROM matcher_deferred WHERE pair = ?)",
    "DELETE FROM matcher_notices WHERE match_ref IN (SELECT match_ref FROM found WHERE pair = ?)",
)
_BY_PAIR: Final = (
    "slots", "changed_values", "hot_values", "grounds", "found", "handles", "matcher_deferred", "matcher_taken",
)  # fmt: skip
"""Tables of the index, of what was found and of the intake, with a column of the pair."""


class Endings:
    """Of the matcher. `step` is called in its round, before anything is looked at."""

    def __init__(self, charter: Charter, *, database: Database, post: Post, store_key: bytes, clock: Clock) -> None:
        self._charter = charter
        self._db = database
        self._post = post
        self._store_key = store_key
        self._clock = clock

    def step(self) -> int:
        """Drop what is due. Returns of how many pairs."""
        with self._db.reading() as tx:
            ended = self._post.directory.ended(tx)
            due = [pair for pair in ended if _is_there(tx, pair) or not self._is_said(tx, pair)]
        done = 0
        for pair in due:
            with self._db.transaction() as tx:
                done += self._drop(tx, pair)
        return done

    def may_tell(self) -> bool:
        """Whether all is read that holders had announced when we opened: an agreement may have ended meanwhile."""
        holders = {holder for pair in self._charter.pairs for holder in self._charter.holders_of(pair)}
        return self._post.is_current(*holders)

    def opening(self, tx: Transaction, pair: str) -> dict[str, object] | None:
        """Salt and handles behind the commitment of this pair, for whoever inspects the matcher."""
        place = (pair, self._charter.agreed_from(pair))
        rows = tx.execute("SELECT opening FROM matcher_dropped WHERE pair = ? AND epoch = ?", place)
        for (box,) in rows:
            opened: dict[str, object] = json.loads(seal.unseal(self._store_key, bytes(box), pair.encode()))
            return opened
        return None

    # ---- within

    def _is_said(self, tx: Transaction, pair: str) -> bool:
        return has_said(tx, self._charter, "matcher", pair)

    def _drop(self, tx: Transaction, pair: str) -> bool:
        rows = tx.execute(
            "SELECT handle FROM handles WHERE pair = ? AND state = 'live'"
            " UNION SELECT handle FROM matcher_deferred WHERE pair = ?",
            (pair, pair),
        )
        was_there = _is_there(tx, pair)
        for statement in _BY_HANDLE:
            tx.execute(statement, (pair,))
        for table in _BY_PAIR:
            tx.execute(f"DELETE FROM {table} WHERE pair = ?", (pair,))  # noqa: S608  names of ours
        if was_there:
            log.warning("agreement.dropped", pair=pair)
        return self._say(tx, pair, sorted(handle for (handle,) in rows)) or was_there

    def _say(self, tx: Transaction, pair: str, handles: Sequence[str]) -> bool:
        """Once, and not before our own topic is read: a matcher that was set back may have said it."""
        if self._is_said(tx, pair) or not self._post.is_current("matcher"):
            return False
        salt, epoch = secrets.token_bytes(32), newest_epoch(tx, self._charter, pair)
        opening = json.dumps({"salt": salt.hex(), "handles": list(handles)}).encode()
        tx.execute(
            "INSERT INTO matcher_dropped VALUES (?, ?, ?)",
            (pair, self._charter.agreed_from(pair), seal.seal(self._store_key, opening, pair.encode())),
        )
        digest = commitment(salt, pair, handles).hex()
        self._post.announce(
            tx, AgreementDropped(pair=pair, epoch=epoch, at=self._clock.now(), commitment=digest)
        )
        return True


def commitment(salt: bytes, pair: str, handles: Sequence[str]) -> bytes:
    """32 bytes that stand for these handles, and tell nothing of them without the salt."""
    message = labels.framed(labels.DROPPED, salt, pair.encode(), *(handle.encode() for handle in sorted(handles)))
    return hashlib.sha256(message).digest()


def _is_there(tx: Transaction, pair: str) -> bool:
    """Whether anything of a pair is left here. One that was revoked leaves a tombstone, which goes too."""
    return any(
        tx.execute(f"SELECT 1 FROM {table} WHERE pair = ? LIMIT 1", (pair,))  # noqa: S608  names of ours
        for table in ("handles", "matcher_deferred", "found")
    )
