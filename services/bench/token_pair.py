"""A verified token's cost to all parties of a pair together: hash, blind, two evaluations with proofs, verify, unblind.

Bare: four multiplications and a hash to the group, which no token of a pair can do without: blind, evaluate twice,
unblind. What is above bare are decoding, the proofs and their verification, and Python. Natively of a batch of 10,000,
which takes more than a second: so bare is measured in four parts, each beside the step of ours that needs it.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from keys.backend import Name
from services.bench import bare, batch
from services.bench.measure import Figure, Stopwatch, in_step, microseconds_each
from services.bench.setting import Setting

ROUNDS: Final = 11
LARGE: Final = 10_000
COUNTS: Final[Sequence[Mapping[str, int]]] = ({"from_hash": 1, "multiply": 1}, *[{"multiply": 1}] * 3)
NATIVE: Final[Sequence[Mapping[str, int]]] = ({"hash": 1, "multiply": 1}, *[{"multiply": 1}] * 3)
"""Of each step: blind; the one holder; the other; verify and unblind."""


def measure(_: Setting) -> Iterator[Figure]:
    for name in bare.backends():
        with bare.using(name):
            yield _on(name)


def _on(name: Name) -> Figure:
    counts, n = (NATIVE, LARGE) if name == "native" else (COUNTS, batch.SIZE)
    baseline = [bare.Bare(name, step, n) for step in counts]
    pairs = in_step(steps(n), [partial(_bare, step) for step in baseline], ROUNDS)
    return Figure.of(
        f"token-pair/{name}",
        f"country and both holders, verified; bare: {bare.in_words(sum(map(Counter, counts), Counter()))}",
        "µs CPU/token",
        n,
        microseconds_each(pairs, n),
    )


def steps(n: int) -> Callable[[], Iterator[float]]:
    """What makes n tokens each time it is called, a step at a time; gives the CPU seconds of each."""
    passage = batch.Passage([secrets.token_bytes(64) for _ in range(n)], batch.holders())

    def run() -> Iterator[float]:
        before, watch = 0.0, Stopwatch(time.process_time)
        for _ in passage.steps(watch, watch):
            yield watch.seconds - before
            before = watch.seconds

    return run


def _bare(step: bare.Bare) -> float:
    return step.run(Stopwatch(time.process_time))
