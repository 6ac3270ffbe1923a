"""ristretto255 in batches: the only file that knows the backend (keys.backend).

Every function takes what its caller has many of, so that the native backend does the work on the whole batch. Elements
that come in are refused unless they are canonical and, except in plain sums, not the identity; scalars unless they are
canonical and, where they multiply or are inverted, not zero. Secrets pass only through the backend's own constant-time
functions. The native backend keeps the last batches decoded that `validate`, `multiply`, `multiply_sums` and
`weighted_sum` were given and `hash_and_multiply` gave: 32,768 elements, all of them seen by both ends of a wire.

Sources: RFC 9496 (the group), RFC 9380 (hashing).
"""

from collections.abc import Sequence
from typing import Final

from keys import backend
from keys.expand import expand_message_xmd

Element = bytes
"""32 bytes, the canonical encoding of an element."""
Scalar = bytes
"""32 bytes, little-endian, below the group's order."""

SIZE: Final = 32
IDENTITY: Final[Element] = bytes(SIZE)

_backend: backend.Backend | None = None


def use(name: backend.Name) -> None:
    """Take this backend from now on, in the whole process: for tests and benches. Raises BackendMissing."""
    global _backend  # noqa: PLW0603  one backend a process
    _backend = backend.load(name)


def backend_name() -> backend.Name:
    """The backend in use. Raises BackendMissing where there is none."""
    return _loaded().name


def map_to_group(uniform: Sequence[bytes]) -> list[Element]:
    """Each 64 uniform bytes to an element. Source: RFC 9496 section 4.3.4."""
    return _loaded().map_to_group(uniform)


def hash_to_group(inputs: Sequence[bytes], dst: bytes) -> list[Element]:
    """Each input to an element whose logarithm nobody knows.

    source   RFC 9380, expand_message_xmd with SHA-512 to 64 bytes; RFC 9496 section 4.3.4
    """
    return _loaded().hash_to_group(inputs, dst)


def hash_and_multiply(inputs: Sequence[bytes], dst: bytes, scalars: Sequence[Scalar]) -> list[Element]:
    """Input i hashed to the group, times scalar i, so that no input's element is ever encoded.

    raises   InvalidElement: another number of scalars, or an input hashes to the identity (nobody can find one);
             InvalidScalar
    """
    return _loaded().hash_and_multiply(inputs, dst, scalars)


def hash_to_scalar(message: bytes, dst: bytes) -> Scalar:
    """A message to a scalar. Source: RFC 9497 section 4.1, HashToScalar."""
    return _loaded().reduce(expand_message_xmd(message, dst, 64))


def random_scalars(n: int) -> list[Scalar]:
    """Fresh scalars, uniform, not zero."""
    return _loaded().random_scalars(n)


def multiply(elements: Sequence[Element], scalar: Scalar) -> list[Element]:
    """Every element times one scalar. Raises InvalidElement, InvalidScalar."""
    return _loaded().multiply(elements, scalar)


def multiply_each(elements: Sequence[Element], scalars: Sequence[Scalar]) -> list[Element]:
    """Element i times scalar i. Raises InvalidElement, InvalidScalar."""
    return _loaded().multiply_each(elements, scalars)


def multiply_sums(left: Sequence[Element], right: Sequence[Element], scalars: Sequence[Scalar]) -> list[Element]:
    """(Element i of the left plus element i of the right) times scalar i; no sum is ever encoded.

    raises   InvalidElement: some element is not canonical, or the identity, or a sum is the identity, or the lists
             differ in length; InvalidScalar
    """
    return _loaded().multiply_sums(left, right, scalars)


def multiply_base(scalar: Scalar) -> Element:
    """The group's generator times a scalar. Raises InvalidScalar."""
    return _loaded().multiply_base(scalar)


def add(left: Sequence[Element], right: Sequence[Element]) -> list[Element]:
    """Element i of the left plus element i of the right. A sum may be the identity. Raises InvalidElement."""
    return _loaded().add(left, right)


def total(elements: Sequence[Element]) -> Element:
    """The sum of all elements; of none, the identity. Raises InvalidElement."""
    return _loaded().total(elements)


def hashed_weights(prefix: bytes, n: int) -> list[bytes]:
    """Weights of 16 bytes: block i mod 4 of SHA-512(prefix | i div 4), i from 0, the number in 8 bytes, big-endian."""
    return _loaded().hashed_weights(prefix, n)


def weighted_sum(elements: Sequence[Element], weights: Sequence[bytes]) -> Element:
    """Sum of weight i times element i; it may be the identity. In variable time: for what is no secret.

    weights  16 bytes each, big-endian, public, not zero (of hashed ones, 1 in 2^128 is)
    raises   InvalidElement: an element is not canonical, or the identity, or the lists differ in length;
             InvalidScalar
    """
    return _loaded().weighted_sum(elements, weights)


def validate(elements: Sequence[Element]) -> None:
    """Raises InvalidElement unless every element is canonical and not the identity."""
    _loaded().validate(elements)


def invert(scalars: Sequence[Scalar]) -> list[Scalar]:
    """The inverse of each scalar, for one inversion and three multiplications a scalar. Raises InvalidScalar."""
    return _loaded().invert(scalars)


def scalar_add(a: Scalar, b: Scalar) -> Scalar:
    """Raises InvalidScalar, as do the next two; zero may go in and come out."""
    return _loaded().scalar_add(a, b)


def scalar_subtract(a: Scalar, b: Scalar) -> Scalar:
    return _loaded().scalar_subtract(a, b)


def scalar_multiply(a: Scalar, b: Scalar) -> Scalar:
    return _loaded().scalar_multiply(a, b)


def _loaded() -> backend.Backend:
    global _backend  # noqa: PLW0603
    if _backend is None:
        _backend = backend.load_any()
    return _backend
