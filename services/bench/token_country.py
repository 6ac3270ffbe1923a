"""A token's cost to the country: hash and blind, verify both holders' proofs, add, unblind, index.

Bare: the group operations of exactly that. A proof's weighted sum is a multiplication and an addition for each element
and answer (M is another for each holder, since the weights hang on its answers). Natively each answer is decoded, and
each element and answer weighed for each holder. What a batch needs once (eight multiplications, an inversion) is left
out. What is ours above bare is refusing malformed elements and scalars, hashing transcripts, and Python.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from keys.backend import Name
from matching import tokens
from services.bench import bare, batch, world
from services.bench.measure import Figure, Stopwatch, in_turns, microseconds_each
from services.bench.setting import Setting
from services.demo.region import SLOTS

ROUNDS: Final = 7
COUNTS: Final[Mapping[str, int]] = {
    "from_hash": 1,
    "scalar_random": 1,
    "multiply": 1 + 4 + 1,  # blind; both proofs; unblind
    "add": 4 + 1,  # both proofs; both answers to one
    "scalar_multiply": 3,  # the blinds inverted together
}
NATIVE: Final[Mapping[str, int]] = {
    "hash": 1,
    "multiply": 2,  # blind; unblind
    "decode": 2,  # both answers; what was blinded is still decoded
    "weigh": 4,  # both proofs
}


def measure(_: Setting) -> Iterator[Figure]:
    for name in bare.backends():
        with bare.using(name):
            yield _on(name)


def _on(name: Name) -> Figure:
    counts = NATIVE if name == "native" else COUNTS
    baseline = bare.Bare(name, counts, batch.SIZE)
    passage = batch.Passage(batch.inputs(), batch.holders())
    pairs = in_turns(lambda: _ours(passage), lambda: baseline.run(Stopwatch(time.process_time)), ROUNDS)
    return Figure.of(
        f"token-country/{name}",
        f"hash, blind, verify 2 proofs, add, unblind, index; bare: {bare.in_words(counts)}",
        "µs CPU/token",
        batch.SIZE,
        microseconds_each(pairs, batch.SIZE),
    )


def _ours(passage: batch.Passage) -> float:
    watch = Stopwatch(time.process_time)
    made = passage.run(watch, Stopwatch(time.process_time))
    with watch:
        for start in range(0, batch.PEOPLE * len(SLOTS), len(SLOTS)):
            tokens.indices(world.PAIR, 1, SLOTS, made[start : start + len(SLOTS)])
    return watch.seconds
