"""A whole region in one process: real nodes, key holders and matcher, on a stream and a clock that the test moves.

Everything is what runs in production but HTTP, processes and the broker. A party is killed by dropping its object, and
comes back from its files.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from events.base import Act, Actor, Purpose, Role
from events.charter import MONTH
from events.clock import ManualClock
from events.database import Database, open_database
from events.envelope import Envelope, read_body, unpack
from events.messages import Body, Item
from events.stream import MemoryStream, Stream
from events.succession import load_charter
from keys.errors import UnknownKey
from keys.hsm import TokenAddress
from keys.kek import load_kek
from keys.persons import PersonKeys, open_persons
from keys.ring import KeyRing
from services.country.desk import CaseFile
from services.country.importer import Report, Stated
from services.country.node import Node
from services.demo.region import COUNTRY_STAFF, Region, found_region
from services.keyholder.holder import KeyHolder
from services.matcher.matcher import Matcher

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
QUICK: dict[str, Any] = {
    "tick_seconds": 60.0, "cover": False, "quota_per_day": 100_000, "intake_per_day": 100_000,
    "outline_seconds": 60.0, "totals_seconds": 60.0, "analyst_batch_seconds": 60.0,
}
Wrap = Callable[[str, Database, Stream], tuple[Database, Stream]]


class LiveRegion:
    """Parties by id: `region.nodes["KH"]`, `region.holders["KH"]`, `region.matcher`. A context: left, all are closed."""

    def __init__(
        self, root: Path, countries: tuple[str, ...], *, stream: Stream | Callable[[str], Stream] | None = None,
        store: Callable[[str], str | None] = lambda _party: None, **rules: Any,
    ) -> None:
        """Found a region below `root` and start its parties.

        stream  what all of them share, or what gives each party its own
        store   party -> its database's address; None: SQLite in its home folder
        rules   the charter's, otherwise than in QUICK
        """
        slow = {"totals_seconds": MONTH} if rules.get("cover") else {}
        region = found_region(root, countries, now=START, **(QUICK | slow | rules))
        self._begin(region, ManualClock(START), stream or MemoryStream(), store)

    def copied(self, root: Path) -> "LiveRegion":
        """The same region at the same moment, once more, in files of its own: founding one takes its time."""
        stream = MemoryStream()
        stream._partitions = dict(self.stream._partitions)
        stream._logs = {place: list(log) for place, log in self.stream._logs.items()}
        shutil.copytree(self.region.root, root)
        copy = object.__new__(LiveRegion)
        copy._begin(Region(root, self.charter), ManualClock(self.clock.now()), stream, self._store)
        return copy

    def _begin(
        self, region: Region, clock: ManualClock, stream: Stream | Callable[[str], Stream],
        store: Callable[[str], str | None],
    ) -> None:
        self.region, self.clock, self._store = region, clock, store
        self.charter, self.digest = load_charter(region.charter_file)
        self.stream: Any = stream
        self.wrap: Wrap = lambda _party, database, carrier: (database, carrier)
        """What the parties that are started from now on get in the place of their database and stream."""
        self.pepper: TokenAddress | None = None
        """Where a matcher that is started from now on makes its peppers; None: in its ring."""
        self.databases: dict[str, Database] = {}
        self._persons: dict[str, PersonKeys] = {}
        self.parties: dict[str, Any] = {}
        for party in self.charter.parties:
            self.start(party.id)

    # ---- parties

    @property
    def nodes(self) -> dict[str, Node]:
        return {cc: self.parties[cc] for cc in self.charter.countries if cc in self.parties}

    @property
    def holders(self) -> dict[str, KeyHolder]:
        return {cc: self.parties[f"{cc}.holder"] for cc in self.charter.countries if f"{cc}.holder" in self.parties}

    @property
    def matcher(self) -> Matcher:
        return self.parties["matcher"]

    def ring(self, party: str) -> KeyRing:
        """A party's key ring, from its files: what its thief has."""
        home = self.region.home(party)
        return KeyRing.open(home / "ring.json", load_kek(home / "kek"))

    def start(self, party: str) -> None:
        """Start a party, or start it again from its files."""
        home = self.region.home(party)
        address = self._store(party) or f"sqlite:///{home / 'store.db'}"
        schema = f"{self.region.root.name}_{party}".replace(".", "_").replace("-", "_").lower()
        carrier = self.stream(party) if callable(self.stream) else self.stream
        self.databases[party], carrier = self.wrap(party, open_database(address, schema=schema), carrier)
        common: dict[str, Any] = {
            "charter": self.charter, "digest": self.digest, "ring": self.ring(party),
            "database": self.databases[party], "stream": carrier, "clock": self.clock,
        }
        kind = self.charter.party(party).kind
        if kind == "country":
            kek, at = load_kek(home / "kek"), self.clock.now()
            self._persons[party] = open_persons(home / "persons.db", common["ring"], kek=kek, at=at)
            service: Any = Node(party, persons=self._persons[party], **common)
        elif kind == "keyholder":
            service = KeyHolder(party, **common)
        else:
            service = Matcher(party, pepper=self.pepper, **common)
        service.open()
        running = {**self.parties, party: service}
        self.parties = {p.id: running[p.id] for p in self.charter.parties if p.id in running}  # always in one order

    def kill(self, party: str) -> None:
        """Drop a party where it stands. Its files stay."""
        self.parties.pop(party, None)
        self.databases.pop(party).close()
        if party in self._persons:
            self._persons.pop(party).close()

    def close(self) -> None:
        for party in list(self.databases):
            self.kill(party)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- time

    def meet(self) -> None:
        """Let the parties of a new region hear of each other, and a first tick pass."""
        self.settle()
        self.tick()

    def settle(self, rounds: int = 60) -> None:
        """Step every party in turn until none has anything to do."""
        for _ in range(rounds):
            if not any([service.step() for service in list(self.parties.values())]):  # noqa: C419  all of them
                return
        raise AssertionError("The region does not come to rest.")

    def tick(self, count: int = 1) -> None:
        """Let so many ticks pass, and settle in each."""
        for _ in range(count):
            self.clock.advance(self.charter.tick_seconds)
            self.settle()

    def sleep(self, **span: float) -> None:
        """Let a long time pass at once, and settle once at its end."""
        self.clock.advance(timedelta(**span).total_seconds())
        self.settle()

    # ---- people's work

    def act(self, country: str, staff: str, *, role: Role | None = None, purpose: Purpose = Purpose.MATCHING) -> Act:
        organisation, roles = COUNTRY_STAFF[staff]
        actor = Actor(staff=f"{country}-{staff}", organisation=organisation, role=role or roles[0])
        return Act(at=self.clock.now(), by=actor, purpose=purpose)

    def import_rows(self, country: str, rows: Iterable[dict[str, str]], **stated: Any) -> Report:
        """As the country's case worker; by default everybody consents to being matched with every other country."""
        others = frozenset(self.charter.countries) - {country}
        chosen = Stated.model_validate({"c2": True, "c4": others, "c9": True, "guardian": "Guardian"} | stated)
        return self.nodes[country].importer.take(self.act(country, "worker"), csv_of(rows), chosen)

    def approve(self, country: str, grant: str = "tell", **grants: str) -> None:
        """As the focal point: sign all that waits, with one grant for all or one a country (`TH="hold"`)."""
        desk, act = self.nodes[country].desk, self.act(country, "focal")
        desk.sign(act, [(w.id, grants.get(w.asked.country, grant)) for w, _ in desk.awaiting(act)])

    def publish(self, country: str, *rows: dict[str, str], grant: str = "tell", **stated: Any) -> None:
        """Import and approve: all that people do until tokens are made."""
        self.import_rows(country, rows, **stated)
        self.approve(country, grant)

    def matches(self, country: str) -> list[tuple[str | None, str, str, str]]:
        """(own reference, other country, state, band) of each match that this country was told."""
        rows = self.nodes[country].desk.matches(self.act(country, "focal"))
        return sorted((r.reference, r.match.other_country, r.match.state, r.match.band) for r in rows)

    def case_id(self, country: str, reference: str) -> UUID:
        """The case of a file's record; looking for it leaves no trace."""
        node = self.nodes[country]
        with self.databases[country].reading() as tx:
            cases = [node.desk._records.case(tx, UUID(row[0])) for row in tx.execute("SELECT case_id FROM cases")]
        return next(case.case_id for case in cases if case.reference == reference)

    def file(self, country: str, reference: str) -> CaseFile:
        """The case of a file's record, as its case worker reads it."""
        return self.nodes[country].desk.read_case(self.act(country, "worker"), self.case_id(country, reference))

    def tokens(self, country: str, reference: str) -> dict[str, tuple[str, str]]:
        """Partner country > (state, reason) of the person's tokens, as the case shows them."""
        return {c: (state, reason) for c, state, reason in self.file(country, reference).publications}

    # ---- what travelled

    def envelopes(self, topic: str) -> list[Envelope]:
        """All of a topic, as the carrier in memory holds them, partition by partition."""
        return [unpack(wire) for (name, _), log in sorted(self.stream._logs.items()) if name == topic for wire in log]

    def bodies(self, topic: str) -> list[Body]:
        """The same, opened with the reader's keys; nothing where the key is destroyed, as it is after some weeks."""
        return [self._opened(envelope) for envelope in self.envelopes(topic)]

    def items(self, topic: str) -> list[Item]:
        return [item for body in self.bodies(topic) for item in body.items]

    def _opened(self, envelope: Envelope) -> Body:
        header = envelope.header
        try:
            secret = self.ring(header.recipient).secret("sealing", header.sealing_key) if header.recipient else None
        except UnknownKey:
            return Body()
        return read_body(header.kind, envelope.opened(secret))


@contextmanager
def regions_in(folder: Path) -> Iterator[Callable[..., LiveRegion]]:
    """(countries, rules) -> a new region whose parties have met, unless it is not to be `settled`."""
    numbers = count()
    with ExitStack() as made:

        def make(*countries: str, settled: bool = True, **rules: Any) -> LiveRegion:
            root = folder / f"region{next(numbers)}"
            region = made.enter_context(LiveRegion(root, countries or ("KH", "TH"), **rules))
            if settled:
                region.meet()
            return region

        yield make


COLUMNS = ("record_id", "prs_FirstName", "prs_SecondName", "prs_Birthdate", "prs_Gender", "prs_Citizenship",
           "prs_IdentityNumber")


def person(record_id: str, **columns: str) -> dict[str, str]:
    """A row of HTCDS columns: an invented woman with a name, a date and a document, unless told otherwise."""
    row = {
        "record_id": record_id, "prs_FirstName": "Somsak", "prs_SecondName": "Vongphachan",
        "prs_Birthdate": "1991-04-23", "prs_Gender": "Female", "prs_Citizenship": "LA", "prs_IdentityNumber": "K7290415",
    }
    return row | columns


def people(count: int, **columns: str) -> list[dict[str, str]]:
    return [person(f"R{i}", prs_IdentityNumber=f"K729{i}", **columns) for i in range(count)]


def csv_of(rows: Iterable[dict[str, str]]) -> bytes:
    listed = list(rows)
    header = [*COLUMNS, *sorted({name for row in listed for name in row} - set(COLUMNS))]
    lines = [",".join(header), *(",".join(row.get(name, "") for name in header) for row in listed)]
    return "\n".join(lines).encode()
