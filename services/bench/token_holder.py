"""A token's cost to one key holder: refuse what is no element, evaluate, prove.

Bare: a validation, the evaluation's multiplication, and for the proof's weighted sum a multiplication and an addition;
natively a decoding, a multiplication and a weighted term. What a batch needs once (three multiplications) is left out;
so are the request's and the answer's envelopes, which the bench `streams` measures.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from keys.backend import Name
from matching import tokens
from services.bench import bare, batch
from services.bench.measure import Figure, Stopwatch, in_turns, microseconds_each
from services.bench.setting import Setting

ROUNDS: Final = 11
COUNTS: Final[Mapping[str, int]] = {"is_valid": 1, "multiply": 2, "add": 1}
NATIVE: Final[Mapping[str, int]] = {"decode": 1, "multiply": 1, "weigh": 1}


def measure(_: Setting) -> Iterator[Figure]:
    for name in bare.backends():
        with bare.using(name):
            yield _on(name)


def _on(name: Name) -> Figure:
    counts = NATIVE if name == "native" else COUNTS
    baseline = bare.Bare(name, counts, batch.SIZE)
    asked = b"".join(tokens.blind(batch.inputs()).blinded)
    holder, _ = batch.holders()
    pairs = in_turns(lambda: _ours(asked, holder), lambda: baseline.run(Stopwatch(time.process_time)), ROUNDS)
    return Figure.of(
        f"token-holder/{name}",
        f"validate, evaluate, prove; bare: {bare.in_words(counts)}",
        "µs CPU/token",
        batch.SIZE,
        microseconds_each(pairs, batch.SIZE),
    )


def _ours(asked: bytes, holder: batch.Holder) -> float:
    bare.apart()
    with Stopwatch(time.process_time) as watch:
        holder.answer(asked)
    return watch.seconds
