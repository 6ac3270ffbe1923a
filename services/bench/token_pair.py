"""A verified token's cost to all parties of a pair together: hash, blind, two evaluations with proofs, verify, unblind.

Bare: four multiplications and a hash to the group, which no token of a pair can do without: blind, evaluate twice,
unblind. What is above bare are decoding, the proofs and their verification, and Python. Natively of a batch of 10,000.
"""

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Final

from keys.backend import Name
from services.bench import bare, batch
from services.bench.measure import Figure, Stopwatch, in_turns, microseconds_each
from services.bench.setting import Setting

ROUNDS: Final = 7
LARGE: Final = 10_000
COUNTS: Final[Mapping[str, int]] = {"from_hash": 1, "multiply": 4}
NATIVE: Final[Mapping[str, int]] = {"hash": 1, "multiply": 4}


def measure(_: Setting) -> Iterator[Figure]:
    for name in bare.backends():
        with bare.using(name):
            yield _on(name)


def _on(name: Name) -> Figure:
    counts, n = (NATIVE, LARGE) if name == "native" else (COUNTS, batch.SIZE)
    inputs = [secrets.token_bytes(64) for _ in range(n)]
    baseline, passage = bare.Bare(name, counts, n), batch.Passage(inputs, batch.holders())
    pairs = in_turns(lambda: _ours(passage), lambda: baseline.run(Stopwatch(time.process_time)), ROUNDS)
    return Figure.of(
        f"token-pair/{name}",
        f"country and both holders, verified; bare: {bare.in_words(counts)}",
        "µs CPU/token",
        n,
        microseconds_each(pairs, n),
    )


def _ours(passage: batch.Passage) -> float:
    watch = Stopwatch(time.process_time)
    passage.run(watch, watch)
    return watch.seconds
