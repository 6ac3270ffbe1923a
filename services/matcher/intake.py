"""What countries send about people's records: submissions, grants, revocations.

A country may submit so many slots a day for each pair; what is more waits here, sealed, and is taken on the days after,
in its order. Grants and revocations never wait, and reach what waits too: a `hold` is not overtaken by the row that it
is about. A row that was taken before costs nothing when it comes again, for nobody evaluated anything for it.

What a new stream epoch says again brings back nothing that was revoked, and of two grants the stricter stands, until a
human says otherwise (services.matcher.heard).

Refuses, and counts by reason, what a country may not say; a refused item harms no other, nor its stream.
If we crash, the transaction that took an envelope is undone whole, and the envelope is read again.
"""

from dataclasses import replace
from typing import Final

from events.charter import Charter
from events.clock import Clock
from events.database import Transaction
from events.directory import Directory
from events.messages import GrantChanged, Revocation, Submission
from keys import labels, seal
from keys.pepper import Pepper
from matching import found
from matching.found import Ending
from matching.index import INDEX, Index
from matching.policy import Allow, Deny, stricter
from services.matcher import heard
from services.matcher.account import Account
from services.matcher.epochs import Epochs
from services.matcher.heard import Heard
from services.matcher.peppers import Peppers

TABLES: Final = (
    *heard.TABLES,
    # item: the submission, sealed
    """CREATE TABLE IF NOT EXISTS matcher_deferred (
        id BIGSERIAL PRIMARY KEY, handle TEXT NOT NULL UNIQUE, country TEXT NOT NULL, pair TEXT NOT NULL,
        epoch BIGINT NOT NULL, item BLOB NOT NULL)""",
    # what was taken into the index and counted, behind the pepper. `next`: the same behind the next pepper
    """CREATE TABLE IF NOT EXISTS matcher_taken (
        digest BLOB PRIMARY KEY, pair TEXT NOT NULL, epoch BIGINT NOT NULL, next BLOB)""",
    "CREATE TABLE IF NOT EXISTS matcher_refused (reason TEXT PRIMARY KEY, count BIGINT NOT NULL)",
)
AT_ONCE: Final = 200
"""Rows that waited and are taken in one transaction."""


class Intake:
    """Works in the caller's transactions.

    directory  what holders announced beyond their daily quotas
    epochs     those in use
    peppers    theirs
    store_key  seals the rows that wait
    """

    def __init__(
        self,
        charter: Charter,
        *,
        index: Index,
        directory: Directory,
        epochs: Epochs,
        peppers: Peppers,
        store_key: bytes,
        clock: Clock,
    ) -> None:
        self._charter = charter
        self._index = index
        self._directory = directory
        self._epochs = epochs
        self._peppers = peppers
        self._store_key = store_key
        self._clock = clock
        self.account = Account(charter, directory, clock)

    # ---- what comes

    def submit(self, tx: Transaction, country: str, stream_epoch: int, sent: Submission) -> list[Ending]:
        """Take a row, or let it wait. One that waits for the same handle gives way to it.

        A row that stands in another epoch already is the same word said again: it costs nothing, and neither loosens a
        grant nor reopens what is over.

        Returns what sides are told of matches that are over: those of a row whose revocation the old epoch lost.
        """
        known = heard.of(tx, sent.handle)
        is_repeated = known is not None and known.is_repeated_by(stream_epoch, sent.serial)
        refusal = (
            self._refusal(tx, country, sent) or _not_theirs(country, known) or self._epochs.refusal(tx, sent)
        )
        if refusal:
            refuse(tx, refusal)
            return []
        is_replayed = known is not None and known.serial == sent.serial and self._stands_elsewhere(tx, country, sent)
        stays_revoked = known is not None and known.stays_revoked_by(stream_epoch, sent.serial)
        heard.note(tx, sent.handle, Heard(country, stream_epoch, sent.serial, stays_revoked, row=sent.serial))
        if stays_revoked:
            refuse(tx, "revoked")
            return []
        endings = []
        if known is not None and known.is_older_than(stream_epoch):
            if is_repeated:
                sent = self._with_the_stricter(tx, country, sent)
            else:
                endings = self._take_away(tx, country, sent.handle)
            sent = sent.model_copy(update={"grant": "hold"}) if known.held else sent
        elif is_replayed:
            sent = self._with_the_stricter(tx, country, sent)
        if known is not None and not is_repeated and not is_replayed:
            found.renewed(tx, sent.handle)
        self._place(tx, country, sent)
        return endings

    def set_grant(self, tx: Transaction, country: str, stream_epoch: int, sent: GrantChanged) -> None:
        """Set a grant anew, also on a row that waits. A `tell` reopens what was over on this side."""
        known = heard.of(tx, sent.handle)
        waits = self._waiting(tx, sent.handle, country)
        if waits:
            changed = waits.model_copy(update={"grant": sent.grant, "grant_until": sent.grant_until})
            tx.execute("UPDATE matcher_deferred SET item = ? WHERE handle = ?", (self._sealed(changed), sent.handle))
        result = self._index.set_grant(tx, country, sent)
        if waits or isinstance(result, Allow):
            if sent.grant == "tell":
                found.renewed(tx, sent.handle)
            return
        refuse(tx, result.reason)
        if not _not_theirs(country, known):
            before = known or Heard(country, stream_epoch, 0, revoked=False)
            heard.note(tx, sent.handle, replace(before, held=sent.grant == "hold"))

    def revoke(self, tx: Transaction, country: str, stream_epoch: int, sent: Revocation) -> list[Ending]:
        """Take a row away, wherever it stands. Returns what sides are told of matches that are over.

        One that never came is remembered too: it may be on its way, out of a backup.
        """
        known = heard.of(tx, sent.handle)
        refusal = _not_theirs(country, known)
        if refusal:
            refuse(tx, refusal)
            return []
        heard.note(tx, sent.handle, Heard(country, stream_epoch, sent.serial, revoked=True))
        return self._take_away(tx, country, sent.handle)

    # ---- what waited

    def places_with_room(self, tx: Transaction) -> list[tuple[str, str]]:
        """The countries and pairs of which a row waits that could be taken today."""
        waiting = tx.execute(
            "SELECT country, pair, MIN(epoch) FROM matcher_deferred GROUP BY country, pair ORDER BY country, pair"
        )
        return [
            (country, pair)
            for country, pair, oldest in waiting
            if oldest <= self._epochs.newest(pair)
            and (self.account.has_room(tx, country, pair) or self._takeable(tx, country, pair, only_free=True, limit=1))
        ]

    def take_waiting(self, tx: Transaction, country: str, pair: str) -> int:
        """Take the oldest rows that wait here, as many as today allows and at most AT_ONCE. Returns how many."""
        has_room = self.account.has_room(tx, country, pair)
        taken = 0
        for handle, item in self._takeable(tx, country, pair, only_free=not has_room, limit=AT_ONCE):
            sent = self._opened(handle, bytes(item))
            is_free = self._renews(tx, sent)
            if not is_free and not self.account.has_room(tx, country, pair):
                continue
            tx.execute("DELETE FROM matcher_deferred WHERE handle = ?", (handle,))
            over = self._epochs.refusal(tx, sent)  # while it waited
            if over:
                refuse(tx, over)
            else:  # new: else it had not waited
                self._accept(tx, country, sent, is_new=True, is_free=is_free)
            taken += 1
        return taken

    def _takeable(
        self, tx: Transaction, country: str, pair: str, *, only_free: bool, limit: int
    ) -> list[tuple[str, bytes]]:
        """Rows that wait and are of an epoch in use, oldest first. Free: of handles that stand in an earlier one."""
        stands = " AND EXISTS (SELECT 1 FROM slots s WHERE s.handle = d.handle AND s.epoch < d.epoch)"
        rows = tx.execute(
            "SELECT d.handle, d.item FROM matcher_deferred d WHERE d.country = ? AND d.pair = ? AND d.epoch <= ?"  # noqa: S608  ours
            f"{stands if only_free else ''} ORDER BY d.id LIMIT ?",
            (country, pair, self._epochs.newest(pair), limit),
        )
        return [(handle, item) for handle, item in rows]

    # ---- within

    def _refusal(self, tx: Transaction, country: str, sent: Submission) -> str | None:
        """What the index would refuse on any day: such a row does not wait for one."""
        charter = self._charter
        checks = (
            (sent.pair in charter.pairs_of(country), "pair_not_agreed"),
            (not self._directory.is_ended(sent.pair, tx), "agreement_ended"),
            (len(sent.indices) == INDEX * len(charter.slots), "wrong_size"),
        )
        return next((reason for holds, reason in checks if not holds), None)

    def _take_away(self, tx: Transaction, country: str, handle: str) -> list[Ending]:
        waits = self._waiting(tx, handle, country)
        tx.execute("DELETE FROM matcher_deferred WHERE handle = ? AND country = ?", (handle, country))
        now = self._clock.now()
        result = self._index.revoke(tx, country, Revocation(handle=handle), at=now)
        if isinstance(result, Deny) and not waits:
            refuse(tx, result.reason)
        return found.end_of_handle(tx, handle, tick=self._charter.tick_at(now))

    def _place(self, tx: Transaction, country: str, sent: Submission) -> None:
        tx.execute("DELETE FROM matcher_deferred WHERE handle = ? AND country = ?", (sent.handle, country))
        is_ahead = not self._epochs.is_in_use(sent.pair, sent.epoch)
        is_new = is_ahead or not self._was_taken(tx, sent)
        is_free = not is_new or self._renews(tx, sent)
        if not is_ahead and (is_free or self._has_turn(tx, country, sent.pair)):
            self._accept(tx, country, sent, is_new=is_new, is_free=is_free)
        else:
            tx.execute(
                "INSERT INTO matcher_deferred (handle, country, pair, epoch, item) VALUES (?, ?, ?, ?, ?)",
                (sent.handle, country, sent.pair, sent.epoch, self._sealed(sent)),
            )

    def _accept(self, tx: Transaction, country: str, sent: Submission, *, is_new: bool, is_free: bool) -> None:
        """Into the index, and, if it never was there, on the account; also on the day's, if it is not free."""
        result = self._index.submit(tx, country, sent, at=self._clock.now())
        if isinstance(result, Deny):
            refuse(tx, result.reason)
            return
        if is_new:
            self.account.spend(tx, country, sent.pair, sent.epoch, daily=not is_free)
        digest, following = self._digests(sent)
        tx.execute(
            "INSERT INTO matcher_taken VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET next = excluded.next",
            (digest, sent.pair, sent.epoch, following),
        )

    def turn(self, tx: Transaction, pair: str, epoch: int) -> bool:
        """Put the next pepper in the present one's place, in all that was taken; False: not everything is ready.

        What was taken once, went, and was not said again, is forgotten: published anew it was evaluated anew.
        """
        if not self._index.turn(tx, pair, epoch):
            return False
        place = (pair, epoch)
        tx.execute("DELETE FROM matcher_taken WHERE pair = ? AND epoch = ? AND next IS NULL", place)
        tx.execute("UPDATE matcher_taken SET digest = next, next = NULL WHERE pair = ? AND epoch = ?", place)
        return True

    def _stands_elsewhere(self, tx: Transaction, country: str, sent: Submission) -> bool:
        """Whether this handle has a row in another epoch, in the index or waiting; or had, and the epoch is over."""
        waits = self._waiting(tx, sent.handle, country)
        known = self._index.epochs_of(tx, sent.handle) | ({waits.epoch} if waits else set())
        return bool(known - {sent.epoch}) or (not known and self._index.grant_of(tx, sent.handle) is not None)

    def _renews(self, tx: Transaction, sent: Submission) -> bool:
        """Whether it is the first row of a later epoch than those in which its handle stands: one an epoch is free."""
        return 0 < max(self._index.epochs_of(tx, sent.handle), default=0) < sent.epoch

    def _with_the_stricter(self, tx: Transaction, country: str, sent: Submission) -> Submission:
        """Said again, a row has the stricter of its grant and of those that we know, wherever it stands."""
        grant, until = sent.grant, sent.grant_until
        waits = self._waiting(tx, sent.handle, country)
        for known in ((waits.grant, waits.grant_until) if waits else None, self._index.grant_of(tx, sent.handle)):
            if known:
                grant, until = stricter(grant, known[0]), min(until, known[1])
        return sent.model_copy(update={"grant": grant, "grant_until": until})

    def _was_taken(self, tx: Transaction, sent: Submission) -> bool:
        digest, _ = self._digests(sent)
        return bool(tx.execute("SELECT 1 FROM matcher_taken WHERE digest = ?", (digest,)))

    def _digests(self, sent: Submission) -> tuple[bytes | None, bytes | None]:
        """What stands for a row, behind its epoch's pepper and behind the one that follows; None: there is none."""
        first, following = self._peppers.current(sent.pair, sent.epoch), self._peppers.successor(sent.pair, sent.epoch)
        return _digest(first, sent) if first else None, _digest(following, sent) if following else None

    def _has_turn(self, tx: Transaction, country: str, pair: str) -> bool:
        """Whether today has room for one more, and no other could take it that waits."""
        others = tx.execute(
            "SELECT 1 FROM matcher_deferred WHERE country = ? AND pair = ? AND epoch <= ? LIMIT 1",
            (country, pair, self._epochs.newest(pair)),
        )
        return not others and self.account.has_room(tx, country, pair)

    def _waiting(self, tx: Transaction, handle: str, country: str) -> Submission | None:
        rows = tx.execute("SELECT item FROM matcher_deferred WHERE handle = ? AND country = ?", (handle, country))
        return self._opened(handle, bytes(rows[0][0])) if rows else None

    def _sealed(self, sent: Submission) -> bytes:
        return seal.seal(self._store_key, sent.model_dump_json().encode(), sent.handle.encode())

    def _opened(self, handle: str, box: bytes) -> Submission:
        return Submission.model_validate_json(seal.unseal(self._store_key, box, handle.encode()))


def _digest(pepper: Pepper, sent: Submission) -> bytes:
    """Stands for a row; longer than an index, so it is never the digest of one."""
    return pepper.mac(labels.framed(sent.handle.encode(), sent.indices))


def _not_theirs(country: str, known: Heard | None) -> str | None:
    return "not_your_handle" if known is not None and known.country != country else None


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
