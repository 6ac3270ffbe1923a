"""A group small enough to search in, behind keys.group: squares modulo a prime, and so few that thousands of steps go far.

The proofs of keys.oprf and keys.dleq run on it line for line as they are. What breaks here at once would break on
ristretto255 with more work; what does not, is not broken by the smallness.
"""

from random import Random

from keys.errors import InvalidElement, InvalidScalar
from keys.group import IDENTITY
from keys.sodium import Sodium

ORDER = 2**48 - 1355  # a prime, and so is MODULUS
MODULUS = 2 * ORDER + 1
GENERATOR = 4


def encode(value: int) -> bytes:
    """So that 1 is the identity's zeros."""
    return (value - 1).to_bytes(32, "little")


def decode(element: bytes) -> int:
    value = int.from_bytes(element, "little") + 1
    if len(element) != 32 or value >= MODULUS or pow(value, ORDER, MODULUS) != 1:
        raise InvalidElement("No element of the toy group.")
    return value


def scalar(value: int) -> bytes:
    return (value % ORDER).to_bytes(32, "little")


def number(data: bytes) -> int:
    if len(data) != 32 or int.from_bytes(data, "little") >= ORDER:
        raise InvalidScalar("No scalar of the toy group.")
    return int.from_bytes(data, "little")


class ToyGroup:
    """What of keys.backend.Backend the proofs use. Its secrets are the same in each run."""

    name = "toy"
    hashed_weights = Sodium.hashed_weights  # of bytes alone

    def __init__(self):
        self.random = Random(1)

    def reduce(self, uniform):
        return scalar(int.from_bytes(uniform, "little"))

    def random_scalars(self, n):
        return [scalar(self.random.randrange(1, ORDER)) for _ in range(n)]

    def multiply(self, elements, one):
        return self.multiply_each(elements, [one] * len(elements))

    def multiply_each(self, elements, scalars):
        return [encode(pow(decode(e), number(s), MODULUS)) for e, s in zip(elements, scalars, strict=True)]

    def multiply_base(self, one):
        return encode(pow(GENERATOR, number(one), MODULUS))

    def add(self, left, right):
        return [encode(decode(a) * decode(b) % MODULUS) for a, b in zip(left, right, strict=True)]

    def total(self, elements):
        out = 1
        for element in elements:
            out = out * decode(element) % MODULUS
        return encode(out)

    def weighted_sum(self, elements, weights):
        if IDENTITY in elements:
            raise InvalidElement("The identity.")
        return self.total(self.multiply_each(elements, [scalar(int.from_bytes(w, "big")) for w in weights]))

    def scalar_add(self, a, b):
        return scalar(number(a) + number(b))

    def scalar_subtract(self, a, b):
        return scalar(number(a) - number(b))

    def scalar_multiply(self, a, b):
        return scalar(number(a) * number(b))
