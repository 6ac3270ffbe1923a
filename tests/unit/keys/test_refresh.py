"""A part of a refresh is for one holder and one place, and a share is moved by what was offered or not at all."""

from dataclasses import replace

import pytest
from refreshing import HOLDERS, first_shares, refreshed

from keys import group, refresh, shares
from keys.errors import InvalidProof, SealBroken

KH, TH = HOLDERS
DIGEST = bytes(32)


@pytest.fixture(scope="module")
def done():
    return refreshed(DIGEST, first_shares(DIGEST))


def opened(done, box, **changed):
    place = replace(done.place(KH), **changed)
    return refresh.opened(done.parts[TH], box, place, done.parts[KH].public)


def test_a_revealed_part_opens_for_the_other_holder_and_gives_what_was_offered(done):
    assert opened(done, done.reveal(KH).box) == done.parts[KH].delta
    assert len(done.reveal(KH).box) == refresh.BOX


@pytest.mark.parametrize(
    "field, value",
    [("charter_digest", b"\x01" * 32), ("pair", "KH-VN"), ("epoch", 2), ("generation", 2), ("holder", TH)],
)
def test_a_revealed_part_opens_in_no_other_place(done, field, value):
    with pytest.raises(SealBroken):
        opened(done, done.reveal(KH).box, **{field: value})


def test_a_part_kept_is_the_part_drawn(done):
    part = done.parts[KH]
    assert refresh.Part.kept(part.secret, part.offered) == part


@pytest.mark.parametrize("wrong", ["another", "zero", "no scalar"])
def test_who_reveals_another_part_than_was_offered_is_found_out(done, wrong):
    delta = {"another": group.random_scalars(1)[0], "zero": bytes(32), "no scalar": b"\xff" * 32}[wrong]
    other = replace(done.parts[KH], delta=delta)
    box = refresh.reveal(other, done.place(KH), done.parts[TH].seal_to)
    with pytest.raises(InvalidProof):
        opened(done, box)


def test_both_shares_move_and_their_sum_does_not(done):
    for side in (done.before, done.after):
        assert group.add([side[KH].public], [side[TH].public]) == group.add(
            [done.before[KH].public], [done.before[TH].public]
        )
    assert {done.before[h].public for h in HOLDERS}.isdisjoint(done.after[h].public for h in HOLDERS)


@pytest.mark.parametrize("holder, other", [(KH, TH), (TH, KH)])
def test_each_public_share_is_checked_by_itself(done, holder, other):
    own, others = done.parts[holder].public, done.parts[other].public
    before, after = done.before[holder].public, done.after[holder].public
    assert refresh.is_moved(before, own, others, after)
    wrong = group.hash_to_group([b"wrong"], b"test")[0]
    assert not refresh.is_moved(before, own, others, before)
    assert not refresh.is_moved(before, others, own, after)
    assert not refresh.is_moved(wrong, own, others, after)
    assert not refresh.is_moved(before, own, others, b"\xff" * 32)


def test_a_moved_share_is_introduced_with_a_proof_of_its_own(done):
    share = done.after[KH]
    proof = shares.prove_knowledge(DIGEST, share)
    shares.verify_introduction(DIGEST, "KH-TH", 1, 1, KH, share.public, proof)
    with pytest.raises(InvalidProof):
        shares.verify_introduction(DIGEST, "KH-TH", 1, 0, KH, share.public, proof)
