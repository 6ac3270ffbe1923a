"""What a refresh may never change, and what it must: for any secrets, any number of times."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refreshing import HOLDERS, first_shares, refreshed

from keys import dleq, group, shares
from keys.errors import InvalidProof

KH, TH = HOLDERS
DIGEST = bytes(32)
inputs = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4, unique=True)


def chain(times):
    """The shares of each generation."""
    out = [first_shares(DIGEST)]
    for generation in range(1, times + 1):
        out.append(refreshed(DIGEST, out[-1], generation).after)
    return out


def tokens(one, other, values):
    hashed = group.hash_to_group(values, b"test")
    return group.add(shares.evaluate(one, hashed), shares.evaluate(other, hashed))


@given(inputs, st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_however_often_it_is_refreshed_a_key_makes_the_same_tokens(values, times):
    made = [tokens(of[KH], of[TH], values) for of in chain(times)]
    assert all(one == made[0] for one in made)


@given(inputs, st.integers(1, 3), st.data())
@settings(max_examples=30, deadline=None)
def test_shares_of_two_generations_make_no_token_whichever_two(values, times, data):
    """Also what a thief has who stole one share before a refresh and the other after it."""
    of = chain(times)
    one, other = data.draw(st.permutations(range(times + 1)))[:2]
    right = tokens(of[0][KH], of[0][TH], values)
    mixed = tokens(of[one][KH], of[other][TH], values)
    assert all(wrong != true for wrong, true in zip(mixed, right, strict=True))


@given(inputs)
@settings(max_examples=20, deadline=None)
def test_an_answer_of_an_old_share_passes_as_no_answer_of_the_new_one_nor_the_other_way(values):
    old, new = chain(1)
    blinded = group.hash_to_group(values, b"test")
    for made, claimed in ((old, new), (new, old)):
        fields = {
            "charter_digest": DIGEST, "requester": "KH", "pair": "KH-TH", "epoch": 1, "purpose": "match",
            "batch": bytes(16), "holder": KH,
        }
        statement = dleq.Statement(**fields, generation=claimed[KH].generation, public=claimed[KH].public)
        answers = shares.evaluate(made[KH], blinded)
        for secret in (made[KH].secret, claimed[KH].secret):
            with pytest.raises(InvalidProof):
                dleq.verify(statement, blinded, answers, dleq.prove(statement, secret, blinded, answers))
