"""Laws of keys/, held on every backend and against a plain second implementation."""

import hashlib
import runpy
from pathlib import Path

import backends
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import dleq, group, labels, oprf, quota, seal, shares, sign
from keys.errors import InvalidElement, InvalidProof, InvalidScalar

REFERENCE = runpy.run_path(str(Path(__file__).parents[2] / "vectors" / "keys_reference.py"))
ORDER = REFERENCE["ORDER"]

numbers = st.one_of(st.integers(1, ORDER - 1), st.integers(1, 20), st.integers(ORDER - 20, ORDER - 1))
uniform = st.binary(max_size=8).map(lambda seed: hashlib.sha512(seed).digest())  # zeros alone map to the identity
weights = st.binary(min_size=16, max_size=16).filter(any)
some = settings(max_examples=25, deadline=None)


backend = backends.each("module")


def scalar(value):
    return value.to_bytes(32, "little")


def point(data):
    return REFERENCE["one_way_map"](data)


@some
@given(uniform, uniform, numbers)
def test_the_group_is_the_plain_one(one, other, k):
    p, q = point(one), point(other)
    encode, add, multiply = REFERENCE["encode"], REFERENCE["add"], REFERENCE["multiply"]
    assert group.add([encode(p)], [encode(q)]) == [encode(add(p, q))]
    assert group.multiply([encode(p)], scalar(k)) == [encode(multiply(p, k))]
    assert group.multiply_base(scalar(k)) == encode(multiply(REFERENCE["BASE"], k))


@some
@given(st.binary(min_size=32, max_size=32))
def test_what_decodes_plainly_is_valid_and_nothing_else_is(data):
    try:
        canonical = REFERENCE["encode"](REFERENCE["decode"](data)) == data != group.IDENTITY
    except ValueError:
        canonical = False
    if canonical:
        group.validate([data])
    else:
        with pytest.raises(InvalidElement):
            group.validate([data])


@some
@given(st.lists(st.tuples(uniform, weights), max_size=6))
def test_a_weighted_sum_is_the_plain_one(terms):
    total = REFERENCE["IDENTITY"]
    for data, weight in terms:
        total = REFERENCE["add"](total, REFERENCE["multiply"](point(data), int.from_bytes(weight, "big")))
    elements = [REFERENCE["encode"](point(data)) for data, _ in terms]
    assert group.weighted_sum(elements, [weight for _, weight in terms]) == REFERENCE["encode"](total)


@some
@given(st.lists(numbers, max_size=9))
def test_inverses_are_the_plain_ones(values):
    assert group.invert([scalar(v) for v in values]) == [scalar(pow(v, -1, ORDER)) for v in values]


@some
@given(st.integers(0, ORDER - 1), st.integers(0, ORDER - 1))
def test_scalars_calculate_modulo_the_order(a, b):
    assert group.scalar_add(scalar(a), scalar(b)) == scalar((a + b) % ORDER)
    assert group.scalar_subtract(scalar(a), scalar(b)) == scalar((a - b) % ORDER)
    assert group.scalar_multiply(scalar(a), scalar(b)) == scalar(a * b % ORDER)


@some
@given(st.integers(0, 2**256 - 1))
def test_exactly_the_reduced_scalars_but_zero_multiply(value):
    if 0 < value < ORDER:
        group.multiply_base(scalar(value))
    else:
        with pytest.raises(InvalidScalar):
            group.multiply_base(scalar(value))


@some
@given(st.binary(max_size=80), st.binary(min_size=1, max_size=40))
def test_hashing_to_a_scalar_is_the_plain_one(message, dst):
    assert group.hash_to_scalar(message, dst) == scalar(REFERENCE["hash_to_scalar"](message, dst))


@some
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6), numbers)
def test_unblinding_gives_what_the_key_gives_without_blinding(inputs, k):
    blinds, blinded = oprf.blind(inputs)
    plain = group.multiply(group.hash_to_group(inputs, labels.TOKEN_TO_GROUP), scalar(k))
    assert oprf.unblind(blinds, oprf.blind_evaluate(scalar(k), blinded)) == plain


@some
@given(st.lists(st.binary(max_size=8), min_size=1, max_size=9), st.data())
def test_every_honest_batch_passes_and_every_single_lie_fails(inputs, data):
    share, _ = shares.introduce(b"c" * 32, "LA-TH", 1, 0, "LA.holder")
    statement = dleq.Statement(b"c" * 32, "TH", "LA-TH", 1, 0, "match", b"b" * 16, "LA.holder", share.public)
    _, blinded = oprf.blind(inputs)
    evaluated = shares.evaluate(share, blinded)
    dleq.verify(statement, blinded, evaluated, dleq.prove(statement, share.secret, blinded, evaluated))
    at = data.draw(st.integers(0, len(inputs) - 1))
    factor = data.draw(st.integers(2, ORDER - 1))
    lie = [*evaluated]
    lie[at] = group.multiply([lie[at]], scalar(factor))[0]
    with pytest.raises(InvalidProof):
        dleq.verify(statement, blinded, lie, dleq.prove(statement, share.secret, blinded, lie))


@some
@given(st.binary(max_size=200), st.binary(max_size=50))
def test_opening_gives_exactly_what_was_sealed(plain, aad):
    key = seal.new_key()
    secret, public = seal.new_sealing_pair()
    assert seal.unseal(key, seal.seal(key, plain, aad), aad) == plain
    assert seal.unseal_from(secret, seal.seal_to(public, plain, aad), aad) == plain


@some
@given(st.binary(max_size=100), st.binary(max_size=100))
def test_a_signature_holds_for_one_message(one, other):
    seed = sign.new_seed()
    assert sign.is_valid(sign.public_key(seed), other, sign.sign(seed, one)) is (one == other)


@given(st.lists(st.binary(max_size=9), max_size=4), st.lists(st.binary(max_size=9), max_size=4))
def test_framing_tells_all_lists_apart(one, other):
    assert (labels.framed(*one) == labels.framed(*other)) is (one == other)


@given(st.lists(st.tuples(st.integers(-2, 50), st.integers(0, 5)), max_size=40), st.integers(0, 60))
def test_no_day_ever_gives_more_than_its_limit_whatever_the_clock_does(requests, limit):
    window, given_on = quota.Window(0, 0), {}
    for n, today in requests:
        before = window
        answer = quota.ask(window, n, limit, today)
        if isinstance(answer, quota.Allow):
            window = answer.window
            given_on[window.day] = given_on.get(window.day, 0) + n
            assert window.day >= before.day
        else:
            assert answer.retry_day is None or answer.retry_day > before.day or answer.retry_day > today
    assert all(0 < spent <= limit for spent in given_on.values())
