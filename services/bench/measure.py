"""Measures two ways of doing something, in turns, and says how they compare.

On a machine that others use, absolute figures drift from minute to minute. So the two ways alternate, each round gives
a pair of neighbours, and the ratio is the median of the pairs' ratios: what slows both down leaves it alone. Refuses a
run that took no time, which would be no work.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Stopwatch:
    """Adds up the time of its `with` blocks, so that preparations in between cost nothing.

    clock   time.process_time where the work is arithmetic, time.perf_counter where it waits for a disk or a broker
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started = 0.0
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._started = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += self._clock() - self._started


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """What one round gave: ours, and the baseline right before or after it."""

    ours: T
    baseline: T


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result.

    ours, baseline  medians over the runs, in `unit`
    ratio           median of the runs' own ratios, ours to baseline: not exactly the ratio of the medians
    n               how many things one run does
    runs            every round's pair, in `unit`
    """

    name: str
    what: str
    unit: str
    ours: float
    baseline: float
    ratio: float
    n: int
    runs: tuple[Pair[float], ...]

    @classmethod
    def of(cls, name: str, what: str, unit: str, n: int, runs: Iterable[Pair[float]]) -> Self:
        """Raises ValueError where there is no run, or one that measured nothing."""
        kept = tuple(runs)
        if not kept or any(pair.ours <= 0 or pair.baseline <= 0 for pair in kept):
            raise ValueError(f"{name}: {len(kept)} runs, of which one or more measured nothing.")
        return cls(
            name,
            what,
            unit,
            ours=median(pair.ours for pair in kept),
            baseline=median(pair.baseline for pair in kept),
            ratio=median(pair.ours / pair.baseline for pair in kept),
            n=n,
            runs=kept,
        )

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio of any round: how far the figure can be trusted."""
        ratios = [pair.ours / pair.baseline for pair in self.runs]
        return min(ratios), max(ratios)


def in_turns(ours: Callable[[], T], baseline: Callable[[], T], rounds: int) -> list[Pair[T]]:
    """Run both once for nothing (caches fill, files are made), then in turns; who goes first alternates too.

    ours, baseline  do their work once and return what it took, in whatever form
    """
    for warm_up in (ours, baseline):
        warm_up()
    clean = partial(_clean, ours), partial(_clean, baseline)
    return [_round(*clean, first=i % 2 == 0) for i in range(rounds)]


def in_step(
    ours: Callable[[], Iterator[float]], baseline: Sequence[Callable[[], float]], rounds: int
) -> list[Pair[float]]:
    """As `in_turns`, for work of seconds: each step of ours stands beside its part of the baseline.

    ours      does the next step when asked, and yields what it took
    baseline  one a step
    """
    return [_in_step(ours(), baseline, first=i % 2 == 0) for i in range(-1, rounds)][1:]  # the first fills caches


def _in_step(ours: Iterator[float], baseline: Sequence[Callable[[], float]], *, first: bool) -> Pair[float]:
    gc.collect()
    pairs = [_round(lambda: next(ours), part, first=first) for part in baseline]
    return Pair(sum(pair.ours for pair in pairs), sum(pair.baseline for pair in pairs))


def _round(ours: Callable[[], T], baseline: Callable[[], T], *, first: bool) -> Pair[T]:
    if first:
        return Pair(ours(), baseline())
    after = baseline()
    return Pair(ours(), after)


def _clean(run: Callable[[], T]) -> T:
    """Nobody pays for the garbage of whoever ran before."""
    gc.collect()
    return run()


def microseconds_each(pairs: Sequence[Pair[float]], n: int) -> list[Pair[float]]:
    """Seconds for n things, to microseconds for one: smaller is better."""
    return [Pair(pair.ours / n * 1e6, pair.baseline / n * 1e6) for pair in pairs]


def per_second(pairs: Sequence[Pair[float]], n: int) -> list[Pair[float]]:
    """Seconds for n things, to things in a second: larger is better. Raises ValueError where one took no time."""
    if any(pair.ours <= 0 or pair.baseline <= 0 for pair in pairs):
        raise ValueError("A run took no time: it did nothing.")
    return [Pair(n / pair.ours, n / pair.baseline) for pair in pairs]
