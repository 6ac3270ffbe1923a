"""Tokens a second of two processes at once, beside one alone: what a second core brings.

Each makes a pair's tokens, all parties of it in one process as in the bench `token-pair`: country and both holders,
verified. By the wall's clock, so it shows what this machine has to spare: on busy cores a second one brings nothing.
"""

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from functools import cache
from multiprocessing import get_context
from typing import Final

from keys import group
from services.bench import bare, batch
from services.bench.measure import Figure, Stopwatch, in_turns, per_second
from services.bench.setting import Setting

ROUNDS: Final = 7
TOKENS: Final = 2_000
"""Of one process in one run."""
WORKERS: Final = 2


def measure(_: Setting) -> Iterator[Figure]:
    name = bare.backends()[0]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"), initializer=group.use, initargs=(name,)) as pool:
        wait([pool.submit(_passage, TOKENS) for _ in range(4 * WORKERS)])  # all are started, and have their inputs
        pairs = in_turns(lambda: _together(pool, WORKERS), lambda: _together(pool, 1), ROUNDS)
    yield Figure.of(
        f"workers/{name}",
        f"a pair's tokens of {WORKERS} processes at once, country and both holders, verified; bare: of one process",
        "tokens/s",
        TOKENS,
        per_second(pairs, TOKENS),
    )


def _together(pool: ProcessPoolExecutor, count: int) -> float:
    """Seconds for TOKENS tokens while so many processes make as many each."""
    with Stopwatch(time.perf_counter) as watch:
        for done in [pool.submit(_make, TOKENS) for _ in range(count)]:
            done.result()
    return watch.seconds / count


def _make(n: int) -> None:
    """In a worker: once there and back."""
    watch = Stopwatch(time.process_time)
    _passage(n).run(watch, watch)


@cache
def _passage(n: int) -> batch.Passage:
    return batch.Passage([secrets.token_bytes(64) for _ in range(n)], batch.holders())
