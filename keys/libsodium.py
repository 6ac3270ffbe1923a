"""Finds and loads a libsodium with ristretto255: the system's, or the one inside the rbcl wheel.

The rbcl wheel carries libsodium as text in its source and unpacks it into a new temporary file at each import, and
leaves it there. It is never imported here: its library is unpacked once, into a folder of this Python environment
that only its owner may enter, and loaded from there. Only keys.backend and keys.sodium import this file, and
services.bench, which measures what a bare call costs.
"""

import ctypes
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final, Literal

from keys.errors import BackendMissing

Name = Literal["libsodium", "rbcl"]

_SYSTEM: Final = ("libsodium.so.26", "libsodium.so.23", "libsodium.so", "libsodium.dylib")
_FOLDER: Final = Path(sys.prefix) / "lib" / "samaki-rbcl"

_Function = Callable[..., int]
"""All arguments are addresses (int) or bytes; the result comes first; returns 0 for success, if it can fail."""


@dataclass(frozen=True, slots=True)
class Library:
    """The functions of one loaded libsodium. Sizes are the caller's to check: C reads 32 bytes, whatever came."""

    name: Name
    is_valid: _Function
    from_hash: _Function
    add: _Function
    multiply: _Function
    multiply_base: _Function
    scalar_random: _Function
    scalar_reduce: _Function
    scalar_invert: _Function
    scalar_add: _Function
    scalar_subtract: _Function
    scalar_multiply: _Function


_SYMBOLS: Final = {  # name here: symbol, number of arguments
    "is_valid": ("crypto_core_ristretto255_is_valid_point", 1),
    "from_hash": ("crypto_core_ristretto255_from_hash", 2),
    "add": ("crypto_core_ristretto255_add", 3),
    "multiply": ("crypto_scalarmult_ristretto255", 3),
    "multiply_base": ("crypto_scalarmult_ristretto255_base", 2),
    "scalar_random": ("crypto_core_ristretto255_scalar_random", 1),
    "scalar_reduce": ("crypto_core_ristretto255_scalar_reduce", 2),
    "scalar_invert": ("crypto_core_ristretto255_scalar_invert", 2),
    "scalar_add": ("crypto_core_ristretto255_scalar_add", 3),
    "scalar_subtract": ("crypto_core_ristretto255_scalar_sub", 3),
    "scalar_multiply": ("crypto_core_ristretto255_scalar_mul", 3),
}


def load(name: Name) -> Library:
    """One of the two libraries. Raises BackendMissing."""
    return _loaded(name, _SYSTEM if name == "libsodium" else (str(_unpacked()),))


def _loaded(name: Name, files: tuple[str, ...]) -> Library:
    for file in files:
        try:
            library = ctypes.CDLL(file)
            if library.sodium_init() < 0:
                continue
            return Library(name, **{key: _function(library, *symbol) for key, symbol in _SYMBOLS.items()})
        except (OSError, AttributeError):  # not there, or older than 1.0.18, or built without ristretto255
            continue
    raise BackendMissing(f"No libsodium from 1.0.18 on loads as {' or '.join(files)}: install libsodium23.")


def _function(library: ctypes.CDLL, symbol: str, arguments: int) -> _Function:
    function = getattr(library, symbol)
    function.argtypes = [ctypes.c_void_p] * arguments
    function.restype = ctypes.c_int
    return function  # type: ignore[no-any-return]


def _unpacked() -> Path:
    """The file with rbcl's library, unpacked if it is not there yet. A new version of the wheel gets a new file."""
    try:
        wheel = distribution("rbcl")
    except PackageNotFoundError as error:
        raise BackendMissing("The wheel rbcl is not installed: pip install rbcl.") from error
    path = _FOLDER / f"libsodium-{wheel.version}.so"
    try:
        _FOLDER.mkdir(mode=0o700, exist_ok=True)
        _refuse_open_folder()
        if not path.exists():
            _unpack(wheel, path)
    except OSError as error:
        raise BackendMissing(f"rbcl's library cannot be unpacked into {_FOLDER} ({error.strerror}).") from error
    return path


def _refuse_open_folder() -> None:
    """Code is loaded from here: nobody may write into it but us, or whoever owns the whole environment."""
    status = _FOLDER.stat()
    if status.st_mode & 0o077 or status.st_uid not in {os.geteuid(), Path(sys.prefix).stat().st_uid}:
        raise BackendMissing(f"{_FOLDER} is open to others or not ours: remove it, and it is made again.")


def _unpack(wheel: Distribution, path: Path) -> None:
    source = Path(str(wheel.locate_file("rbcl/_sodium.py"))).read_bytes()
    _, _, rest = source.partition(b"bytes.fromhex('")
    text, quote, _ = rest.partition(b"'")
    if not quote:
        raise BackendMissing(f"rbcl {wheel.version} carries its library in another form than 1.1: install rbcl 1.1.2.")
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(bytes.fromhex(text.decode("ascii")))
    fresh.replace(path)  # whole or not at all, also when two processes start at once
