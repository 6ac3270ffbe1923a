"""What the matcher takes from a country, how much of it a day, and what it refuses."""

from datetime import timedelta

import pytest

from events.charter import Allowance
from events.messages import AcceptedTotal, Outline
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
