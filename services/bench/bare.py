"""The group operations of a backend in a tight loop: what no token can cost less than, on this machine.

Nothing of ours stands around a call but the loop: no checks, no hashing of transcripts, no results made into objects.
Operands are random, different in each turn, and made beforehand. libsodium's operations take and give encoded
elements; the native ones are the library's own on decoded elements, and the loop is in Rust.
"""

import ctypes
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Final, get_args

from keys import backend, group, labels, libsodium
from keys.errors import BackendMissing
from services.bench.measure import Stopwatch

SODIUM: Final[Mapping[str, str]] = {
    "from_hash": "map to the group",
    "multiply": "multiplication",
    "add": "addition",
    "is_valid": "validation",
    "scalar_random": "random scalar",
    "scalar_multiply": "scalar product",
}
NATIVE: Final[Mapping[str, str]] = {
    "hash": "hash to the group",
    "multiply": "multiplication",
    "decode": "decoding",
    "weigh": "weighted term",
}
_WORDS: Final = {**SODIUM, **NATIVE}


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


def apart() -> bool:
    """Make the group forget what it keeps decoded, as the next party has its own process. Returns whether it keeps any.
    """
    if group.backend_name() != "native":
        return False
    import_module(backend.NATIVE).forget()
    return True


def in_words(counts: Mapping[str, int]) -> str:
    """`1 map to the group, 6 multiplications`."""
    return ", ".join(f"{count} {_WORDS[name]}{'s' if count > 1 else ''}" for name, count in counts.items())


class Bare:
    """The operations of n tokens. `counts`: how often each of SODIUM or NATIVE is done for one token."""

    def __init__(self, name: backend.Name, counts: Mapping[str, int], n: int) -> None:
        self._run = _native(counts, n) if name == "native" else _sodium(libsodium.load(name), counts, n)

    def run(self, watch: Stopwatch) -> float:
        """Do it all once. Returns the seconds on this watch."""
        with watch:
            self._run()
        return watch.seconds


def _native(counts: Mapping[str, int], n: int) -> Callable[[], None]:
    module = import_module(backend.NATIVE)
    run: Callable[[], None] = module.Bare(list(counts.items()), n, labels.TOKEN_TO_GROUP).run
    return run


def _sodium(library: libsodium.Library, counts: Mapping[str, int], n: int) -> Callable[[], None]:
    out = ctypes.create_string_buffer(group.SIZE)
    calls: list[tuple[Callable[..., int], list[tuple[int | bytes, ...]]]] = [
        (getattr(library, function), _operands(function, ctypes.addressof(out), n))
        for function, count in counts.items()
        for _ in range(count)
    ]

    def run(_room: object = out) -> None:  # the results' room lives as long as the calls that write there
        for function, rows in calls:
            for row in rows:
                function(*row)

    return run


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
