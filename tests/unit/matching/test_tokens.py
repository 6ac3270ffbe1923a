import hashlib

import pytest

from keys import group, labels, shares
from matching import tokens
from matching.errors import BatchInvalid

INPUTS = [b"one", b"other", None]


@pytest.fixture(scope="module")
def holders():
    return [shares.introduce(b"c" * 32, "KH-TH", 1, 0, f"{cc}.holder")[0] for cc in ("KH", "TH")]


def made(inputs, holders):
    batch = tokens.blind(inputs)
    return tokens.unblind(batch.blinds, *(shares.evaluate(holder, batch.blinded) for holder in holders))


def test_one_input_gives_one_token_however_it_is_blinded(holders):
    once, again = made(INPUTS, holders), made(INPUTS, holders)
    assert once[:2] == again[:2]
    assert once[0] != once[1]


def test_a_token_is_the_hashed_input_times_the_key_that_nobody_holds(holders):
    key = group.scalar_add(holders[0].secret, holders[1].secret)
    hashed = group.hash_to_group([b"one"], labels.TOKEN_TO_GROUP)
    assert made([b"one"], holders) == group.multiply(hashed, key)


def test_an_empty_slot_gives_a_token_that_never_comes_again(holders):
    seen = {made([None], holders)[0] for _ in range(5)} | set(made([None] * 5, holders))
    assert len(seen) == 10


def test_what_is_sent_never_repeats():
    assert tokens.blind([b"one"]).blinded != tokens.blind([b"one"]).blinded


def test_an_empty_batch_is_a_batch(holders):
    assert made([], holders) == []


def test_another_number_of_answers_is_refused(holders):
    batch = tokens.blind(INPUTS)
    first, second = (shares.evaluate(holder, batch.blinded) for holder in holders)
    for wrong in ((first[:2], second), (first, second[:2]), (first[:2], second[:2]), ([], [])):
        with pytest.raises(BatchInvalid, match="Ask again"):
            tokens.unblind(batch.blinds, *wrong)


@pytest.mark.parametrize("wrong", [bytes(32), b"\xff" * 32, b"short"])
def test_an_answer_that_is_no_element_is_refused(holders, wrong):
    batch = tokens.blind([b"one"])
    (good,) = shares.evaluate(holders[0], batch.blinded)
    with pytest.raises(BatchInvalid):
        tokens.unblind(batch.blinds, [good], [wrong])


def test_answers_that_cancel_out_are_refused(holders):
    batch = tokens.blind([b"one"])
    (good,) = shares.evaluate(holders[0], batch.blinded)
    zero = group.scalar_subtract(holders[0].secret, holders[0].secret)
    negative = group.scalar_subtract(zero, holders[0].secret)
    with pytest.raises(BatchInvalid):
        tokens.unblind(batch.blinds, [good], group.multiply(batch.blinded, negative))


def test_an_index_is_the_framed_hash_that_the_protocol_names():
    framed = labels.framed(labels.INDEX, b"KH-TH", b"1", b"FULL", b"t" * 32)
    assert tokens.index("KH-TH", 1, "FULL", tokens.Token(b"t" * 32)) == hashlib.sha512(framed).digest()[:32]


def test_an_index_is_bound_to_pair_epoch_recipe_and_token():
    token, other = tokens.Token(b"t" * 32), tokens.Token(b"u" * 32)
    places = [
        ("KH-TH", 1, "FULL", token), ("KH-VN", 1, "FULL", token), ("KH-TH", 2, "FULL", token),
        ("KH-TH", 1, "BYX", token), ("KH-TH", 1, "FULL", other),
    ]
    assert len({tokens.index(*place) for place in places}) == len(places)


def test_a_row_has_an_index_a_slot_and_the_slots_number_is_not_in_it():
    token = tokens.Token(b"t" * 32)
    first, second = tokens.indices("KH-TH", 1, ("FULL", "FULL"), [token, token])
    assert first == second == tokens.index("KH-TH", 1, "FULL", token)
    with pytest.raises(BatchInvalid, match="2 slots; 1"):
        tokens.indices("KH-TH", 1, ("FULL", "FULL"), [token])


def test_nothing_secret_prints_itself(holders):
    batch = tokens.blind([b"one"])
    (token,) = made([b"one"], holders)
    printed = f"{batch} {batch!r} {batch.blinded} {batch.blinded[0]} {token} {token!r} {[token]}"
    for secret in (batch.blinds[0], batch.blinded[0], token):
        assert bytes(secret).hex() not in printed
        assert repr(bytes(secret)) not in printed
    assert str(token) == "<Token>"
