"""A key holder that answers wrongly, or introduces a share that is not its own, is found out every time."""

from dataclasses import replace

import pytest

from keys import dleq, group, oprf, shares
from keys.errors import InvalidElement, InvalidProof, KeysError

CHARTER = b"c" * 32
N = 17


@pytest.fixture(scope="module")
def share():
    return shares.introduce(CHARTER, "KH-TH", 4, 1, "TH.holder")[0]


@pytest.fixture(scope="module")
def other_share():
    return shares.introduce(CHARTER, "KH-TH", 4, 1, "TH.holder")[0]


@pytest.fixture(scope="module")
def statement(share):
    return dleq.Statement(
        charter_digest=CHARTER, requester="KH", pair="KH-TH", epoch=4, generation=1, purpose="match",
        batch=b"b" * 16, holder="TH.holder", public=share.public,
    )


@pytest.fixture(scope="module")
def blinded():
    return oprf.blind([bytes([i]) for i in range(N)])[1]


@pytest.fixture(scope="module")
def honest(share, blinded):
    return shares.evaluate(share, blinded)


@pytest.fixture(scope="module")
def proof(statement, share, blinded, honest):
    return dleq.prove(statement, share.secret, blinded, honest)


def refused(statement, blinded, evaluated, proof, error=InvalidProof):
    with pytest.raises(error):
        dleq.verify(statement, blinded, evaluated, proof)
    return True


def test_the_honest_answer_passes(statement, blinded, honest, proof):
    dleq.verify(statement, blinded, honest, proof)


def test_one_wrong_answer_among_many_is_found_wherever_it_stands(statement, share, blinded, honest):
    for i in range(N):
        wrong = [*honest]
        wrong[i] = group.add([wrong[i]], [wrong[i]])[0]
        made = dleq.prove(statement, share.secret, blinded, wrong)  # the best it can do: prove as if it were right
        assert refused(statement, blinded, wrong, made)


def test_one_answer_of_another_share_is_found(statement, share, other_share, blinded, honest):
    wrong = [*honest[:-1], *shares.evaluate(other_share, blinded[-1:])]
    assert refused(statement, blinded, wrong, dleq.prove(statement, share.secret, blinded, wrong))


def test_a_whole_batch_of_another_share_is_found_whichever_secret_proves_it(statement, share, other_share, blinded):
    wrong = shares.evaluate(other_share, blinded)
    for secret in (share.secret, other_share.secret):
        assert refused(statement, blinded, wrong, dleq.prove(statement, secret, blinded, wrong))


def test_a_share_of_its_own_choice_passes_only_under_a_published_element_of_its_own(statement, other_share, blinded):
    answers = shares.evaluate(other_share, blinded)
    own = replace(statement, public=other_share.public)
    made = dleq.prove(own, other_share.secret, blinded, answers)
    dleq.verify(own, blinded, answers, made)
    assert refused(statement, blinded, answers, made)


def test_errors_that_cancel_out_do_not_pass(statement, share, blinded, honest):
    """+E in one answer and -E in another: a plain sum would not see it."""
    minus_one = group.scalar_subtract(bytes(32), b"\1" + bytes(31))
    (error,) = group.hash_to_group([b"error"], b"attack")
    wrong = [*honest]
    wrong[2] = group.add([wrong[2]], [error])[0]
    wrong[9] = group.add([wrong[9]], group.multiply([error], minus_one))[0]
    assert refused(statement, blinded, wrong, dleq.prove(statement, share.secret, blinded, wrong))


def test_right_answers_in_another_order_are_wrong_answers(statement, share, blinded, honest):
    swapped = [honest[1], honest[0], *honest[2:]]
    assert refused(statement, blinded, swapped, dleq.prove(statement, share.secret, blinded, swapped))


def test_equal_answers_to_everything_do_not_pass(statement, share, blinded, honest):
    same = [honest[0]] * N
    assert refused(statement, blinded, same, dleq.prove(statement, share.secret, blinded, same))


def test_weights_cannot_be_aimed_at_since_any_answer_changes_all_of_them(statement, blinded, honest):
    """Where each weight hashes only its own item, a holder can search item by item (the flaw of RFC 9497's)."""
    other = [*honest[:-1], group.add(honest[-1:], honest[-1:])[0]]
    first, second = (dleq._weights(dleq._transcript(statement, blinded, z)[1], N) for z in (honest, other))
    assert all(a != b for a, b in zip(first, second, strict=True))
    one, two = (oprf._weights(statement.public, blinded, z) for z in (honest, other))
    assert one[:-1] == two[:-1]


def test_every_flipped_bit_of_a_proof_spoils_it(statement, share, blinded, honest):
    made = dleq.prove(statement, share.secret, blinded[:1], honest[:1])
    for bit in range(512):
        wrong = bytearray(made)
        wrong[bit // 8] ^= 1 << bit % 8
        assert refused(statement, blinded[:1], honest[:1], bytes(wrong))


def test_every_flipped_bit_of_an_answer_or_a_question_spoils_the_proof(statement, share, blinded, honest):
    asked, answers = blinded[:2], honest[:2]
    made = dleq.prove(statement, share.secret, asked, answers)
    for bit in range(256):
        for batch in (asked, answers):
            wrong = bytearray(batch[1])
            wrong[bit // 8] ^= 1 << bit % 8
            altered = [batch[0], bytes(wrong)]
            pair = (altered, answers) if batch is asked else (asked, altered)
            assert refused(statement, *pair, made, error=(InvalidProof, InvalidElement))


@pytest.mark.parametrize(
    "field, value",
    [
        ("charter_digest", b"d" * 32),
        ("requester", "TH"),
        ("pair", "KH-VN"),
        ("epoch", 5),
        ("generation", 2),
        ("purpose", "bulk"),
        ("batch", b"a" * 16),
        ("holder", "KH.holder"),
    ],
)
def test_a_proof_counts_only_for_its_statement(statement, blinded, honest, proof, field, value):
    assert refused(replace(statement, **{field: value}), blinded, honest, proof)


def test_neighbouring_fields_cannot_lend_each_other_bytes(statement, share, blinded, honest):
    one = replace(statement, requester="KH", pair="KH-TH")
    other = replace(statement, requester="KHK", pair="H-TH")
    assert dleq.request_digest(one, blinded) != dleq.request_digest(other, blinded)
    assert refused(other, blinded, honest, dleq.prove(one, share.secret, blinded, honest))


def test_the_published_share_is_part_of_what_is_proved(statement, other_share, blinded, honest, proof):
    assert refused(replace(statement, public=other_share.public), blinded, honest, proof)


def test_a_proof_of_one_batch_proves_nothing_of_a_part_or_a_longer_one(statement, share, blinded, honest, proof):
    assert refused(statement, blinded[:-1], honest[:-1], proof)
    assert refused(statement, [*blinded, blinded[0]], [*honest, honest[0]], proof)


def test_an_empty_batch_or_one_with_missing_answers_is_refused(statement, share, blinded, honest, proof):
    assert refused(statement, [], [], proof)
    assert refused(statement, blinded, honest[:-1], proof)
    with pytest.raises(InvalidProof):
        dleq.prove(statement, share.secret, [], [])


@pytest.mark.parametrize("wrong", [group.IDENTITY, b"\xff" * 32, b"\1" + bytes(31), b"\2" * 31, b""])
def test_the_identity_and_what_is_no_element_are_refused_everywhere(statement, blinded, honest, proof, wrong):
    assert refused(statement, [wrong, *blinded[1:]], honest, proof, error=InvalidElement)
    assert refused(statement, blinded, [*honest[:-1], wrong], proof, error=InvalidElement)
    assert refused(replace(statement, public=wrong), blinded, honest, proof, error=InvalidElement)


def test_bytes_cannot_move_between_elements(statement, blinded, honest, proof):
    moved = [blinded[0] + blinded[1][:1], blinded[1][1:], *blinded[2:]]
    assert refused(statement, moved, honest, proof, error=InvalidElement)


def test_batches_that_sum_to_the_identity_are_refused(statement, share, blinded, honest, monkeypatch):
    """Nobody can find weights that do this; with equal ones the sum of B and -B shows that it is looked at."""
    monkeypatch.setattr(dleq, "_weights", lambda _seed, n: [bytes(15) + b"\1"] * n)
    minus_one = group.scalar_subtract(bytes(32), b"\1" + bytes(31))
    asked = [blinded[0], group.multiply(blinded[:1], minus_one)[0]]
    answers = [honest[0], group.multiply(honest[:1], minus_one)[0]]
    with pytest.raises(InvalidElement):
        dleq.prove(statement, share.secret, asked, answers)
    assert refused(statement, asked, answers, b"\1" + bytes(31) + b"\1" + bytes(31), error=InvalidElement)


@pytest.mark.parametrize("proof", [b"", bytes(64), bytes(63), bytes(65), b"\xff" * 64, b"\1" + bytes(63)])
def test_proofs_that_are_no_two_scalars_are_refused(statement, blinded, honest, proof):
    assert refused(statement, blinded, honest, proof)


def test_numbers_out_of_range_are_refused_with_our_own_error(statement, blinded, honest, proof):
    for value in (-1, 1 << 64):
        assert refused(replace(statement, epoch=value), blinded, honest, proof, error=KeysError)


def test_a_share_chosen_against_the_others_cannot_be_introduced():
    """TH knows x, waits for K_A and publishes K_B = x·G - K_A, so that the pair's key would be its own x."""
    place = (CHARTER, "KH-TH", 4, 1, "TH.holder")
    honest, _ = shares.introduce(CHARTER, "KH-TH", 4, 1, "KH.holder")
    chosen, proof_of_x = shares.introduce(*place)
    minus_one = group.scalar_subtract(bytes(32), b"\1" + bytes(31))
    rogue = group.add([chosen.public], group.multiply([honest.public], minus_one))[0]
    assert group.add([rogue], [honest.public]) == [chosen.public]
    with pytest.raises(InvalidProof):
        shares.verify_introduction(*place, rogue, proof_of_x)


def test_the_others_introduction_cannot_be_taken_over():
    copied, proof = shares.introduce(CHARTER, "KH-TH", 4, 1, "KH.holder")
    with pytest.raises(InvalidProof):
        shares.verify_introduction(CHARTER, "KH-TH", 4, 1, "TH.holder", copied.public, proof)
