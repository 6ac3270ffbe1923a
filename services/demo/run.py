"""The main job on one machine: found a region, start its processes, publish everybody, show who they have in common.

Everything goes the way that real users go: files through a case worker's import, approvals through a focal point's
signature, matches from each country's own list. Nothing is read behind a node's back but what left it.
"""

import csv
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from services.demo import capture, report
from services.demo.broker import check_broker
from services.demo.leaks import Needles
from services.demo.officers import Imported
from services.demo.people import invent
from services.demo.region import SLOTS
from services.demo.running import Running, running_region
from services.demo.stages import LOOK, Bar, Stages
from services.demo.truth import Score, score
from services.demo.world import Pair, World, read_world
from services.runtime.errors import InputInvalid, SettingsInvalid


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
    _end_on(signal.SIGTERM, signal.SIGHUP)
    _check(wishes)
    stages = Stages(console)
    world = _world(wishes, stages)
    with ExitStack() as ending:
        parties = f"{len(world.countries)} country nodes, their key holders, the matcher and a broker"
        with stages.stage("start", f"Starting {parties}"):
            most = max(len(rows) for rows in world.rows.values())
            running = ending.enter_context(running_region(world.countries, most, broker=wishes.broker))
        outcome = _main_job(wishes, world, running, stages)
        if wishes.as_json:
            print(json.dumps(report.as_json(outcome)))
        else:
            report.show(console, outcome, running.processes.memory())
        sys.stdout.flush()
        if not wishes.once:
            _stay(console, running)


def _end_on(*numbers: signal.Signals) -> None:
    """Take these signals as Ctrl-C, unless somebody (nohup) has said that they are not to be heard."""
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _check(wishes: Wishes) -> None:
    """What can be seen to go wrong is said before the work, not after it."""
    if len(set(wishes.countries)) != len(wishes.countries) or len(wishes.countries) < 2:
        raise SettingsInvalid("--countries takes two different countries or more: KH,LA.")
    check_broker(wishes.broker)
    try:
        if wishes.pairs_out is not None:
            wishes.pairs_out.open("a").close()
        if wishes.capture is not None:
            wishes.capture.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputInvalid(f"{error.filename} cannot be written ({error.strerror}).") from error


def _world(wishes: Wishes, stages: Stages) -> World:
    if wishes.from_dir is not None:
        with stages.stage("people", f"Reading people from {wishes.from_dir}"):
            return read_world(wishes.from_dir)
    with stages.stage("people", f"Inventing {wishes.people:,} people in each of {len(wishes.countries)} countries"):
        return invent(wishes.countries, wishes.people, wishes.overlap, wishes.seed)


def _main_job(wishes: Wishes, world: World, running: Running, stages: Stages) -> Outcome:
    imported = _import(world, running, stages)
    signed = _approve(world, running, stages, sum(one.asked for one in imported.values()))
    _make_tokens(signed * len(SLOTS), running, stages)
    told = _matches(world, running, stages)
    pairs = both_told(told)
    with stages.stage("search", "Searching all that left a country for anybody's identifiers", "kB") as bar:
        leaks = _search(wishes, world, running, bar)
    if wishes.pairs_out is not None:
        _write_pairs(wishes.pairs_out, pairs)
    return Outcome(
        world=world,
        score=score(world, pairs),
        tokens=signed * len(SLOTS),
        cases=sum(one.cases for one in imported.values()),
        told_alone=sum(m["state"] == "TOLD" for rows in told.values() for m in rows),
        mended=sum(one.mended for one in imported.values()),
        wire_leaks=leaks,
        broker=wishes.broker,
        seconds=stages.seconds,
    )


def _import(world: World, running: Running, stages: Stages) -> Mapping[str, Imported]:
    officers = running.officers
    with stages.stage("import", "Case workers import the people", "cases") as bar:
        look = _looking(running, lambda: bar.show(officers.imported(), world.people))
        return in_all(world.countries, lambda country: officers.import_people(country, world), look)


def _approve(world: World, running: Running, stages: Stages, asked: int) -> int:
    """Returns how many publications were signed for."""
    officers = running.officers
    with stages.stage("approve", "Focal points approve, and set who may be told", "signatures") as bar:
        look = _looking(running, lambda: bar.show(officers.signed(), asked))
        return sum(in_all(world.countries, lambda country: officers.approve(country, world), look).values())


def _make_tokens(tokens: int, running: Running, stages: Stages) -> None:
    officers = running.officers
    with stages.stage("tokens", f"Making {tokens:,} tokens through the key holders", "publications") as bar:
        running.wait(lambda: officers.all_published(bar.show), "the tokens")


def _matches(world: World, running: Running, stages: Stages) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Each country's own list."""
    officers = running.officers
    with stages.stage("match", "The matcher compares, and tells by grant alone", "submissions") as bar:
        running.wait(lambda: officers.all_told(bar.show), "the matcher")
        return in_all(world.countries, officers.matches)


def _looking(running: Running, show: Callable[[], None]) -> Callable[[], None]:
    """A look at the work while others do it. Raises PeerUnreachable if a process has ended."""

    def look() -> None:
        running.processes.refuse_dead()
        show()

    return look


def in_all(
    countries: Sequence[str], work: Callable[[str], Any], look: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """The same work in every country at once: officers do not wait for each other. Looks at it now and then.

    After an error or a Ctrl-C nobody waits for the rest: the processes are ended, and with them their answers.
    """
    pool = ThreadPoolExecutor(len(countries))
    try:
        futures = {country: pool.submit(work, country) for country in countries}
        pending = set(futures.values())
        while pending:
            done, pending = wait(pending, timeout=LOOK)
            for future in done:
                future.result()
            look()
        return {country: future.result() for country, future in futures.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def both_told(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[Pair, str]:
    """The matches that stand on both countries' own lists, with their bands."""
    sides: dict[str, list[tuple[str, str, str]]] = {}
    for country, rows in told.items():
        for row in rows:
            if row["state"] == "BOTH_TOLD":
                sides.setdefault(row["match_ref"], []).append((country, row["reference"], row["band"]))
    return {Pair.of(one[:2], other[:2]): one[2] for one, other in (s for s in sides.values() if len(s) == 2)}


def _search(wishes: Wishes, world: World, running: Running, bar: Bar) -> int:
    region = running.region
    records = capture.read_topics(region.charter, running.bootstrap)
    if wishes.capture is not None:
        capture.keep(wishes.capture, region, records, running.logs)
    needles = Needles.of_people(row.values for rows in world.rows.values() for row in rows)
    heaps = [(r.topic, r.value) for r in records] + list(capture.opened_bodies(region, records))
    heaps += [*capture.database_bytes(region).items(), *capture.log_bytes(running.logs).items()]
    return sum(len(needles.find(where, data)) for where, data in _shown(heaps, bar))


def _shown(heaps: Sequence[tuple[str, bytes]], bar: Bar) -> Iterator[tuple[str, bytes]]:
    total, done = sum(len(data) for _, data in heaps), 0
    for where, data in heaps:
        yield where, data
        done += len(data)
        bar.show(done // 1000, total // 1000)


def _write_pairs(path: Path, pairs: Mapping[Pair, str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("record_a", "record_b", "band"))
        writer.writerows((p.record_a, p.record_b, band) for p, band in sorted(pairs.items()))


def _stay(console: Console, running: Running) -> None:
    """Leave everything running until Ctrl-C, and say what to look at."""
    try:
        report.show_pages(console, running.region)
        while True:
            running.processes.refuse_dead()
            time.sleep(LOOK)
    except KeyboardInterrupt:
        console.print("Ending every process ...")
