"""What the matcher takes from a country, how much of it a day, and what it refuses."""

from datetime import timedelta

import pytest

from events.charter import Allowance
from events.messages import AcceptedTotal, GrantChanged, Outline, Revocation
from services.matcher import intake, views


@pytest.fixture
def narrow(new_region, tmp_path):
    """Two rows of two slots a day."""
    return new_region(tmp_path, intake_per_day=4, totals_seconds=600, tick_seconds=60)


@pytest.fixture
def narrow_trio(narrow, fake_country, open_matcher, pass_ticks):
    kh, th, matcher = fake_country(narrow, "KH"), fake_country(narrow, "TH"), open_matcher(narrow)

    def run(ticks: int = 1) -> None:
        pass_ticks(narrow, kh, th, matcher, ticks=ticks)

    run(2)
    return kh, th, matcher, run


def live(matcher) -> int:
    with matcher.database.reading() as tx:
        return matcher._index.sizes(tx)["live"]


def refused(matcher) -> dict[str, int]:
    return dict(views.operation(matcher).refused)


def totals(country) -> list:
    return [t for writer, t in country.post.directory.totals() if writer == "matcher"]


def test_rows_beyond_the_day_wait_and_are_taken_on_the_days_after_in_their_order(narrow, narrow_trio):
    kh, th, matcher, ticks = narrow_trio
    for i in range(5):
        kh.submits(f"k{i}", "tell", doc=f"A{i}")
    th.submits("t4", "tell", doc="A4")
    seen = []
    for _ in range(3):
        ticks(3)
        seen.append((live(matcher), dict(views.operation(matcher).waiting), kh.told()))
        narrow.clock.advance(86400 - 180)
    assert seen == [
        (3, {"KH": 3}, []),
        (5, {"KH": 1}, []),
        (6, {}, ["both"]),
    ]


def test_a_row_that_comes_on_the_next_day_does_not_overtake_those_that_wait(narrow, narrow_trio):
    kh, _, matcher, ticks = narrow_trio
    for i in range(4):
        kh.submits(f"k{i}")
    ticks(1)
    narrow.clock.advance(86400)
    late = kh.submission("late")
    kh.tells_matcher(late)
    ticks(1)
    with matcher.database.reading() as tx:
        assert tx.execute("SELECT handle FROM matcher_deferred") == [(late.handle,)]


def test_a_country_does_not_use_up_anothers_day(narrow_trio):
    kh, th, matcher, ticks = narrow_trio
    for i in range(9):
        kh.submits(f"k{i}")
    th.submits("t")
    ticks(2)
    assert live(matcher) == 3
    assert dict(views.operation(matcher).waiting) == {"KH": 7}


def test_an_allowance_of_both_holders_lets_more_in(new_region, tmp_path, fake_country, open_matcher, pass_ticks):
    start = new_region.START

    def allowance(holder: str, count: int) -> Allowance:
        return Allowance(
            holder=holder, country="KH", pair="KH-TH", count=count, valid_from=start,
            valid_until=start + timedelta(days=1), reason="a country joins",
        )

    region = new_region(
        tmp_path, intake_per_day=2, allowances=[allowance("KH.holder", 100), allowance("TH.holder", 4)]
    )
    kh, matcher = fake_country(region, "KH"), open_matcher(region)
    pass_ticks(region, kh, matcher, ticks=2)
    for i in range(9):
        kh.submits(f"k{i}")
    pass_ticks(region, kh, matcher, ticks=2)
    assert live(matcher) == 3


def test_a_revocation_reaches_a_row_that_waits(narrow, narrow_trio):
    kh, th, matcher, ticks = narrow_trio
    for i in range(3):
        kh.submits(f"k{i}", doc=f"A{i}")
    th.submits("t", doc="A2")
    ticks(2)
    kh.revokes("k2")
    ticks(2)
    narrow.clock.advance(86400)
    ticks(4)
    assert (live(matcher), kh.notices, th.notices, refused(matcher)) == (3, [], [], {})


def test_a_hold_reaches_a_row_that_waits(narrow, narrow_trio):
    kh, th, _, ticks = narrow_trio
    for i in range(3):
        kh.submits(f"k{i}", "tell", doc=f"A{i}")
    th.submits("t", "hold", doc="A2")
    ticks(2)
    kh.grants("k2", "hold")
    ticks(2)
    narrow.clock.advance(86400)
    ticks(4)
    assert kh.notices == th.notices == []


def test_a_row_that_waits_gives_way_to_the_one_that_comes_after(narrow, narrow_trio):
    kh, th, matcher, ticks = narrow_trio
    for i in range(3):
        kh.submits(f"k{i}", doc=f"A{i}")
    kh.submits("k2", doc="mended")
    th.submits("t", doc="A2")
    ticks(2)
    narrow.clock.advance(86400)
    ticks(4)
    assert (live(matcher), kh.notices) == (4, [])


def test_a_row_that_comes_again_unchanged_costs_nothing(narrow, narrow_trio):
    kh, _, matcher, ticks = narrow_trio
    for _ in range(5):
        kh.submits("k", doc="A")
        ticks(1)
    kh.submits("another")
    ticks(1)
    assert live(matcher) == 2
    narrow.clock.advance(600)
    ticks(1)
    assert totals(kh) == [AcceptedTotal(pair="KH-TH", epoch=1, country="KH", count=4)]


def test_rows_that_wait_are_not_accepted_yet(narrow, narrow_trio):
    kh, _, _, ticks = narrow_trio
    for i in range(5):
        kh.submits(f"k{i}")
    ticks(1)
    narrow.clock.advance(600)
    ticks(1)
    assert totals(kh) == [AcceptedTotal(pair="KH-TH", epoch=1, country="KH", count=4)]
    narrow.clock.advance(86400)
    ticks(1)
    narrow.clock.advance(600)
    ticks(1)
    assert totals(kh) == [AcceptedTotal(pair="KH-TH", epoch=1, country="KH", count=8)]


def test_totals_are_told_at_the_turn_of_a_span_only(narrow, narrow_trio):
    kh, _, _, ticks = narrow_trio
    kh.submits("k")
    ticks(2)
    assert totals(kh) == []


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"pair": "LA-TH"}, "pair_not_agreed"),
        ({"pair": "KH-VN"}, "pair_not_agreed"),
        ({"epoch": 2}, "unknown_epoch"),
        ({"schema_version": 2}, "unknown_schema"),
        ({"indices": bytes(32)}, "wrong_size"),
        ({"indices": bytes(96)}, "wrong_size"),
    ],
)
def test_a_row_that_no_day_could_take_is_refused_and_counted_and_its_neighbours_are_taken(trio, changes, reason):
    kh, _, matcher, ticks = trio
    kh.submits("good")
    kh.submits("bad", **changes)
    kh.submits("fine")
    ticks(2)
    assert (live(matcher), refused(matcher)) == (2, {reason: 1})


def test_another_countrys_row_cannot_be_taken_over(trio):
    kh, th, matcher, ticks = trio
    kh.submits("k", "hold", doc="A")
    ticks(1)
    stolen = kh.submission("k", "tell", doc="A")
    th.tells_matcher(stolen)
    ticks(3)
    assert (live(matcher), refused(matcher)) == (1, {"not_your_handle": 1})


def test_words_about_a_row_that_never_came_are_counted_and_harm_nothing(trio):
    kh, _, matcher, ticks = trio
    kh.grants("nobody", "tell")
    kh.revokes("nobody")
    kh.ends("nobody", "M-nosuchmatch")
    ticks(2)
    assert refused(matcher) == {"unknown_handle": 2, "unknown_match": 1}


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


def waits_for_a_day(kh, ticks, grant="tell", **changes) -> None:
    """Two rows use up the day; `k` waits."""
    kh.submits("k0")
    kh.submits("k1")
    kh.submits("k", grant, serial=1, doc="A", **changes)
    ticks(1)


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


def test_another_countrys_row_that_waits_cannot_be_taken_over(narrow, narrow_trio):
    kh, th, matcher, ticks = narrow_trio
    waits_for_a_day(kh, ticks)
    stolen = kh.submission("k", "tell", doc="A")
    th.tells_matcher(
        stolen, Revocation(handle=stolen.handle),
        GrantChanged(handle=stolen.handle, grant="hold", grant_until=stolen.grant_until),
    )
    ticks(1)
    assert refused(matcher) == {"not_your_handle": 2, "unknown_handle": 1}
    narrow.clock.advance(86400)
    ticks(2)
    assert live(matcher) == 3


def test_a_row_that_was_taken_once_costs_nothing_when_it_comes_back_after_another(region, trio):
    """A store that was set back sends the older row: nobody evaluated anything for it again."""
    kh, _, matcher, ticks = trio
    for doc in ("A", "B", "A", "B"):
        kh.submits("k", doc=doc)
        ticks(1)
    with matcher.database.reading() as tx:
        assert tx.execute("SELECT count FROM matcher_accepted") == [(4,)]


def test_a_row_that_was_taken_once_waits_for_no_day(narrow_trio):
    kh, _, matcher, ticks = narrow_trio
    for i in range(3):
        kh.submits(f"k{i}", doc=f"A{i}")
    ticks(1)
    kh.submits("k0", "hold", doc="A0")
    ticks(1)
    assert dict(views.operation(matcher).waiting) == {"KH": 1}  # k2


def test_an_allowance_is_drawn_once_and_not_anew_each_day(new_region, tmp_path, fake_country, open_matcher, pass_ticks):
    start = new_region.START
    allowances = [
        Allowance(
            holder=holder, country="KH", pair="KH-TH", count=count, valid_from=start,
            valid_until=start + timedelta(days=9), reason="a country joins",
        )
        for holder, count in (("KH.holder", 100), ("TH.holder", 4))
    ]
    region = new_region(tmp_path, intake_per_day=2, allowances=allowances)
    kh, matcher = fake_country(region, "KH"), open_matcher(region)
    pass_ticks(region, kh, matcher, ticks=2)
    for i in range(9):
        kh.submits(f"k{i}")
    taken = []
    for _ in range(3):
        pass_ticks(region, kh, matcher, ticks=2)
        taken.append(live(matcher))
        region.clock.advance(86400)
    assert taken == [3, 4, 5]


def test_what_one_day_leaves_of_an_allowance_is_there_on_another(
    new_region, tmp_path, fake_country, open_matcher, pass_ticks
):
    start = new_region.START
    allowances = [
        Allowance(
            holder=f"{c}.holder", country="KH", pair="KH-TH", count=4, valid_from=start,
            valid_until=start + timedelta(days=9), reason="a country joins",
        )
        for c in ("KH", "TH")
    ]
    region = new_region(tmp_path, intake_per_day=2, allowances=allowances)
    kh, matcher = fake_country(region, "KH"), open_matcher(region)
    pass_ticks(region, kh, matcher, ticks=2)
    taken = []
    for day, rows in enumerate((2, 9)):
        for i in range(rows):
            kh.submits(f"k{day}{i}")
        pass_ticks(region, kh, matcher, ticks=2)
        taken.append(live(matcher))
        region.clock.advance(86400)
    assert taken == [2, 4]


def test_a_total_counts_what_was_accepted_before_the_turn_and_is_told_a_while_after_it(narrow, narrow_trio):
    kh, _, _, ticks = narrow_trio
    kh.submits("before")
    ticks(1)
    narrow.clock.advance(600 - narrow.clock.now().timestamp() % 600 - 60)
    kh.submits("at the turn")
    ticks(1)
    assert totals(kh) == []  # holders may not have told theirs yet
    ticks(1)
    assert totals(kh) == [AcceptedTotal(pair="KH-TH", epoch=1, country="KH", count=2)]
    narrow.clock.advance(600)
    ticks(1)
    assert totals(kh) == [AcceptedTotal(pair="KH-TH", epoch=1, country="KH", count=4)]


def test_what_waits_is_sealed(narrow_trio):
    kh, _, matcher, ticks = narrow_trio
    waits = [kh.submission(f"k{i}", doc=f"A{i}") for i in range(3)]
    kh.tells_matcher(*waits)
    ticks(2)
    with matcher.database.reading() as tx:
        ((box,),) = tx.execute("SELECT item FROM matcher_deferred")
    assert all(part not in bytes(box) for part in (waits[2].indices, waits[2].handle.encode(), b"submission"))


def test_outlines_of_known_events_are_counted_and_others_refused(trio):
    kh, _, matcher, ticks = trio
    kh.says("cases.KH", *(Outline(pseudonym="0" * 32, event=e, fields={}) for e in ("CaseReported", "MatchTold", "x")))
    ticks(1)
    with matcher.database.reading() as tx:
        assert tx.execute("SELECT event, month, count FROM matcher_outlines") == [("CaseReported", "2026-03", 1)]
        assert intake.refused(tx) == {"unknown_outline": 2}
