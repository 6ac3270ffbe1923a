"""libsodium's group operations in a tight loop: what no token can cost less than, on this machine and backend.

Nothing of ours stands around a call but the loop: no checks, no hashing of transcripts, no results made into objects.
Operands are random, different in each turn, and made beforehand.
"""

import ctypes
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, get_args

from keys import backend, group, labels
from keys.errors import BackendMissing
from services.bench.measure import Stopwatch

WORDS: Final[Mapping[str, str]] = {
    "from_hash": "map to the group",
    "multiply": "multiplication",
    "add": "addition",
    "is_valid": "validation",
    "scalar_random": "random scalar",
    "scalar_multiply": "scalar product",
}


def backends() -> tuple[backend.Name, ...]:
    """Those that load here."""
    return tuple(name for name in get_args(backend.Name) if _loads(name))


def _loads(name: backend.Name) -> bool:
    try:
        backend.load(name)
    except BackendMissing:
        return False
    return True


@contextmanager
def using(name: backend.Name) -> Iterator[None]:
    """Have all of `keys` take this backend in the block, and the one it had again afterwards."""
    before = group.backend_name()
    group.use(name)
    try:
        yield
    finally:
        group.use(before)


def in_words(counts: Mapping[str, int]) -> str:
    """`1 map to the group, 6 multiplications`."""
    return ", ".join(f"{count} {WORDS[name]}{'s' if count > 1 else ''}" for name, count in counts.items())


class Bare:
    """The operations of n tokens. `counts`: how often each function of the backend is called for one token."""

    def __init__(self, name: backend.Name, counts: Mapping[str, int], n: int) -> None:
        library = backend.load(name)
        self._out = ctypes.create_string_buffer(group.SIZE)
        start = ctypes.addressof(self._out)
        self._calls: list[tuple[Callable[..., int], list[tuple[int | bytes, ...]]]] = [
            (getattr(library, function), _operands(function, start, n))
            for function, count in counts.items()
            for _ in range(count)
        ]

    def run(self, watch: Stopwatch) -> float:
        """Do it all once. Returns the seconds on this watch."""
        with watch:
            for function, rows in self._calls:
                for row in rows:
                    function(*row)
        return watch.seconds


def _operands(function: str, start: int, n: int) -> list[tuple[int | bytes, ...]]:
    """The arguments of n calls; results go to the address `start`."""
    match function:
        case "from_hash":
            return [(start, secrets.token_bytes(64)) for _ in range(n)]
        case "multiply":
            return [(start, *factors) for factors in zip(group.random_scalars(n), _elements(n), strict=True)]
        case "add":
            return [(start, *terms) for terms in zip(_elements(n), _elements(n), strict=True)]
        case "is_valid":
            return [(element,) for element in _elements(n)]
        case "scalar_random":
            return [(start,)] * n
        case "scalar_multiply":
            return [(start, *factors) for factors in zip(group.random_scalars(n), group.random_scalars(n), strict=True)]
    raise ValueError(f"The backend has no operation {function!r} to measure.")


def _elements(n: int) -> list[group.Element]:
    return group.hash_to_group([secrets.token_bytes(32) for _ in range(n)], labels.TOKEN_TO_GROUP)
