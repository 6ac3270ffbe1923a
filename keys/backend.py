"""Which implementation of the group is in use: the native one (keys/native, Rust), the system's libsodium, or rbcl's.

All three do the same, held to it by one contract (tests/unit/keys/test_group.py); the native one is several times
faster. It is built by `make install` where a Rust toolchain is found, and is never needed. Only keys.group and the
benches import this file.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Final, Literal, Protocol, cast

from keys import libsodium
from keys.errors import BackendMissing
from keys.sodium import Sodium

Name = Literal["native", "libsodium", "rbcl"]

NATIVE: Final = "samaki_native"
"""The module that keys/native is built into."""
_VERSION: Final = "0.1.0"
"""Of keys/native/Cargo.toml: a module that was built from another is not taken."""


class Backend(Protocol):
    """The batch functions behind keys.group, which says what each must do. All may be called from several threads."""

    @property
    def name(self) -> Name: ...
    def map_to_group(self, inputs: Sequence[bytes]) -> list[bytes]: ...
    def hash_to_group(self, inputs: Sequence[bytes], dst: bytes) -> list[bytes]: ...
    def hash_and_multiply(self, inputs: Sequence[bytes], dst: bytes, scalars: Sequence[bytes]) -> list[bytes]: ...
    def random_scalars(self, n: int) -> list[bytes]: ...
    def reduce(self, uniform: bytes) -> bytes: ...
    def multiply(self, elements: Sequence[bytes], scalar: bytes) -> list[bytes]: ...
    def multiply_each(self, elements: Sequence[bytes], scalars: Sequence[bytes]) -> list[bytes]: ...
    def multiply_sums(
        self, left: Sequence[bytes], right: Sequence[bytes], scalars: Sequence[bytes]
    ) -> list[bytes]: ...
    def multiply_base(self, scalar: bytes) -> bytes: ...
    def add(self, left: Sequence[bytes], right: Sequence[bytes]) -> list[bytes]: ...
    def total(self, elements: Sequence[bytes]) -> bytes: ...
    def hashed_weights(self, prefix: bytes, n: int) -> list[bytes]: ...
    def weighted_sum(self, elements: Sequence[bytes], weights: Sequence[bytes]) -> bytes: ...
    def validate(self, elements: Sequence[bytes]) -> None: ...
    def invert(self, scalars: Sequence[bytes]) -> list[bytes]: ...
    def scalar_add(self, a: bytes, b: bytes) -> bytes: ...
    def scalar_subtract(self, a: bytes, b: bytes) -> bytes: ...
    def scalar_multiply(self, a: bytes, b: bytes) -> bytes: ...


def load(name: Name) -> Backend:
    """One backend by name. Raises BackendMissing."""
    return _native() if name == "native" else Sodium(libsodium.load(name))


def load_any() -> Backend:
    """The native one, else the system's libsodium, else rbcl's. Raises BackendMissing, naming what was tried."""
    try:
        return load("native")
    except BackendMissing:  # everything works without
        pass
    try:
        return load("libsodium")
    except BackendMissing as missing:
        try:
            return load("rbcl")
        except BackendMissing as error:
            raise BackendMissing(f"{missing} {error} Either one is enough.") from error


def _native() -> Backend:
    try:
        module = import_module(NATIVE)
    except ImportError as error:
        raise BackendMissing("The native group is not built: install Rust (cargo), then `make install`.") from error
    if module.__version__ != _VERSION:
        raise BackendMissing(
            f"The native group is of version {module.__version__}, not {_VERSION}: `make install` builds it anew."
        )
    return cast("Backend", module)
