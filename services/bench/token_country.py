"""A token's cost to the country: hash and blind, verify both holders' proofs, add, unblind, index.

Bare: the group operations of exactly that. A proof's weighted sum is a multiplication and an addition for each element
and answer (M is another for each holder, since the weights hang on its answers). What a batch needs once (eight
multiplications, an inversion) is left out. What is ours above bare is refusing malformed elements and scalars, hashing
transcripts, and Python.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from keys import dleq
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


def measure(_: Setting) -> Iterator[Figure]:
    for name in bare.backends():
        with bare.using(name):
            yield _on(name)


def _on(name: Name) -> Figure:
    baseline = bare.Bare(name, COUNTS, batch.SIZE)
    inputs, holders = batch.inputs(), batch.holders()
    pairs = in_turns(lambda: _ours(inputs, holders), lambda: baseline.run(Stopwatch(time.process_time)), ROUNDS)
    return Figure.of(
        f"token-country/{name}",
        f"hash, blind, verify 2 proofs, add, unblind, index; bare: {bare.in_words(COUNTS)}",
        "µs CPU/token",
        batch.SIZE,
        microseconds_each(pairs, batch.SIZE),
    )


def _ours(inputs: list[bytes | None], holders: tuple[batch.Holder, batch.Holder]) -> float:
    watch = Stopwatch(time.process_time)
    with watch:
        blinding = tokens.blind(inputs)
    blinded = blinding.blinded
    answers = [holder.answer(blinded) for holder in holders]
    with watch:
        for holder, (evaluated, proof) in zip(holders, answers, strict=True):
            dleq.verify(holder.statement, blinded, evaluated, proof)
        made = tokens.unblind(blinding.blinds, answers[0][0], answers[1][0])
        for start in range(0, batch.PEOPLE * len(SLOTS), len(SLOTS)):
            tokens.indices(world.PAIR, 1, SLOTS, made[start : start + len(SLOTS)])
    return watch.seconds
