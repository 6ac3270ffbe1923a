"""What each kind of service process holds in memory, after its start and after work, beside the limit for a service.

A region is started as the demo starts it, and does the demo's main job: import, approval, tokens, matches, told. Of
each kind the largest process counts. Resident memory includes libraries that processes share, so the sum of all is
less than it seems.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from services.bench.measure import Figure, Pair
from services.bench.setting import Setting
from services.demo.people import invent
from services.demo.region import Region
from services.demo.running import Running, running_region
from services.demo.world import World

LIMIT_MB: Final = 150.0
COUNTRIES: Final = ("KH", "LA", "TH")
PEOPLE: Final = 300
"""A country, as in the demo."""


def measure(setting: Setting) -> Iterator[Figure]:
    world = invent(COUNTRIES, PEOPLE, overlap=0.05, seed=7)
    with running_region(COUNTRIES, PEOPLE, broker=setting.broker) as running:
        after_start = running.processes.memory()
        _main_job(running, world)
        after_work, peaks = running.processes.memory(), _peaks(running)
    worked = f"after {PEOPLE} people a country, {len(COUNTRIES)} countries"
    yield from _figures(running.region, "start", "after start", after_start)
    yield from _figures(running.region, "work", worked, after_work)
    yield from _figures(running.region, "peak", "the most it ever held", peaks)


def _main_job(running: Running, world: World) -> None:
    officers = running.officers
    for country in COUNTRIES:
        officers.import_people(country, world)
        officers.approve(country, world)
    running.wait(officers.all_published, "the tokens")
    running.wait(officers.all_told, "the matcher")
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


def _peaks(running: Running) -> dict[str, float]:
    return {party.id: _peak(running.processes.pid(party.id)) for party in running.region.charter.parties}


def _peak(pid: int) -> float:
    """The high-water mark of a running process's resident memory, in MB (10^6 bytes)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024 / 1e6
