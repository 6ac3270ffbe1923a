"""No backend differs from another: random operations, good and faulty, give the same bytes or the same refusal."""

import os
import random
import sys

import backends
import pytest

from keys import backend, group
from keys.errors import BackendMissing, KeysError

N = 16
"""Elements of each batch."""
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.fixture
def loaded():
    """All backends that load; in CI, all that can be had. One alone would agree with itself."""
    found = []
    for name in backends.NAMES:
        try:
            found.append(backend.load(name))
        except BackendMissing:
            if backends.must_have(name):
                raise
    if len(found) < 2:
        pytest.skip("There is one backend only.")
    return found


class Draw:
    """Operands, made from one seed, so that a failure can be looked at."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def bytes(self, size, n=N):
        return [self.random.randbytes(size) for _ in range(n)]

    def elements(self):
        """Half of them of few distinct ones, so that equal and opposite ones meet."""
        few = [bytes([self.random.randrange(4)]) * 64 for _ in range(N // 2)]
        made = group.map_to_group([bytes(one if one.strip(b"\0") else b"\1" * 64) for one in few] + self.bytes(64, N // 2))
        self.random.shuffle(made)
        return made

    def scalars(self, n=N, least=1):
        edge = [least, 1, 2, ORDER - 1, ORDER - 2, 2**252 - 1, 2**252]
        values = [self.random.choice([self.random.randrange(least, ORDER), self.random.choice(edge)]) for _ in range(n)]
        return [value.to_bytes(32, "little") for value in values]

    def weights(self):
        return [self.random.choice([w, w, b"\xff" * 16, bytes(15) + b"\1"]) for w in self.bytes(16)]

    def spoiled(self, values):
        """One time in three, one of the values is none."""
        if self.random.randrange(3):
            return values
        i, value = self.random.randrange(len(values)), self.random.choice(values)
        flipped = bytearray(value)
        flipped[self.random.randrange(len(value))] ^= 1 << self.random.randrange(8)
        wrong = [bytes(len(value)), value[:-1], value + b"\0", b"", b"\xff" * len(value), bytes(flipped), ORDER.to_bytes(32, "little")]
        return [*values[:i], self.random.choice(wrong), *values[i + 1 :]]

    def round(self):
        """One call of every function: name, arguments, and how many elements or scalars it works on."""
        elements, others, scalars, weights = self.elements(), self.elements(), self.scalars(), self.weights()
        dst = self.random.randbytes(self.random.randrange(1, 60))
        inputs = [self.random.randbytes(self.random.randrange(300)) for _ in range(N)]
        a, b = self.spoiled(self.scalars(2, least=0))
        few = self.random.randrange(N + 1)
        return [
            ("map_to_group", (self.bytes(64),), N),
            ("hash_to_group", (inputs, dst), N),
            ("hash_and_multiply", (inputs, dst, self.spoiled(scalars)), N),
            ("reduce", (self.random.randbytes(64),), 1),
            ("multiply", (self.spoiled(elements), scalars[0]), N),
            ("multiply", (elements, self.spoiled(scalars[:1])[0]), N),
            ("multiply_each", (self.spoiled(elements), scalars), N),
            ("multiply_each", (elements[:few], self.spoiled(scalars)), N),
            ("multiply_sums", (elements, others, scalars), N),
            ("multiply_sums", (self.spoiled(elements), others, scalars), N),
            ("multiply_sums", (elements, self.spoiled(others), scalars[:few]), N),
            ("multiply_base", (self.spoiled(scalars)[0],), 1),
            ("add", (self.spoiled(elements), others), N),
            ("add", (elements[:few], others), N),
            ("total", (self.spoiled(elements),), N),
            ("hashed_weights", (dst, few), few),
            ("weighted_sum", (self.spoiled(elements), weights), N),
            ("weighted_sum", (elements, self.spoiled(weights)), N),
            ("validate", (self.spoiled(elements),), N),
            *(("validate", ([one],), 1) for one in self.bytes(32)),
            ("invert", (self.spoiled(scalars),), N),
            ("scalar_add", (a, b), 1),
            ("scalar_subtract", (a, b), 1),
            ("scalar_multiply", (a, b), 1),
        ]


def outcome(one, name, arguments):
    try:
        return getattr(one, name)(*arguments)
    except KeysError as refusal:
        return type(refusal), str(refusal)


def agree(loaded, operations):
    """Random operations, at least so many, on every backend. Returns how often each function gave and refused."""
    seed = int(os.environ.get("SAMAKI_TEST_SEED") or random.randrange(sys.maxsize))
    draw, done, seen = Draw(seed), 0, {}
    while done < operations:
        for name, arguments, n in draw.round():
            first, *others = (outcome(one, name, arguments) for one in loaded)
            assert all(other == first for other in others), f"{name} differs: SAMAKI_TEST_SEED={seed}"
            seen.setdefault(name, set()).add(isinstance(first, tuple))
            done += n
    return seen


def test_backends_agree_on_thousands_of_random_operations(loaded):
    assert all(False in refused for refused in agree(loaded, 10_000).values())


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_backends_agree_on_a_million_random_operations(loaded):
    never_refuse = {"map_to_group", "hash_to_group", "reduce", "hashed_weights"}
    seen = agree(loaded, 1_000_000)
    assert {name for name, kinds in seen.items() if kinds == {True, False}} == set(seen) - never_refuse
