"""A stream that begins anew, as after a restore: what was revoked or held stands until people say otherwise."""

import pytest
from intakes import live, refused, waits_for_a_day

from services.matcher import views


def begins_anew(kh, region) -> None:
    """The country's stream begins a new epoch, as after a restore."""
    with kh.seat.database.transaction() as tx:
        kh.post.open_epoch(tx, region.topic("linkage.KH"))
        kh.post.refilled(tx, region.topic("linkage.KH"))


def test_in_a_new_stream_epoch_the_stricter_grant_stands_until_somebody_sets_it_anew(region, trio):
    kh, th, _, ticks = trio
    kh.submits("k", "tell", doc="A")
    ticks(1)
    kh.grants("k", "hold")
    ticks(1)
    begins_anew(kh, region)
    kh.submits("k", "tell", doc="A")  # the restored store knows nothing of the hold
    th.submits("t", "hold", doc="A")
    ticks(5)
    assert th.notices == []
    kh.grants("k", "tell")
    ticks(2)
    assert th.told() == ["this_side"]


def test_in_a_new_stream_epoch_a_tombstone_stands_until_it_is_revoked_and_published_there(region, trio):
    kh, _, matcher, ticks = trio
    kh.submits("k", doc="A")
    ticks(1)
    kh.revokes("k")
    ticks(1)
    begins_anew(kh, region)
    kh.submits("k", doc="A")
    ticks(2)
    assert (live(matcher), refused(matcher)) == (0, {"revoked": 1})
    kh.revokes("k")
    kh.submits("k", doc="A")
    ticks(2)
    assert live(matcher) == 1


def test_what_the_old_stream_epoch_lost_counts_though_what_it_revoked_was_heard(region, trio):
    """A correction, while the stream began anew: the revocation came, the row published since comes with the new epoch."""
    kh, th, matcher, ticks = trio
    th.submits("t", "tell", doc="B")
    kh.submits("k", "tell", serial=1, doc="A")
    ticks(1)
    kh.revokes("k", serial=2)
    ticks(1)
    begins_anew(kh, region)
    kh.submits("k", "tell", serial=3, doc="B")
    ticks(3)
    assert (kh.told(), th.told(), refused(matcher)) == (["both"], ["both"], {})


@pytest.mark.parametrize("serial", [1, 2])
def test_what_a_store_that_was_set_back_says_again_lifts_no_tombstone(region, trio, serial):
    kh, _, matcher, ticks = trio
    kh.submits("k", serial=1, doc="A")
    ticks(1)
    kh.revokes("k", serial=2)
    ticks(1)
    begins_anew(kh, region)
    kh.submits("k", serial=serial, doc="A")
    ticks(2)
    assert (live(matcher), refused(matcher)) == (0, {"revoked": 1})


def test_the_second_row_of_a_publication_that_was_revoked_lifts_no_tombstone_either(region, trio):
    """In the middle of a renewal a store that was set back says the rows of both epochs, which bear one number."""
    kh, _, matcher, ticks = trio
    kh.submits("k", "tell", serial=1, doc="A")
    ticks(1)
    kh.revokes("k", serial=2)
    ticks(1)
    begins_anew(kh, region)
    kh.submits("k", "tell", serial=1, doc="A")
    ticks(1)
    kh.submits("k", "tell", serial=1, doc="A")
    ticks(1)
    assert (live(matcher), refused(matcher)) == (0, {"revoked": 2})


def test_what_people_say_after_a_store_was_set_back_counts_whatever_number_it_bears(region, trio):
    kh, _, matcher, ticks = trio
    kh.submits("k", serial=8)
    ticks(1)
    kh.revokes("k", serial=9)
    ticks(1)
    begins_anew(kh, region)
    kh.submits("k", serial=5)
    ticks(1)
    assert live(matcher) == 0
    kh.revokes("k", serial=6)
    kh.submits("k", "tell", serial=7)
    ticks(1)
    assert live(matcher) == 1


def test_a_later_backup_put_back_after_an_earlier_one_lifts_no_tombstone_either(region, trio):
    kh, _, matcher, ticks = trio
    kh.submits("k", serial=8)
    ticks(1)
    kh.revokes("k", serial=9)
    ticks(1)
    for serial in (5, 8):
        begins_anew(kh, region)
        kh.submits("k", serial=serial)
        ticks(1)
    assert (live(matcher), refused(matcher)) == (0, {"revoked": 2})


def test_where_the_old_stream_epoch_lost_a_revocation_the_match_is_over_all_the_same(region, trio):
    kh, th, _, ticks = trio
    kh.submits("k", serial=1, doc="A")
    th.submits("t", doc="A")
    ticks(3)
    begins_anew(kh, region)
    kh.submits("k", serial=3, doc="B")
    ticks(3)
    assert kh.told() == th.told() == ["both", "over"]


def test_a_row_revoked_before_it_came_does_not_come_out_of_a_backup(region, trio):
    kh, _, matcher, ticks = trio
    kh.revokes("k", serial=2)
    ticks(1)
    begins_anew(kh, region)
    kh.submits("k", serial=1)
    ticks(2)
    assert (live(matcher), refused(matcher)) == (0, {"unknown_handle": 1, "revoked": 1})


@pytest.mark.parametrize("published_before", [False, True])
def test_a_hold_that_came_before_the_row_it_is_about_stands_in_a_new_stream_epoch(region, trio, published_before):
    """With cover a row may wait in its country while the grant goes ahead; then the country's store is set back."""
    kh, th, _, ticks = trio
    th.submits("t", "hold", doc="A")
    if published_before:
        kh.submits("k", serial=1)
        ticks(1)
        kh.revokes("k", serial=2)
    kh.grants("k", "hold")
    ticks(1)
    begins_anew(kh, region)
    kh.submits("k", "tell", serial=3, doc="A")
    ticks(4)
    assert th.notices == []
    kh.grants("k", "tell")
    ticks(2)
    assert th.told() == ["this_side"]


def test_a_row_that_bears_the_grant_of_the_moment_is_not_held_by_the_one_that_came_before_it(trio):
    kh, th, _, ticks = trio
    th.submits("t", "hold", doc="A")
    kh.grants("k", "hold")
    ticks(1)
    kh.submits("k", "tell", serial=1, doc="A")
    ticks(3)
    assert th.told() == ["this_side"]


def test_a_row_taken_away_while_it_waited_does_not_come_back_with_a_new_stream_epoch(narrow, narrow_trio):
    kh, th, matcher, ticks = narrow_trio
    th.submits("t", "hold", doc="A")
    waits_for_a_day(kh, ticks)
    kh.revokes("k", serial=2)
    ticks(1)
    begins_anew(kh, narrow)
    kh.submits("k", "tell", serial=1, doc="A")
    ticks(1)
    assert (refused(matcher), dict(views.operation(matcher).waiting)) == ({"revoked": 1}, {})
    narrow.clock.advance(86400)
    ticks(3)
    assert (live(matcher), th.notices) == (3, [])
    kh.submits("k", "tell", serial=3, doc="A")  # two people publish again
    ticks(3)
    assert th.told() == ["this_side"]


def test_in_a_new_stream_epoch_the_stricter_grant_stands_of_a_row_that_waits_too(narrow, narrow_trio):
    kh, th, _, ticks = narrow_trio
    th.submits("t", "hold", doc="A")
    waits_for_a_day(kh, ticks)
    kh.grants("k", "hold")
    ticks(1)
    begins_anew(kh, narrow)
    kh.submits("k", "tell", serial=1, doc="A")
    ticks(1)
    narrow.clock.advance(86400)
    ticks(3)
    assert th.notices == []
    kh.grants("k", "tell")
    ticks(3)
    assert th.told() == ["this_side"]


def test_in_a_new_stream_epoch_the_grant_of_a_row_that_waits_ends_at_the_earlier_end(narrow, narrow_trio):
    kh, th, _, ticks = narrow_trio
    th.submits("t", "hold", doc="A")
    waits_for_a_day(kh, ticks, days=1)
    begins_anew(kh, narrow)
    kh.submits("k", "tell", serial=1, doc="A", days=90)
    ticks(1)
    narrow.clock.advance(86400)
    ticks(4)
    assert th.notices == []


def test_a_row_published_anew_takes_the_place_of_one_that_waits_with_its_own_grant(narrow, narrow_trio):
    kh, th, _, ticks = narrow_trio
    th.submits("t", "hold", doc="A")
    waits_for_a_day(kh, ticks, "hold")
    begins_anew(kh, narrow)
    kh.submits("k", "tell", serial=3, doc="A")
    ticks(1)
    narrow.clock.advance(86400)
    ticks(3)
    assert th.told() == ["this_side"]
