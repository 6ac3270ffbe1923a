"""A region of posts that lives tick by tick on a carrier in memory, and what an auditor says of it.

The parties are honest; a test tampers with the carrier's log, or signs with a party's own key what an honest party
never would.
"""

from datetime import datetime

from events.database import open_database
from events.envelope import Envelope, pack, unpack
from events.messages import AcceptedTotal, Body, EvaluatedTotal, ShareIntroduced
from events.stream import Delivered
from keys import shares
from services.auditor import reading
from services.auditor.report import Report
from services.auditor.streams import audit

PAIR = "KH-TH"
KEYS = "keys.KH.holder"
PARTIES = ("KH", "TH", "KH.holder", "TH.holder", "matcher")


class World:
    """Every party of `posts.Posts` at its desk, with its shares introduced."""

    def __init__(self, region, parties=PARTIES, *, ticks=4) -> None:
        self.region = region
        self.shares = {}
        self.seats = {party: region.seat(party, database=open_database("sqlite:///:memory:")) for party in parties}
        for party in parties:
            if party.endswith(".holder"):
                self.introduce(party)
        self.settle()
        self.live(ticks)

    # ---- honest life

    def introduce(self, holder: str, generation: int = 0) -> None:
        share, proof = shares.introduce(self.region.digest, PAIR, 1, generation, holder)
        self.shares[holder, generation] = share
        self.announce(holder, introduction(share, proof))

    def announce(self, party: str, *items) -> None:
        with self.seats[party].database.transaction() as tx:
            self.seats[party].post.announce(tx, *items)

    def tells(self, holder: str, count: int, most: int | None = None, country: str = "KH") -> None:
        self.say(holder, evaluated(count, most, country))

    def accepts(self, count: int, country: str = "KH") -> None:
        self.say("matcher", accepted(count, country))

    def settle(self) -> None:
        """Everybody sends, then reads."""
        for seat in self.seats.values():
            seat.post.send()
        for seat in self.seats.values():
            seat.post.receive(dict.fromkeys(("cases", "linkage", "notices", "evaluate", "evaluated"), lambda *_: None))

    def live(self, ticks: int, *parties: str, without: tuple[str, ...] = ()) -> None:
        """So many ticks pass; only these parties open them."""
        for _ in range(ticks):
            self.region.clock.advance(self.region.charter.tick_seconds)
            for party in parties or [p for p in self.seats if p not in without]:
                self.seats[party].post.tick()
            self.settle()

    # ---- dishonesty

    def say(self, party: str, *items) -> None:
        """Put items on `keys.<party>` that its own directory need not agree to."""
        post = self.seats[party].post
        with self.seats[party].database.transaction() as tx:
            post._put(tx, post._keys_topic, items, partition=0, tick=None, size=None, to=None)
        self.settle()

    def log(self, topic: str) -> list[bytes]:
        """The carrier's own records of a topic, to be tampered with."""
        return self.region.stream._logs[topic, 0]

    def envelope(self, topic: str, index: int = -1) -> Envelope:
        return unpack(self.log(topic)[index])

    def signed(self, topic: str, *, like=-1, after=False, seed: bytes | None = None, body=None, **changed) -> bytes:
        """Bytes of an envelope as the topic's writer, or a thief of its key, can make it.

        like    the record whose header it bears; with `after`, it is the next one
        seed    another key to sign with
        body    bytes of a public body
        """
        header = self.envelope(topic, like).header
        if after:
            header = header.model_copy(update={"seq": header.seq + 1, "prev": self.envelope(topic, like).hash.hex()})
        header = header.model_copy(update=changed)
        writer, reader = self.region.topic(topic).writer, self.region.topic(topic).reader
        known = self.seats["matcher"].post.directory
        key = known.sealing_key(reader, self.region.clock.now()) if reader and header.sealing_key else None
        plain = Body(pad="other").model_dump_json().encode() if body is None else body
        return pack(header, plain, seed=seed or self.region.seeds[writer], recipient=key.public if key else None).wire

    # ---- the auditor

    def records(self) -> tuple[list[Delivered], dict]:
        ends = reading.ends_of(self.region.stream, self.region.charter)
        return list(reading.records(self.region.stream, ends)), ends

    def report(self, *, charter=None, now: datetime | None = None) -> Report:
        records, ends = self.records()
        return audit(
            charter or self.region.charter, self.region.digest, records, now=now or self.region.clock.now(), ends=ends
        )

    def found(self, **of) -> list[tuple[str, str, int | None]]:
        """(code, topic, number) of each finding."""
        return [(f.code, f.topic, f.seq) for f in self.report(**of).findings]


def introduction(share, proof: bytes) -> ShareIntroduced:
    return ShareIntroduced(
        pair=share.pair, epoch=share.epoch, generation=share.generation, holder=share.holder, public=share.public.hex(),
        proof=proof,
    )


def evaluated(count: int, most: int | None = None, country: str = "KH") -> EvaluatedTotal:
    most = count if most is None else most
    return EvaluatedTotal(pair=PAIR, epoch=1, country=country, count=count, most_in_a_day=most)


def accepted(count: int, country: str = "KH") -> AcceptedTotal:
    return AcceptedTotal(pair=PAIR, epoch=1, country=country, count=count)
