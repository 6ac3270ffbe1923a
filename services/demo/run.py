"""The main job on one machine: found a region, start its processes, publish everybody, show who they have in common.

Everything goes the way that real users go: files through a case worker's import, approvals through a focal point's
signature, matches from each country's own list. Nothing is read behind a node's back but what left it.
"""

import csv
import json
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from events.clock import SystemClock
from services.demo import capture, report
from services.demo.broker import start_broker
from services.demo.leaks import Needles
from services.demo.officers import Officers
from services.demo.people import invent
from services.demo.processes import Processes, wait_until
from services.demo.region import SLOTS, Region, demo_rules, found_region
from services.demo.truth import Score, score
from services.demo.world import Pair, World, read_world
from services.runtime.errors import SettingsInvalid

_PATIENCE = 3600.0
"""Seconds that the work on thousands of people may take."""


@dataclass(frozen=True)
class Wishes:
    """What the command was asked for."""

    countries: tuple[str, ...]
    people: int
    overlap: float
    seed: int
    from_dir: Path | None
    broker: str
    pairs_out: Path | None
    capture: Path | None
    once: bool
    as_json: bool


@dataclass
class Outcome:
    """What came of it."""

    world: World
    score: Score
    tokens: int
    cases: int
    told_alone: int
    mended: int
    wire_leaks: int
    broker: str
    seconds: dict[str, float] = field(default_factory=dict)


def run(wishes: Wishes) -> None:
    """Run the demo and print its result. Raises ServiceError; ends every process that it started, whatever happens."""
    console = Console(stderr=wishes.as_json)
    signal.signal(signal.SIGTERM, _as_interrupt)
    world = _world(wishes)
    with tempfile.TemporaryDirectory(prefix="samaki-") as folder:
        work = Path(folder)
        with Processes(work / "logs") as processes:
            stages = Stages(console)
            region, bootstrap = _start(wishes, world, work, processes, stages)
            outcome = _main_job(wishes, world, region, bootstrap, processes, stages, work)
            if wishes.as_json:
                print(json.dumps(report.as_json(outcome)))
            else:
                report.show(console, outcome, processes.memory())
            sys.stdout.flush()
            if not wishes.once:
                _stay(console, region, processes)


class Stages:
    """Names each stage on the terminal while it runs, and times it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, text: str) -> Iterator[None]:
        started = time.monotonic()
        with self._console.status(text):
            yield
        self.seconds[name] = round(time.monotonic() - started, 2)
        self._console.print(f"[green]✓[/green] {text.removesuffix(' ...')} [dim]{self.seconds[name]:.1f} s[/dim]")


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _world(wishes: Wishes) -> World:
    if len(set(wishes.countries)) != len(wishes.countries) or len(wishes.countries) < 2:
        raise SettingsInvalid("--countries takes two different countries or more: KH,LA.")
    if wishes.from_dir is not None:
        return read_world(wishes.from_dir)
    return invent(wishes.countries, wishes.people, wishes.overlap, wishes.seed)


def _start(wishes: Wishes, world: World, work: Path, processes: Processes, stages: Stages) -> tuple[Region, str]:
    with stages.stage(
        "start", f"Starting {len(world.countries)} country nodes, their key holders, the matcher and a broker ..."
    ):
        now = SystemClock().now()
        most = max(len(rows) for rows in world.rows.values())
        rules = demo_rules(world.countries, most, now) | {"region": f"demo-{secrets.token_hex(4)}"}
        region = found_region(work / "region", world.countries, now=now, **rules)
        bootstrap = start_broker(wishes.broker, processes, work)
        for party in region.charter.parties:
            start_party(region, party.id, bootstrap, processes)
        officers = Officers(region)
        wait_until(officers.all_ready, "the nodes and key holders", processes)
        return region, bootstrap


def start_party(region: Region, party: str, bootstrap: str, processes: Processes) -> None:
    """Start one party's process, as an operator would."""
    kind = region.charter.party(party).kind
    processes.start(
        party,
        [
            sys.executable,
            "-m",
            "services",
            kind,
            "serve",
            "--home",
            str(region.home(party)),
            "--charter",
            str(region.charter_file),
            "--bootstrap",
            bootstrap,
            "--port",
            "0",
        ],
    )


def _main_job(
    wishes: Wishes, world: World, region: Region, bootstrap: str, processes: Processes, stages: Stages, work: Path
) -> Outcome:
    officers = Officers(region)
    with stages.stage("import", f"Case workers import {world.people:,} people ..."):
        imported = _in_all(world.countries, lambda cc: officers.import_people(cc, world))
    with stages.stage("approve", "Focal points approve, and set who may be told ..."):
        asked = _in_all(world.countries, lambda cc: officers.approve(cc, world))
    with stages.stage("tokens", f"Making {sum(asked.values()) * len(SLOTS):,} tokens through the key holders ..."):
        wait_until(officers.all_published, "the tokens", processes, _PATIENCE)
    with stages.stage("match", "The matcher compares, and tells by grant alone ..."):
        wait_until(officers.all_told, "the matcher", processes, _PATIENCE)
        told = _in_all(world.countries, officers.matches)
    pairs = both_told(told)
    with stages.stage("search", "Searching all that left a country for anybody's identifiers ..."):
        leaks = _search(wishes, world, region, bootstrap, work)
    if wishes.pairs_out is not None:
        _write_pairs(wishes.pairs_out, pairs)
    return Outcome(
        world=world,
        score=score(world, pairs),
        tokens=sum(asked.values()) * len(SLOTS),
        cases=sum(i.cases for i in imported.values()),
        told_alone=sum(m["state"] == "TOLD" for rows in told.values() for m in rows),
        mended=sum(i.mended for i in imported.values()),
        wire_leaks=leaks,
        broker=wishes.broker,
        seconds=stages.seconds,
    )


def _in_all(countries: Sequence[str], work: Any) -> dict[str, Any]:
    """The same work in every country at once: officers do not wait for each other."""
    with ThreadPoolExecutor(len(countries)) as pool:
        return dict(zip(countries, pool.map(work, countries), strict=True))


def both_told(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[Pair, str]:
    """The matches that stand on both countries' own lists, with their bands."""
    sides: dict[str, list[tuple[str, str, str]]] = {}
    for country, rows in told.items():
        for row in rows:
            if row["state"] == "BOTH_TOLD":
                sides.setdefault(row["match_ref"], []).append((country, row["reference"], row["band"]))
    return {Pair.of(one[:2], other[:2]): one[2] for one, other in (s for s in sides.values() if len(s) == 2)}


def _search(wishes: Wishes, world: World, region: Region, bootstrap: str, work: Path) -> int:
    records = capture.read_topics(region.charter, bootstrap)
    logs = work / "logs"
    if wishes.capture is not None:
        capture.keep(wishes.capture, region, records, logs)
    needles = Needles.of_people(row.values for rows in world.rows.values() for row in rows)
    heaps = [(r.topic, r.value) for r in records] + list(capture.opened_bodies(region, records))
    heaps += [*capture.database_bytes(region).items(), *capture.log_bytes(logs).items()]
    return sum(len(needles.find(where, data)) for where, data in heaps)


def _write_pairs(path: Path, pairs: Mapping[Pair, str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("record_a", "record_b", "band"))
        writer.writerows((p.record_a, p.record_b, band) for p, band in sorted(pairs.items()))


def _stay(console: Console, region: Region, processes: Processes) -> None:
    """Leave everything running until Ctrl-C, and say what to look at."""
    report.show_pages(console, region)
    try:
        while True:
            processes.refuse_dead()
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("Ending every process ...")
