"""One round of a country's node: read, evaluate, relay, tick, send. It can be killed between any two lines.

`Node` is everything behind the HTTP edge: what people command goes through `desk`, `erasures` and `importer`, what
parties send through `step`. One thread steps; others command.
"""

from dataclasses import dataclass
from typing import Final

from events.charter import Charter, Topic
from events.clock import Clock
from events.database import Database, Transaction
from events.envelope import Header
from events.mapper import Mapper
from events.messages import Body
from events.post import Fill, Post, PostStatus
from events.store import EventStore
from events.stream import Stream
from keys.persons import PersonKeys
from keys.ring import KeyRing
from services.country import endings, renewals
from services.country.decisions import Decisions
from services.country.desk import Desk
from services.country.endings import EndedAgreement, Endings
from services.country.erasures import Erasures
from services.country.evaluations import Evaluations
from services.country.importer import Importer
from services.country.notices import Notices
from services.country.projection import Projection
from services.country.publications import Publications
from services.country.records import Records
from services.country.relay import AT_ONCE, Relay
from services.country.renewals import Renewals
from services.country.tables import TABLES
from services.country.upkeep import Upkeep
from services.country.vault import Vault
from services.runtime import custody
from services.runtime.custody import KeyReport

_SUBMISSION_BYTES: Final = 420
"""Most bytes of a linkage item beside its indices: what fixed sizes are computed from."""


@dataclass(frozen=True)
class NodeStatus:
    """Counts that tell nothing of a match before it is told: for the node's own operator."""

    cases: int
    publications: dict[str, int]
    leaving: int
    """Items for the matcher that wait for the tick."""
    open_batches: dict[str, int]
    waits_for: dict[str, str]
    """Pair -> why no question can be asked."""
    renewing: dict[str, int]
    """Pair -> rows that are out in former epochs of its key alone, and are made anew."""
    linkage_written: int
    linkage_confirmed: int
    """Envelopes to the matcher, over all partitions: written, and confirmed by its signed heads."""
    told: int
    """Matches that this side was told."""
    ended: list[EndedAgreement]
    """Agreements that are over."""
    roomy_tick: int
    """The last tick whose notice had room to spare: every notice before it has come."""
    post: PostStatus


class Node:
    """One country's node. `open` it before anything else."""

    def __init__(
        self,
        country: str,
        *,
        charter: Charter,
        digest: bytes,
        ring: KeyRing,
        persons: PersonKeys,
        database: Database,
        stream: Stream,
        clock: Clock,
    ) -> None:
        self.country = country
        self.charter = charter
        self.clock = clock
        self._db = database
        self._ring = ring
        self._persons = persons
        store_key = ring.primary("store").secret or b""
        vault = Vault(store_key, ring.primary("search").secret or b"")
        self._store = EventStore(database, Mapper(ring, persons))
        self._post = Post(
            me=country, charter=charter, charter_digest=digest, ring=ring, database=database, stream=stream, clock=clock
        )
        records = Records(self._store, Projection(vault))
        publications = Publications(country, charter, self._post.directory, records, vault, clock)
        decisions = Decisions(records, vault)
        self.erasures = Erasures(database, records, vault, persons)
        self.desk = Desk(
            charter,
            database=database,
            store=self._store,
            records=records,
            publications=publications,
            decisions=decisions,
            keys=persons,
        )
        self.importer = Importer(
            country,
            desk=self.desk,
            records=records,
            publications=publications,
            keys=persons,
            database=database,
            vault=vault,
            clock=clock,
        )
        self.evaluations = Evaluations(
            country,
            charter,
            digest,
            post=self._post,
            records=records,
            publications=publications,
            renewals=Renewals(records, vault, clock),
            database=database,
            store_key=store_key,
            clock=clock,
        )
        self._relay = Relay(country, charter, self._post.directory, self._store, records, vault)
        self.endings = Endings(
            country,
            database=database,
            directory=self._post.directory,
            records=records,
            publications=publications,
            clock=clock,
        )
        self._notices = Notices(records, clock)
        self._upkeep = Upkeep(database, records, publications, decisions, self.erasures, clock)
        self._handlers = {"evaluated": self.evaluations.take, "notices": self._take_notices}

    def create(self) -> None:
        """Make the tables, which needs no broker: from then on people can command and read."""
        self._store.create()
        self._db.create((*TABLES, *endings.TABLES))
        self.erasures.finish(all_of_them=True)
        self._post.create()

    def open(self) -> None:
        """Make tables and topics; raises StreamUnavailable: call again."""
        self.create()
        self._post.open()

    def step(self) -> bool:
        """One round. Returns whether anything was done. Raises StreamUnavailable: nothing is lost, step again."""
        done = self._post.receive(self._handlers)
        done += self.endings.step()
        done += self._upkeep.run()
        done += self.evaluations.settle()
        done += self.evaluations.ask()
        done += self.evaluations.send()
        done += self._collect()
        self._refill()
        done += self._post.tick(self._fill)
        done += self._post.send()
        return done > 0

    def _collect(self) -> int:
        with self._db.reading() as tx:  # a node at rest takes no write lock
            if not self._uncollected(tx):
                return 0
        with self._db.transaction() as tx:
            return self._relay.collect(tx)

    def _refill(self) -> None:
        """Streams that began anew get their live state."""
        for topic in self._post.refills():
            with self._db.transaction() as tx:
                if topic.family == "linkage":
                    self._relay.refill(tx)
                    renewals.tell_again(tx)
                elif topic.family == "evaluate":
                    self.evaluations.refill(tx, topic)
                self._post.refilled(tx, topic)

    def _fill(self, tx: Transaction, topic: Topic, partition: int, tick: int) -> Fill:
        """What a tick carries. Everything that changed before the tick began leaves with it, or before it."""
        if topic.family == "evaluate" and self.charter.cover:
            items = self.evaluations.covered(tx, topic)
            return Fill(items, self.evaluations.covered_size(items))
        if topic.family == "linkage":
            return self._with_closed_epochs(tx, self._fill_linkage(tx, topic, partition))
        if topic.family == "cases" and self._outlines_due(tick):
            return Fill(self._relay.take(tx, topic, partition, AT_ONCE))
        return Fill()

    def _fill_linkage(self, tx: Transaction, topic: Topic, partition: int) -> Fill:
        while self._relay.collect(tx):
            pass  # in the tick's own transaction: what was committed before it has left with it
        if self.charter.cover:
            room = self.charter.cover_submissions
            size = room * (_SUBMISSION_BYTES + 44 * len(self.charter.slots))
            # The tick says that all that was set before it has been sent: grants and revocations wait for no other.
            while self._relay.urgent(tx, partition) > room:
                items = self._relay.take(tx, topic, partition, room)
                self._post.write(tx, topic, items, partition=partition, size=size)
            return Fill(self._relay.take(tx, topic, partition, room), size)
        while self._relay.waiting(tx, partition) > AT_ONCE:
            self._post.write(tx, topic, self._relay.take(tx, topic, partition, AT_ONCE), partition=partition)
        return Fill(self._relay.take(tx, topic, partition, AT_ONCE))

    def _with_closed_epochs(self, tx: Transaction, fill: Fill) -> Fill:
        """And which epochs hold all that is out, once all of it has left, through whichever partition."""
        closed = renewals.untold(tx) if not self._relay.waiting(tx) else []
        if not closed or (self.charter.cover and len(fill.items) + len(closed) > self.charter.cover_submissions):
            return fill
        renewals.told(tx, closed)
        return Fill([*fill.items, *closed], fill.size)

    def _outlines_due(self, tick: int) -> bool:
        """Whether this tick is the first of a new span of outlines."""
        every = max(1, round(self.charter.outline_seconds / self.charter.tick_seconds))
        return tick % every == 0

    def _take_notices(self, tx: Transaction, header: Header, body: Body) -> None:
        self._notices.take(tx, header, body)
        if body.tick is not None and len(body.items) < self.charter.notices_per_tick:
            tx.execute(
                "INSERT INTO cursors (name, position) VALUES ('roomy_tick', ?)"
                " ON CONFLICT (name) DO UPDATE SET position = excluded.position",
                (body.tick,),
            )

    def status(self) -> NodeStatus:
        """What the node has done and what it waits for."""
        post, places = self._post.status(), self._post.places(f"linkage.{self.country}")
        with self._db.reading() as tx:
            roomy = tx.execute("SELECT position FROM cursors WHERE name = 'roomy_tick'")
            return NodeStatus(
                cases=_one(tx, "SELECT COUNT(*) FROM cases"),
                publications=_grouped(tx, "SELECT state, COUNT(*) FROM publications GROUP BY state"),
                leaving=self._relay.waiting(tx) + self._uncollected(tx),
                open_batches=_grouped(tx, "SELECT pair, COUNT(*) FROM batches GROUP BY pair"),
                waits_for=self.evaluations.waits_for(tx),
                renewing=self.evaluations.renewing(tx),
                linkage_written=sum(p.seq + 1 for p in places),
                linkage_confirmed=sum(p.acked + 1 for p in places),
                told=_one(tx, "SELECT COUNT(*) FROM matches"),
                ended=self.endings.listed(tx),
                roomy_tick=int(roomy[0][0]) if roomy else -1,
                post=post,
            )

    def keys(self) -> KeyReport:
        """Every key that this node has or has heard of."""
        with self._db.reading() as tx:
            return custody.report(
                self.country,
                self.charter,
                self._ring,
                self._post.directory,
                tx,
                self.clock.now(),
                persons=self._persons.living(),
            )

    def _uncollected(self, tx: Transaction) -> int:
        """Rows of the log that the relay has not read."""
        return self._store.last(tx) - self._relay.read_to(tx)


def _one(tx: Transaction, sql: str) -> int:
    return int(tx.execute(sql)[0][0])


def _grouped(tx: Transaction, sql: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in tx.execute(sql)}
