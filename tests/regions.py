"""A whole region in one process: real nodes, key holders and matcher, on a stream and a clock that the test moves.

Everything is what runs in production but HTTP, processes and the broker. A party is killed by dropping its object, and
comes back from its files.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from events.base import Act, Actor, Purpose, Role
from events.clock import ManualClock
from events.database import Database, open_database
from events.stream import MemoryStream, Stream
from events.charter import load_charter
from keys.persons import PersonKeys
from keys.ring import KeyRing, load_kek
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


class LiveRegion:
    """Parties by id: `region.nodes["KH"]`, `region.holders["KH"]`, `region.matcher`."""

    def __init__(self, root: Path, countries: tuple[str, ...], *, stream: Stream | None = None, **rules: Any) -> None:
        self.clock = ManualClock(START)
        self.region: Region = found_region(root, countries, now=START, **(QUICK | rules))
        self.charter, self.digest = load_charter(self.region.charter_file)
        self.stream: Stream = stream or MemoryStream()
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

    def start(self, party: str) -> None:
        """Start a party, or start it again from its files."""
        home = self.region.home(party)
        kek = load_kek(home / "kek")
        database = open_database(f"sqlite:///{home / 'store.db'}")
        common = {
            "charter": self.charter, "digest": self.digest, "ring": KeyRing.open(home / "ring.json", kek),
            "database": database, "stream": self.stream, "clock": self.clock,
        }
        kind = self.charter.party(party).kind
        if kind == "country":
            self._persons[party] = PersonKeys(home / "persons.db", kek)
            service: Any = Node(party, persons=self._persons[party], **common)
        elif kind == "keyholder":
            service = KeyHolder(party, **common)
        else:
            service = Matcher(party, **common)
        service.open()
        self.databases[party] = database
        self.parties[party] = service

    def kill(self, party: str) -> None:
        """Drop a party where it stands. Its files stay."""
        del self.parties[party]
        self.databases.pop(party).close()
        if party in self._persons:
            self._persons.pop(party).close()

    def close(self) -> None:
        for party in list(self.parties):
            self.kill(party)

    # ---- time

    def settle(self, rounds: int = 60) -> None:
        """Step every party in turn until none has anything to do."""
        for _ in range(rounds):
            if not any([service.step() for service in list(self.parties.values())]):
                return
        raise AssertionError("The region does not come to rest.")

    def tick(self, count: int = 1) -> None:
        """Let so many ticks pass, and settle in each."""
        for _ in range(count):
            self.clock.advance(self.charter.tick_seconds)
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

    def matches(self, country: str) -> list[tuple[str | None, str, str, str]]:
        """(own reference, other country, state, band) of each match that this country was told."""
        rows = self.nodes[country].desk.matches(self.act(country, "focal"))
        return sorted((r.reference, r.match.other_country, r.match.state, r.match.band) for r in rows)


COLUMNS = ("record_id", "prs_FirstName", "prs_SecondName", "prs_Birthdate", "prs_Gender", "prs_Citizenship",
           "prs_IdentityNumber")


def person(record_id: str, **columns: str) -> dict[str, str]:
    """A row of HTCDS columns: an invented woman with a name, a date and a document, unless told otherwise."""
    row = {
        "record_id": record_id, "prs_FirstName": "Somsak", "prs_SecondName": "Vongphachan", "prs_Birthdate": "1991-04-23",
        "prs_Gender": "Female", "prs_Citizenship": "LA", "prs_IdentityNumber": "K7290415",
    }
    return row | columns


def csv_of(rows: Iterable[dict[str, str]]) -> bytes:
    listed = list(rows)
    header = [*COLUMNS, *sorted({name for row in listed for name in row} - set(COLUMNS))]
    lines = [",".join(header), *(",".join(row.get(name, "") for name in header) for row in listed)]
    return "\n".join(lines).encode()
