"""The outbox: numbers, chains, seals and keeps what this party writes, until its reader has confirmed it.

An envelope is sealed once, in the transaction that moves its stream's number and hash; every resend is byte for byte
the same. Rows stay until the reader's signed head has passed them, whatever the broker says; those of `keys.*`, which
everybody reads, stay for ever. A crash before the commit leaves nothing; after it, the row waits to be sent; after the
broker took it and before we marked it, it is sent twice, and the reader drops the second.

Numbers are contiguous from 0 in each (stream epoch, topic, partition), and unique there, so that two relays on one
database cannot fork a stream. Where the reader has seen more than we remember (we were restored from a backup), or asks
for what we no longer keep (it was), the topic begins a new stream epoch, on all its partitions, and wants its live
state written again.

Times of sealing never go back in a stream, also where it begins anew and where the clock was set back: readers take
what is older than their head for the work of a thief. Nothing is sealed outside the signing key's time, which nobody
would take. A stream that a retired key began is begun anew.

Beside each sealed row stands its body under a key of our own: it goes with the row, and is opened only when the reader
can no longer open what we sent and asks for the event again (events.answers).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from events.chain import last_epoch
from events.charter import Charter, LastSigned, Topic
from events.clock import LONG_AGO, Clock
from events.database import Database, Transaction
from events.directory import SealingKey
from events.envelope import NO_HASH, Envelope, Header, pack, unpack
from events.errors import CharterInvalid
from events.ids import new_id
from keys import seal
from keys.ring import KeyRing

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS outbox_streams (
        topic TEXT NOT NULL, part BIGINT NOT NULL, epoch BIGINT NOT NULL, seq BIGINT NOT NULL, hash BLOB NOT NULL,
        acked BIGINT NOT NULL, tick BIGINT NOT NULL, refill BIGINT NOT NULL, sealed_at TEXT NOT NULL,
        begun_by TEXT NOT NULL, PRIMARY KEY (topic, part))""",
    """CREATE TABLE IF NOT EXISTS outbox_rows (
        id BIGSERIAL PRIMARY KEY, epoch BIGINT NOT NULL, topic TEXT NOT NULL, part BIGINT NOT NULL, seq BIGINT NOT NULL,
        event_id TEXT NOT NULL, hash BLOB NOT NULL, envelope BLOB NOT NULL, kept BLOB, sent BIGINT NOT NULL,
        UNIQUE (epoch, topic, part, seq))""",
    "CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox_rows (id) WHERE sent = 0",
)
_PLACES: Final = "SELECT topic, part, epoch, seq, hash, acked, tick, sealed_at, begun_by FROM outbox_streams"
_KEPT_KEY: Final = "outbox"
BYTES_AT_ONCE: Final = 16 * 1024 * 1024
"""Most bytes of envelopes that `unsent` holds in memory, beyond the first row."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far one stream of ours is written and confirmed. `seq`, `acked` and `tick` are -1 before the first.

    sealed_at  of the last envelope, of whatever epoch    begun_by  the key that signed the epoch's first; "": none yet
    """

    topic: str
    partition: int
    epoch: int
    seq: int
    hash: bytes
    acked: int
    tick: int
    sealed_at: datetime
    begun_by: str


def last_sealed(tx: Transaction) -> tuple[LastSigned, ...]:
    """The last envelope of each stream of this store, as a charter names what counts of a retired key."""
    rows = tx.execute("SELECT topic, part, epoch, seq FROM outbox_streams WHERE seq >= 0 ORDER BY topic, part")
    return tuple(LastSigned(topic=topic, partition=part, epoch=epoch, seq=seq) for topic, part, epoch, seq in rows)


def _place(
    topic: str, part: int, epoch: int, seq: int, digest: bytes, acked: int, tick: int, sealed_at: str, begun_by: str
) -> Place:
    return Place(topic, part, epoch, seq, digest, acked, tick, datetime.fromisoformat(sealed_at), begun_by)


class Outbox:
    """One party's written streams. Everything that changes takes the caller's transaction."""

    def __init__(self, *, me: str, charter: Charter, ring: KeyRing, database: Database, clock: Clock) -> None:
        self._me = me
        self._charter = charter
        self._ring = ring
        self._database = database
        self._clock = clock
        self.topics: Mapping[str, Topic] = {t.name: t for t in charter.written_by(me)}

    def create(self) -> None:
        """Make the tables, the streams' first records, and the key that kept bodies stand under."""
        self._database.create(_TABLES)
        if all(version.id != _KEPT_KEY for version in self._ring.versions("store")):
            self._ring.add("store", _KEPT_KEY, seal.new_key(), valid_from=self._clock.now())
        with self._database.transaction() as tx:
            for topic in self.topics.values():
                self._create_streams(tx, topic)

    def _create_streams(self, tx: Transaction, topic: Topic) -> None:
        """The count of partitions is fixed for a stream epoch: another count begins a new one."""
        known = tx.execute("SELECT count(*) FROM outbox_streams WHERE topic = ?", (topic.name,))[0][0]
        if known == topic.partitions:
            return
        tx.execute("DELETE FROM outbox_streams WHERE topic = ? AND part >= ?", (topic.name, topic.partitions))
        tx.executemany(
            "INSERT INTO outbox_streams VALUES (?, ?, 1, -1, ?, -1, -1, 0, ?, '')",
            [(topic.name, partition, NO_HASH, LONG_AGO.isoformat()) for partition in range(known, topic.partitions)],
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

        raises   ValueError: no stream of ours, or a body too large for one envelope; CharterInvalid: the signing key's
                 time has not begun, or is over
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
            sealed_at=self._time_of_sealing(at, key.id),
        )
        seed = self._ring.secret("signing", key.id)
        envelope = pack(header, plain, seed=seed, recipient=to.public if to else None)
        self._keep(tx, envelope, plain if to else None)
        tx.execute(
            "UPDATE outbox_streams SET seq = ?, hash = ?, tick = ?, sealed_at = ?, begun_by = ?"
            " WHERE topic = ? AND part = ?",
            (header.seq, envelope.hash, at.tick if tick is None else tick, header.sealed_at.isoformat(),
             at.begun_by or key.id, topic.name, partition),
        )  # fmt: skip
        return envelope

    def _time_of_sealing(self, at: Place, key_id: str) -> datetime:
        time = max(self._clock.now(), at.sealed_at)
        key = next((key for key in self._charter.party(self._me).signing if key.id == key_id), None)
        if key is None or not key.valid_from <= time < key.valid_until:
            raise CharterInvalid(
                f"The charter (version {self._charter.version}) lets {self._me} sign nothing with {key_id!r} at"
                f" {time:%Y-%m-%d %H:%M:%S}: set the clock if it is wrong, else put the charter's key into the ring."
            )
        return time

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
        rows = tx.execute(f"{_PLACES} WHERE topic = ? AND part = ?", (topic, partition))
        if not rows:
            raise ValueError(f"{self._me} writes no stream {topic!r} with a partition {partition}.")
        return _place(*rows[0])

    def places(self, tx: Transaction) -> list[Place]:
        """Where all streams of ours stand."""
        return [at for at in (_place(*row) for row in tx.execute(_PLACES)) if at.topic in self.topics]

    def due(self, tx: Transaction, tick: int) -> list[tuple[Topic, int]]:
        """The streams without an envelope in this tick."""
        rows = tx.execute("SELECT topic, part FROM outbox_streams WHERE tick < ? ORDER BY topic, part", (tick,))
        return [(self.topics[topic], partition) for topic, partition in rows if topic in self.topics]

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

    # ---- what readers have confirmed, and what is kept

    @staticmethod
    def hash_at(tx: Transaction, at: Place, seq: int) -> bytes | None:
        """The hash of one of our envelopes; None: not written, or let go of."""
        if seq == at.seq:
            return at.hash
        rows = tx.execute(
            "SELECT hash FROM outbox_rows WHERE epoch = ? AND topic = ? AND part = ? AND seq = ?",
            (at.epoch, at.topic, at.partition, seq),
        )
        return bytes(rows[0][0]) if rows else None

    @staticmethod
    def let_go(tx: Transaction, at: Place, seq: int) -> None:
        """The reader has everything up to this number."""
        tx.execute("UPDATE outbox_streams SET acked = ? WHERE topic = ? AND part = ?", (seq, at.topic, at.partition))
        tx.execute(
            "DELETE FROM outbox_rows WHERE epoch = ? AND topic = ? AND part = ? AND seq <= ?",
            (at.epoch, at.topic, at.partition, seq),
        )

    def kept(self, tx: Transaction, at: Place, event: UUID) -> tuple[bytes, Header] | None:
        """The plain body of an event, and the header that it was last sealed under; None: it is no longer kept."""
        rows = tx.execute(
            "SELECT kept, envelope FROM outbox_rows WHERE epoch = ? AND topic = ? AND part = ? AND event_id = ?"
            " ORDER BY seq DESC LIMIT 1",
            (at.epoch, at.topic, at.partition, str(event)),
        )
        if not rows or rows[0][0] is None:
            return None
        return seal.unseal(self._kept_key(), rows[0][0], event.bytes), unpack(rows[0][1]).header

    # ---- stream epochs

    def begin_epoch(
        self, tx: Transaction, topic: Topic, above: int = 0, *, not_before: datetime = LONG_AGO, refill: bool = True
    ) -> int:
        """Begin a topic anew on all its partitions, under an epoch above its own and `above`. Returns the epoch.

        What was not confirmed of the old epoch is dropped: readers drop it too. The live state must follow, from
        whoever has it; with `refill`, `refills` names the topic until `refilled`.

        not_before  what readers may have seen sealed in this topic, where that is later than we remember
        """
        own = tx.execute("SELECT max(epoch) FROM outbox_streams WHERE topic = ?", (topic.name,))[0][0]
        epoch = max(int(own), above) + 1
        tx.execute("DELETE FROM outbox_rows WHERE topic = ?", (topic.name,))
        tx.execute(
            "UPDATE outbox_streams SET epoch = ?, seq = -1, hash = ?, acked = -1, tick = -1, refill = ?, begun_by = ''"
            " WHERE topic = ?",
            (epoch, NO_HASH, int(refill), topic.name),
        )
        times = [max(not_before, self.place(tx, topic.name, p).sealed_at).isoformat() for p in range(topic.partitions)]
        tx.executemany(
            "UPDATE outbox_streams SET sealed_at = ? WHERE topic = ? AND part = ?",
            [(time, topic.name, partition) for partition, time in enumerate(times)],
        )
        return epoch

    def begin_after_retired(self, tx: Transaction) -> list[Topic]:
        """Begin anew each topic whose present epoch a retired key of ours began, or is named in. Returns them.

        Whoever has the key can write into what it signed, for readers that have not come so far. The new epoch bears
        the highest number that can be, but one: above whatever the thief has used, which we need not know.
        """
        retired = {key.id: key.last for key in self._charter.party(self._me).signing if key.last is not None}
        begun = []
        for topic in self.topics.values():
            named = max((at.epoch for last in retired.values() for at in last if at.topic == topic.name), default=0)
            places = [self.place(tx, topic.name, partition) for partition in range(topic.partitions)]
            if any(at.begun_by in retired or at.epoch <= named for at in places):
                self.begin_epoch(tx, topic, above=max(named, last_epoch(self._clock.now()) - 2))
                begun.append(topic)
        return begun

    def begin_after_charter(self, tx: Transaction) -> list[Topic]:
        """Begin anew each public topic into which we wrote under the former charter when this one was in force.

        Readers that had this one did not believe us, and what is for everybody cannot be sealed anew for one.
        """
        begun = []
        newest = "SELECT envelope FROM outbox_rows WHERE topic = ? ORDER BY id DESC LIMIT 1"
        for topic in (topic for topic in self.topics.values() if topic.reader is None):
            rows = tx.execute(newest, (topic.name,))
            last = unpack(rows[0][0]).header if rows else None
            if last and last.charter_version < self._charter.version and last.sealed_at >= self._charter.issued:
                self.begin_epoch(tx, topic)
                begun.append(topic)
        return begun

    def refills(self, tx: Transaction) -> tuple[Topic, ...]:
        """The topics whose stream was begun anew here, and whose live state is not written yet."""
        rows = tx.execute("SELECT DISTINCT topic FROM outbox_streams WHERE refill = 1 ORDER BY topic")
        return tuple(self.topics[topic] for (topic,) in rows if topic in self.topics)

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
