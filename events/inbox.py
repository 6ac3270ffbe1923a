"""The inbox: how far every stream that this party reads is applied, kept in the transaction of the effects.

For each stream a head (epoch, number, hash, time), the hashes of what was applied before it, the position in the
carrier, the furthest envelope that did not fit yet, and the events that could not be opened. From these it says what
the writers are told: heads, so that they may let go, and wants, so that they send again.

Nothing here trusts the carrier. A crash before the commit leaves heads, effects and positions as they were, so the same
envelopes are read again; after it, they are dropped if they come again.
"""

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from events.chain import Tail, Verdict, judge
from events.charter import Charter, Topic
from events.database import Database, Transaction
from events.envelope import NO_HASH, Envelope
from events.messages import Head, Want

Place = tuple[str, int]
"""Topic and partition."""

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS inbox_streams (
        topic TEXT NOT NULL, part BIGINT NOT NULL, position BIGINT NOT NULL, epoch BIGINT NOT NULL, seq BIGINT NOT NULL,
        hash BLOB NOT NULL, tick BIGINT NOT NULL, frozen BIGINT NOT NULL, ahead_epoch BIGINT NOT NULL,
        ahead_seq BIGINT NOT NULL, sealed_at TEXT NOT NULL, PRIMARY KEY (topic, part))""",
    """CREATE TABLE IF NOT EXISTS inbox_hashes (
        topic TEXT NOT NULL, part BIGINT NOT NULL, seq BIGINT NOT NULL, hash BLOB NOT NULL,
        PRIMARY KEY (topic, part, seq))""",
    """CREATE TABLE IF NOT EXISTS inbox_closed (
        topic TEXT NOT NULL, part BIGINT NOT NULL, event_id TEXT NOT NULL, seq BIGINT NOT NULL, done BIGINT NOT NULL,
        PRIMARY KEY (topic, part, event_id))""",
    """CREATE TABLE IF NOT EXISTS inbox_forks (
        topic TEXT NOT NULL, part BIGINT NOT NULL, epoch BIGINT NOT NULL, seq BIGINT NOT NULL, envelope BLOB NOT NULL,
        PRIMARY KEY (topic, part, epoch))""",
    # streams that are asked for anew, until a new epoch of them comes
    """CREATE TABLE IF NOT EXISTS inbox_anew (
        topic TEXT NOT NULL, part BIGINT NOT NULL, PRIMARY KEY (topic, part))""",
    """CREATE TABLE IF NOT EXISTS inbox_counts (
        topic TEXT NOT NULL, what TEXT NOT NULL, count BIGINT NOT NULL, PRIMARY KEY (topic, what))""",
)
HASHES_KEPT: Final = 20_000
"""How many of a stream's last hashes are remembered. What is older is dropped, whatever its hash: it has no effect."""
RESEALS_AT_ONCE: Final = 16
"""How many events one body asks to have sealed anew, so that it keeps its fixed size."""


class Inbox:
    """The streams that one party reads."""

    def __init__(self, *, me: str, charter: Charter, database: Database) -> None:
        self._database = database
        self.topics: dict[str, Topic] = {t.name: t for t in charter.read_by(me)}

    def create(self) -> None:
        self._database.create(_TABLES)

    def positions(self, families: Collection[str], without: Collection[Place]) -> dict[Place, int]:
        """Where to read on: the topics of these families, but not these places."""
        with self._database.reading() as tx:
            rows = tx.execute("SELECT topic, part, position FROM inbox_streams")
        known = {(topic, partition): position for topic, partition, position in rows}
        places = [(t.name, p) for t in self.topics.values() if t.family in families for p in range(t.partitions)]
        return {place: known.get(place, 0) for place in places if place not in without}

    def heads(self, tx: Transaction, writer: str) -> tuple[Head, ...]:
        """How far this writer's sealed streams are applied: not beyond an event that could not be opened yet."""
        confirmed = [(tail, *_confirmable(tx, tail)) for tail in self._tails_of(tx, writer)]
        return tuple(
            Head(writer=writer, epoch=t.epoch, topic=t.topic, partition=t.partition, seq=seq, hash=digest.hex())
            for t, seq, digest in confirmed
            if seq >= 0
        )

    def wants(self, tx: Transaction, writer: str | None) -> tuple[Want, ...]:
        """What this writer is asked to send again, or to seal anew: RESEALS_AT_ONCE events, the rest later.

        writer   None: what is missing of public streams, whoever writes them. It is asked for in public, since a party
                 that missed another's new sealing key has no other way to say so
        """
        out, room = [], RESEALS_AT_ONCE
        anew = {(topic, part) for topic, part in tx.execute("SELECT topic, part FROM inbox_anew")}
        for tail in self._tails_of(tx, writer):
            closed = tuple(event for _, event in _closed(tx, tail))[:room]
            if tail.has_gap and tail.ahead_epoch > tail.epoch:
                out.append(_want(tail, tail.ahead_epoch, 0, ()))
            elif (tail.topic, tail.partition) in anew:
                out.append(_want(tail, tail.epoch, 0, ()))
            elif (tail.has_gap and not tail.frozen) or closed:
                out.append(_want(tail, tail.epoch, tail.seq + 1, closed))
                room -= len(closed)
        return tuple(out)

    def ask_anew(self, tx: Transaction, family: str) -> None:
        """Want these streams from their beginning, which their writers have let go: so each begins a new epoch with its
        live state. Until it comes, what they write is taken as ever.
        """
        places = [(t.topic, t.partition) for t in self.tails(tx) if self.topics[t.topic].family == family]
        tx.executemany("INSERT INTO inbox_anew VALUES (?, ?) ON CONFLICT DO NOTHING", places)

    def applied_tick(self, tx: Transaction, topic: str) -> int | None:
        """The last tick through which every partition of a topic is applied; None: some partition has shown none.

        None too while an event of the topic waits to be sealed anew: it is older than the tick, and was not heard.
        """
        tails = {place[1]: tail for place, tail in _tails(tx).items() if place[0] == topic}
        if any(_closed(tx, tail) for tail in tails.values()):
            return None
        shown = {partition: tail.tick for partition, tail in tails.items()}
        last = min(shown.get(partition, -1) for partition in range(self.topics[topic].partitions))
        return None if last < 0 else last

    def tails(self, tx: Transaction) -> list[Tail]:
        """The tails of all streams that were ever read."""
        return [tail for (topic, _), tail in sorted(_tails(tx).items()) if topic in self.topics]

    @staticmethod
    def forks(tx: Transaction) -> list[tuple[str, int, int, int]]:
        """(topic, partition, epoch, number) of the forks that were seen, ever."""
        return [tuple(row) for row in tx.execute("SELECT topic, part, epoch, seq FROM inbox_forks ORDER BY 1, 2, 3")]

    @staticmethod
    def counts(tx: Transaction) -> Counter[str]:
        """How often each thing was done, or refused, over all topics and time."""
        return Counter(dict(tx.execute("SELECT what, sum(count) FROM inbox_counts GROUP BY what")))

    def _tails_of(self, tx: Transaction, writer: str | None) -> list[Tail]:
        """The sealed streams of a writer, or, for None, everybody's public ones."""
        topics = ((tail, self.topics[tail.topic]) for tail in self.tails(tx))
        return [tail for tail, t in topics if (t.writer if t.reader else None) == writer]


class Reading:
    """One round in one transaction: the tails move envelope by envelope, and are written once, by `save`."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._tails = _tails(tx)
        self._touched: set[Place] = set()
        self._fresh: dict[tuple[str, int, int], bytes] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        rows = tx.execute("SELECT topic, part, event_id, done FROM inbox_closed")
        self._closed = {(topic, part, UUID(event)): bool(done) for topic, part, event, done in rows}

    def judge(self, envelope: Envelope, digest: bytes, key_until: datetime) -> Verdict:
        """Where an envelope belongs now, as its header says."""
        tail, header = self._tail(envelope), envelope.header
        seen = header.epoch == tail.epoch and header.seq <= tail.seq
        remembered = self._remembered(tail, header.seq) if seen else None
        return judge(tail, header, digest, remembered, key_until=key_until)

    def pass_over(self, topic: str, partition: int, offset: int) -> None:
        """Read on after this record of the carrier."""
        tail = self._tails.setdefault((topic, partition), Tail(topic, partition))
        tail.position = offset + 1
        self._touched.add((topic, partition))

    def count(self, topic: str, what: str) -> None:
        self._counts[topic, what] += 1

    def advance(self, envelope: Envelope, digest: bytes, tick: int | None, now: datetime) -> None:
        """The envelope is its stream's head now.

        A time of sealing that has not come is not remembered as such: a writer whose clock was ahead is not locked out.
        """
        tail = self._tail_of_epoch(envelope)
        tail.sealed_at = max(tail.sealed_at, min(envelope.header.sealed_at, now))
        tail.seq, tail.hash = envelope.header.seq, digest
        tail.tick = tail.tick if tick is None else tick
        self._fresh[tail.topic, tail.partition, tail.seq] = digest

    def ahead(self, envelope: Envelope) -> bool:
        """Something before this envelope is missing. Returns whether none so far ahead was seen before."""
        tail, place = self._tail(envelope), (envelope.header.epoch, envelope.header.seq)
        is_new = place > (tail.ahead_epoch, tail.ahead_seq)
        if is_new:
            tail.ahead_epoch, tail.ahead_seq = place
        return is_new

    def freeze(self, envelope: Envelope) -> None:
        """Keep the second envelope of a fork as evidence, and take nothing more of this stream epoch."""
        tail, header = self._tail_of_epoch(envelope), envelope.header
        tail.frozen = True
        self._tx.execute(
            "INSERT INTO inbox_forks VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (tail.topic, tail.partition, header.epoch, header.seq, envelope.wire),
        )

    def is_done(self, envelope: Envelope) -> bool:
        """Whether this event was asked for again, came, and had its effect."""
        return self._closed.get(_event(envelope), False)

    def done(self, envelope: Envelope) -> None:
        """If this event was asked for again, it need not be any more."""
        if self._closed.get(_event(envelope)) is False:
            self._closed[_event(envelope)] = True
            row = (envelope.header.topic, envelope.header.partition, str(envelope.header.event_id))
            self._tx.execute("UPDATE inbox_closed SET done = 1 WHERE topic = ? AND part = ? AND event_id = ?", row)

    def ask_again(self, envelope: Envelope) -> None:
        """Ask for this event, sealed anew: it could not be taken as it came."""
        if _event(envelope) not in self._closed:
            self._closed[_event(envelope)] = False
            header = envelope.header
            row = (header.topic, header.partition, str(header.event_id), header.seq)
            self._tx.execute("INSERT INTO inbox_closed VALUES (?, ?, ?, ?, 0)", row)

    def save(self) -> None:
        """Write what this round has moved."""
        moved = [self._tails[place] for place in sorted(self._touched)]
        self._tx.executemany(
            "INSERT INTO inbox_streams VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (topic, part) DO UPDATE SET"
            " position = excluded.position, epoch = excluded.epoch, seq = excluded.seq, hash = excluded.hash,"
            " tick = excluded.tick, frozen = excluded.frozen, ahead_epoch = excluded.ahead_epoch,"
            " ahead_seq = excluded.ahead_seq, sealed_at = excluded.sealed_at",
            [
                (t.topic, t.partition, t.position, t.epoch, t.seq, t.hash, t.tick, int(t.frozen), t.ahead_epoch,
                 t.ahead_seq, t.sealed_at.isoformat())
                for t in moved
            ],
        )  # fmt: skip
        self._tx.executemany(
            "INSERT INTO inbox_hashes VALUES (?, ?, ?, ?)", [(*at, digest) for at, digest in self._fresh.items()]
        )
        self._tx.executemany(
            "DELETE FROM inbox_hashes WHERE topic = ? AND part = ? AND seq <= ?",
            [(t.topic, t.partition, t.seq - HASHES_KEPT) for t in moved],
        )
        self._tx.executemany(
            "INSERT INTO inbox_counts VALUES (?, ?, ?) ON CONFLICT (topic, what) DO UPDATE SET"
            " count = inbox_counts.count + excluded.count",
            [(topic, what, count) for (topic, what), count in sorted(self._counts.items())],
        )

    def _tail(self, envelope: Envelope) -> Tail:
        place = (envelope.header.topic, envelope.header.partition)
        return self._tails.setdefault(place, Tail(*place))

    def _tail_of_epoch(self, envelope: Envelope) -> Tail:
        """The tail, in the envelope's epoch: a new one makes us forget what we remembered and asked of the old."""
        tail = self._tail(envelope)
        if envelope.header.epoch > tail.epoch:
            tail.begin_epoch(envelope.header.epoch)
            place = (tail.topic, tail.partition)
            self._fresh = {at: digest for at, digest in self._fresh.items() if at[:2] != place}
            self._closed = {event: done for event, done in self._closed.items() if event[:2] != place}
            self._tx.execute("DELETE FROM inbox_hashes WHERE topic = ? AND part = ?", place)
            self._tx.execute("DELETE FROM inbox_closed WHERE topic = ? AND part = ?", place)
            self._tx.execute("DELETE FROM inbox_anew WHERE topic = ? AND part = ?", place)
        return tail

    def _remembered(self, tail: Tail, seq: int) -> bytes | None:
        if seq == tail.seq:
            return tail.hash
        return self._fresh.get((tail.topic, tail.partition, seq)) or _hash_at(self._tx, tail, seq)


def _tails(tx: Transaction) -> dict[Place, Tail]:
    rows = tx.execute(
        "SELECT topic, part, position, epoch, seq, hash, tick, frozen, ahead_epoch, ahead_seq, sealed_at"
        " FROM inbox_streams"
    )
    return {
        (topic, part): Tail(
            topic, part, position, epoch, seq, bytes(digest), tick, bool(frozen), ahead_epoch, ahead_seq,
            datetime.fromisoformat(at),
        )
        for topic, part, position, epoch, seq, digest, tick, frozen, ahead_epoch, ahead_seq, at in rows
    }


def _closed(tx: Transaction, tail: Tail) -> list[tuple[int, UUID]]:
    """The events that could not be taken and have not come again, oldest first, with the number they came under."""
    rows = tx.execute(
        "SELECT seq, event_id FROM inbox_closed WHERE topic = ? AND part = ? AND done = 0 ORDER BY seq",
        (tail.topic, tail.partition),
    )
    return [(seq, UUID(event)) for seq, event in rows]


def _confirmable(tx: Transaction, tail: Tail) -> tuple[int, bytes]:
    """The number and hash that the writer may let go of: it must keep what we ask for again."""
    closed = _closed(tx, tail)
    if not closed:
        return tail.seq, tail.hash
    before = closed[0][0] - 1
    return before, _hash_at(tx, tail, before) or NO_HASH


def _hash_at(tx: Transaction, tail: Tail, seq: int) -> bytes | None:
    rows = tx.execute(
        "SELECT hash FROM inbox_hashes WHERE topic = ? AND part = ? AND seq = ?", (tail.topic, tail.partition, seq)
    )
    return bytes(rows[0][0]) if rows else None


def _want(tail: Tail, epoch: int, from_seq: int, reseal: tuple[UUID, ...]) -> Want:
    return Want(epoch=epoch, topic=tail.topic, partition=tail.partition, from_seq=from_seq, reseal=reseal)


def _event(envelope: Envelope) -> tuple[str, int, UUID]:
    return envelope.header.topic, envelope.header.partition, envelope.header.event_id
