"""The contract of the group, the same for every backend. Its published vectors are in tests/vectors."""


import hashlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import backends
import pytest

from keys import group
from keys.errors import InvalidElement, InvalidScalar
from keys.expand import expand_message_xmd

ORDER = 2**252 + 27742317777372353535851937790883648493
DST = b"test"


backend = backends.each()


def scalar(value):
    return (value % ORDER).to_bytes(32, "little")


def elements(n):
    return group.hash_to_group([i.to_bytes(2, "big") for i in range(n)], DST)


def test_the_backend_in_use_says_its_name(backend):
    assert group.backend_name() == backend


def test_a_batch_keeps_its_order_and_equals_its_items_one_by_one():
    many, k = elements(9), group.random_scalars(1)[0]
    assert group.multiply(many, k) == [group.multiply([element], k)[0] for element in many]
    assert len(set(group.multiply(many, k))) == 9


def test_empty_batches_give_empty_answers():
    assert group.hash_to_group([], DST) == []
    assert group.random_scalars(0) == []
    assert group.multiply([], scalar(2)) == []
    assert group.multiply_each([], []) == []
    assert group.hash_and_multiply([], DST, []) == []
    assert group.multiply_sums([], [], []) == []
    assert group.hashed_weights(b"prefix", 0) == []
    assert group.add([], []) == []
    assert group.invert([]) == []
    assert group.total([]) == group.IDENTITY == group.weighted_sum([], [])
    group.validate([])


def test_multiplying_each_takes_each_its_own_scalar():
    many, scalars = elements(5), group.random_scalars(5)
    expected = [group.multiply([e], k)[0] for e, k in zip(many, scalars, strict=True)]
    assert group.multiply_each(many, scalars) == expected


def test_hashing_and_multiplying_at_once_is_one_after_the_other():
    inputs, scalars = [b"", b"one", b"two" * 100], group.random_scalars(3)
    expected = group.multiply_each(group.hash_to_group(inputs, DST), scalars)
    assert group.hash_and_multiply(inputs, DST, scalars) == expected


def test_hashing_expands_the_message_and_maps_it():
    inputs = [b"", b"one", b"two" * 100]
    assert group.hash_to_group(inputs, DST) == group.map_to_group([expand_message_xmd(i, DST, 64) for i in inputs])


@pytest.mark.parametrize("dst", [b"", b"x" * 256])
def test_a_tag_has_1_to_255_bytes(dst):
    for call in (lambda: group.hash_to_group([b"x"], dst), lambda: group.hash_to_scalar(b"x", dst)):
        with pytest.raises(ValueError, match="1 to 255"):
            call()


@pytest.mark.parametrize("size", [0, 63, 65])
def test_only_64_bytes_are_mapped(size):
    with pytest.raises(ValueError, match="64"):
        group.map_to_group([bytes(size)])


def test_multiplying_sums_is_adding_and_then_multiplying():
    left, right, scalars = elements(6)[:3], elements(6)[3:], group.random_scalars(3)
    assert group.multiply_sums(left, right, scalars) == group.multiply_each(group.add(left, right), scalars)


def test_a_sum_that_cancels_out_is_not_multiplied():
    good, (negative,) = elements(2), group.multiply(elements(2)[1:], scalar(-1))
    with pytest.raises(InvalidElement, match="Element 1 of 2"):
        group.multiply_sums(good, [good[0], negative], group.random_scalars(2))


def test_hashed_weights_are_the_quarters_of_numbered_hashes():
    hashes = [hashlib.sha512(b"prefix" + i.to_bytes(8, "big")).digest() for i in range(3)]
    quarters = [one[at : at + 16] for one in hashes for at in range(0, 64, 16)]
    assert [group.hashed_weights(b"prefix", n) for n in range(13)] == [quarters[:n] for n in range(13)]


def test_bytes_of_a_kind_of_their_own_and_tuples_are_taken_too():
    class Kind(bytes):
        __slots__ = ()

    many, k = elements(5), group.random_scalars(1)[0]
    assert group.multiply(tuple(map(Kind, many)), Kind(k)) == group.multiply(many, k)


@pytest.mark.parametrize("n", [5, 300])
def test_a_batch_that_was_worked_on_before_is_no_excuse_for_another(n):
    """The native backend keeps batches decoded: it must know each by all its bytes."""
    many, weights = elements(n), [bytes(15) + b"\1"] * n
    group.validate(many)
    whole = group.weighted_sum(many, weights)
    swapped = [*many[:-2], many[-1], many[-1]]
    assert group.weighted_sum(swapped, weights) == group.total(swapped) != whole
    for wrong in (b"\xff" * 32, group.IDENTITY, many[-1][:31]):
        for _ in range(2):
            with pytest.raises(InvalidElement):
                group.validate([*many[:-1], wrong])
    assert group.weighted_sum(many, weights) == whole


def test_more_than_is_kept_decoded_changes_nothing():
    many = elements(9000)
    for start in range(5):
        group.validate(many[start:])
    assert group.multiply(many[:4], scalar(2)) == group.add(many[:4], many[:4])
    assert group.weighted_sum(many, [bytes(15) + b"\1"] * 9000) == group.total(many)


def test_others_work_while_a_batch_is_worked_on():
    """Python switches threads only when one lets go: a batch that held on would be done before we look."""
    started, done = threading.Event(), []
    many, k = elements(8000), group.random_scalars(1)[0]

    def work():
        started.set()
        group.multiply(many, k)
        done.append(True)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        started.wait()
        early = not done
        thread.join()
    finally:
        sys.setswitchinterval(before)
    assert early
    assert done


def test_threads_get_each_its_own_answer():
    batches = [elements(40)[i:] for i in range(8)]
    k = group.random_scalars(1)[0]
    expected = [group.multiply(many, k) for many in batches]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda many: group.multiply(many, k), batches * 4)) == expected * 4


def test_the_same_input_under_another_tag_is_another_element():
    assert group.hash_to_group([b"x"], b"one") != group.hash_to_group([b"x"], b"two")
    assert group.hash_to_scalar(b"x", b"one") != group.hash_to_scalar(b"x", b"two")


def test_a_weighted_sum_reads_its_weights_big_endian_and_leaves_nothing_out():
    many = elements(5)
    weights = [bytes([i]) + bytes(14) + bytes([i + 1]) for i in range(5)]
    terms = [group.multiply([e], scalar(int.from_bytes(w, "big")))[0] for e, w in zip(many, weights, strict=True)]
    assert group.weighted_sum(many, weights) == group.total(terms)


def test_an_element_and_its_negative_sum_to_the_identity():
    (element,) = elements(1)
    (negative,) = group.multiply([element], scalar(-1))
    assert group.add([element], [negative]) == [group.IDENTITY]
    assert group.weighted_sum([element, negative], [b"\7" * 16] * 2) == group.IDENTITY


def test_inverses_undo_and_are_those_of_single_inversion():
    scalars = [scalar(1), scalar(2), scalar(-1), *group.random_scalars(4)]
    inverses = group.invert(scalars)
    assert [group.scalar_multiply(a, b) for a, b in zip(scalars, inverses, strict=True)] == [scalar(1)] * 7
    assert inverses == [group.invert([one])[0] for one in scalars]


def test_scalars_add_subtract_and_multiply_modulo_the_order():
    assert group.scalar_add(scalar(-1), scalar(3)) == scalar(2)
    assert group.scalar_subtract(scalar(1), scalar(3)) == scalar(-2)
    assert group.scalar_multiply(scalar(-2), scalar(3)) == scalar(-6)
    assert group.scalar_subtract(scalar(5), scalar(5)) == scalar(0)


def test_random_scalars_are_reduced_not_zero_and_all_different():
    scalars = group.random_scalars(200)
    assert len(set(scalars)) == 200
    assert all(0 < int.from_bytes(k, "little") < ORDER for k in scalars)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_elements_of_another_size_never_reach_the_library(size):
    good, wrong = elements(1)[0], b"\2" * size
    for call in (
        lambda: group.multiply([good, wrong], scalar(2)),
        lambda: group.multiply_each([wrong], [scalar(2)]),
        lambda: group.add([good], [wrong]),
        lambda: group.add([wrong], [good]),
        lambda: group.total([wrong]),
        lambda: group.weighted_sum([wrong], [b"\1" * 16]),
        lambda: group.multiply_sums([good], [wrong], [scalar(2)]),
        lambda: group.multiply_sums([wrong], [good], [scalar(2)]),
        lambda: group.validate([wrong]),
    ):
        with pytest.raises(InvalidElement):
            call()


def test_the_identity_is_no_element_to_work_with():
    for call in (
        lambda: group.validate([group.IDENTITY]),
        lambda: group.multiply([group.IDENTITY], scalar(2)),
        lambda: group.multiply_each([group.IDENTITY], [scalar(2)]),
        lambda: group.weighted_sum([group.IDENTITY], [b"\1" * 16]),
        lambda: group.multiply_sums([group.IDENTITY], elements(1), [scalar(2)]),
        lambda: group.multiply_sums(elements(1), [group.IDENTITY], [scalar(2)]),
    ):
        with pytest.raises(InvalidElement):
            call()


def test_no_element_has_a_second_encoding_with_the_last_bit_set():
    """libsodium 1.0.18, the system's and rbcl's, takes it for the same element."""
    good = elements(1)[0]
    for second in (good[:31] + bytes([good[31] | 0x80]), bytes(31) + b"\x80"):
        for call in (
            lambda wrong=second: group.validate([wrong]),
            lambda wrong=second: group.multiply([wrong], scalar(2)),
            lambda wrong=second: group.multiply_each([wrong], [scalar(2)]),
            lambda wrong=second: group.add([good], [wrong]),
            lambda wrong=second: group.add([wrong], [good]),
            lambda wrong=second: group.total([wrong]),
            lambda wrong=second: group.weighted_sum([wrong], [b"\1" * 16]),
            lambda wrong=second: group.multiply_sums([good], [wrong], [scalar(2)]),
            lambda wrong=second: group.multiply_sums([wrong], [good], [scalar(2)]),
        ):
            with pytest.raises(InvalidElement):
                call()


@pytest.mark.parametrize(
    "wrong",
    [bytes(31), bytes(33), b"", ORDER.to_bytes(32, "little"), (ORDER + 1).to_bytes(32, "little"), b"\xff" * 32],
    ids=["short", "long", "empty", "order", "order+1", "ones"],
)
def test_scalars_that_are_not_reduced_are_refused(wrong):
    many = elements(1)
    for call in (
        lambda: group.multiply(many, wrong),
        lambda: group.multiply_each(many, [wrong]),
        lambda: group.hash_and_multiply([b"x"], DST, [wrong]),
        lambda: group.multiply_sums(many, many, [wrong]),
        lambda: group.multiply_base(wrong),
        lambda: group.invert([scalar(2), wrong]),
        lambda: group.scalar_add(wrong, scalar(1)),
        lambda: group.scalar_subtract(scalar(1), wrong),
        lambda: group.scalar_multiply(wrong, scalar(1)),
    ):
        with pytest.raises(InvalidScalar):
            call()


def test_zero_hides_nothing_and_is_refused():
    many = elements(2)
    for call in (
        lambda: group.multiply(many, scalar(0)),
        lambda: group.multiply_each(many, [scalar(1), scalar(0)]),
        lambda: group.hash_and_multiply([b"x"], DST, [scalar(0)]),
        lambda: group.multiply_sums(many, many, [scalar(1), scalar(0)]),
        lambda: group.multiply_base(scalar(0)),
        lambda: group.invert([scalar(2), scalar(0)]),
    ):
        with pytest.raises(InvalidScalar):
            call()


def test_lists_of_different_lengths_are_refused():
    three = elements(3)
    for call in (
        lambda: group.add(three, three[:2]),
        lambda: group.multiply_each(three, group.random_scalars(2)),
        lambda: group.hash_and_multiply([b"x"], DST, group.random_scalars(2)),
        lambda: group.multiply_sums(three, three[:2], group.random_scalars(3)),
        lambda: group.multiply_sums(three, three, group.random_scalars(2)),
        lambda: group.weighted_sum(three, [b"\1" * 16] * 4),
    ):
        with pytest.raises(InvalidElement):
            call()


def test_weights_of_another_size_are_refused():
    with pytest.raises(InvalidScalar):
        group.weighted_sum(elements(1), [b"\1" * 15])
    with pytest.raises(InvalidScalar):
        group.weighted_sum(elements(1), [b"\1" * 33])
    with pytest.raises(InvalidScalar):
        group.weighted_sum(elements(2), [b"\1" * 16, bytes(16)])


def test_an_error_names_the_element_by_number_and_shows_no_bytes():
    with pytest.raises(InvalidElement) as caught:
        group.multiply([*elements(2), b"\xff" * 32], scalar(2))
    assert str(caught.value) == "Element 2 of 3 is not canonical, or the identity."
