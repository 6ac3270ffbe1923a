"""The outbox: numbers, chains, seals and keeps what this party writes, until its reader has confirmed it.

An envelope is sealed once, in the transaction that moves its stream's number and hash; every resend is byte for byte
the same. Rows stay until the reader's signed head has passed them, whatever the broker says; those of `keys.*`, which
everybody reads, stay for ever. A crash before the commit leaves nothing; after it, the row waits to be sent; after the
broker took it and before we marked it, it is sent twice, and the reader drops the second.

Numbers are contiguous from 0 in each (stream epoch, topic, partition), and unique there, so that two relays on one
database cannot fork a stream. Where the reader has seen more than we remember (we were restored from a backup), or asks
for what we no longer keep (it was), the topic begins a new stream epoch, on all its partitions, and wants its live
state written again.

Beside each sealed row stands its body under a key of our own: it goes with the row, and is opened only when the reader
can no longer open what we sent and asks for the event again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from events.charter import Charter, Topic
from events.clock import Clock
from events.database import Database, Transaction
from events.directory import SealingKey
from events.envelope import NO_HASH, Envelope, Header, pack, unpack
from events.ids import new_id
from events.messages import Body, Head, Want
from keys import seal
from keys.ring import KeyRing

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS outbox_streams (
        topic TEXT NOT NULL, part BIGINT NOT NULL, epoch BIGINT NOT NULL, seq BIGINT NOT NULL, hash BLOB NOT NULL,
        acked BIGINT NOT NULL, tick BIGINT NOT NULL, refill BIGINT NOT NULL, PRIMARY KEY (topic, part))""",
    """CREATE TABLE IF NOT EXISTS outbox_rows (
        id BIGSERIAL PRIMARY KEY, epoch BIGINT NOT NULL, topic TEXT NOT NULL, part BIGINT NOT NULL, seq BIGINT NOT NULL,
        event_id TEXT NOT NULL, hash BLOB NOT NULL, envelope BLOB NOT NULL, kept BLOB, sent BIGINT NOT NULL,
        UNIQUE (epoch, topic, part, seq))""",
    "CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox_rows (id) WHERE sent = 0",
)
_KEPT_KEY: Final = "outbox"
_RESEALS_AT_ONCE: Final = 64
_PUBLIC_AT_ONCE: Final = 500
"""Envelopes of a public stream that one want brings once more."""
_EPOCHS_AHEAD: Final = 1_000_000
"""A reader that claims to have seen a stream epoch further ahead of ours than this is not believed."""
NEVER_SEALED_ANEW = frozenset({"linkage"})
"""Their events must not come late: an old `tell` sealed anew would overtake a newer `hold`. The stream begins anew."""
BYTES_AT_ONCE: Final = 16 * 1024 * 1024
"""Most bytes of envelopes that `unsent` holds in memory, beyond the first row."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far one stream of ours is written and confirmed. `seq`, `acked` and `tick` are -1 before the first."""

    topic: str
    partition: int
    epoch: int
    seq: int
    hash: bytes
    acked: int
    tick: int


class Outbox:
    """One party's written streams. Everything that changes takes the caller's transaction."""

    def __init__(self, *, me: str, charter: Charter, ring: KeyRing, database: Database, clock: Clock) -> None:
        self._me = me
        self._charter = charter
        self._ring = ring
        self._database = database
        self._clock = clock
        self._topics = {t.name: t for t in charter.written_by(me)}
        self._wanted: dict[tuple[str, str, int], int] = {}

    def create(self) -> None:
        """Make the tables, the streams' first records, and the key that kept bodies stand under."""
        self._database.create(_TABLES)
        if all(version.id != _KEPT_KEY for version in self._ring.versions("store")):
            self._ring.add("store", _KEPT_KEY, seal.new_key(), valid_from=self._clock.now())
        with self._database.transaction() as tx:
            for topic in self._topics.values():
                self._create_streams(tx, topic)

    def _create_streams(self, tx: Transaction, topic: Topic) -> None:
        """The count of partitions is fixed for a stream epoch: another count begins a new one."""
        known = tx.execute("SELECT count(*) FROM outbox_streams WHERE topic = ?", (topic.name,))[0][0]
        if known == topic.partitions:
            return
        tx.execute("DELETE FROM outbox_streams WHERE topic = ? AND part >= ?", (topic.name, topic.partitions))
        tx.executemany(
            "INSERT INTO outbox_streams VALUES (?, ?, 1, -1, ?, -1, -1, 0)",
            [(topic.name, partition, NO_HASH) for partition in range(known, topic.partitions)],
        )
        if known:
            self.begin_epoch(tx, topic)

    # ---- writing

    def put(
        self,
        tx: Transaction,
        topic: Topic,
        partition: int,
        plain: bytes,
        *,
        to: SealingKey | None,
        tick: int | None = None,
        event_id: UUID | None = None,
    ) -> Envelope:
        """Seal a body as the next envelope of a stream. `to` is None on public topics only.

        raises   ValueError: no stream of ours, or a body too large for one envelope
        """
        at = self.place(tx, topic.name, partition)
        key = self._ring.primary("signing")
        header = Header(
            writer=self._me,
            key_id=key.id,
            epoch=at.epoch,
            topic=topic.name,
            partition=partition,
            seq=at.seq + 1,
            prev=at.hash.hex(),
            charter_version=self._charter.version,
            recipient=topic.reader,
            sealing_key=to.id if to else None,
            kind=topic.family,
            event_id=event_id or new_id(),
            sealed_at=self._clock.now(),
        )
        seed = self._ring.secret("signing", key.id)
        envelope = pack(header, plain, seed=seed, recipient=to.public if to else None)
        self._keep(tx, envelope, plain if to else None)
        tx.execute(
            "UPDATE outbox_streams SET seq = ?, hash = ?, tick = ? WHERE topic = ? AND part = ?",
            (header.seq, envelope.hash, at.tick if tick is None else tick, topic.name, partition),
        )
        return envelope

    def _keep(self, tx: Transaction, envelope: Envelope, plain: bytes | None) -> None:
        header = envelope.header
        kept = None if plain is None else seal.seal(self._kept_key(), plain, header.event_id.bytes)
        place = (header.epoch, header.topic, header.partition, header.seq)
        tx.execute(
            "INSERT INTO outbox_rows (epoch, topic, part, seq, event_id, hash, envelope, kept, sent)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (*place, str(header.event_id), envelope.hash, envelope.wire, kept),
        )

    def _kept_key(self) -> bytes:
        return self._ring.secret("store", _KEPT_KEY)

    def place(self, tx: Transaction, topic: str, partition: int) -> Place:
        """Where a stream of ours stands. Raises ValueError where we write none of this name and partition."""
        rows = tx.execute(
            "SELECT topic, part, epoch, seq, hash, acked, tick FROM outbox_streams WHERE topic = ? AND part = ?",
            (topic, partition),
        )
        if not rows:
            raise ValueError(f"{self._me} writes no stream {topic!r} with a partition {partition}.")
        return Place(*rows[0])

    def writes(self, topic: str) -> bool:
        """Whether this topic is ours to write."""
        return topic in self._topics

    def due(self, tx: Transaction, tick: int) -> list[tuple[Topic, int]]:
        """The streams without an envelope in this tick."""
        rows = tx.execute("SELECT topic, part FROM outbox_streams WHERE tick < ? ORDER BY topic, part", (tick,))
        return [(self._topics[topic], partition) for topic, partition in rows if topic in self._topics]

    # ---- sending

    def unsent(self, limit: int) -> list[tuple[int, str, int, bytes]]:
        """The oldest rows to send: (row, topic, partition, envelope), at most BYTES_AT_ONCE or one row."""
        with self._database.reading() as tx:
            sizes = tx.execute(
                "SELECT id, length(envelope) FROM outbox_rows WHERE sent = 0 ORDER BY id LIMIT ?", (limit,)
            )
            last, total = -1, 0
            for row, size in sizes:
                total += size
                if last >= 0 and total > BYTES_AT_ONCE:
                    break
                last = row
            rows = tx.execute(
                "SELECT id, topic, part, envelope FROM outbox_rows WHERE sent = 0 AND id <= ? ORDER BY id", (last,)
            )
        return [(row, topic, partition, envelope) for row, topic, partition, envelope in rows]

    @staticmethod
    def mark_sent(tx: Transaction, rows: Sequence[int]) -> None:
        tx.executemany("UPDATE outbox_rows SET sent = 1 WHERE id = ?", [(row,) for row in rows])

    @staticmethod
    def send_again(tx: Transaction, topic: str, partition: int, from_seq: int = 0, below: int = 2**63 - 1) -> None:
        """Let the kept rows from this number on, up to one below the other, be sent once more, as they are."""
        tx.execute(
            "UPDATE outbox_rows SET sent = 0 WHERE topic = ? AND part = ? AND seq >= ? AND seq < ? AND sent = 1",
            (topic, partition, from_seq, below),
        )

    # ---- what readers say

    def heed(self, tx: Transaction, reader: str, head: Head) -> str | None:
        """Let go of what the reader has applied. Returns what is wrong with the head, if anything is."""
        topic = self._topics.get(head.topic)
        if topic is None or topic.reader != reader or not 0 <= head.partition < topic.partitions:
            return "head_of_no_stream"
        at = self.place(tx, head.topic, head.partition)
        if head.epoch < at.epoch or (head.epoch == at.epoch and head.seq <= at.acked):
            return None
        if head.epoch > at.epoch + _EPOCHS_AHEAD:
            return "head_of_no_stream"
        if (head.epoch, head.seq) > (at.epoch, at.seq):
            self.begin_epoch(tx, topic, above=head.epoch)
            return "reader_is_ahead"
        if self._hash_at(tx, at, head.seq) != bytes.fromhex(head.hash):
            self.begin_epoch(tx, topic)
            return "reader_has_another"
        self._let_go(tx, at, head.seq)
        return None

    def answer(self, tx: Transaction, reader: str, want: Want, to: SealingKey | None) -> str | None:
        """Send again what a reader asks for, and seal anew what it can no longer open. Returns what is wrong, if any.

        to       the reader's present sealing key; None: unknown, then nothing is sealed anew until it asks again
        """
        topic = self._topics.get(want.topic)
        if topic is None or topic.reader not in {reader, None} or not 0 <= want.partition < topic.partitions:
            return "want_of_no_stream"
        if want.from_seq < 0 or (want.reseal and topic.reader is None):
            return "want_without_sense"
        at = self.place(tx, want.topic, want.partition)
        if want.epoch != at.epoch:
            return None  # of a stream epoch that is over
        if not self._is_first_this_tick(reader, want):
            return None  # what it lacks then it wants again
        # What is at or below `acked` the reader had confirmed itself, and we dropped then.
        if (
            want.from_seq <= at.acked
            or (want.reseal and topic.family in NEVER_SEALED_ANEW)
            or (to and not self._seal_anew(tx, topic, at, want.reseal, to))
        ):
            self.begin_epoch(tx, topic)
            return "want_of_what_is_gone"
        # A public stream is kept whole: its end is sent in parts, each time from where the reader has come to.
        below = want.from_seq + _PUBLIC_AT_ONCE if topic.reader is None else at.seq + 1
        self.send_again(tx, want.topic, want.partition, want.from_seq, below)
        return None

    def _is_first_this_tick(self, reader: str, want: Want) -> bool:
        """Wants cost their writer nothing: each reader is heard once a tick about each stream.

        Remembered in memory only: nobody but us can make us start anew.
        """
        place, tick = (reader, want.topic, want.partition), self._charter.tick_at(self._clock.now())
        is_first = self._wanted.get(place) != tick
        self._wanted[place] = tick
        return is_first

    @staticmethod
    def _hash_at(tx: Transaction, at: Place, seq: int) -> bytes | None:
        if seq == at.seq:
            return at.hash
        rows = tx.execute(
            "SELECT hash FROM outbox_rows WHERE epoch = ? AND topic = ? AND part = ? AND seq = ?",
            (at.epoch, at.topic, at.partition, seq),
        )
        return bytes(rows[0][0]) if rows else None

    @staticmethod
    def _let_go(tx: Transaction, at: Place, seq: int) -> None:
        tx.execute("UPDATE outbox_streams SET acked = ? WHERE topic = ? AND part = ?", (seq, at.topic, at.partition))
        tx.execute(
            "DELETE FROM outbox_rows WHERE epoch = ? AND topic = ? AND part = ? AND seq <= ?",
            (at.epoch, at.topic, at.partition, seq),
        )

    def _seal_anew(self, tx: Transaction, topic: Topic, at: Place, events: Sequence[UUID], to: SealingKey) -> bool:
        """Write these events again at the head, for the reader's present key. False: one is no longer kept."""
        for event in events[:_RESEALS_AT_ONCE]:
            rows = tx.execute(
                "SELECT kept, envelope FROM outbox_rows WHERE epoch = ? AND topic = ? AND part = ? AND event_id = ?"
                " ORDER BY seq DESC LIMIT 1",
                (at.epoch, at.topic, at.partition, str(event)),
            )
            if not rows or rows[0][0] is None:
                return False
            last = unpack(rows[0][1]).header
            if (last.sealing_key, last.charter_version) == (to.id, self._charter.version):
                continue  # asked for again while the new copy is on its way
            plain = seal.unseal(self._kept_key(), rows[0][0], event.bytes)
            # The event only: what the body said of its tick and of streams was true when it was first sealed.
            lasting = Body(items=Body.model_validate_json(plain).items)
            self.put(tx, topic, at.partition, lasting.padded_to(len(plain)), to=to, event_id=event)
        return True

    # ---- stream epochs

    def begin_epoch(self, tx: Transaction, topic: Topic, above: int = 0, *, refill: bool = True) -> int:
        """Begin a topic anew on all its partitions, under an epoch above its own and `above`. Returns the epoch.

        What was not confirmed of the old epoch is dropped: readers drop it too. The live state must follow, from
        whoever has it; with `refill`, `refills` names the topic until `refilled`.
        """
        own = tx.execute("SELECT max(epoch) FROM outbox_streams WHERE topic = ?", (topic.name,))[0][0]
        epoch = max(int(own), above) + 1
        tx.execute("DELETE FROM outbox_rows WHERE topic = ?", (topic.name,))
        tx.execute(
            "UPDATE outbox_streams SET epoch = ?, seq = -1, hash = ?, acked = -1, tick = -1, refill = ?"
            " WHERE topic = ?",
            (epoch, NO_HASH, int(refill), topic.name),
        )
        return epoch

    def refills(self, tx: Transaction) -> tuple[Topic, ...]:
        """The topics whose stream was begun anew here, and whose live state is not written yet."""
        rows = tx.execute("SELECT DISTINCT topic FROM outbox_streams WHERE refill = 1 ORDER BY topic")
        return tuple(self._topics[topic] for (topic,) in rows if topic in self._topics)

    @staticmethod
    def refilled(tx: Transaction, topic: Topic) -> None:
        tx.execute("UPDATE outbox_streams SET refill = 0 WHERE topic = ?", (topic.name,))

    # ---- looking

    @staticmethod
    def totals(tx: Transaction) -> dict[str, int]:
        """written: envelopes of the present epochs; kept: rows; unsent: of them; tick: the last on all streams."""
        written, tick = tx.execute("SELECT coalesce(sum(seq + 1), 0), coalesce(min(tick), -1) FROM outbox_streams")[0]
        kept = tx.execute("SELECT count(*) FROM outbox_rows")[0][0]
        unsent = tx.execute("SELECT count(*) FROM outbox_rows WHERE sent = 0")[0][0]
        return {"written": int(written), "kept": kept, "unsent": unsent, "tick": tick}
