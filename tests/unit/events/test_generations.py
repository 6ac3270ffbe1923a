"""Which generation of a pair's key is in force: the newest that both holders made by what both had offered."""

from itertools import permutations

import pytest
from refreshing import HOLDERS, PAIR, first_shares, introduction, refreshed, shifted

from events.database import open_database
from events.directory import Directory
from events.errors import Refused

KH, TH = HOLDERS


@pytest.fixture
def new_directory(region):
    def make():
        database = open_database("sqlite:///:memory:")
        made = Directory(database, region.charter, region.digest)
        made.create()
        made.tx_of = database.transaction
        return made

    return make


@pytest.fixture
def directory(new_directory, firsts, region):
    """That knows both first shares."""
    made = new_directory()
    for holder in HOLDERS:
        learn(made, introduction(region.digest, firsts[holder]))
    return made


@pytest.fixture
def firsts(region):
    return first_shares(region.digest)


@pytest.fixture
def done(region, firsts):
    return refreshed(region.digest, firsts)


def learn(directory, *items):
    with directory.tx_of() as tx:
        for item in items:
            directory.learn(tx, item.holder, item)


def refused(directory, item, writer=None):
    with pytest.raises(Refused) as found, directory.tx_of() as tx:
        directory.learn(tx, writer or item.holder, item)
    return found.value.code


def active(directory):
    return directory.active_generation(PAIR, 1)


def test_the_first_generation_is_active_once_both_shares_are_there(new_directory, region, firsts):
    directory = new_directory()
    assert active(directory) is None
    learn(directory, introduction(region.digest, firsts[KH]))
    assert active(directory) is None
    learn(directory, introduction(region.digest, firsts[TH]))
    assert active(directory) == 0


def test_the_next_is_active_once_both_new_shares_are_there_and_not_before(directory, done):
    for item in (done.offer(KH), done.offer(TH), done.reveal(TH), done.reveal(KH), done.introduction(KH)):
        learn(directory, item)
        assert active(directory) == 0
    learn(directory, done.introduction(TH))
    assert active(directory) == 1


def test_in_whatever_order_two_holders_are_read_everybody_finds_the_same_generation(new_directory, region, firsts, done):
    said = {h: [introduction(region.digest, firsts[h]), *done.said(h)] for h in HOLDERS}
    orders = set(permutations([KH] * 4 + [TH] * 4))
    assert len(orders) == 70
    for order in orders:
        directory, rest = new_directory(), {h: iter(items) for h, items in said.items()}
        learn(directory, *(next(rest[holder]) for holder in order))
        assert active(directory) == 1


def test_one_refresh_after_another_and_over_one_that_came_to_nothing(directory, region, firsts, done):
    learn(directory, done.offer(KH), done.offer(TH))
    second = refreshed(region.digest, firsts, 2)
    learn(directory, *second.said(KH), *second.said(TH))
    third = refreshed(region.digest, second.after, 3)
    learn(directory, *third.said(TH), *third.said(KH))
    assert active(directory) == 3


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_share_that_was_moved_by_something_else_makes_no_generation(directory, region, done, holder):
    (other,) = set(HOLDERS) - {holder}
    learn(directory, done.offer(KH), done.offer(TH), done.introduction(other))
    learn(directory, shifted(region.digest, done.after[holder]))
    assert active(directory) == 0


def test_two_shares_that_keep_the_sum_and_are_not_what_was_offered_make_no_generation(directory, region, firsts, done):
    """Both are known to be new only by what both holders have put in."""
    other = refreshed(region.digest, firsts)
    learn(directory, done.offer(KH), done.offer(TH), other.introduction(KH), other.introduction(TH))
    assert active(directory) == 0


def test_offers_to_refresh_different_generations_make_none_though_each_is_moved_as_it_said(directory, region, done):
    learn(directory, *done.said(KH), *done.said(TH))
    mixed = refreshed(region.digest, {KH: done.after[KH], TH: done.before[TH]}, 2)
    assert (mixed.offer(KH).base, mixed.offer(TH).base) == (1, 0)
    learn(directory, *mixed.said(KH), *mixed.said(TH))
    assert active(directory) == 1


def test_a_refreshed_share_without_an_offer_is_refused(directory, done):
    assert refused(directory, done.introduction(KH)) == "no_such_refresh"
    learn(directory, done.offer(TH))
    assert refused(directory, done.introduction(KH)) == "no_such_refresh"


def test_what_was_offered_or_revealed_is_not_changed(directory, region, firsts, done):
    assert refused(directory, done.reveal(KH)) == "no_such_offer"
    reveal = done.reveal(KH)
    learn(directory, done.offer(KH), done.offer(KH), reveal, reveal)
    assert refused(directory, done.offer(KH, base=0, reason="joined")) == "offer_changed"
    assert refused(directory, refreshed(region.digest, firsts).offer(KH)) == "offer_changed"
    assert refused(directory, done.reveal(KH)) == "part_changed"  # sealed anew, it is another box


@pytest.mark.parametrize(
    "change, code",
    [
        ({"epoch": 2}, "no_such_epoch"),
        ({"base": 1}, "no_such_generation"),
        ({"generation": 64}, "no_such_generation"),
        ({"base": -1}, "no_such_generation"),
        ({"public": bytes(32).hex()}, "weak_offer"),
        ({"public": "ff" * 32}, "weak_offer"),
        ({"seal_to": bytes(32).hex()}, "weak_offer"),
        ({"pair": "KH-VN"}, "not_a_holder"),
    ],
    ids=str,
)
def test_an_offer_that_makes_no_sense_fills_nothing(directory, done, change, code):
    assert refused(directory, done.offer(KH, **change)) == code
    with directory.tx_of() as tx:
        assert directory.offers(tx, PAIR, 1) == {}


def test_nobody_offers_or_reveals_for_another(directory, done):
    assert refused(directory, done.offer(KH), writer=TH) == "not_its_own"
    assert refused(directory, done.offer(KH), writer="KH") == "not_a_holder"
    learn(directory, done.offer(KH))
    assert refused(directory, done.reveal(KH), writer=TH) == "not_its_own"


def test_a_revealed_part_has_one_size(directory, done):
    learn(directory, done.offer(KH))
    assert refused(directory, done.reveal(KH).model_copy(update={"box": bytes(103)})) == "no_such_part"


def test_what_a_holder_says_again_makes_the_same_generation_at_whoever_begins_with_it(
    directory, new_directory, region, done
):
    learn(directory, *done.said(KH), *done.said(TH))
    another = new_directory()
    for holder in HOLDERS:
        learn(another, *directory.said_by(holder, region.clock.now()))
    assert active(another) == 1
    for holder in HOLDERS:  # and changes nothing where it stands
        learn(directory, *directory.said_by(holder, region.clock.now()))
    with directory.tx_of() as tx, another.tx_of() as other:
        assert directory.offers(tx, PAIR, 1) == another.offers(other, PAIR, 1)


def test_two_holders_that_offer_the_same_move_nothing_and_are_refused(directory, region, done):
    """Whoever waits for the other's offer and repeats it would leave both shares as they were."""
    learn(directory, done.offer(KH), done.offer(TH, public=done.parts[KH].public.hex()))
    unmoved = introduction(region.digest, done.before[KH]).model_copy(update={"generation": 1})
    assert refused(directory, unmoved) == "share_repeated"
