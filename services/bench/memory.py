"""What each kind of service process holds in memory, after its start and after work, beside the limit for a service.

A region is started as the demo starts it, and does the demo's main job: import, approval, tokens, matches, told. Of
each kind the largest process counts. Resident memory includes libraries that processes share, so the sum of all is
less than it seems.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from events.clock import SystemClock
from services.bench.measure import Figure, Pair
from services.bench.setting import Setting
from services.demo.broker import start_broker
from services.demo.officers import Officers
from services.demo.people import invent
from services.demo.processes import Processes, wait_until
from services.demo.region import Region, demo_rules, found_region
from services.demo.running import start_party
from services.demo.world import World

LIMIT_MB: Final = 150.0
COUNTRIES: Final = ("KH", "LA", "TH")
PEOPLE: Final = 300
"""A country, as in the demo."""
_PATIENCE: Final = 180.0


def measure(setting: Setting) -> Iterator[Figure]:
    world = invent(COUNTRIES, PEOPLE, overlap=0.05, seed=7)
    region = _started(setting)
    after_start = setting.processes.memory()
    _main_job(region, world, setting.processes)
    yield from _figures(region, "start", "after start", after_start)
    worked = f"after {PEOPLE} people a country, {len(COUNTRIES)} countries"
    yield from _figures(region, "work", worked, setting.processes.memory())
    yield from _figures(region, "peak", "the most it ever held", _peaks(region, setting.processes))


def _started(setting: Setting) -> Region:
    now = SystemClock().now()
    rules = demo_rules(COUNTRIES, PEOPLE, now)
    region = found_region(setting.work / "region", COUNTRIES, now=now, **rules)
    bootstrap = start_broker(setting.broker, setting.processes, setting.work)
    for party in region.charter.parties:
        start_party(region, party.id, bootstrap, setting.processes)
    wait_until(Officers(region).all_ready, "the nodes and key holders", setting.processes)
    return region


def _main_job(region: Region, world: World, processes: Processes) -> None:
    officers = Officers(region)
    for country in COUNTRIES:
        officers.import_people(country, world)
        officers.approve(country, world)
    wait_until(officers.all_published, "the tokens", processes, _PATIENCE)
    wait_until(officers.all_told, "the matcher", processes, _PATIENCE)
    for country in COUNTRIES:
        officers.matches(country)


def _figures(region: Region, when: str, what: str, megabytes: Mapping[str, float]) -> Iterator[Figure]:
    """One for each kind of service: the largest process, beside the limit."""
    for kind in ("country", "keyholder", "matcher"):
        sizes = [megabytes[party.id] for party in region.charter.parties if party.kind == kind]
        yield Figure(
            f"memory-{when}/{kind}",
            f"resident memory of the largest process of its kind, {what}; bare: the limit",
            "MB",
            ours=max(sizes),
            baseline=LIMIT_MB,
            ratio=max(sizes) / LIMIT_MB,
            n=len(sizes),
            runs=tuple(Pair(size, LIMIT_MB) for size in sizes),
        )


def _peaks(region: Region, processes: Processes) -> dict[str, float]:
    return {party.id: _peak(processes.pid(party.id)) for party in region.charter.parties}


def _peak(pid: int) -> float:
    """The high-water mark of a running process's resident memory, in MB (10^6 bytes)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024 / 1e6
