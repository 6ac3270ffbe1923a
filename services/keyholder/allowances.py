"""Bulk allowances of this holder: asked for by one of its staff, approved by two of its custodians, then announced.

The life of an allowance: `ask` writes it down, and what was asked is never changed; each `approve` adds a custodian's
name; with the second it is approved, and the holder's next round grants it: announced on `keys.<holder>`, in the
transaction that makes it count. If we crash in between, the round after grants it. It stands from that moment at the
earliest, so that nobody can excuse what was done before. Only what stands in this record counts here: an announcement
in our name that we did not make grants nothing.

Refuses a second approval by the same person, one of a request that is older than a week, and whatever is not of one of
this holder's pairs. Who signs in, and in which role, the HTTP edge asks (services.runtime.signin).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import structlog
from pydantic import AwareDatetime, Field

from events.allowances import LONGEST, chartered
from events.base import Actor, Role, Short
from events.charter import Allowance, Charter
from events.clock import Clock
from events.database import Database, Transaction
from events.errors import Refused
from events.messages import AllowanceGranted
from events.model import Country, PairName, Value, countries_of
from events.post import Post

log = structlog.get_logger()

State = Literal["asked", "approved", "granted", "lapsed"]
NEEDED: Final = 2
"""Custodians of the protecting country: the holder's own."""
PATIENCE: Final = timedelta(days=7)
"""A request that two have not approved by then lapses: nobody need remember why it was made."""
TABLES: Final = (
    # state: asked | approved, by two | granted, and announced | lapsed, before it was
    # valid_from: set anew when it is granted
    """CREATE TABLE IF NOT EXISTS holder_allowances (
        id TEXT PRIMARY KEY, country TEXT NOT NULL, pair TEXT NOT NULL, count BIGINT NOT NULL, valid_from TEXT NOT NULL,
        valid_until TEXT NOT NULL, reason TEXT NOT NULL, asked_by TEXT NOT NULL, asked_at TEXT NOT NULL,
        state TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS holder_approvals (
        allowance TEXT NOT NULL, staff TEXT NOT NULL, organisation TEXT NOT NULL, at TEXT NOT NULL,
        PRIMARY KEY (allowance, staff))""",
)


class Wish(Value):
    """What is asked for. The reason is public on `keys.*`: it names no person."""

    country: Country
    pair: PairName
    count: int = Field(gt=0, lt=2**53)
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    reason: Short


@dataclass(frozen=True)
class Request:
    """One request and how far it has come. `custodians`: who approved it, in order."""

    id: UUID
    wish: Wish
    asked_by: str
    asked_at: datetime
    state: State
    custodians: tuple[str, ...]

    def is_late(self, at: datetime) -> bool:
        """Whether it waits in vain for an approval."""
        return self.state == "asked" and at >= min(self.asked_at + PATIENCE, self.wish.valid_until)


class Allowances:
    """Of one holder. Methods may be called from several threads."""

    def __init__(self, me: str, *, charter: Charter, database: Database, post: Post, clock: Clock) -> None:
        self._me = me
        self._charter = charter
        self._db = database
        self._post = post
        self._clock = clock
        self._to_grant = True  # perhaps approved before we were started

    def ask(self, by: Actor, wish: Wish) -> UUID:
        """Write a request down. Raises Refused: not_your_pair, not_of_the_pair, bad_span."""
        self._check(wish)
        name = uuid4()
        with self._db.transaction() as tx:
            tx.execute(
                "INSERT INTO holder_allowances VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'asked')",
                (
                    str(name), wish.country, wish.pair, wish.count, wish.valid_from.isoformat(),
                    wish.valid_until.isoformat(), wish.reason, by.staff, self._clock.now().isoformat(),
                ),
            )  # fmt: skip
        log.info("allowance.asked", country=wish.country, pair=wish.pair, count=wish.count, staff=by.staff)
        return name

    def approve(self, by: Actor, name: UUID) -> Request:
        """Add a custodian's approval.

        raises   Refused: role_may_not, no_such_allowance, not_waiting, too_late, same_person
        """
        if by.role is not Role.KEY_CUSTODIAN:
            raise Refused("role_may_not", "Only key custodians of this holder approve an allowance.")
        now = self._clock.now()
        with self._db.transaction() as tx:
            request = _one(tx, name)
            if request.state != "asked":
                raise Refused("not_waiting", f"This allowance is {request.state}: nothing of it waits for an approval.")
            if request.is_late(now):
                raise Refused("too_late", "This request was made too long ago, or its time is over. Ask anew.")
            self._add(tx, request, by, now)
        self._to_grant = True
        log.info("allowance.approved", country=request.wish.country, pair=request.wish.pair, staff=by.staff)
        with self._db.reading() as tx:
            return _one(tx, name)

    def grant(self) -> int:
        """Announce what two have approved; from then on it counts. Returns how many. For the holder's round alone."""
        if not self._to_grant:
            return 0
        self._to_grant = False
        with self._db.transaction() as tx:
            approved = [r for r in _listed(tx) if r.state == "approved"]
            for request in approved:
                self._grant(tx, request)
        return len(approved)

    def listed(self) -> Sequence[Request]:
        """All requests, the newest first."""
        now = self._clock.now()
        with self._db.reading() as tx:
            return [replace(r, state="lapsed") if r.is_late(now) else r for r in _listed(tx)]

    def standing(self, country: str, pair: str, tx: Transaction) -> tuple[Allowance, ...]:
        """What counts now beyond the daily quota: the charter's, and what this record has granted."""
        now = self._clock.now()
        granted = (_allowance(self._me, r.wish) for r in _listed(tx, country, pair) if r.state == "granted")
        founding = chartered(self._charter, self._me, country, pair)
        return tuple(a for a in (*founding, *granted) if a.stands_at(now))

    def _check(self, wish: Wish) -> None:
        if wish.pair not in self._charter.pairs or self._me not in self._charter.holders_of(wish.pair):
            raise Refused("not_your_pair", f"{self._me} holds no share of that pair; its pairs stand in the charter.")
        if wish.country not in countries_of(wish.pair):
            raise Refused("not_of_the_pair", f"Only the two countries of {wish.pair} can be allowed more of it.")
        now = self._clock.now()
        if not max(wish.valid_from, now) < wish.valid_until <= max(wish.valid_from, now) + LONGEST:
            raise Refused("bad_span", f"An allowance ends after now and its beginning, within {LONGEST.days} days.")

    def _add(self, tx: Transaction, request: Request, by: Actor, now: datetime) -> None:
        if by.staff in request.custodians:
            raise Refused("same_person", "You have approved this already; it takes a second custodian.")
        tx.execute(
            "INSERT INTO holder_approvals VALUES (?, ?, ?, ?)",
            (str(request.id), by.staff, by.organisation, now.isoformat()),
        )
        if len(request.custodians) + 1 >= NEEDED:
            tx.execute("UPDATE holder_allowances SET state = 'approved' WHERE id = ?", (str(request.id),))

    def _grant(self, tx: Transaction, request: Request) -> None:
        begins = max(request.wish.valid_from, self._clock.now())
        wish = request.wish.model_copy(update={"valid_from": begins})
        first, second = request.custodians[:NEEDED]
        state: State = "granted"
        try:
            self._post.announce(
                tx,
                AllowanceGranted(
                    id=request.id, holder=self._me, **wish.model_dump(), custodians=(first, second)
                ),
            )  # fmt: skip
        except Refused as refused:  # its time went by while we were not running, or there are too many
            state = "lapsed"
            log.warning("allowance.lapsed", country=wish.country, pair=wish.pair, reason=refused.code)
        tx.execute(
            "UPDATE holder_allowances SET state = ?, valid_from = ? WHERE id = ?",
            (state, begins.isoformat(), str(request.id)),
        )
        log.info("allowance.granted", country=wish.country, pair=wish.pair, count=wish.count, state=state)


def _allowance(holder: str, wish: Wish) -> Allowance:
    return Allowance(holder=holder, **wish.model_dump())


def _one(tx: Transaction, name: UUID) -> Request:
    found = _rows(tx, "WHERE id = ?", str(name))
    if not found:
        raise Refused("no_such_allowance", "This holder has no request of that id. List them with GET /api/allowances.")
    return found[0]


def _listed(tx: Transaction, country: str | None = None, pair: str | None = None) -> list[Request]:
    if country is None:
        return _rows(tx, "ORDER BY asked_at DESC, id")
    return _rows(tx, "WHERE country = ? AND pair = ? ORDER BY asked_at DESC, id", country, pair)


def _rows(tx: Transaction, where: str, *values: Any) -> list[Request]:
    columns = "id, country, pair, count, valid_from, valid_until, reason, asked_by, asked_at, state"
    rows = tx.execute(f"SELECT {columns} FROM holder_allowances {where}", values)  # noqa: S608  our own words
    return [_request(tx, *row) for row in rows]


def _request(tx: Transaction, name: str, *row: Any) -> Request:
    country, pair, count, begins, ends, reason, asked_by, asked_at, state = row
    wish = Wish.model_validate({
        "country": country, "pair": pair, "count": count, "valid_from": begins, "valid_until": ends, "reason": reason,
    })  # fmt: skip
    approvals = tx.execute("SELECT staff FROM holder_approvals WHERE allowance = ? ORDER BY at, staff", (name,))
    return Request(UUID(name), wish, asked_by, datetime.fromisoformat(asked_at), state, tuple(s for (s,) in approvals))
