"""What the matcher takes from a country, how much of it a day, and what it refuses."""

from datetime import timedelta

import pytest
from intakes import live, refused, waits_for_a_day

from events.charter import Allowance
from events.messages import AcceptedTotal, GrantChanged, Outline, Revocation
from services.matcher import intake, views


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
        ({"epoch": 65}, "unknown_epoch"),
        ({"epoch": 0}, "unknown_epoch"),
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
