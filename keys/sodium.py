"""ristretto255 over libsodium, one call of C for each element: the batch functions of keys.group where the native ones
are not built. Secrets pass only through the library's own constant-time functions.

libsodium has no sum of many products, and no element that stays decoded: each call takes and gives bytes. Cost of
1.0.18 on two kinds of machine, microseconds: hash 15 to 20, multiply 50 to 75, a term of a weighted sum 63 to 90, add
14 to 16.
"""

import ctypes
import hashlib
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Final

from keys.errors import InvalidElement, InvalidScalar
from keys.expand import expand_message_xmd
from keys.libsodium import Library, Name

_SIZE: Final = 32
_IDENTITY: Final = bytes(_SIZE)
_ZERO: Final = bytes(_SIZE)
_ONE: Final = b"\1" + bytes(_SIZE - 1)
_WEIGHT: Final = 16


class Sodium:
    """keys.backend.Backend on one loaded libsodium."""

    def __init__(self, library: Library) -> None:
        self.name: Name = library.name
        self._library = library

    def map_to_group(self, inputs: Sequence[bytes]) -> list[bytes]:
        run = self._library.from_hash
        out = _Results(len(inputs))
        for i, uniform in enumerate(inputs):
            if len(uniform) != 2 * _SIZE:  # C reads 64 bytes, whatever came
                raise ValueError(f"Input {i} to map has {len(uniform)} bytes, not {2 * _SIZE}.")
            run(out.start + _SIZE * i, uniform)
        return out.split()

    def hash_to_group(self, inputs: Sequence[bytes], dst: bytes) -> list[bytes]:
        return self.map_to_group([expand_message_xmd(message, dst, 2 * _SIZE) for message in inputs])

    def hash_and_multiply(self, inputs: Sequence[bytes], dst: bytes, scalars: Sequence[bytes]) -> list[bytes]:
        return self.multiply_each(self.hash_to_group(inputs, dst), scalars)

    def random_scalars(self, n: int) -> list[bytes]:
        run = self._library.scalar_random
        out = _Results(n)
        for i in range(n):
            run(out.start + _SIZE * i)
        return out.split()

    def reduce(self, uniform: bytes) -> bytes:
        if len(uniform) != 2 * _SIZE:
            raise ValueError(f"{2 * _SIZE} bytes reduce; got {len(uniform)}.")
        return _one(self._library.scalar_reduce, uniform)

    def multiply(self, elements: Sequence[bytes], scalar: bytes) -> list[bytes]:
        self._refuse_zero((scalar,))
        return self._multiplied(elements, [scalar] * len(elements))

    def multiply_each(self, elements: Sequence[bytes], scalars: Sequence[bytes]) -> list[bytes]:
        self._refuse_zero(scalars)
        return self._multiplied(elements, scalars)

    def multiply_sums(self, left: Sequence[bytes], right: Sequence[bytes], scalars: Sequence[bytes]) -> list[bytes]:
        self._refuse_zero(scalars)
        for terms in (left, right):
            _refuse_malformed(terms)
        _refuse_unpaired(left, right)
        _refuse_unequal(left, scalars)
        for terms in (left, right):
            if _IDENTITY in terms:
                raise _invalid(terms.index(_IDENTITY), len(terms))
        sums = self.add(left, right)
        if _IDENTITY in sums:
            raise _invalid(sums.index(_IDENTITY), len(sums))
        return self._multiplied(sums, scalars)

    def multiply_base(self, scalar: bytes) -> bytes:
        self._refuse_zero((scalar,))
        return _one(self._library.multiply_base, scalar)

    def add(self, left: Sequence[bytes], right: Sequence[bytes]) -> list[bytes]:
        _refuse_malformed(left)
        _refuse_malformed(right)
        _refuse_unpaired(left, right)
        run = self._library.add
        out = _Results(len(left))
        for i, (one, other) in enumerate(zip(left, right, strict=True)):
            if run(out.start + _SIZE * i, one, other) != 0:
                raise _invalid(i, len(left))
        return out.split()

    def total(self, elements: Sequence[bytes]) -> bytes:
        _refuse_malformed(elements)
        run = self._library.add
        out = _Results(1)
        for i, element in enumerate(elements):
            if run(out.start, out.start, element) != 0:
                raise _invalid(i, len(elements))
        return out.raw

    def hashed_weights(self, prefix: bytes, n: int) -> list[bytes]:
        blocks = [hashlib.sha512(prefix + j.to_bytes(8, "big")).digest() for j in range(-(-n // 4))]
        return [blocks[i // 4][_WEIGHT * (i % 4) : _WEIGHT * (i % 4 + 1)] for i in range(n)]

    def weighted_sum(self, elements: Sequence[bytes], weights: Sequence[bytes]) -> bytes:
        wide = [weight[::-1] + bytes(_SIZE - _WEIGHT) for weight in weights]
        if any(len(weight) != _SIZE or weight == _ZERO for weight in wide):
            raise InvalidScalar(f"A weight has {_WEIGHT} bytes, not all zero.")
        return self.total(self._multiplied(elements, wide))

    def validate(self, elements: Sequence[bytes]) -> None:
        _refuse_malformed(elements)
        run = self._library.is_valid
        for i, element in enumerate(elements):
            if element == _IDENTITY or run(element) != 1:
                raise _invalid(i, len(elements))

    def invert(self, scalars: Sequence[bytes]) -> list[bytes]:
        """One inversion for all. Source: Montgomery's trick: invert the product, take the others off, last first."""
        self._refuse_zero(scalars)
        n = len(scalars)
        times = self._library.scalar_multiply
        products = _Results(n + 1, _ONE)  # product i is that of the first i scalars
        for i, scalar in enumerate(scalars):
            times(products.start + _SIZE * (i + 1), products.start + _SIZE * i, scalar)
        rest, out = _Results(1), _Results(n)
        self._library.scalar_invert(rest.start, products.start + _SIZE * n)
        for i in reversed(range(n)):
            times(out.start + _SIZE * i, rest.start, products.start + _SIZE * i)
            times(rest.start, rest.start, scalars[i])
        return out.split()

    def scalar_add(self, a: bytes, b: bytes) -> bytes:
        self._refuse_unreduced((a, b))
        return _one(self._library.scalar_add, a, b)

    def scalar_subtract(self, a: bytes, b: bytes) -> bytes:
        self._refuse_unreduced((a, b))
        return _one(self._library.scalar_subtract, a, b)

    def scalar_multiply(self, a: bytes, b: bytes) -> bytes:
        self._refuse_unreduced((a, b))
        return _one(self._library.scalar_multiply, a, b)

    def _multiplied(self, elements: Sequence[bytes], scalars: Sequence[bytes]) -> list[bytes]:
        """Multiply by scalars that were looked at. libsodium refuses what does not decode, and a result of identity."""
        _refuse_malformed(elements)
        _refuse_unequal(elements, scalars)
        run = self._library.multiply
        out = _Results(len(elements))
        for i, (element, scalar) in enumerate(zip(elements, scalars, strict=True)):
            if run(out.start + _SIZE * i, scalar, element) != 0:
                raise _invalid(i, len(elements))
        return out.split()

    def _refuse_unreduced(self, scalars: Sequence[bytes]) -> None:
        run = self._library.scalar_reduce
        out = _Results(1)
        for i, scalar in enumerate(scalars):
            if len(scalar) != _SIZE:
                raise InvalidScalar(f"Scalar {i} of {len(scalars)} has {len(scalar)} bytes, not {_SIZE}.")
            run(out.start, scalar + bytes(_SIZE))
            if not compare_digest(out.raw, scalar):
                raise InvalidScalar(f"Scalar {i} of {len(scalars)} is not below the group's order.")

    def _refuse_zero(self, scalars: Sequence[bytes]) -> None:
        self._refuse_unreduced(scalars)
        for i, scalar in enumerate(scalars):
            if compare_digest(scalar, _ZERO):
                raise InvalidScalar(f"Scalar {i} of {len(scalars)} is zero: it would hide nothing.")


def _refuse_malformed(elements: Sequence[bytes]) -> None:
    """What the library does not see. It reads 32 bytes at the address it is given, whatever lies there; and up to
    1.0.18 it ignores the last bit, which a canonical encoding never sets (RFC 9496 section 4.3.1): with it every
    element would have a second encoding.
    """
    for i, element in enumerate(elements):
        if len(element) != _SIZE:
            raise InvalidElement(f"Element {i} of {len(elements)} has {len(element)} bytes, not {_SIZE}.")
        if element[-1] & 0x80:
            raise _invalid(i, len(elements))


def _refuse_unequal(elements: Sequence[bytes], scalars: Sequence[bytes]) -> None:
    if len(elements) != len(scalars):
        raise InvalidElement(f"Each element needs its scalar; got {len(elements)} and {len(scalars)}.")


def _refuse_unpaired(left: Sequence[bytes], right: Sequence[bytes]) -> None:
    if len(left) != len(right):
        raise InvalidElement(f"Sums need two lists of one length; got {len(left)} and {len(right)} elements.")


def _invalid(i: int, n: int) -> InvalidElement:
    return InvalidElement(f"Element {i} of {n} is not canonical, or the identity.")


def _one(run: Callable[..., int], *inputs: bytes) -> bytes:
    """One call whose result is 32 bytes."""
    out = _Results(1)
    run(out.start, *inputs)
    return out.raw


class _Results:
    """Room for n results of 32 bytes, made before the first call: result i goes to the address `start` + 32 i."""

    __slots__ = ("_room", "start")

    def __init__(self, n: int, first: bytes = b"") -> None:
        self._room = (ctypes.c_char * (_SIZE * n)).from_buffer_copy(first.ljust(_SIZE * n, b"\0"))
        self.start = ctypes.addressof(self._room)

    @property
    def raw(self) -> bytes:
        return self._room.raw

    def split(self) -> list[bytes]:
        raw = self._room.raw
        return [raw[i : i + _SIZE] for i in range(0, len(raw), _SIZE)]
