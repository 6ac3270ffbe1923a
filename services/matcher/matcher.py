"""One round of the matcher: read, look for company, decide, drop what is retired, tick, send.

It can be killed between any two lines.

What it knows of a match nobody may learn from it before both sides know: so its envelopes leave at every tick, all of
one size, and nothing it counts, logs or shows depends on a match that was not told.
"""

from typing import Final

from events import rotations
from events.charter import Charter, Topic
from events.clock import Clock
from events.database import Database, Transaction
from events.envelope import Header
from events.messages import Body, EpochClosed, GrantChanged, MatchEnded, Outline, Revocation, Submission
from events.post import Fill, Post, PostStatus
from events.stream import Stream
from keys import seal
from keys.hsm import TokenAddress
from keys.ring import KeyRing, Purpose
from matching import found
from matching.found import Ending
from matching.index import Index
from matching.policy import Deny
from services.matcher import account, endings, epochs, intake, notices, statistics
from services.matcher.endings import Endings
from services.matcher.epochs import Epochs
from services.matcher.intake import Intake
from services.matcher.peppers import Peppers, Place
from services.matcher.telling import Telling

_CLOCK: Final = "CREATE TABLE IF NOT EXISTS matcher_clock (name TEXT PRIMARY KEY, value BIGINT NOT NULL)"
_TABLES: Final = (
    *intake.TABLES, *epochs.TABLES, *account.TABLES, *notices.TABLES, *statistics.TABLES, *endings.TABLES, _CLOCK,
)  # fmt: skip
_VALUES_AT_ONCE: Final = 500
"""Changed values that are looked at in one transaction."""
_DEFERRED_KEY: Final = "deferred"


class Matcher:
    """The region's matcher. `open` it before anything else. One thread steps; others may ask for `status`."""

    def __init__(
        self,
        me: str,
        *,
        charter: Charter,
        digest: bytes,
        ring: KeyRing,
        database: Database,
        stream: Stream,
        clock: Clock,
        pepper: TokenAddress | None = None,
    ) -> None:
        """`pepper`: the token in which new peppers are made, and the name that theirs begin with; None: the ring."""
        self.me = me
        self.charter = charter
        self.clock = clock
        self.database = database
        self._post = Post(
            me=me, charter=charter, charter_digest=digest, ring=ring, database=database, stream=stream, clock=clock
        )
        self._peppers = Peppers(me, ring=ring, database=database, clock=clock, token=pepper)
        self._index = Index(database, self._peppers.current, charter.slots, successor=self._peppers.successor)
        self._epochs = Epochs(
            charter,
            directory=self._post.directory,
            peppers=self._peppers,
            index=self._index,
            database=database,
            clock=clock,
        )
        store_key = _kept(ring, "store", _DEFERRED_KEY, clock)
        self._intake = Intake(
            charter,
            index=self._index,
            directory=self._post.directory,
            epochs=self._epochs,
            peppers=self._peppers,
            store_key=store_key,
            clock=clock,
        )
        self._telling = Telling(charter, self._post, clock)
        self.endings = Endings(charter, database=database, post=self._post, store_key=store_key, clock=clock)
        self._handlers = {"linkage": self._take_linkage, "cases": self._take_cases}
        self._size = notices.body_size(charter)
        self._seen: dict[str, int] = {}
        self._to_look = True
        self._to_turn = True

    def create(self) -> None:
        """Make the tables, which needs no broker: from then on its state can be read. Raises TokenUnavailable."""
        self._peppers.open((pair, self.charter.matching_epoch) for pair in self.charter.pairs)
        self._index.create()
        self.database.create(_TABLES)
        self._post.create()

    def open(self) -> None:
        """Make tables and topics. Raises StreamUnavailable: call again."""
        self.create()
        self._post.open()

    def step(self) -> bool:
        """One round. Returns whether anything was done. Raises StreamUnavailable: nothing is lost, step again."""
        self._refill()
        done = self._receive()
        done += self.endings.step()
        done += self._epochs.step()
        done += self._take_waiting()
        done += self._look()
        done += self._change_pepper()
        done += self._decide()
        done += self._tell_totals()
        done += self._post.tick(self._fill)
        done += self._post.send()
        return done > 0

    def status(self) -> PostStatus:
        return self._post.status()

    # ---- reading

    def _receive(self) -> int:
        done = self._post.receive(self._handlers)
        self._to_look |= done > 0
        self._to_turn |= done > 0
        return done

    def _take_linkage(self, tx: Transaction, header: Header, body: Body) -> None:
        for item in body.items:
            match item:
                case Submission():
                    _pass_on(tx, self._intake.submit(tx, header.writer, header.epoch, item))
                case GrantChanged():
                    self._intake.set_grant(tx, header.writer, header.epoch, item)
                case Revocation():
                    _pass_on(tx, self._intake.revoke(tx, header.writer, header.epoch, item))
                case MatchEnded():
                    self._end(tx, header.writer, item)
                case EpochClosed():
                    if not self._epochs.close(tx, header.writer, item):
                        intake.refuse(tx, "pair_not_agreed")

    def _end(self, tx: Transaction, country: str, item: MatchEnded) -> None:
        noted = found.end(tx, country, item, tick=self.charter.tick_at(self.clock.now()))
        if isinstance(noted, Deny):
            intake.refuse(tx, noted.reason)
        else:
            _pass_on(tx, noted)

    def _take_cases(self, tx: Transaction, _header: Header, body: Body) -> None:
        at = self.clock.now()
        for item in body.items:
            if isinstance(item, Outline) and not statistics.count_outline(tx, self.charter, item, at):
                intake.refuse(tx, "unknown_outline")

    # ---- matching

    def _take_waiting(self) -> int:
        """Rows that were too many on the day they came."""
        with self.database.reading() as tx:
            places = self._intake.places_with_room(tx)
        done = 0
        for country, pair in places:
            with self.database.transaction() as tx:
                done += self._intake.take_waiting(tx, country, pair)
        self._to_look |= done > 0
        self._to_turn |= done > 0
        return done

    def _look(self) -> int:
        """What was inserted and committed is looked at afterwards, so that nobody's match is missed between two."""
        if not self._to_look:
            return 0
        now = self.clock.now()
        with self.database.transaction() as tx:
            done = self._index.company(tx, at=now, tick=self.charter.tick_at(now), limit=_VALUES_AT_ONCE)
        self._to_look = done == _VALUES_AT_ONCE
        return done

    def _change_pepper(self) -> bool:
        """Begin what a custodian has asked for; or end it, once every row stands behind the next pepper too."""
        with self.database.reading() as tx:
            is_asked = rotations.asked(tx, "pepper") is not None
        if is_asked:
            self._begin_next_peppers()
        if not self._peppers.changing or not self._to_turn:
            return is_asked
        turned = [self._turn(place) for place in self._peppers.changing]
        self._to_turn = False
        return is_asked or any(turned)

    def _turn(self, place: Place) -> bool:
        with self.database.transaction() as tx:
            turned = self._intake.turn(tx, *place)
            if turned:
                self._peppers.turned(tx, place)
        if turned:
            self._peppers.reload()
        return turned

    def _begin_next_peppers(self) -> None:
        """Of every epoch in use. Under way already, it is not begun anew."""
        made = [self._peppers.prepare(place) for place in self._peppers.places if place not in self._peppers.changing]
        with self.database.transaction() as tx:
            for one in made:
                self._peppers.follow(tx, one)
            if made:
                self._post.ask_anew(tx, "linkage")
            rotations.done(tx, "pepper")
        self._peppers.reload()
        self._to_turn = True

    # ---- telling

    def _decide(self) -> bool:
        """Once a tick, at its beginning: what was decided leaves in this tick's envelopes, right after."""
        tick = self.charter.tick_at(self.clock.now())
        if self._seen.get("decided") == tick or not self.endings.may_tell():
            return False
        with self.database.transaction() as tx:
            begun = _has_begun(tx, "decided", tick)
            if begun:
                self._telling.decide(tx, tick)
        self._seen["decided"] = tick
        return begun

    def _fill(self, tx: Transaction, topic: Topic, _partition: int, tick: int) -> Fill:
        if topic.family != "notices" or topic.reader is None:
            return Fill()
        if not self.endings.may_tell():
            return Fill((), self._size)
        return Fill(notices.take(tx, topic.reader, self.charter.notices_per_tick, tick), self._size)

    def _tell_totals(self) -> bool:
        """Once in each of the charter's spans, the totals that have changed; never in between."""
        account = self._intake.account
        span = account.due_span()
        if self._seen.get("totals") == span:
            return False
        with self.database.transaction() as tx:
            totals = account.untold_totals(tx, span) if _has_begun(tx, "totals", span) else []
            if totals:
                self._post.announce(tx, *totals)
                account.told(tx, totals)
        self._seen["totals"] = span
        return bool(totals)

    def _refill(self) -> None:
        """A stream of notices that begins anew: what was told last of each match is told again."""
        for topic in self._post.refills():
            with self.database.transaction() as tx:
                if topic.reader is not None:
                    notices.say_again(tx, topic.reader)
                self._post.refilled(tx, topic)


def _pass_on(tx: Transaction, endings: list[Ending]) -> None:
    for ending in endings:
        notices.put(tx, ending.country, ending.over)


def _kept(ring: KeyRing, purpose: Purpose, key_id: str, clock: Clock) -> bytes:
    """A secret of the matcher's own, made when it is first needed and kept in its ring."""
    if all(version.id != key_id for version in ring.versions(purpose)):
        ring.add(purpose, key_id, seal.new_key(), valid_from=clock.now())
    return ring.secret(purpose, key_id)


def _has_begun(tx: Transaction, name: str, span: int) -> bool:
    """Whether a span of time, numbered, is a later one than at the last call. The first call only takes note."""
    rows = tx.execute("SELECT value FROM matcher_clock WHERE name = ?", (name,))
    if rows and rows[0][0] >= span:
        return False
    tx.execute(
        "INSERT INTO matcher_clock VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, span)
    )
    return bool(rows)
