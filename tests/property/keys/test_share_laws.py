"""Two shares are one key, and one alone tells nothing: for any inputs, on every backend."""

from collections import Counter

import backends
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import dleq, group, labels, oprf, shares
from keys.errors import InvalidProof

PLACE = (b"c" * 32, "KH-TH", 1, 0)
DRAWN = 3_000
some = settings(max_examples=25, deadline=None)
inputs = st.lists(st.binary(max_size=40), min_size=1, max_size=5)


backend = backends.each("module")


def introduced(holder):
    return shares.introduce(*PLACE, holder)[0]


# ---- two together


@some
@given(inputs)
def test_two_shares_together_are_one_key_in_public_and_in_every_token(values):
    one, other = introduced("KH.holder"), introduced("TH.holder")
    whole = group.scalar_add(one.secret, other.secret)
    assert group.add([one.public], [other.public]) == [group.multiply_base(whole)]
    blinds, blinded = oprf.blind(values)
    made = shares.unblind(blinds, shares.evaluate(one, blinded), shares.evaluate(other, blinded))
    assert made == group.multiply(group.hash_to_group(values, labels.TOKEN_TO_GROUP), whole)


# ---- one alone


def fall(values):
    """How far from even the bytes fall that a uniform scalar or element has free: the worst of all positions, as
    chi-square of 255 degrees of freedom, less its mean, in standard deviations.

    Left out: the first byte, whose last bit an element has not, and the last, whose first bits neither has.
    """
    mean = len(values) / 256
    columns = (Counter(value[at] for value in values) for at in range(1, 31))
    worst = max(sum((column[b] - mean) ** 2 / mean for b in range(256)) for column in columns)
    return (worst - 255) / (2 * 255) ** 0.5


EVEN = 10.0
"""Beyond it an even draw falls less than once in 10^12 runs of this file."""


def drawn_for_one_key(draw):
    """(shares, their answers about one input) of one holder, drawn anew again and again while key and token stay."""
    secrets = draw(DRAWN)
    (element,) = group.hash_to_group([b"whom"], labels.TOKEN_TO_GROUP)
    return secrets, group.multiply_each([element] * DRAWN, secrets)


def test_one_share_and_its_answers_are_even_whatever_the_key_and_the_token():
    """The other share makes up for any: k_B = k - k_A. So neither k_A nor k_A·H says anything of k or k·H."""
    secrets, answers = drawn_for_one_key(lambda n: [introduced("KH.holder").secret for _ in range(n)])
    (token,) = group.multiply(group.hash_to_group([b"whom"], labels.TOKEN_TO_GROUP), group.random_scalars(1)[0])
    for values in (secrets, answers):
        assert len(set(values)) == DRAWN
        assert fall(values) < EVEN
    beside = [bytes(a ^ b for a, b in zip(answer, token, strict=True)) for answer in answers]
    assert fall(beside) < EVEN


@pytest.mark.parametrize("leak", ["always the same", "few", "short", "close to the key"])
def test_a_draw_that_leaks_would_be_seen(leak):
    key = int.from_bytes(group.random_scalars(1)[0], "little")

    def draw(n):
        made = [int.from_bytes(one, "little") for one in group.random_scalars(n)]
        values = {
            "always the same": [key] * n, "few": [made[i % 100] for i in range(n)], "short": [m % 2**128 for m in made],
            "close to the key": [(key & ~0xFFFF) + m % 0xFFFF for m in made],
        }[leak]
        return [(v or 1).to_bytes(32, "little") for v in values]

    secrets, answers = drawn_for_one_key(draw)
    assert max(fall(secrets), fall(answers)) > EVEN


# ---- the weights of a batch's proof


@some
@given(st.integers(1, 9), st.data())
def test_every_weight_changes_when_any_element_or_anything_that_is_said_of_the_batch_changes(n, data):
    share = introduced("TH.holder")
    said = {
        "charter_digest": b"c" * 32, "requester": "KH", "pair": "KH-TH", "epoch": 1, "generation": 0, "purpose": "match",
        "batch": bytes(16), "holder": "TH.holder", "public": share.public,
    }
    other = said | {
        "charter_digest": bytes(32), "requester": "LA", "pair": "KH-LA", "epoch": 2, "generation": 1, "purpose": "bulk",
        "batch": b"b" * 16, "holder": "LA.holder", "public": introduced("TH.holder").public,
    }
    asked = oprf.blind([b"%d" % i for i in range(n)])[1]
    answers = shares.evaluate(share, asked)
    before, at = weights(said, asked, answers), data.draw(st.integers(0, n - 1))
    (new,) = group.hash_to_group([b"another"], b"test")
    changed = [
        *(weights(said | {name: value}, asked, answers) for name, value in other.items()),
        weights(said, [*asked[:at], new, *asked[at + 1 :]], answers),
        weights(said, asked, [*answers[:at], new, *answers[at + 1 :]]),
    ]
    for after in changed:
        assert all(one != two for one, two in zip(before, after, strict=True))
    assert len({w for batch in (before, *changed) for w in batch}) == 12 * n


def weights(said, asked, answers):
    _, seed = dleq._transcript(dleq.Statement(**said), asked, answers)
    return dleq._weights(seed, len(asked))


# ---- a share without knowledge


@some
@given(st.data())
def test_a_share_chosen_against_the_others_is_refused_whatever_is_proved_of_it(data):
    """K_B = X - K_A, where x is known: the pair's key would be x. Every proof that its maker can make fails."""
    honest, proof_of_honest = shares.introduce(*PLACE, "KH.holder")
    chosen, proof_of_x = shares.introduce(*PLACE, "TH.holder")
    minus_one = group.scalar_subtract(bytes(32), b"\1" + bytes(31))
    (rogue,) = group.add([chosen.public], group.multiply([honest.public], minus_one))
    assert group.add([rogue], [honest.public]) == [chosen.public]
    c, s = proof_of_x[:32], proof_of_x[32:]
    factor = data.draw(st.integers(1, 2**250)).to_bytes(32, "little")
    for proof in (
        proof_of_x, proof_of_honest, c + group.scalar_multiply(s, factor), group.scalar_multiply(c, factor) + s,
        c + proof_of_honest[32:], group.scalar_subtract(c, proof_of_honest[:32]) + group.scalar_subtract(s, proof_of_honest[32:]),
    ):
        with pytest.raises(InvalidProof):
            shares.verify_introduction(*PLACE, "TH.holder", rogue, proof)
    shares.verify_introduction(*PLACE, "TH.holder", chosen.public, proof_of_x)
