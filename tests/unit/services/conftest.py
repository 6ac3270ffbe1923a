"""Key holders and the matcher in one process, over a stream in memory and a clock that stands still.

A fake country is a post that writes what a country would, and keeps what it is told. `mortal` gives a party a database
and a stream that die with it at a chosen moment: before something is done, or after it was done and nobody was told.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from uuid import UUID, uuid4

import pytest
from mortal import Fuse, Killed, MortalDatabase, MortalStream
from posts import Posts

from events.database import open_database
from events.messages import EvaluationAsked, GrantChanged, MatchEnded, Revocation, Submission
from events.post import Fill
from keys import group, labels
from keys.ring import KeyRing
from services.keyholder.holder import KeyHolder
from services.matcher.matcher import Matcher


@pytest.fixture
def mortal() -> Callable:
    """(database, stream, n, done) -> both, dying together at the nth thing made durable."""

    def make(database, stream, at: int, *, done: bool):
        fuse = Fuse(at, done=done)
        return MortalDatabase(database, fuse), MortalStream(stream, fuse)

    return make


@pytest.fixture(scope="session")
def killed() -> type[BaseException]:
    return Killed


# ---- parties


@pytest.fixture(scope="session")
def new_region() -> type[Posts]:
    """To make regions with other rules, or many of them."""
    return Posts


class FakeCountry:
    """A country's post: it asks and submits, and keeps what it is told."""

    def __init__(self, region, me: str) -> None:
        self.region, self.me = region, me
        self.seat = region.seat(me, database=open_database("sqlite:///:memory:"))
        self.post = self.seat.post
        self.answers: list[tuple[str, object]] = []
        self.notices: list = []
        self._waiting: list[tuple[str, int, Sequence]] = []

    def step(self) -> bool:
        done = self.post.receive({"evaluated": self._hear, "notices": self._notice})
        done += self.post.tick(self._fill)
        return bool(done + self.post.send())

    def _hear(self, tx, header, body) -> None:
        self.answers += [(header.writer, item) for item in body.items]

    def _notice(self, tx, header, body) -> None:
        self.notices += body.items

    def _fill(self, tx, topic, partition, tick):
        mine = [w for w in self._waiting if (w[0], w[1]) == (topic.name, partition)]
        self._waiting = [w for w in self._waiting if w not in mine]
        return Fill([item for _, _, items in mine for item in items])

    def says(self, topic: str, *items, partition: int = 0) -> None:
        """Write now, between ticks."""
        with self.seat.database.transaction() as tx:
            self.post.write(tx, self.region.topic(topic), items, partition=partition)

    def says_at_tick(self, topic: str, *items, partition: int = 0) -> None:
        """Write with the next tick."""
        self._waiting.append((topic, partition, items))

    # ---- to the matcher

    def submission(self, handle: str, grant: str = "tell", *, days: int = 90, **changes) -> Submission:
        """A row. Each of `changes` is a slot's content (doc="A"), or a field; slots without one are like no other."""
        values = [
            changes.pop(recipe.lower(), f"{self.me} {handle} {slot}")
            for slot, recipe in enumerate(self.region.charter.slots)
        ]
        fields = {
            "handle": handle_of(self.me, handle), "pair": "KH-TH", "epoch": 1, "schema_version": 1,
            "indices": b"".join(hashlib.sha256(value.encode()).digest() for value in values),
            "grant": grant, "grant_until": self.region.clock.now() + timedelta(days=days),
        }
        return Submission(**{**fields, **changes})

    def submits(self, handle: str, grant: str = "tell", **changes) -> None:
        self.tells_matcher(self.submission(handle, grant, **changes))

    def grants(self, handle: str, grant: str, *, days: int = 90) -> None:
        until = self.region.clock.now() + timedelta(days=days)
        self.tells_matcher(GrantChanged(handle=handle_of(self.me, handle), grant=grant, grant_until=until))

    def revokes(self, handle: str, serial: int = 0) -> None:
        self.tells_matcher(Revocation(handle=handle_of(self.me, handle), serial=serial))

    def ends(self, handle: str, match_ref: str) -> None:
        self.tells_matcher(MatchEnded(match_ref=match_ref, handle=handle_of(self.me, handle)))

    def tells_matcher(self, *items) -> None:
        """With the next tick, as a country does."""
        self.says_at_tick(f"linkage.{self.me}", *items)

    def told(self, handle: str | None = None) -> list[str]:
        """What this country heard of a handle, or of all: `this_side`, `both`, `over`, in order."""
        mine = None if handle is None else handle_of(self.me, handle)
        return [getattr(n, "told", "over") for n in self.notices if mine in {None, n.handle}]

    # ---- to key holders

    def asks(self, holder: str, elements: Sequence[bytes], **changes) -> EvaluationAsked:
        fields = {
            "batch": uuid4(), "pair": "KH-TH", "epoch": 1, "generation": 0, "purpose": "match", "n": len(elements),
            "blinded": b"".join(elements),
        }
        item = EvaluationAsked(**{**fields, **changes})
        self.says(f"evaluate.{self.me}.{holder[:2]}", item)
        return item

    def answers_to(self, batch: UUID) -> list:
        return [item for _, item in self.answers if item.batch == batch]


def handle_of(country: str, name: str) -> str:
    return hashlib.sha256(f"{country} {name}".encode()).hexdigest()[:32]


@pytest.fixture
def fake_country() -> type[FakeCountry]:
    return FakeCountry


@pytest.fixture
def settle() -> Callable:
    """Step parties until none has anything to do."""

    def run(*parties, rounds: int = 50) -> None:
        for _ in range(rounds):
            done = [party.step() for party in parties]
            if not any(done):
                return
        pytest.fail("The parties never come to rest.")

    return run


@pytest.fixture
def elements() -> Callable[[int], list[bytes]]:
    """n group elements, different at every call."""
    numbers = count()

    def make(n: int) -> list[bytes]:
        return group.hash_to_group([b"%d" % next(numbers) for _ in range(n)], labels.TOKEN_TO_GROUP)

    return make


def parts(region, me: str, database, stream) -> dict:
    """What a party is composed of, on the ring that it had before if it had one."""
    path = region.folder / f"{me}.ring"
    return {
        "charter": region.charter, "digest": region.digest, "clock": region.clock, "database": database,
        "ring": KeyRing.open(path, bytes(32)) if path.exists() else region.ring(me),
        "stream": stream or region.stream,
    }  # fmt: skip


@pytest.fixture
def open_holder() -> Callable:
    """A region's key holder, on the files that it had before if it had any."""

    def make(region, me: str, *, database=None, stream=None, opened: bool = True) -> KeyHolder:
        database = database or open_database(f"sqlite:///{region.folder}/{me}.db")
        holder = KeyHolder(me, **parts(region, me, database, stream))
        if opened:
            holder.open()
        return holder

    return make


@pytest.fixture
def open_matcher() -> Callable:
    """A region's matcher, on the ring that it had before if it had one; its database is in memory unless given."""

    def make(region, *, database=None, stream=None, opened: bool = True) -> Matcher:
        database = database or open_database("sqlite:///:memory:")
        matcher = Matcher("matcher", **parts(region, "matcher", database, stream))
        if opened:
            matcher.open()
        return matcher

    return make


@pytest.fixture
def pass_ticks(settle) -> Callable:
    """Let ticks go by; at each, the parties do all that they can, in the order given."""

    def run(region, *parties, ticks: int = 1) -> None:
        for _ in range(ticks):
            region.clock.advance(region.charter.tick_seconds)
            settle(*parties)

    return run


@pytest.fixture
def trio(region, fake_country, open_matcher, pass_ticks):
    """KH, TH and the matcher, acquainted, and a function that lets ticks go by."""
    kh, th, matcher = fake_country(region, "KH"), fake_country(region, "TH"), open_matcher(region)

    def run(ticks: int = 1) -> None:
        pass_ticks(region, kh, th, matcher, ticks=ticks)

    run(2)
    return kh, th, matcher, run
