"""ristretto255 in batches: the only file that knows the backend.

Every function takes what its caller has many of, so that a faster backend can do the work on the whole batch.
Elements that come in are refused unless they are canonical and, except in plain sums, not the identity; scalars
unless they are canonical and, where they multiply or are inverted, not zero. Secrets pass only through the library's
own constant-time functions.

Sources: RFC 9496 (the group), RFC 9380 (hashing). Cost with libsodium 1.0.18 on two kinds of machine, microseconds:
hash 15 to 20, multiply 50 to 75, a term of a weighted sum 63 to 90, add 14 to 16.
"""

import ctypes
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Final

from keys import backend
from keys.errors import InvalidElement, InvalidScalar
from keys.expand import expand_message_xmd

Element = bytes
"""32 bytes, the canonical encoding of an element."""
Scalar = bytes
"""32 bytes, little-endian, below the group's order."""

SIZE: Final = 32
IDENTITY: Final[Element] = bytes(SIZE)
_ZERO: Final[Scalar] = bytes(SIZE)
_ONE: Final[Scalar] = b"\1" + bytes(SIZE - 1)
_WEIGHT: Final = 16

_library: backend.Library | None = None


def use(name: backend.Name) -> None:
    """Take this backend from now on, in the whole process: for tests and benches. Raises BackendMissing."""
    global _library  # noqa: PLW0603  one library a process, as with every C library
    _library = backend.load(name)


def backend_name() -> backend.Name:
    """The backend in use. Raises BackendMissing where there is none."""
    return _loaded().name


def map_to_group(uniform: Sequence[bytes]) -> list[Element]:
    """Each 64 uniform bytes to an element. Source: RFC 9496 section 4.3.4."""
    run = _loaded().from_hash
    out = _Results(len(uniform))
    for i, value in enumerate(uniform):
        if len(value) != 2 * SIZE:  # C reads 64 bytes, whatever came
            raise ValueError(f"Input {i} to map has {len(value)} bytes, not {2 * SIZE}.")
        run(out.start + SIZE * i, value)
    return out.split()


def hash_to_group(inputs: Sequence[bytes], dst: bytes) -> list[Element]:
    """Each input to an element whose logarithm nobody knows.

    source   RFC 9380, expand_message_xmd with SHA-512 to 64 bytes; RFC 9496 section 4.3.4
    """
    return map_to_group([expand_message_xmd(message, dst, 64) for message in inputs])


def hash_to_scalar(message: bytes, dst: bytes) -> Scalar:
    """A message to a scalar. Source: RFC 9497 section 4.1, HashToScalar."""
    return _one(_loaded().scalar_reduce, expand_message_xmd(message, dst, 64))


def random_scalars(n: int) -> list[Scalar]:
    """Fresh scalars, uniform, not zero."""
    run = _loaded().scalar_random
    out = _Results(n)
    for i in range(n):
        run(out.start + SIZE * i)
    return out.split()


def multiply(elements: Sequence[Element], scalar: Scalar) -> list[Element]:
    """Every element times one scalar. Raises InvalidElement, InvalidScalar."""
    _refuse_zero((scalar,))
    return _multiplied(elements, [scalar] * len(elements))


def multiply_each(elements: Sequence[Element], scalars: Sequence[Scalar]) -> list[Element]:
    """Element i times scalar i. Raises InvalidElement, InvalidScalar."""
    _refuse_zero(scalars)
    return _multiplied(elements, scalars)


def multiply_base(scalar: Scalar) -> Element:
    """The group's generator times a scalar. Raises InvalidScalar."""
    _refuse_zero((scalar,))
    return _one(_loaded().multiply_base, scalar)


def add(left: Sequence[Element], right: Sequence[Element]) -> list[Element]:
    """Element i of the left plus element i of the right. A sum may be the identity. Raises InvalidElement."""
    _refuse_malformed(left)
    _refuse_malformed(right)
    if len(left) != len(right):
        raise InvalidElement(f"Sums need two lists of one length; got {len(left)} and {len(right)} elements.")
    run = _loaded().add
    out = _Results(len(left))
    for i, (one, other) in enumerate(zip(left, right, strict=True)):
        if run(out.start + SIZE * i, one, other) != 0:
            raise _invalid(i, len(left))
    return out.split()


def total(elements: Sequence[Element]) -> Element:
    """The sum of all elements; of none, the identity. Raises InvalidElement."""
    _refuse_malformed(elements)
    run = _loaded().add
    out = _Results(1)
    for i, element in enumerate(elements):
        if run(out.start, out.start, element) != 0:
            raise _invalid(i, len(elements))
    return out.raw


def weighted_sum(elements: Sequence[Element], weights: Sequence[bytes]) -> Element:
    """Sum of weight i times element i; it may be the identity.

    weights  16 bytes each, big-endian, public, not zero (of hashed ones, 1 in 2^128 is)
    raises   InvalidElement: an element is not canonical, or the identity, or the lists differ in length;
             InvalidScalar
    """
    wide = [weight[::-1] + bytes(SIZE - _WEIGHT) for weight in weights]
    if any(len(weight) != SIZE or weight == _ZERO for weight in wide):
        raise InvalidScalar(f"A weight has {_WEIGHT} bytes, not all zero.")
    return total(_multiplied(elements, wide))


def validate(elements: Sequence[Element]) -> None:
    """Raises InvalidElement unless every element is canonical and not the identity."""
    _refuse_malformed(elements)
    run = _loaded().is_valid
    for i, element in enumerate(elements):
        if element == IDENTITY or run(element) != 1:
            raise _invalid(i, len(elements))


def invert(scalars: Sequence[Scalar]) -> list[Scalar]:
    """The inverse of each scalar, for one inversion and three multiplications a scalar. Raises InvalidScalar.

    source   Montgomery's trick: invert the product of all, then take the others off again, last first
    """
    _refuse_zero(scalars)
    n = len(scalars)
    times = _loaded().scalar_multiply
    products = _Results(n + 1, _ONE)  # product i is that of the first i scalars
    for i, scalar in enumerate(scalars):
        times(products.start + SIZE * (i + 1), products.start + SIZE * i, scalar)
    rest, out = _Results(1), _Results(n)
    _loaded().scalar_invert(rest.start, products.start + SIZE * n)
    for i in reversed(range(n)):
        times(out.start + SIZE * i, rest.start, products.start + SIZE * i)
        times(rest.start, rest.start, scalars[i])
    return out.split()


def scalar_add(a: Scalar, b: Scalar) -> Scalar:
    """Raises InvalidScalar, as do the next two; zero may go in and come out."""
    _refuse_unreduced((a, b))
    return _one(_loaded().scalar_add, a, b)


def scalar_subtract(a: Scalar, b: Scalar) -> Scalar:
    _refuse_unreduced((a, b))
    return _one(_loaded().scalar_subtract, a, b)


def scalar_multiply(a: Scalar, b: Scalar) -> Scalar:
    _refuse_unreduced((a, b))
    return _one(_loaded().scalar_multiply, a, b)


def _loaded() -> backend.Library:
    global _library  # noqa: PLW0603
    if _library is None:
        _library = backend.load_any()
    return _library


def _multiplied(elements: Sequence[Element], scalars: Sequence[Scalar]) -> list[Element]:
    """Multiply by scalars that were looked at. libsodium refuses what does not decode, and a result of identity."""
    _refuse_malformed(elements)
    if len(elements) != len(scalars):
        raise InvalidElement(f"Each element needs its scalar; got {len(elements)} and {len(scalars)}.")
    run = _loaded().multiply
    out = _Results(len(elements))
    for i, (element, scalar) in enumerate(zip(elements, scalars, strict=True)):
        if run(out.start + SIZE * i, scalar, element) != 0:
            raise _invalid(i, len(elements))
    return out.split()


def _refuse_malformed(elements: Sequence[Element]) -> None:
    """What the library does not see. It reads 32 bytes at the address it is given, whatever lies there; and up to
    1.0.18 it ignores the last bit, which a canonical encoding never sets (RFC 9496 section 4.3.1): with it every
    element would have a second encoding.
    """
    for i, element in enumerate(elements):
        if len(element) != SIZE:
            raise InvalidElement(f"Element {i} of {len(elements)} has {len(element)} bytes, not {SIZE}.")
        if element[-1] & 0x80:
            raise _invalid(i, len(elements))


def _refuse_unreduced(scalars: Sequence[Scalar]) -> None:
    run = _loaded().scalar_reduce
    out = _Results(1)
    for i, scalar in enumerate(scalars):
        if len(scalar) != SIZE:
            raise InvalidScalar(f"Scalar {i} of {len(scalars)} has {len(scalar)} bytes, not {SIZE}.")
        run(out.start, scalar + bytes(SIZE))
        if not compare_digest(out.raw, scalar):
            raise InvalidScalar(f"Scalar {i} of {len(scalars)} is not below the group's order.")


def _refuse_zero(scalars: Sequence[Scalar]) -> None:
    _refuse_unreduced(scalars)
    for i, scalar in enumerate(scalars):
        if compare_digest(scalar, _ZERO):
            raise InvalidScalar(f"Scalar {i} of {len(scalars)} is zero: it would hide nothing.")


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
        self._room = (ctypes.c_char * (SIZE * n)).from_buffer_copy(first.ljust(SIZE * n, b"\0"))
        self.start = ctypes.addressof(self._room)

    @property
    def raw(self) -> bytes:
        return self._room.raw

    def split(self) -> list[bytes]:
        raw = self._room.raw
        return [raw[i : i + SIZE] for i in range(0, len(raw), SIZE)]
