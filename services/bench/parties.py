"""A country and the matcher with a post each, on two databases and one broker, in this process."""

import secrets
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from events.clock import SystemClock
from events.database import Database, Transaction, open_database
from events.envelope import Header
from events.ids import new_handle
from events.kafka import KafkaStream
from events.messages import Body, Submission
from events.post import Post
from events.succession import load_charter
from keys.kek import load_kek
from keys.ring import KeyRing
from matching.index import INDEX
from services.bench import world
from services.demo.region import SLOTS, Region
from services.runtime.errors import PeerUnreachable

_MATCHER: Final = "matcher"
_A_TRANSACTION: Final = 100
"""Envelopes that are written in one transaction."""
_ROOM: Final = 420 + 44 * len(SLOTS)
"""Bytes to which a node pads each submission."""
_PATIENCE: Final = 10.0
"""Seconds without a record after which the broker counts as silent."""


class Parties:
    """The writer's and the reader's end of one stream. Use as a context."""

    def __init__(self, region: Region, bootstrap: str) -> None:
        self.region = region.charter.region
        self._ending = ExitStack()
        self._stream = self._ending.enter_context(closing(KafkaStream(bootstrap, f"{self.region}.")))
        self._database, self._writer = self._post(region, world.HOME, bootstrap)
        _, self._reader = self._post(region, _MATCHER, bootstrap)
        self._topic = next(t for t in region.charter.topics if t.name == f"linkage.{world.HOME}")
        self._until = SystemClock().now() + timedelta(days=region.charter.grant_days)
        self._received = 0
        self._introduce()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def _post(self, region: Region, party: str, bootstrap: str) -> tuple[Database, Post]:
        home = region.home(party)
        charter, digest = load_charter(region.charter_file)
        database = self._ending.enter_context(closing(open_database(f"sqlite:///{home / 'store.db'}")))
        post = Post(
            me=party,
            charter=charter,
            charter_digest=digest,
            ring=KeyRing.open(home / "ring.json", load_kek(home / "kek")),
            database=database,
            stream=self._ending.enter_context(closing(KafkaStream(bootstrap, f"{self.region}."))),
            clock=SystemClock(),
        )
        post.open()
        return database, post

    def _introduce(self) -> None:
        """Each learns the other's sealing key."""
        for post in (self._reader, self._writer):
            while post.send():
                pass
        while not self._writer.receive({}, wait=_PATIENCE):
            pass

    def submissions(self, count: int) -> list[Submission]:
        """As many people's rows of slots, with random indices."""
        return [
            Submission(
                handle=new_handle(),
                pair=world.PAIR,
                epoch=1,
                schema_version=1,
                indices=secrets.token_bytes(INDEX * len(SLOTS)),
                grant="tell",
                grant_until=self._until,
            )
            for _ in range(count)
        ]

    def send(self, loads: Sequence[Sequence[Submission]]) -> None:
        """Each load as one envelope, padded as in a tick with cover; all with the broker on return."""
        for start in range(0, len(loads), _A_TRANSACTION):
            with self._database.transaction() as tx:
                for load in loads[start : start + _A_TRANSACTION]:
                    self._writer.write(tx, self._topic, load, size=len(load) * _ROOM)
        while self._writer.send():
            pass

    def receive(self, count: int) -> None:
        """Take so many envelopes into effect. Raises PeerUnreachable if they do not come."""
        wanted = self._received + count
        while self._received < wanted:
            if not self._reader.receive({"linkage": self._take}, wait=_PATIENCE):
                raise PeerUnreachable(f"The broker gave {wanted - self._received} of {count} envelopes too few.")

    def _take(self, _tx: Transaction, _header: Header, _body: Body) -> None:
        self._received += 1

    def envelope_size(self, count: int) -> int:
        """Bytes on the wire of an envelope of so many submissions; sends one."""
        place = (self._topic.name, 0)
        end = self._stream.end(*place)
        self.send([self.submissions(count)])
        self.receive(1)
        return len(self._stream.read({place: end}, 1, _PATIENCE)[0].value)
