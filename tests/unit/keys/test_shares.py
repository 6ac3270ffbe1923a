import pytest

from keys import group, oprf, shares
from keys.errors import InvalidElement, InvalidProof

PLACE = {"charter_digest": b"c" * 32, "pair": "KH-TH", "epoch": 1, "generation": 0, "holder": "KH.holder"}


def test_two_halves_are_an_answer_under_a_key_that_nobody_has():
    one, _ = shares.introduce(**PLACE)
    other, _ = shares.introduce(**{**PLACE, "holder": "TH.holder"})
    inputs = [b"first", b"second", b"third"]
    blinds, blinded = oprf.blind(inputs)
    halves = shares.evaluate(one, blinded), shares.evaluate(other, blinded)
    whole = group.scalar_add(one.secret, other.secret)
    expected = group.multiply(group.hash_to_group(inputs, b"HashToGroup-OPRFV1-\1-ristretto255-SHA512"), whole)
    assert shares.unblind(blinds, *halves) == expected


def test_every_share_is_new_and_fits_its_public_element():
    made = [shares.introduce(**PLACE)[0] for _ in range(20)]
    assert len({share.public for share in made}) == 20
    assert all(group.multiply_base(share.secret) == share.public for share in made)


def test_a_share_never_shows_its_secret():
    share, _ = shares.introduce(**PLACE)
    for text in (repr(share), str(share), f"{share}"):
        assert "secret" not in text
        assert repr(share.secret) not in text


def test_an_introduction_holds_where_it_was_made():
    share, proof = shares.introduce(**PLACE)
    assert len(proof) == 64
    shares.verify_introduction(**PLACE, public=share.public, proof=proof)


@pytest.mark.parametrize(
    "field, value",
    [("charter_digest", b"d" * 32), ("pair", "KH-VN"), ("epoch", 2), ("generation", 1), ("holder", "TH.holder")],
)
def test_an_introduction_counts_nowhere_else(field, value):
    share, proof = shares.introduce(**PLACE)
    with pytest.raises(InvalidProof):
        shares.verify_introduction(**{**PLACE, field: value}, public=share.public, proof=proof)


def test_every_flipped_bit_of_an_introduction_spoils_it():
    share, proof = shares.introduce(**PLACE)
    for bit in range(512):
        wrong = bytearray(proof)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidProof):
            shares.verify_introduction(**PLACE, public=share.public, proof=bytes(wrong))


@pytest.mark.parametrize("size", [0, 32, 63, 65])
def test_an_introduction_of_another_size_is_refused(size):
    share, proof = shares.introduce(**PLACE)
    with pytest.raises(InvalidProof):
        shares.verify_introduction(**PLACE, public=share.public, proof=(proof + b"\0")[:size])


@pytest.mark.parametrize("public", [group.IDENTITY, b"\xff" * 32, b"\2" * 31])
def test_a_public_share_that_is_no_element_is_refused(public):
    _, proof = shares.introduce(**PLACE)
    with pytest.raises(InvalidElement):
        shares.verify_introduction(**PLACE, public=public, proof=proof)


def test_numbers_out_of_range_are_refused_with_our_own_error():
    share, proof = shares.introduce(**PLACE)
    for epoch in (-1, 1 << 64):
        with pytest.raises(InvalidProof):
            shares.verify_introduction(**{**PLACE, "epoch": epoch}, public=share.public, proof=proof)


def test_halves_that_cancel_out_are_no_answer():
    blinds, blinded = oprf.blind([b"x"])
    minus_one = group.scalar_subtract(bytes(32), b"\1" + bytes(31))
    with pytest.raises(InvalidElement):
        shares.unblind(blinds, blinded, group.multiply(blinded, minus_one))


def test_the_identity_is_never_evaluated():
    share, _ = shares.introduce(**PLACE)
    with pytest.raises(InvalidElement):
        shares.evaluate(share, [group.IDENTITY])
