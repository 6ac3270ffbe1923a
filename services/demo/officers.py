"""The demo's officers: they do over HTTP what people do at each node, with their own tokens and roles."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.country.client import NodeClient
from services.demo.capture import matcher_sizes
from services.demo.region import Region
from services.demo.world import Row, World, csv_bytes
from services.runtime.errors import PeerUnreachable

GUARDIAN: Final = "Independent guardian (demo)"
_SIGNED_AT_ONCE: Final = 200
"""Few enough that a bar of what is signed moves."""
_TICKS_AFTER: Final = 4
"""Ticks without news: one to be heard, one to begin after the finding, one to tell, one to spare."""
_OPEN: Final = ("approved", "working")
Saw = Callable[[int, int], None]
"""Is told how much of how much is done."""


def nobody(_done: int, _total: int) -> None:
    """Nobody wants to know how far it is."""


@dataclass(frozen=True)
class Imported:
    """What became of one country's file. `mended`: rows refused for their date and entered again without it."""

    cases: int
    asked: int
    mended: int


class Officers:
    """Everybody's hands. Raises PeerUnreachable, InputInvalid."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._countries = region.charter.countries
        self._clients: dict[tuple[str, str, str | None], NodeClient] = {}
        self._left: dict[str, int] | None = None
        self._confirmed: int | None = None
        self._told = -1

    def client(self, party: str, staff: str, role: str | None = None) -> NodeClient:
        """One officer's client, kept: to make one takes longer than most answers."""
        address, token = self.address(party), self._region.token(party, staff)
        if (address, token, role) not in self._clients:
            self._clients[address, token, role] = NodeClient(address, token, role)
        return self._clients[address, token, role]

    def address(self, party: str) -> str:
        """Where a party's pages are. Raises PeerUnreachable while it has no port."""
        try:
            port = (self._region.home(party) / "port").read_text(encoding="ascii").strip()
        except OSError as error:
            raise PeerUnreachable(f"{party} does not listen yet.") from error
        return f"http://127.0.0.1:{port}"

    def close(self) -> None:
        """Let go of every client's connections."""
        while self._clients:
            self._clients.popitem()[1].close()

    # ---- people's work

    def import_people(self, country: str, world: World) -> Imported:
        """A case worker imports the file. What is refused for an impossible date is entered again without a date."""
        rows = world.rows[country]
        first = self._import(country, rows)
        undated = {r["row"] for r in first["rejects"] if r["column"] == "prs_Birthdate"}
        again = [_without_date(row) for number, row in enumerate(rows, start=2) if number in undated]
        second = self._import(country, again) if again else {"cases": 0, "asked": 0}
        return Imported(first["cases"] + second["cases"], first["asked"] + second["asked"], second["cases"])

    def _import(self, country: str, rows: Sequence[Row]) -> Any:
        worker = self.client(country, "worker", "case_worker")
        return worker.import_csv(csv_bytes(rows), {"guardian": GUARDIAN, "ask": True})

    def approve(self, country: str, world: World) -> int:
        """A focal point signs everything that waits, with each person's grant. Returns how many publications."""
        focal = self.client(country, "focal")
        hold = {(row.record_id, other) for row in world.rows[country] for other in row.hold}
        waiting = [w for w in focal.get("/api/awaiting") if w["kind"] == "publish"]
        signed = [
            {"id": w["id"], "grant": "hold" if (w["reference"], w["country"]) in hold else "tell"} for w in waiting
        ]
        for start in range(0, len(signed), _SIGNED_AT_ONCE):
            focal.post("/api/signatures", {"signed": signed[start : start + _SIGNED_AT_ONCE]})
        return len(signed)

    def matches(self, country: str) -> list[dict[str, Any]]:
        """The focal point's own list."""
        found: list[dict[str, Any]] = self.client(country, "focal").get("/api/matches")
        return found

    # ---- what operators see

    def status(self, country: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client(country, "operator").get("/api/status")
        return found

    def all_ready(self) -> bool:
        """Every node runs, and knows both holders' shares of each of its pairs."""
        try:
            for party in self._region.charter.parties:
                self.address(party.id)
            return all(
                not self.status(cc)["waits_for"] and self.status(cc)["post"]["tick"] > 0 for cc in self._countries
            )
        except PeerUnreachable:
            return False

    def imported(self) -> int:
        """Cases, over all countries."""
        return sum(self.status(cc)["cases"] for cc in self._countries)

    def signed(self) -> int:
        """Publications that wait for nobody's signature, over all countries."""
        return sum(sum(counts.values()) - counts.get("asked", 0) for counts in self._publications())

    def _publications(self) -> list[Mapping[str, int]]:
        """Country by country: state -> how many."""
        return [self.status(cc)["publications"] for cc in self._countries]

    def all_published(self, saw: Saw = nobody) -> bool:
        """Nothing waits for the holders."""
        publications = self._publications()
        under_way = sum(counts.get(state, 0) for counts in publications for state in _OPEN)
        signed = sum(sum(counts.values()) - counts.get("asked", 0) for counts in publications)
        saw(signed - under_way, signed)
        return under_way == 0

    def all_told(self, saw: Saw = nobody) -> bool:
        """Everything has left, the matcher has looked at it all, and for some ticks since nothing new was told.

        A node that is slow counts as holding (matching.policy), so what it tells may come a few ticks later. Ask a new
        `Officers` after something more was published.
        """
        states = {cc: self.status(cc) for cc in self._countries}
        matcher = matcher_sizes(self._region)
        saw(matcher["live"], sum(s["publications"].get("published", 0) for s in states.values()))
        if any(s["leaving"] for s in states.values()):
            return False
        if self._left is None:
            self._left = {cc: s["linkage_written"] for cc, s in states.items()}
        if self._confirmed is None:
            if any(s["linkage_confirmed"] < self._left[cc] for cc, s in states.items()) or matcher["waiting"]:
                return False
            self._confirmed = max(s["post"]["tick"] for s in states.values())
        told = sum(s["told"] for s in states.values())
        if told != self._told:
            self._told = told
            self._confirmed = max(s["post"]["tick"] for s in states.values())
        return all(s["roomy_tick"] >= self._confirmed + _TICKS_AFTER for s in states.values())


def _without_date(row: Row) -> Row:
    return Row({**row.values, "prs_Birthdate": ""}, row.hold)
