"""A verified token of a pair beside an item of OpenMined PSI, which intersects two sets by Diffie-Hellman.

All parties' CPU, 10,000 items a side. PSI: a server hashes and multiplies its set, a client its own, the server
multiplies the client's once more, the client takes its key off again and looks what is common; an item is one of each
side, two hashes to P-256 and four multiplications. Ours: one side's inputs become tokens by two holders, proved and
verified; so a record of each side costs two tokens, made once, where PSI begins anew for each comparison.
What PSI does not do: prove that an answer is right, count questions, or keep the key from who holds the register.

Each step of ours stands beside one of PSI's, which runs in a process and a Python of its own (`make bench-peers`).
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

from services.bench import bare, token_pair
from services.bench.measure import Figure, in_step, microseconds_each
from services.bench.setting import Setting
from services.runtime.errors import PeerUnreachable

ROUNDS: Final = 7
ITEMS: Final = 10_000
_SLOWER: Final = 5
"""So many times fewer with libsodium: what an item costs does not depend on it."""
_WORKER: Final = Path(__file__).with_name("psi_worker.py")
_STEPS: Final = 4
"""Of the worker, and of ours."""


def measure(setting: Setting) -> Iterator[Figure]:
    """Nothing where no Python with the peer in it was named."""
    if setting.psi is None:
        return
    for name in bare.backends()[:2]:  # rbcl is libsodium once more
        n = ITEMS if name == "native" else ITEMS // _SLOWER
        with bare.using(name), _worker(setting.psi, n) as peer:
            pairs = in_step(token_pair.steps(n), [peer] * _STEPS, ROUNDS)
        yield Figure.of(
            f"peers/{name}",
            "country and both holders, verified; bare: OpenMined PSI 2.0.6, client and server, unverified",
            "µs CPU/item",
            n,
            microseconds_each(pairs, n),
        )


@contextmanager
def _worker(python: str, n: int) -> Iterator[Callable[[], float]]:
    """What does the next step and gives its CPU seconds. Raises PeerUnreachable: the peer is not in that Python."""
    with subprocess.Popen(
        [python, str(_WORKER), str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise PeerUnreachable("OpenMined PSI has no pipe to be asked through.")
        yield partial(_ask, process.stdin, process.stdout)
        process.stdin.close()


def _ask(to: IO[bytes], back: IO[bytes]) -> float:
    try:
        to.write(b"\n")
        return float(back.readline())
    except (BrokenPipeError, ValueError) as error:
        raise PeerUnreachable("OpenMined PSI ended without an answer; above stands why. `make bench-peers`") from error
