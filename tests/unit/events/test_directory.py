from datetime import timedelta

import pytest

from events.directory import Directory
from events.errors import Refused
from events.messages import AcceptedTotal, EvaluatedTotal, Revocation, SealingKeyIntroduced, ShareIntroduced
from keys import seal, shares


@pytest.fixture
def directory(region):
    seat = region.seat("matcher", opened=False)
    made = Directory(seat.database, region.charter, region.digest)
    made.create()
    made.tx_of = seat.database.transaction
    return made


def learn(directory, writer, item):
    with directory.tx_of() as tx:
        directory.learn(tx, writer, item)


def sealing(region, key_id="k1", public=None, start=0.0, days=7.0):
    begin = region.clock.now() + timedelta(days=start)
    return SealingKeyIntroduced(
        key_id=key_id, public=(public or seal.new_sealing_pair()[1]).hex(), valid_from=begin,
        valid_until=begin + timedelta(days=days),
    )


def share(region, holder="KH.holder", generation=0, pair="KH-TH", digest=None, epoch=1):
    made, proof = shares.introduce(digest or region.digest, pair, epoch, generation, holder)
    return ShareIntroduced(
        pair=pair, epoch=epoch, generation=generation, holder=holder, public=made.public.hex(), proof=proof
    )


def test_the_newest_valid_sealing_key_is_the_one_to_seal_to(region, directory):
    for key_id, start in (("old", -3), ("new", -1), ("future", 2)):
        learn(directory, "KH", sealing(region, key_id, start=start))
    assert directory.sealing_key("KH", region.clock.now()).id == "new"
    assert directory.sealing_key("KH", region.clock.now() + timedelta(days=3)).id == "future"


def test_a_sealing_key_past_its_days_is_none(region, directory):
    learn(directory, "KH", sealing(region))
    assert directory.sealing_key("KH", region.clock.now() + timedelta(days=7)) is None
    assert directory.sealing_key("TH", region.clock.now()) is None


@pytest.mark.parametrize("public", [bytes(32), b"\x01" + bytes(31)])
def test_a_sealing_key_that_hides_nothing_is_refused(region, directory, public):
    with pytest.raises(Refused) as refused:
        learn(directory, "KH", sealing(region, public=public))
    assert refused.value.code == "weak_key"


def test_a_sealing_key_lives_no_longer_than_the_charter_allows(region, directory):
    with pytest.raises(Refused) as refused:
        learn(directory, "KH", sealing(region, days=7.1))
    assert refused.value.code == "lives_too_long"


def test_a_sealing_key_id_names_one_key_for_ever(region, directory):
    first = sealing(region)
    learn(directory, "KH", first)
    learn(directory, "KH", first)
    learn(directory, "TH", sealing(region))  # another party's ids are its own
    with pytest.raises(Refused) as refused:
        learn(directory, "KH", sealing(region))
    assert refused.value.code == "key_id_repeated"


def test_a_proven_share_is_known_from_then_on(region, directory):
    introduced = share(region)
    learn(directory, "KH.holder", introduced)
    learn(directory, "KH.holder", introduced)
    known = directory.share("KH-TH", 1, "KH.holder", 0)
    assert (known.generation, known.public.hex()) == (0, introduced.public)
    assert directory.share("KH-TH", 1, "TH.holder", 0) is None
    assert directory.share("KH-TH", 1, "KH.holder", 1) is None


def test_a_repeated_public_share_is_refused(region, directory):
    learn(directory, "KH.holder", share(region))
    first = directory.share("KH-TH", 1, "KH.holder", 0)
    again = share(region, generation=1).model_copy(update={"public": first.public.hex()})
    with pytest.raises(Refused) as refused:
        learn(directory, "KH.holder", again)
    assert refused.value.code == "share_repeated"


def test_a_share_that_stands_is_not_changed(region, directory):
    learn(directory, "KH.holder", share(region))
    with pytest.raises(Refused) as refused:
        learn(directory, "KH.holder", share(region))
    assert refused.value.code == "share_repeated"


def test_a_share_without_proof_is_refused(region, directory):
    with pytest.raises(Refused) as refused:
        learn(directory, "KH.holder", share(region, digest=b"\x01" * 32))
    assert refused.value.code == "unproven_share"


@pytest.mark.parametrize(
    "writer, holder, code", [("TH.holder", "KH.holder", "not_its_own"), ("KH", "KH.holder", "not_a_holder")]
)
def test_only_a_holder_introduces_its_share(region, directory, writer, holder, code):
    with pytest.raises(Refused) as refused:
        learn(directory, writer, share(region, holder))
    assert refused.value.code == code


@pytest.mark.parametrize("place", [{"epoch": 2}, {"epoch": 0}, {"epoch": 2**40}, {"generation": 64}, {"generation": 2**40}], ids=str)
def test_a_share_of_an_epoch_or_generation_that_is_not_there_fills_nothing(region, directory, place):
    with pytest.raises(Refused) as refused:
        learn(directory, "KH.holder", share(region, **place))
    assert refused.value.code == f"no_such_{next(iter(place))}"
    with directory.tx_of() as tx:
        assert tx.execute("SELECT COUNT(*) FROM directory_shares") == [(0,)]


def test_a_negative_generation_is_refused(region, directory):
    with pytest.raises(Refused) as refused:
        learn(directory, "KH.holder", share(region).model_copy(update={"generation": -1}))
    assert refused.value.code == "no_such_generation"


def test_a_share_that_stands_from_an_epoch_that_is_over_may_be_said_again(region, directory):
    """A holder whose stream begins anew says all that it ever introduced."""
    known = share(region)
    learn(directory, "KH.holder", known)
    later = region.charter.model_copy(update={"matching_epoch": 2})
    after = Directory(directory._database, later, region.digest)
    learn(with_tx(after, directory), "KH.holder", known)
    with pytest.raises(Refused):
        learn(with_tx(after, directory), "KH.holder", share(region, generation=1))
    learn(with_tx(after, directory), "KH.holder", share(region, epoch=2))


def with_tx(made, like):
    made.tx_of = like.tx_of
    return made


@pytest.mark.parametrize(
    "change, code",
    [({"epoch": 0}, "no_such_epoch"), ({"epoch": 65}, "no_such_epoch"), ({"country": "VN"}, "not_of_the_pair")],
    ids=str,
)
def test_totals_of_another_epoch_or_country_fill_nothing(region, directory, change, code):
    evaluated = EvaluatedTotal(pair="KH-TH", epoch=1, country="KH", count=3, most_in_a_day=2)
    accepted = AcceptedTotal(pair="KH-TH", epoch=1, country="KH", count=1)
    for writer, item in (("KH.holder", evaluated), ("matcher", accepted)):
        with pytest.raises(Refused) as refused:
            learn(directory, writer, item.model_copy(update=change))
        assert refused.value.code == code
    assert directory.totals() == []


def test_totals_are_kept_as_last_told_and_only_from_who_counts(region, directory):
    evaluated = EvaluatedTotal(pair="KH-TH", epoch=1, country="KH", count=3, most_in_a_day=2)
    accepted = AcceptedTotal(pair="KH-TH", epoch=1, country="KH", count=1)
    learn(directory, "KH.holder", evaluated)
    learn(directory, "KH.holder", evaluated.model_copy(update={"count": 5}))
    learn(directory, "matcher", accepted)
    assert directory.totals() == [("KH.holder", evaluated.model_copy(update={"count": 5})), ("matcher", accepted)]
    for writer, item in (("KH", evaluated), ("matcher", evaluated), ("KH.holder", accepted)):
        with pytest.raises(Refused):
            learn(directory, writer, item)


def test_nothing_but_announcements_is_learnt(directory):
    with pytest.raises(Refused) as refused:
        learn(directory, "KH", Revocation(handle="ab" * 16))
    assert refused.value.code == "not_an_announcement"


def test_what_a_party_said_can_be_said_again_and_is_learnt_by_another(region, directory):
    total = EvaluatedTotal(pair="KH-TH", epoch=1, country="TH", count=1, most_in_a_day=1)
    said = [sealing(region), share(region), total]
    learn(directory, "KH.holder", sealing(region, "gone", start=-20))
    for item in said:
        learn(directory, "KH.holder", item)
    learn(directory, "TH.holder", sealing(region))
    assert directory.said_by("KH.holder", region.clock.now()) == said
