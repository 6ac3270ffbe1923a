"""The post: one party's streams in one hand. What a service holds, and all that it needs to hold.

It reads what is addressed to the party (inbox, receiving, answers), keeps what `keys.*` tells (directory), writes what
the party says (outbox), opens every tick on every stream it writes, and carries envelopes to and from the carrier.
Everything it remembers is in the party's database; it can be stopped between any two steps, and goes on there.

The life of an envelope: `write` seals it into the outbox, in the transaction of the event that it tells; `send` gives
it to the carrier; the reader's `receive` applies it and moves its head; the reader's next `tick` tells us that head;
our `receive` lets the row go.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from events import rotations
from events.answers import Answers
from events.chain import Tail, Verdict
from events.charter import Charter, Topic
from events.clock import Clock
from events.database import Database, Transaction
from events.directory import Directory, SealingKey
from events.errors import NotYet
from events.inbox import Inbox, Place
from events.messages import ITEMS_OF, Body, Item
from events.outbox import Outbox
from events.outbox import Place as Written
from events.receiving import Authenticator, Handler, Receiver, Round
from events.restore import last_of_ours, mend
from events.rooms import rooms
from events.sealing import SealingKeys
from events.signing import choose_signing_key, destroy_former
from events.stream import Stream
from keys.ring import KeyRing

log = structlog.get_logger()

_ORDINARY: Final = frozenset({Verdict.DUPLICATE, Verdict.SUPERSEDED, Verdict.AHEAD})
"""What a carrier that repeats, reorders or loses brings about, without anybody's fault: told, but no warning."""
LAST_SHOWN: Final = 5
_TICK_ROOM: Final = len(str(2**53))
"""Digits of the largest tick: bodies with and without one get one size."""


@dataclass(frozen=True, slots=True)
class Fill:
    """What a tick carries on one stream: items, and the bytes that their body is padded to, if it has a fixed size."""

    items: Sequence[Item] = ()
    size: int | None = None


@dataclass(frozen=True, slots=True)
class LastEnvelope:
    """The envelope that ends one stream. `sealed_at` to the second: what is finer says only how fast a machine is."""

    topic: str
    partition: int
    written: bool
    """By us; else read."""
    seq: int
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class PostStatus:
    """Counts for pages and metrics; nothing of any body.

    written   envelopes of the present stream epochs          kept     rows whose reader has not confirmed them
    unsent    rows that the carrier has not taken             applied  envelopes taken into effect, ever
    dropped   seen before, or of an epoch that is over        refused  how often, for each reason, ever
    forks     (topic, partition, epoch, number), ever         gaps     streams with something missing
    frozen    streams that a fork has stopped                 paused   "topic/partition" -> for what it waits
    refills   topics begun anew that want their live state
    ticks     topic -> the last tick that its writer opened, on topics that are read
    tick      the last tick that this party opened on all it writes
    last      the last envelope of LAST_SHOWN streams that are read, and of so many that are written, the newest first
    """

    written: int
    unsent: int
    kept: int
    applied: int
    dropped: int
    refused: Mapping[str, int]
    forks: tuple[tuple[str, int, int, int], ...]
    gaps: tuple[str, ...]
    frozen: tuple[str, ...]
    paused: Mapping[str, str]
    refills: tuple[str, ...]
    ticks: Mapping[str, int]
    tick: int
    last: tuple[LastEnvelope, ...]


class Post:
    """One party's post. `open` it before anything else. One thread at a time may receive, tick or send."""

    directory: Directory

    def __init__(
        self,
        *,
        me: str,
        charter: Charter,
        charter_digest: bytes,
        ring: KeyRing,
        database: Database,
        stream: Stream,
        clock: Clock,
    ) -> None:
        self._me = me
        self._charter = charter
        self._ring = ring
        self._database = database
        self._stream = stream
        self._clock = clock
        self._written = {t.name: t for t in charter.written_by(me)}
        self._keys_topic = self._written[f"keys.{me}"]
        self._paused: dict[Place, str] = {}
        self._unread: dict[str, int] = {}
        self._introduced = ""
        self._authenticator = Authenticator(charter)
        self._sealing = SealingKeys(me=me, charter=charter, ring=ring)
        self._inbox = Inbox(me=me, charter=charter, database=database)
        self._outbox = Outbox(me=me, charter=charter, ring=ring, database=database, clock=clock)
        self.directory = Directory(database, charter, charter_digest)
        answers = Answers(charter, self._outbox, clock)
        self._receiver = Receiver(charter, ring, self.directory, answers, clock)
        self._rooms = rooms(self._written.values(), self._inbox.topics.values())

    def create(self) -> None:
        """Make the tables, which needs no carrier: from then on `status` can be read."""
        self._database.create(rotations.TABLES)
        self.directory.create()
        self._outbox.create()
        self._inbox.create()

    def open(self) -> None:
        """Make the tables and topics, compare our record with what the carrier holds of us, introduce a sealing key.

        A record that is behind (restored from a backup) begins new stream epochs before anything is sealed; so does
        one that a retired key began. A second call changes nothing. Raises StreamUnavailable: call again;
        CharterInvalid: our signing key is not the charter's, or counts no more.
        """
        self.create()
        choose_signing_key(self._charter, self._me, self._ring, self._clock.now())
        self._stream.ensure({t.name: t.partitions for t in (*self._written.values(), *self._inbox.topics.values())})
        self._mend_streams()
        self._keep_sealing_keys()
        announced = (t.name for t in self._inbox.topics.values() if t.family == "keys")
        self._unread = {name: self._stream.end(name, 0) for name in announced}
        self._note_read()

    # ---- reading

    def is_current(self, *parties: str) -> bool:
        """Whether all is read that these parties had announced when we opened.

        Who was away, or was set back, waits for it before it uses a key: an agreement may have ended meanwhile.
        """
        return not any(f"keys.{party}" in self._unread for party in parties)

    def receive(self, handlers: Mapping[str, Handler], limit: int = 500, wait: float = 0.0) -> int:
        """Read and take into effect at most `limit` records, in one transaction. Returns how many are dealt with.

        handlers  by family of topics; families without one are left unread. `keys` the directory takes itself
        wait      seconds to wait if there is nothing yet
        raises    StreamUnavailable; what a handler raises that is no refusal and no NotYet: then nothing was done
        """
        positions = self._inbox.positions({*handlers, "keys"}, self._paused)
        delivered = self._stream.read(positions, limit, wait)
        if not delivered:
            return 0
        now = self._clock.now()
        parcels = [self._authenticator.parcel(self._inbox.topics[d.topic], d, now) for d in delivered]
        with self._database.transaction() as tx:
            done = self._receiver.take(tx, parcels, handlers)
        self._note_read()
        if done.heard_keys:
            self._paused.clear()  # they were not read in this round: perhaps they need wait no longer
        self._paused |= done.paused
        _tell(done)
        return done.passed

    def ask_anew(self, tx: Transaction, family: str) -> None:
        """Have the writers of these topics begin them anew with their live state, as after a restore of ours."""
        self._inbox.ask_anew(tx, family)

    def applied_tick(self, topic: str, tx: Transaction | None = None) -> int | None:
        """The last tick through which a topic that we read is applied, on all its partitions; None: none yet."""
        if tx is not None:
            return self._inbox.applied_tick(tx, topic)
        with self._database.reading() as own:
            return self._inbox.applied_tick(own, topic)

    # ---- writing

    def write(
        self,
        tx: Transaction,
        topic: Topic,
        items: Sequence[Item],
        *,
        partition: int = 0,
        tick: int | None = None,
        size: int | None = None,
    ) -> UUID:
        """Seal items to a topic's reader, as one envelope, in the caller's transaction. Returns its event id.

        tick    the number of the tick that it opens for its stream
        size    bytes to which the body is padded, beside the room that heads and wants need where they travel
        raises  NotYet: the reader has no sealing key that we know; ValueError: not our topic, not its items, too large
        """
        reader = topic.reader
        if reader is None:
            raise ValueError(f"{topic.name} is public: announce it.")
        key = self.directory.sealing_key(reader, self._clock.now(), tx)
        if key is None:
            raise NotYet(f"{reader} has introduced no sealing key that may be used today.")
        return self._put(tx, topic, items, partition=partition, tick=tick, size=size, to=key)

    def announce(self, tx: Transaction, *items: Item) -> None:
        """Say this to everyone, on `keys.<me>`. Our directory learns it at once. Raises Refused: not ours to say."""
        self._announce(tx, items, tick=None)

    def tick(self, fill: Callable[[Transaction, Topic, int, int], Fill] | None = None) -> bool:
        """Open the tick that runs now, with one envelope on each stream of ours that has none in it yet.

        fill     (transaction, topic, partition, tick) -> what its envelope carries; may raise NotYet, and is asked
                 again at the next call
        returns  whether any was written: False between ticks, and while the readers' sealing keys are not known
        Looks after our own keys too.
        """
        self._keep_signing_key()
        self._keep_sealing_keys()
        number = self._charter.tick_at(self._clock.now())
        due = self._due(number)
        if not due:
            return False
        self._paused.clear()
        written = 0
        with self._database.transaction() as tx:
            for topic, partition in due:
                with suppress(NotYet), tx.savepoint():
                    self._open_tick(tx, topic, partition, number, fill)
                    written += 1
        return written > 0

    def send(self, limit: int = 500) -> int:
        """Give unsent envelopes to the carrier, oldest first, and mark them once it has them. Returns how many.

        If we crash between the two, or the carrier does not answer, they are sent again, and readers drop them.
        """
        rows = self._outbox.unsent(limit)
        if not rows:
            return 0
        self._stream.append([(topic, partition, envelope) for _, topic, partition, envelope in rows])
        with self._database.transaction() as tx:
            self._outbox.mark_sent(tx, [row for row, *_ in rows])
        return len(rows)

    # ---- stream epochs

    def open_epoch(self, tx: Transaction, *topics: Topic) -> None:
        """Begin these topics anew; without any, all that we write. The live state of each must be written then.

        Wherever old envelopes must count no more. What was written and not confirmed is dropped. `keys.<me>` gets its
        live state here.
        """
        for topic in topics or self._written.values():
            self._outbox.begin_epoch(tx, topic)
            self._say_again(tx, topic)

    def refills(self, tx: Transaction | None = None) -> tuple[Topic, ...]:
        """Topics that were begun anew and want their live state: write it, and call `refilled`, in one transaction."""
        if tx is not None:
            return self._outbox.refills(tx)
        with self._database.reading() as own:
            return self._outbox.refills(own)

    def refilled(self, tx: Transaction, topic: Topic) -> None:
        self._outbox.refilled(tx, topic)

    def places(self, topic: str) -> tuple[Written, ...]:
        """How far each partition of a topic that we write is written, and confirmed by its reader's signed heads."""
        with self._database.reading() as tx:
            return tuple(self._outbox.place(tx, topic, p) for p in range(self._written[topic].partitions))

    def status(self) -> PostStatus:
        """What was done and what is amiss, from the database."""
        with self._database.reading() as tx:
            tails, counts = self._inbox.tails(tx), self._inbox.counts(tx)
            applied, dropped = counts.pop("applied", 0), counts.pop("duplicate", 0) + counts.pop("superseded", 0)
            return PostStatus(
                **self._outbox.totals(tx),
                applied=applied,
                dropped=dropped,
                refused=dict(counts),
                forks=tuple(self._inbox.forks(tx)),
                gaps=tuple(f"{t.topic}/{t.partition}" for t in tails if t.has_gap),
                frozen=tuple(f"{t.topic}/{t.partition}" for t in tails if t.frozen),
                paused={f"{topic}/{partition}": reason for (topic, partition), reason in self._paused.items()},
                refills=tuple(t.name for t in self._outbox.refills(tx)),
                ticks={t.topic: t.tick for t in tails if t.tick >= 0},
                last=_last(self._outbox.places(tx), [t for t in tails if t.topic not in self._written]),
            )

    # ---- within

    def _note_read(self) -> None:
        if self._unread:
            at = self._inbox.positions({"keys"}, ())
            self._unread = {name: end for name, end in self._unread.items() if at.get((name, 0), 0) < end}

    def _put(
        self,
        tx: Transaction,
        topic: Topic,
        items: Sequence[Item],
        *,
        partition: int,
        tick: int | None,
        size: int | None,
        to: SealingKey | None,
    ) -> UUID:
        if not all(isinstance(item, ITEMS_OF[topic.family]) for item in items):
            raise ValueError(f"{topic.name} carries no such items.")
        body = Body(tick=tick, items=tuple(items))
        room = self._rooms.get((topic.name, partition))
        if tick is not None and (room is not None or topic.reader is None):
            heads = self._inbox.heads(tx, topic.reader) if topic.reader else ()
            body = body.model_copy(update={"heads": heads, "wants": self._inbox.wants(tx, topic.reader)})
        plain = body.model_dump_json().encode() if size is None else body.padded_to(size + (room or 0) + _TICK_ROOM)
        return self._outbox.put(tx, topic, partition, plain, to=to, tick=tick).header.event_id

    def _announce(self, tx: Transaction, items: Sequence[Item], tick: int | None) -> None:
        for item in items:
            self.directory.learn(tx, self._me, item)
        self._put(tx, self._keys_topic, items, partition=0, tick=tick, size=None, to=None)

    def _open_tick(
        self,
        tx: Transaction,
        topic: Topic,
        partition: int,
        number: int,
        fill: Callable[[Transaction, Topic, int, int], Fill] | None,
    ) -> None:
        content = fill(tx, topic, partition, number) if fill else Fill()
        if topic.reader is None:
            self._announce(tx, content.items, tick=number)
        else:
            self.write(tx, topic, content.items, partition=partition, tick=number, size=content.size)

    def _due(self, number: int) -> list[tuple[Topic, int]]:
        """The streams that want an envelope of this tick, and can have one."""
        now = self._clock.now()
        with self._database.reading() as tx:
            due = self._outbox.due(tx, number)
            ready = {t.reader for t, _ in due if t.reader and self.directory.sealing_key(t.reader, now, tx)}
        return [(topic, partition) for topic, partition in due if topic.reader is None or topic.reader in ready]

    def _keep_signing_key(self) -> None:
        destroyed = destroy_former(self._charter, self._me, self._ring, self._clock.now())
        if destroyed:
            log.info("post.signing_keys_destroyed", count=destroyed)

    def _keep_sealing_keys(self) -> None:
        now = self._clock.now()
        with self._database.reading() as tx:
            asked = rotations.asked(tx, "sealing")
        # If we crash before the note is gone, the key that was made since it was asked for is the one to introduce.
        current = self._sealing.current(now, asked)
        destroyed = self._sealing.destroy_old(now)
        if destroyed:
            log.info("post.sealing_keys_destroyed", count=destroyed)
        if current.key_id == self._introduced and asked is None:
            return
        with self._database.transaction() as tx:
            if not self.directory.knows_sealing_key(tx, self._me, current.key_id):
                self.announce(tx, current)
            rotations.done(tx, "sealing")
        self._introduced = current.key_id

    def _say_again(self, tx: Transaction, topic: Topic) -> None:
        """The live state of our keys' topic is what our directory says of us."""
        if topic == self._keys_topic:
            items = self.directory.said_by(self._me, self._clock.now(), tx)
            self._put(tx, topic, items, partition=0, tick=None, size=None, to=None)
            self._outbox.refilled(tx, topic)

    def _mend_streams(self) -> None:
        places = [(t.name, p) for t in self._written.values() for p in range(t.partitions)]
        ends = {place: self._stream.end(*place) for place in places}
        now = self._clock.now()
        last = last_of_ours(self._stream, self._authenticator, self._me, ends, now)
        with self._database.transaction() as tx:
            for name, reason in mend(tx, self._outbox, ends, last, now).items():
                self._say_again(tx, self._written[name])
                log.warning("post.epoch_begun", topic=name, reason=reason)


def _last(written: Iterable[Written], read: Iterable[Tail]) -> tuple[LastEnvelope, ...]:
    """LAST_SHOWN of each, so that neither hides the other: with every tick all streams end anew."""
    last = [*_newest(written, written=True), *_newest(read, written=False)]
    return tuple(sorted(last, key=_newest_first))


def _newest(ends: Iterable[Written | Tail], *, written: bool) -> list[LastEnvelope]:
    last = [
        LastEnvelope(at.topic, at.partition, written, at.seq, at.sealed_at.replace(microsecond=0))
        for at in ends
        if at.seq >= 0
    ]
    return sorted(last, key=_newest_first)[:LAST_SHOWN]


def _newest_first(one: LastEnvelope) -> tuple[float, str, int]:
    """Of one second: in the order of their names."""
    return -one.sealed_at.timestamp(), one.topic, one.partition


def _tell(done: Round) -> None:
    for note in done.notes:
        say, what = (log.info, "post.set_aside") if note.reason in _ORDINARY else (log.warning, "post.refused")
        say(what, writer=note.writer, topic=note.topic, seq=note.seq, reason=note.reason)
    for (topic, _), reason in done.paused.items():
        log.warning("post.paused", topic=topic, reason=reason)
    if done.applied:
        log.info("post.applied", count=done.applied)
