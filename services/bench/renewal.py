"""Records a second through a new epoch: 10,000 of twelve slots made anew, from the custodians' asking to the end.

A region of real processes, as the demo starts it; two countries import and publish all their people first. Then both
custodians ask for a new epoch: new shares, and each country makes all that is out anew, through both holders, to the
matcher. It ends when each country has told both holders that nothing of the former epoch is open, the former shares are
destroyed, and all has been told. Bare is the first publication of the same records: approval, tokens, matches, told.
Where the time goes stands in one line a kind of process: its CPU over all of them, for a record.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from events.clock import SystemClock
from services.bench.measure import Figure, Pair
from services.bench.setting import Setting
from services.country.client import NodeClient
from services.demo.people import invent
from services.demo.region import demo_rules
from services.demo.running import Running, running_region
from services.demo.world import World
from services.runtime.errors import PeerUnreachable

COUNTRIES: Final = ("LA", "TH")
PEOPLE: int = 5_000
"""A country."""
SLOTS: Final = ("DOC", "DOC", "FULL", "FULL", "FULL", "FULL", "BYX", "BYX", "BYX", "BYX", "BYX", "BYX")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def measure(setting: Setting) -> Iterator[Figure]:
    world = invent(COUNTRIES, PEOPLE, overlap=0.05, seed=7)
    # Twelve slots are more than the demo's five, and all comes twice.
    allowances = demo_rules(COUNTRIES, PEOPLE * 4, SystemClock().now())["allowances"]
    with running_region(COUNTRIES, PEOPLE, broker=setting.broker, slots=SLOTS, allowances=allowances) as running:
        for country in COUNTRIES:
            running.officers.import_people(country, world)
        first, first_cpu = _timed(running, lambda: _publish(running, world))
        again, again_cpu = _timed(running, lambda: _renew(running))
    records = PEOPLE * len(COUNTRIES)
    what = f"{records:,} records of {len(SLOTS)} slots into a new epoch, end to end; bare: their first publication"
    yield Figure.of("renewal", what, "records/s", records, [Pair(records / again, records / first)])
    for kind, cpu in again_cpu.items():
        pair = Pair(cpu / records * 1e6, first_cpu[kind] / records * 1e6)
        yield Figure.of(f"renewal-cpu/{kind}", "CPU of these processes for a record", "µs CPU/record", records, [pair])


def _timed(running: Running, work: Callable[[], None]) -> tuple[float, Mapping[str, float]]:
    """Seconds, and CPU seconds by kind of process."""
    before, started = _cpu(running), time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    return seconds, {kind: spent - before[kind] for kind, spent in _cpu(running).items()}


def _publish(running: Running, world: World) -> None:
    officers = running.officers
    for country in COUNTRIES:
        officers.approve(country, world)
    running.wait(officers.all_published, "the tokens")
    running.wait(officers.all_told, "the matcher")


def _renew(running: Running) -> None:
    officers = running.officers
    custodians = [officers.client(f"{country}.holder", "custodian") for country in COUNTRIES]
    for custodian in custodians:
        custodian.post("/api/renewals", {"pair": None, "reason": "compromise"})
    running.wait(lambda: all(map(_is_over, custodians)), "the new epoch")
    running.wait(running.officers.all_told, "the matcher")


def _is_over(custodian: NodeClient) -> bool:
    """In force, the former shares destroyed, and as much evaluated as before. Raises PeerUnreachable: it failed."""
    renewals = custodian.get("/api/renewals")
    if any(one["state"] == "failed" for one in renewals):
        raise PeerUnreachable("A renewal came to nothing; the key holders' logs say why.")
    return all(one["state"] == "rest" and one["epoch"] == 2 and one["evaluated"] >= one["before"] for one in renewals)


def _cpu(running: Running) -> dict[str, float]:
    """Seconds that each kind of process has worked so far."""
    spent: dict[str, float] = {}
    for party in running.region.charter.parties:
        stat = Path(f"/proc/{running.processes.pid(party.id)}/stat").read_text(encoding="ascii")
        user, system = stat.rpartition(")")[2].split()[11:13]
        spent[party.kind] = spent.get(party.kind, 0.0) + (int(user) + int(system)) / _TICKS
    return spent
