"""Seconds from six countries that know nothing of each other to fifteen pairs' keys, and to new shares of all of them.

All of a region's services, each with its own store and its own connections to a real broker, stepped in turns in this
process: the time is what all of them work on one core, and the broker's. Introduced: from the first topic until every
holder has checked both shares of each of its pairs and nobody has anything left to do. Refreshed: from the custodians'
asking until every holder has the new generation in force. That a former share is then destroyed waits for a tick of the
charter's, an hour here, and is not in it.

Bare is the arithmetic of it: draw or move each share and prove it once, and check it once at each party.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any, Final, Self

from events.clock import SystemClock
from events.database import open_database
from events.kafka import KafkaStream
from events.succession import load_charter
from keys import refresh, shares
from keys.kek import load_kek
from keys.persons import PersonKeys
from keys.refresh import Place
from keys.ring import KeyRing
from keys.shares import Share
from services.bench import world
from services.bench.bare_kafka import drop_topics
from services.bench.measure import Figure, Pair, Stopwatch
from services.bench.setting import Setting
from services.country.node import Node
from services.demo.broker import start_broker
from services.demo.region import NAMES, Region
from services.keyholder.holder import KeyHolder
from services.matcher.matcher import Matcher
from services.runtime.errors import PeerUnreachable

COUNTRIES: tuple[str, ...] = tuple(sorted(NAMES))
ROUNDS: Final = 3
_PATIENCE: Final = 120.0
"""Seconds after which it is not coming any more."""


def measure(setting: Setting) -> Iterator[Figure]:
    bootstrap = start_broker(setting.broker, setting.processes, setting.work)
    introduced, refreshed = [], []
    for i in range(ROUNDS):
        region = world.region(setting.work / f"region-{i}", COUNTRIES)
        with ExitStack() as ending:
            if setting.broker == "kafka":  # it may be a cluster that goes on; the embedded broker ends with us
                ending.callback(drop_topics, bootstrap, f"{region.charter.region}.")
            services = ending.enter_context(Services(region, bootstrap))
            introduced.append(Pair(services.introduce(), _introduced(region)))
            refreshed.append(Pair(services.refresh(1), _refreshed(region)))
    pairs = len(region.charter.pairs)
    bare = f"bare: the arithmetic alone, each proof checked by each of {len(region.charter.parties)} parties"
    for done, runs in (("introduced", introduced), ("refreshed", refreshed)):
        what = f"{pairs} pairs' keys {done} among {len(COUNTRIES)} countries, all their work on one core; {bare}"
        yield Figure.of(f"keys-{done}/{setting.broker}", what, "s", pairs, runs)


class Services:
    """Nodes, key holders and matcher of a region that has just been founded, not opened yet. Use as a context."""

    def __init__(self, region: Region, bootstrap: str) -> None:
        self._ending = ExitStack()
        self._charter, self._digest = load_charter(region.charter_file)
        self._clock = SystemClock()
        self._all = [self._service(region, party.id, party.kind, bootstrap) for party in self._charter.parties]
        self._holders = [one for one in self._all if isinstance(one, KeyHolder)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def _service(self, region: Region, party: str, kind: str, bootstrap: str) -> Node | KeyHolder | Matcher:
        home = region.home(party)
        kek = load_kek(home / "kek")
        parts: dict[str, Any] = {
            "charter": self._charter,
            "digest": self._digest,
            "ring": KeyRing.open(home / "ring.json", kek),
            "database": self._ending.enter_context(closing(open_database(f"sqlite:///{home / 'store.db'}"))),
            "stream": self._ending.enter_context(closing(KafkaStream(bootstrap, f"{self._charter.region}."))),
            "clock": self._clock,
        }
        if kind == "keyholder":
            return KeyHolder(party, **parts)
        if kind == "matcher":
            return Matcher(party, **parts)
        persons = self._ending.enter_context(closing(PersonKeys(home / "persons.db", kek)))
        return Node(party, persons=persons, **parts)

    def introduce(self) -> float:
        """Seconds until the first shares of all pairs are in force. Raises PeerUnreachable: they do not come."""
        with Stopwatch(time.perf_counter) as watch:
            for one in self._all:
                one.open()
            self._settle(0)
        return watch.seconds

    def refresh(self, generation: int) -> float:
        """Seconds until this, the next, generation is in force everywhere. Raises PeerUnreachable."""
        with Stopwatch(time.perf_counter) as watch:
            for one in self._holders:
                one.refreshes.ask(None, "bench")
            self._settle(generation)
        return watch.seconds

    def _settle(self, generation: int) -> None:
        """Step everybody until this generation of all pairs is in force, and nobody has anything to do."""
        until = time.monotonic() + _PATIENCE
        while any([one.step() for one in self._all]) or not self._are_in(generation):  # noqa: C419  all of them
            if time.monotonic() > until:
                raise PeerUnreachable(f"After {_PATIENCE:.0f} seconds, not all pairs' keys were in place.")

    def _are_in(self, generation: int) -> bool:
        return all(pair.generation == generation for one in self._holders for pair in one.refreshes.progress())


def _introduced(region: Region) -> float:
    """Draw and prove each share, and check it at each party."""
    with Stopwatch(time.perf_counter) as watch:
        for pair in region.charter.pairs:
            for holder in region.charter.holders_of(pair):
                share, proof = shares.introduce(bytes(32), pair, 1, 0, holder)
                _checked(region, share, proof)
    return watch.seconds


def _refreshed(region: Region) -> float:
    """Draw, reveal and open both parts, move and prove both shares, and check them at each party."""
    before = {
        pair: [shares.introduce(bytes(32), pair, 1, 0, holder)[0] for holder in region.charter.holders_of(pair)]
        for pair in region.charter.pairs
    }
    with Stopwatch(time.perf_counter) as watch:
        for one, other in before.values():
            _refresh(region, one, other)
    return watch.seconds


def _refresh(region: Region, one: Share, other: Share) -> None:
    parts = refresh.draw(), refresh.draw()
    for share, (mine, theirs), holder in ((one, parts, other.holder), (other, parts[::-1], one.holder)):
        place = Place(bytes(32), share.pair, 1, 1, holder)
        delta = refresh.opened(mine, refresh.reveal(theirs, place, mine.seal_to), place, theirs.public)
        moved = refresh.moved(share, mine.delta, delta, 1)
        _checked(region, moved, shares.prove_knowledge(bytes(32), moved))
        for _ in region.charter.parties:
            refresh.is_moved(share.public, mine.public, theirs.public, moved.public)


def _checked(region: Region, share: Share, proof: bytes) -> None:
    for _ in region.charter.parties:
        shares.verify_introduction(
            bytes(32), share.pair, share.epoch, share.generation, share.holder, share.public, proof
        )
