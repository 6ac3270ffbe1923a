"""The end of an agreement: this holder destroys every share of a pair's key that it has, and says so for ever.

The life of an end:

1. a custodian asks (`samaki keys end`), and a second one asks for the same within a week: then it is decided
2. every share of the pair is destroyed in the ring, of all epochs and generations, and every part of a refresh
3. `agreement_ended` is announced, in the transaction that notes it here

What another holder has ended, or the charter, is followed in the same steps, without custodians: nothing can be made
any more with the share that is left. What is to be done follows from what is decided, what `keys.*` has told and what
the ring holds: a holder that was killed goes on, one that is restored from a backup destroys its shares once more, and
doing a step twice changes nothing. Between 2 and 3 a country is refused with a reason that it waits on.

Refuses a second word of the same custodian, and pairs that this holder has no share of. It cannot be taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import structlog

from events.base import Actor, Role
from events.charter import Charter
from events.clock import Clock
from events.database import Database, Transaction
from events.endings import CUSTODIANS, has_said, newest_epoch
from events.errors import Refused
from events.messages import AgreementEnded, EndReason
from events.model import PairName, Value
from events.post import Post
from keys.ring import KeyRing, KeyVersion, Purpose
from services.keyholder.shares import Shares

log = structlog.get_logger()

State = Literal["asked", "decided", "ended", "lapsed"]
OwnReason = Literal["withdrawn", "compromise", "law", "other"]
PATIENCE: Final = timedelta(days=7)
"""A second custodian says the same by then, or the first one's word lapses."""
TABLES: Final = (
    # epoch: with which the agreement began. state: asked | decided, by two | ended, and announced
    """CREATE TABLE IF NOT EXISTS holder_endings (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, reason TEXT NOT NULL, state TEXT NOT NULL,
        PRIMARY KEY (pair, epoch))""",
    """CREATE TABLE IF NOT EXISTS holder_ending_words (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, staff TEXT NOT NULL, organisation TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (pair, epoch, staff))""",
)
_PURPOSES: Final[tuple[Purpose, ...]] = ("share", "refresh")


class Wish(Value):
    """What a custodian asks for."""

    pair: PairName
    reason: OwnReason


@dataclass(frozen=True)
class Ending:
    """One end that custodians of this holder asked for. `custodians`: who, in order."""

    pair: str
    reason: EndReason
    state: State
    custodians: tuple[str, ...]
    asked_at: datetime
    needed: int = CUSTODIANS


class Endings:
    """Of one holder. `step` is called in the holder's round; people ask from other threads."""

    def __init__(
        self, me: str, *, charter: Charter, ring: KeyRing, database: Database, post: Post, shares: Shares, clock: Clock
    ) -> None:
        self._me = me
        self._charter = charter
        self._ring = ring
        self._db = database
        self._post = post
        self._shares = shares
        self._clock = clock

    # ---- people

    def ask(self, by: Actor, wish: Wish) -> Ending:
        """Add a custodian's word; the second one decides.

        raises   Refused: role_may_not, no_such_pair, not_waiting, same_person, other_reason
        """
        if by.role is not Role.KEY_CUSTODIAN:
            raise Refused("role_may_not", "Only key custodians of this holder end an agreement.")
        if wish.pair not in self._charter.pairs or self._me not in self._charter.holders_of(wish.pair):
            raise Refused("no_such_pair", "This holder has no share of that pair. Pairs are written KH-TH.")
        with self._db.transaction() as tx:
            if self._post.directory.is_ended(wish.pair, tx):
                raise Refused("not_waiting", f"The agreement of {wish.pair} is over already.")
            self._add(tx, by, wish)
            (ending,) = self._read(tx, wish.pair)
        log.info("agreement.end_asked", pair=wish.pair, staff=by.staff, state=ending.state)
        return ending

    def listed(self) -> Sequence[Ending]:
        """All that custodians asked for, of the agreements that stand or ended last."""
        with self._db.reading() as tx:
            return self._read(tx)

    # ---- steps

    def over(self) -> frozenset[str]:
        """The pairs that this holder evaluates for no more: decided here, said by another, or ended by the charter."""
        with self._db.reading() as tx:
            decided = (ending.pair for ending in self._read(tx) if ending.state in {"decided", "ended"})
            return frozenset((*decided, *self._post.directory.ended(tx)))

    def step(self) -> int:
        """Destroy and say whatever is due. Returns how much."""
        over = self.over()
        for pair in over & {*self._shares.pairs}:
            self._shares.leave(pair)
        return self._destroy(over) + sum(self._say(pair) for pair in sorted(over))

    def _destroy(self, over: frozenset[str]) -> int:
        """What is left of these pairs, and of agreements before the one that stands. If we crash, the rest is next."""
        alive = [v for purpose in _PURPOSES for v in self._ring.versions(purpose) if v.state != "destroyed"]
        of_ended = [v for v in alive if _pair(v) in over or _epoch(v) < self._charter.agreed_from(_pair(v))]
        for version in of_ended:
            self._ring.destroy(version.purpose, version.id)
            log.info("agreement.key_destroyed", pair=_pair(version), purpose=version.purpose)
        return len(of_ended)

    def _say(self, pair: str) -> bool:
        """Announce it once, and not before our own topic is read: a holder that was set back may have said it."""
        had_share = any(_pair(version) == pair for version in self._ring.versions("share"))
        if not had_share or not self._post.is_current(self._me):
            return False
        with self._db.reading() as tx:
            if has_said(tx, self._charter, self._me, pair):
                return False
        with self._db.transaction() as tx:
            ended = self._ended(tx, pair)
            self._post.announce(tx, ended)
            place = (pair, self._charter.agreed_from(pair))
            tx.execute("UPDATE holder_endings SET state = 'ended' WHERE pair = ? AND epoch = ?", place)
        log.warning("agreement.ended", pair=pair, reason=ended.reason)
        return True

    def _ended(self, tx: Transaction, pair: str) -> AgreementEnded:
        own = next((ending for ending in self._read(tx, pair) if ending.state == "decided"), None)
        following: EndReason = "charter" if pair in self._charter.ended_pairs else "other_side"
        return AgreementEnded(
            pair=pair,
            epoch=newest_epoch(tx, self._charter, pair),
            holder=self._me,
            at=self._clock.now(),
            reason=own.reason if own else following,
            custodians=own.custodians if own else (),
        )

    # ---- what custodians said

    def _add(self, tx: Transaction, by: Actor, wish: Wish) -> None:
        place = (wish.pair, self._charter.agreed_from(wish.pair))
        for before in self._read(tx, wish.pair):
            if before.state == "lapsed":
                tx.execute("DELETE FROM holder_endings WHERE pair = ? AND epoch = ?", place)
                tx.execute("DELETE FROM holder_ending_words WHERE pair = ? AND epoch = ?", place)
            elif before.state != "asked":
                raise Refused("not_waiting", f"The end of {wish.pair} is decided already.")
            elif by.staff in before.custodians:
                raise Refused("same_person", "You have said so already; it takes a second custodian.")
            elif before.reason != wish.reason:
                raise Refused("other_reason", f"The first custodian gave another reason: {before.reason}.")
        row = (*place, by.staff, by.organisation, self._clock.now().isoformat())
        tx.execute("INSERT INTO holder_ending_words VALUES (?, ?, ?, ?, ?)", row)
        tx.execute("INSERT INTO holder_endings VALUES (?, ?, ?, 'asked') ON CONFLICT DO NOTHING", (*place, wish.reason))
        words = tx.execute("SELECT COUNT(*) FROM holder_ending_words WHERE pair = ? AND epoch = ?", place)
        if words[0][0] >= CUSTODIANS:
            tx.execute("UPDATE holder_endings SET state = 'decided' WHERE pair = ? AND epoch = ?", place)

    def _read(self, tx: Transaction, pair: str | None = None) -> list[Ending]:
        rows = tx.execute("SELECT pair, epoch, reason, state FROM holder_endings ORDER BY pair")
        standing = [row for row in rows if row[1] == self._charter.agreed_from(row[0]) and pair in {None, row[0]}]
        return [self._ending(tx, *row) for row in standing]

    def _ending(self, tx: Transaction, pair: str, epoch: int, reason: EndReason, state: State) -> Ending:
        words = tx.execute(
            "SELECT staff, at FROM holder_ending_words WHERE pair = ? AND epoch = ? ORDER BY at, staff",
            (pair, epoch),
        )
        asked_at = datetime.fromisoformat(words[0][1])
        is_late = state == "asked" and self._clock.now() >= asked_at + PATIENCE
        return Ending(pair, reason, "lapsed" if is_late else state, tuple(staff for staff, _ in words), asked_at)


def _pair(version: KeyVersion) -> str:
    return version.id.split("/")[0]


def _epoch(version: KeyVersion) -> int:
    return int(version.id.split("/")[1])
