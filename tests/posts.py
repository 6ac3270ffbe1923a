"""A small region's posts, and nothing above them: what the tests of streams hold in their hands.

(tests/regions.py has whole regions, with their services.)
"""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from events.charter import Charter, LastSigned, Member, Party, SigningKey, Topic
from events.clock import ManualClock
from events.database import Database, open_database
from events.envelope import pack, unpack
from events.messages import Body, Revocation
from events.post import Post
from events.stream import MemoryStream, Stream
from keys import sign
from keys.ring import KeyRing

LINKAGE = "linkage.KH"


@dataclass
class Seat:
    """One party at its desk: what a process holds."""

    me: str
    ring: KeyRing
    database: Database
    post: Post


class Posts:
    """KH and TH, their holders and the matcher, over one carrier and one clock that stands still."""

    START = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __init__(self, folder: Path, stream: Stream | None = None, **rules) -> None:
        self.folder = folder
        self.stream = stream or MemoryStream()
        self.clock = ManualClock(self.START)
        ids = ["KH", "TH", "KH.holder", "TH.holder", "matcher"]
        self.seeds = {party: sign.new_seed() for party in ids}
        self.charter = Charter(**{
            "version": 1, "region": "test", "issued": self.START - timedelta(days=1),
            "members": [
                Member(country=c, name=c, roots=[f"{c}{n}".encode().hex().rjust(64, "0") for n in (1, 2, 3)])
                for c in ("KH", "TH")
            ],
            "parties": [self._party(party) for party in ids],
            "pairs": ["KH-TH"], "slots": ["DOC", "FULL"], "tick_seconds": 60, "cover": False, **rules,
        })
        self.digest = bytes(32)

    def _party(self, party: str) -> Party:
        kind = "matcher" if party == "matcher" else "keyholder" if party.endswith(".holder") else "country"
        key = SigningKey(
            id=f"{party}-1", public=sign.public_key(self.seeds[party]).hex(),
            valid_from=self.START - timedelta(days=1), valid_until=self.START + timedelta(days=365),
        )
        return Party(id=party, kind=kind, country=None if party == "matcher" else party[:2], signing=(key,))

    def renew(self, party: str, ring: KeyRing, **first: object) -> Charter:
        """A party gets a second signing key, in its ring and in a newer charter, which says this of the first one.

        `seeds` keeps the first key: what its thief has.
        """
        now, seed = self.clock.now(), sign.new_seed()
        public = sign.public_key(seed)
        ring.add("signing", f"{party}-2", seed, public=public, valid_from=now, primary=True)
        one = self.charter.party(party)
        two = SigningKey(
            id=f"{party}-2", public=public.hex(), valid_from=now, valid_until=self.START + timedelta(days=730)
        )
        keys = {"signing": (one.signing[0].model_copy(update=first), two)}
        parties = tuple(p.model_copy(update=keys) if p.id == party else p for p in self.charter.parties)
        return self.charter.model_copy(update={"version": 2, "issued": now, "parties": parties})

    def topic(self, name: str) -> Topic:
        return next(t for t in self.charter.topics if t.name == name)

    def ring(self, me: str, name: str | None = None) -> KeyRing:
        ring = KeyRing.create(self.folder / f"{name or me}.ring", bytes(32))
        ring.add(
            "signing", f"{me}-1", self.seeds[me], public=sign.public_key(self.seeds[me]),
            valid_from=self.START - timedelta(days=1), primary=True,
        )
        return ring

    def seat(
        self, me: str, *, database: Database | None = None, ring: KeyRing | None = None, charter: Charter | None = None,
        stream: Stream | None = None, opened: bool = True,
    ) -> Seat:
        """A party's post, opened; on a database and ring that it had before, or on new ones."""
        ring = ring or self.ring(me)
        database = database or open_database("sqlite:///:memory:")
        post = Post(
            me=me, charter=charter or self.charter, charter_digest=self.digest, ring=ring, database=database,
            stream=stream or self.stream, clock=self.clock,
        )
        if opened:
            post.open()
        return Seat(me, ring, database, post)


def item(number):
    return Revocation(handle=f"{number:032x}")


def numbers(items):
    return [int(i.handle, 16) for i in items]


def copy(database, path):
    """What a backup does, while the database is open."""
    with database.reading(), sqlite3.connect(database.datastore.pool.db_name, uri=True) as source:
        with sqlite3.connect(path) as target:
            source.backup(target)
        target.close()
    source.close()


class Pair:
    """KH, which writes, and the matcher, which reads; `got` is what the matcher's handler has seen."""

    def __init__(self, region):
        self.region = region
        self.kh, self.matcher = region.seat("KH"), region.seat("matcher")
        self.topic = region.topic(LINKAGE)
        self.got = []
        self.matcher.database.create(["CREATE TABLE IF NOT EXISTS effects (value TEXT)"])
        self.settle()

    def handle(self, tx, header, body):
        self.got += numbers(body.items)

    def handlers(self):
        return {"linkage": self.handle, "cases": lambda *_: None}

    def write(self, *values, partition=0):
        with self.kh.database.transaction() as tx:
            for value in values:
                self.kh.post.write(tx, self.topic, [item(value)], partition=partition)

    def receive(self):
        return self.matcher.post.receive(self.handlers())

    def reply(self):
        """The matcher opens a tick, KH hears it."""
        self.matcher.post.tick()
        self.matcher.post.send()
        return self.kh.post.receive({"notices": lambda *_: None, "evaluated": lambda *_: None})

    def settle(self):
        for seat in (self.kh, self.matcher):
            seat.post.send()
        self.kh.post.receive({})
        self.matcher.post.receive({})

    def next_tick(self, rounds=1):
        for _ in range(rounds):
            self.region.clock.advance(60)
            self.kh.post.tick()
            self.kh.post.send()
            self.receive()
            self.reply()
            self.kh.post.send()
            self.receive()

    def last(self):
        """The last envelope of every stream of KH, as its custodians would name it."""
        places = [at for topic in self.region.charter.written_by("KH") for at in self.kh.post.places(topic.name)]
        return tuple(
            LastSigned(topic=at.topic, partition=at.partition, epoch=at.epoch, seq=at.seq) for at in places if at.seq >= 0
        )

    def renew(self, **first):
        """KH gets a second signing key by a newer charter, which says this of the first; all start again under it."""
        region = self.region
        region.charter = region.renew("KH", self.kh.ring, **first)
        self.restart()

    def restart(self):
        self.kh = self.region.seat("KH", database=self.kh.database, ring=self.kh.ring)
        self.matcher = self.region.seat("matcher", database=self.matcher.database, ring=self.matcher.ring)

    def refill(self):
        """What a service does for its topics that were begun anew; there is no live state here."""
        with self.kh.database.transaction() as tx:
            for topic in self.kh.post.refills(tx):
                self.kh.post.refilled(tx, topic)

    def log(self, topic=LINKAGE, partition=0):
        return self.region.stream._logs[topic, partition]

    def forged(self, seq, *values, epoch=1, prev=None, **changed):
        """An envelope under KH's own key, as only KH, or a thief of its key, can make it."""
        last = unpack(self.log()[-1])
        key = self.kh.post.directory.sealing_key("matcher", self.region.clock.now())
        header = last.header.model_copy(
            update={"seq": seq, "epoch": epoch, "prev": (prev or last.hash).hex(), "sealing_key": key.id, **changed}
        )
        body = Body(items=tuple(map(item, values))).model_dump_json().encode()
        return pack(header, body, seed=self.region.seeds["KH"], recipient=key.public).wire

    def deliver(self, *wires, topic=LINKAGE):
        self.region.stream.append([(topic, 0, wire) for wire in wires])


def say(pair, heads=(), wants=()):
    """The matcher tells KH this of KH's streams, right or wrong."""
    topic = pair.region.topic("notices.KH")
    with pair.matcher.database.transaction() as tx:
        key = pair.matcher.post.directory.sealing_key("KH", pair.region.clock.now(), tx)
        body = Body(heads=tuple(heads), wants=tuple(wants)).model_dump_json().encode()
        pair.matcher.post._outbox.put(tx, topic, 0, body, to=key)
    pair.matcher.post.send()
    pair.kh.post.receive({"notices": lambda *_: None})
    return pair.kh.post.status()
