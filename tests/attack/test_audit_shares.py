"""Shares and refreshes, as `keys.*` tells of them: whoever cheats is one finding of the audit, the other none."""

import pytest
from audited import KEYS, World, introduction
from refreshing import HOLDERS, refreshed, shifted

from keys import group, shares
from services.auditor.streams import audit


def test_a_public_share_that_is_repeated(world):
    share = world.shares["TH.holder", 0]
    world.say("TH.holder", introduction(share, b"").model_copy(update={"generation": 1}))
    assert world.found() == [("share_repeated", "keys.TH.holder", 6)]


def test_the_one_who_repeats_anothers_public_share_is_the_one_who_came_later(world):
    world.say("KH.holder", introduction(world.shares["TH.holder", 0], b"").model_copy(
        update={"generation": 1, "holder": "KH.holder"}
    ))  # fmt: skip
    records, ends = world.records()
    for turned in (False, True):  # in whichever order the topics are read
        ordered = sorted(records, key=lambda record: record.topic, reverse=turned)
        report = audit(world.region.charter, world.region.digest, ordered, now=world.region.clock.now(), ends=ends)
        assert [(f.code, f.topic, f.seq) for f in report.findings] == [("share_repeated", KEYS, 6)]


def test_a_refreshed_share_without_a_refresh(world):
    share, proof = shares.introduce(world.region.digest, "KH-TH", 1, 1, "TH.holder")
    world.say("TH.holder", introduction(share, proof))
    assert world.found() == [("no_such_refresh", "keys.TH.holder", 6)]


def test_a_pair_with_one_share(region):
    class Half(World):
        def introduce(self, holder, generation=0):
            if holder == "KH.holder":
                super().introduce(holder, generation)

    assert Half(region).found() == [("share_missing", "keys.TH.holder", None)]


def test_a_rogue_share_made_from_the_others_without_knowledge(world):
    """X - K_A for an X whose logarithm is known: the pair's key would be the rogue's own."""
    secret = group.random_scalars(1)[0]
    (minus_one,) = [group.scalar_subtract(bytes(32), b"\x01" + bytes(31))]
    (negated,) = group.multiply([world.shares["KH.holder", 0].public], minus_one)
    (rogue,) = group.add([group.multiply_base(secret)], [negated])
    share, proof = shares.introduce(world.region.digest, "KH-TH", 1, 1, "TH.holder")
    world.say("TH.holder", introduction(share, proof).model_copy(update={"public": rogue.hex()}))
    assert world.found() == [("unproven_share", "keys.TH.holder", 6)]


def test_a_proof_of_another_region_counts_nothing(world):
    share, proof = shares.introduce(b"\x07" * 32, "KH-TH", 1, 1, "TH.holder")
    world.say("TH.holder", introduction(share, proof))
    assert world.found() == [("unproven_share", "keys.TH.holder", 6)]


def test_a_share_in_anothers_name(world):
    share, proof = shares.introduce(world.region.digest, "KH-TH", 1, 1, "KH.holder")
    world.say("TH.holder", introduction(share, proof))
    assert world.found() == [("not_its_own", "keys.TH.holder", 6)]


@pytest.fixture
def refresh(world):
    """Of the world's own shares, offered by both."""
    done = refreshed(world.region.digest, {holder: world.shares[holder, 0] for holder in HOLDERS})
    for holder in HOLDERS:
        world.say(holder, done.offer(holder))
    return done


def test_an_honest_refresh_is_no_finding_and_an_unfinished_one_neither(world, refresh):
    assert world.report().ok
    world.say("TH.holder", refresh.reveal("TH.holder"), refresh.introduction("TH.holder"))
    assert world.report().ok
    world.say("KH.holder", refresh.reveal("KH.holder"), refresh.introduction("KH.holder"))
    report = world.report()
    assert report.ok
    assert [(row.generation, row.holder) for row in report.shares] == [(g, h) for g in (0, 1) for h in HOLDERS]


@pytest.mark.parametrize("cheat", HOLDERS)
@pytest.mark.parametrize("order", [HOLDERS, HOLDERS[::-1]], ids=" then ".join)
def test_who_moves_its_share_otherwise_than_offered_is_the_one_that_is_named(world, refresh, cheat, order):
    """Whoever came first or last: the other, who did what it had offered, is not."""
    for holder in order:
        honest = refresh.introduction(holder)
        world.say(holder, shifted(world.region.digest, refresh.after[holder]) if holder == cheat else honest)
    assert world.found() == [("key_changed", f"keys.{cheat}", 7)]


def test_two_who_change_the_key_together(world, refresh):
    for holder in HOLDERS:
        world.say(holder, shifted(world.region.digest, refresh.after[holder]))
    assert world.found() == [("key_changed", f"keys.{holder}", 7) for holder in HOLDERS]


def test_who_offers_twice_for_one_refresh(world, refresh):
    other = refreshed(world.region.digest, refresh.before)
    world.say("TH.holder", other.offer("TH.holder"))
    assert world.found() == [("offer_changed", "keys.TH.holder", 7)]
