"""Who is told of a match, when, and how often: the matcher between two countries that grant as they please."""

from datetime import timedelta

import pytest

from events.database import open_database
from events.envelope import unpack
from events.messages import GrantChanged, MatchNotice, MatchOver, Revocation


def meets(kh, th, kh_grant: str, th_grant: str, **same) -> None:
    """Both submit one person."""
    kh.submits("k", kh_grant, **(same or {"doc": "A"}))
    th.submits("t", th_grant, **(same or {"doc": "A"}))


@pytest.mark.parametrize(
    "kh_grant, th_grant, kh_told, th_told",
    [
        pytest.param("tell", "tell", ["both"], ["both"], id="both tell: both are told"),
        pytest.param("hold", "tell", ["this_side"], [], id="KH holds, TH tells: KH alone is told"),
        pytest.param("tell", "hold", [], ["this_side"], id="KH tells, TH holds: TH alone is told"),
        pytest.param("hold", "hold", [], [], id="both hold: nobody is told"),
    ],
)
def test_a_side_is_told_if_and_only_if_the_other_grants_it(trio, kh_grant, th_grant, kh_told, th_told):
    kh, th, _, ticks = trio
    meets(kh, th, kh_grant, th_grant)
    ticks(6)
    assert (kh.told(), th.told()) == (kh_told, th_told)


def test_records_that_share_nothing_are_no_match(trio):
    kh, th, _, ticks = trio
    kh.submits("k", doc="A")
    th.submits("t", doc="B")
    ticks(6)
    assert kh.notices == th.notices == []


def test_what_both_are_told_agrees(trio):
    kh, th, _, ticks = trio
    kh.submits("k", full="A", doc="x")
    th.submits("t", full="A", doc="y")
    ticks(3)
    (one,), (other,) = kh.notices, th.notices
    assert one.match_ref == other.match_ref
    assert (one.other_country, other.other_country) == ("TH", "KH")
    assert (one.band, one.slot, one.epoch) == (other.band, other.slot, other.epoch) == ("possible", 1, 1)
    assert one.decide_by - one.half_time == timedelta(days=45)


def test_told_alone_a_side_gets_the_band_and_no_slot(trio):
    kh, th, _, ticks = trio
    meets(kh, th, "hold", "tell")
    ticks(3)
    (notice,) = kh.notices
    assert (notice.told, notice.band, notice.slot) == ("this_side", "document", None)


def test_nobody_is_told_in_the_tick_of_the_finding(trio):
    """A hold that was sent before the finding may still be on its way."""
    kh, th, _, ticks = trio
    meets(kh, th, "tell", "tell")
    ticks(1)
    assert kh.notices == th.notices == []
    ticks(1)
    assert (kh.told(), th.told()) == (["both"], ["both"])


def test_a_hold_sent_in_the_tick_after_the_finding_is_heard_first(trio):
    kh, th, _, ticks = trio
    meets(kh, th, "hold", "tell")
    ticks(1)
    th.grants("t", "hold")
    ticks(5)
    assert kh.notices == []


def test_a_stream_that_lags_counts_as_hold(region, trio, pass_ticks):
    kh, th, matcher, ticks = trio
    meets(kh, th, "hold", "tell")
    ticks(1)
    pass_ticks(region, kh, matcher, ticks=5)
    assert kh.notices == []
    ticks(2)
    assert kh.told() == ["this_side"]


def test_a_grant_that_lapses_counts_as_hold(region, trio):
    kh, th, _, ticks = trio
    th.submits("t", "tell", days=1, doc="A")
    ticks(1)
    region.clock.advance(86400)
    kh.submits("k", "hold", doc="A")
    ticks(5)
    assert kh.notices == []


def test_told_alone_and_then_granting_both_are_told_with_new_dates(region, trio):
    kh, th, _, ticks = trio
    meets(kh, th, "hold", "tell")
    ticks(3)
    region.clock.advance(86400)
    ticks(1)
    kh.grants("k", "tell")
    ticks(3)
    assert (kh.told(), th.told()) == (["this_side", "both"], ["both"])
    alone, both = kh.notices
    assert alone.match_ref == both.match_ref
    assert both.decide_by > alone.decide_by
    assert both.slot == 0


def test_a_later_hold_takes_nothing_back_and_nothing_is_told_twice(trio):
    kh, th, _, ticks = trio
    meets(kh, th, "tell", "tell")
    ticks(3)
    for grant in ("hold", "tell", "hold", "tell"):
        kh.grants("k", grant)
        th.grants("t", grant)
        ticks(3)
    assert (kh.told(), th.told()) == (["both"], ["both"])


def test_a_corrected_record_repeats_nothing_to_a_side_that_was_told_alone(trio):
    kh, th, _, ticks = trio
    meets(kh, th, "hold", "tell")
    ticks(3)
    for doc in ("A", "C", "A"):
        th.revokes("t")
        th.submits("t", "tell", doc=doc)
        ticks(3)
        kh.submits("k", "hold", doc=doc)
        ticks(3)
    assert (kh.told(), th.told()) == (["this_side"], [])


def test_what_one_side_alone_knows_ends_unheard(trio):
    kh, th, _, ticks = trio
    meets(kh, th, "hold", "tell")
    ticks(3)
    kh.ends("k", kh.notices[0].match_ref)
    th.revokes("t")
    ticks(4)
    assert (kh.told(), th.told()) == (["this_side"], [])


def test_the_end_of_what_both_know_is_told_to_both_once(trio):
    kh, th, _, ticks = trio
    meets(kh, th, "tell", "tell")
    ticks(3)
    ref = kh.notices[0].match_ref
    kh.ends("k", ref)
    ticks(2)
    th.ends("t", ref)  # its node says so too, when it hears of the end
    kh.revokes("k")
    ticks(4)
    assert (kh.told(), th.told()) == (["both", "over"], ["both", "over"])
    assert [c.notices[-1] for c in (kh, th)] == [
        MatchOver(match_ref=ref, handle=c.notices[0].handle) for c in (kh, th)
    ]


def test_a_revoked_row_ends_what_both_know(trio):
    kh, th, _, ticks = trio
    meets(kh, th, "tell", "tell")
    ticks(3)
    th.revokes("t")
    ticks(3)
    assert (kh.told(), th.told()) == (["both", "over"], ["both", "over"])


def test_a_revoked_row_is_found_no_more(trio):
    kh, th, _, ticks = trio
    kh.submits("k", doc="A")
    ticks(1)
    kh.revokes("k")
    th.submits("t", doc="A")
    ticks(5)
    assert kh.notices == th.notices == []


def test_a_row_revoked_before_the_telling_is_not_told_of(trio):
    kh, th, _, ticks = trio
    meets(kh, th, "tell", "tell")
    ticks(1)
    th.revokes("t")
    ticks(5)
    assert kh.notices == th.notices == []


def ended(kh, th, ticks) -> str:
    meets(kh, th, "tell", "tell")
    ticks(3)
    ref = kh.notices[0].match_ref
    kh.revokes("k")
    kh.ends("k", ref)
    ticks(2)
    return ref


def test_over_a_match_is_not_told_again_because_one_side_has_published_again(trio):
    kh, th, _, ticks = trio
    ended(kh, th, ticks)
    kh.submits("k", "tell", doc="A")
    ticks(5)
    assert (kh.told(), th.told()) == (["both", "over"], ["both", "over"])


def test_over_a_match_is_told_again_when_both_sides_have_spoken_since(trio):
    kh, th, _, ticks = trio
    ref = ended(kh, th, ticks)
    kh.submits("k", "tell", doc="A")
    th.ends("t", ref)
    th.grants("t", "tell")
    ticks(4)
    assert kh.told() == th.told() == ["both", "over", "both"]
    assert {n.match_ref for n in (*kh.notices, *th.notices)} == {ref}
    th.ends("t", ref)
    ticks(3)
    assert kh.told() == th.told() == ["both", "over", "both", "over"]


def test_over_and_published_again_under_hold_a_match_stays_over(trio):
    kh, th, _, ticks = trio
    ended(kh, th, ticks)
    kh.submits("k", "hold", doc="A")
    th.grants("t", "tell")
    ticks(5)
    assert (kh.told(), th.told()) == (["both", "over"], ["both", "over"])


def known_to_kh_alone(kh, th, ticks) -> str:
    meets(kh, th, "hold", "tell")
    ticks(3)
    assert (kh.told(), th.told()) == (["this_side"], [])
    return kh.notices[0].match_ref


@pytest.mark.parametrize("ends", ["ended", "revoked"])
def test_a_side_that_has_ended_what_it_alone_knew_is_told_no_more_before_it_speaks(trio, ends):
    """It said `tell` before it ended it: its node would refuse, and the other side would know alone that both do."""
    kh, th, _, ticks = trio
    ref = known_to_kh_alone(kh, th, ticks)
    kh.grants("k", "tell")
    if ends == "ended":
        kh.ends("k", ref)
    else:
        kh.revokes("k")
        kh.ends("k", ref)
    th.grants("t", "tell")
    ticks(4)
    assert (kh.told(), th.told()) == (["this_side"], [])
    if ends == "ended":
        kh.grants("k", "tell")
    else:
        kh.submits("k", "tell", doc="A")
    ticks(3)
    assert (kh.told(), th.told()) == (["this_side", "both"], ["both"])


def test_what_the_side_that_knew_nothing_takes_back_and_publishes_again_asks_nothing_of_the_other(trio):
    kh, th, _, ticks = trio
    known_to_kh_alone(kh, th, ticks)
    th.revokes("t")
    ticks(2)
    th.submits("t", "tell", doc="A")
    kh.grants("k", "tell")
    ticks(3)
    assert (kh.told(), th.told()) == (["this_side", "both"], ["both"])


def test_an_end_said_in_the_tick_of_the_telling_ends_it_for_both(region, trio, settle):
    """It crossed the notice: the one that ended hears that it is over too, should it have spoken in between."""
    kh, th, matcher, ticks = trio
    meets(kh, th, "hold", "tell")
    ticks(3)
    kh.grants("k", "tell")
    region.clock.advance(60)
    settle(kh, th)
    settle(matcher)  # it tells both
    kh.ends("k", kh.notices[0].match_ref)
    ticks(3)
    assert (kh.told(), th.told()) == (["this_side", "both", "over"], ["both", "over"])


def test_a_tell_that_crosses_the_end_on_its_way_brings_nothing_back(trio):
    """KH ends and says `tell` at once; TH had said `tell` before it heard: its node answers the end in the next tick."""
    kh, th, _, ticks = trio
    meets(kh, th, "tell", "tell")
    ticks(3)
    ref = kh.notices[0].match_ref
    kh.ends("k", ref)
    kh.grants("k", "tell")
    th.grants("t", "tell")
    ticks(1)
    th.ends("t", ref)
    ticks(4)
    assert kh.told() == th.told() == ["both", "over"]
    th.grants("t", "tell")
    ticks(3)
    assert kh.told() == th.told() == ["both", "over", "both"]


def test_one_side_cannot_end_a_match_in_the_others_name(trio):
    kh, th, _, ticks = trio
    meets(kh, th, "tell", "tell")
    ticks(3)
    notice = th.notices[0]
    kh.ends("nobody", notice.match_ref)
    kh.tells_matcher(GrantChanged(handle=notice.handle, grant="hold", grant_until=notice.decide_by))
    kh.tells_matcher(Revocation(handle=notice.handle))
    ticks(4)
    assert (kh.told(), th.told()) == (["both"], ["both"])


def boxes(region, topic: str) -> list[int]:
    """The sizes of all sealed bodies of a topic."""
    delivered = region.stream.read({(topic, 0): 0}, 10_000)
    return [len(unpack(d.value).box) for d in delivered]


def test_every_notice_envelope_has_one_size_and_there_is_one_a_tick(
    new_region, tmp_path, fake_country, open_matcher, pass_ticks
):
    region = new_region(tmp_path, notices_per_tick=3, intake_per_day=1000)
    kh, th, matcher = fake_country(region, "KH"), fake_country(region, "TH"), open_matcher(region)
    pass_ticks(region, kh, th, matcher, ticks=2)
    for i in range(7):
        kh.submits(f"k{i}", "tell", doc=f"A{i}")
        th.submits(f"t{i}", "hold" if i % 2 else "tell", doc=f"A{i}")
    before = len(boxes(region, "notices.KH"))
    pass_ticks(region, kh, th, matcher, ticks=9)
    assert len(th.notices) == 7
    assert len(kh.notices) == 4
    assert len(boxes(region, "notices.KH")) == before + 9
    assert len(set(boxes(region, "notices.KH") + boxes(region, "notices.TH"))) == 1


def test_no_tick_carries_more_than_the_charter_says_and_the_rest_follows_in_order(
    new_region, tmp_path, fake_country, open_matcher, pass_ticks
):
    region = new_region(tmp_path, notices_per_tick=2)
    kh, th, matcher = fake_country(region, "KH"), fake_country(region, "TH"), open_matcher(region)
    pass_ticks(region, kh, th, matcher, ticks=2)
    for i in range(5):
        kh.submits(f"k{i}", "hold", doc=f"A{i}")
        th.submits(f"t{i}", "tell", doc=f"A{i}")
    heard = []
    for _ in range(6):
        pass_ticks(region, kh, th, matcher)
        heard.append(len(kh.notices))
    assert heard == [0, 2, 4, 5, 5, 5]


def test_a_hold_that_comes_while_a_match_waits_for_room_is_kept(
    new_region, tmp_path, fake_country, open_matcher, pass_ticks
):
    region = new_region(tmp_path, notices_per_tick=1)
    kh, th, matcher = fake_country(region, "KH"), fake_country(region, "TH"), open_matcher(region)
    pass_ticks(region, kh, th, matcher, ticks=2)
    for i in range(4):
        kh.submits(f"k{i}", "hold", doc=f"A{i}")
        th.submits(f"t{i}", "tell", doc=f"A{i}")
    pass_ticks(region, kh, th, matcher, ticks=2)
    assert len(kh.notices) == 1
    for i in range(4):
        th.grants(f"t{i}", "hold")
    pass_ticks(region, kh, th, matcher, ticks=6)
    assert len(kh.notices) == 1


def test_a_country_that_cannot_be_written_to_is_told_by_the_grants_of_the_day_it_comes_back(
    region, fake_country, open_matcher, pass_ticks
):
    kh, th, matcher = fake_country(region, "KH"), fake_country(region, "TH"), open_matcher(region)
    pass_ticks(region, kh, th, matcher, ticks=2)
    kh.submits("k", "hold", doc="A")
    pass_ticks(region, kh, th, matcher)
    region.clock.advance(8 * 86400)  # the sealing key of KH is out of date
    th.submits("t", "tell", doc="A")
    pass_ticks(region, th, matcher, ticks=3)
    th.grants("t", "hold")
    pass_ticks(region, th, matcher, ticks=2)
    pass_ticks(region, kh, th, matcher, ticks=4)
    assert kh.notices == []


def test_notices_that_were_lost_are_given_again(region, trio):
    kh, th, matcher, ticks = trio
    meets(kh, th, "tell", "hold")
    ticks(3)
    with matcher.database.transaction() as tx:
        matcher._post.open_epoch(tx, region.topic("notices.TH"))
    ticks(2)
    first, again = th.notices
    assert isinstance(first, MatchNotice)
    assert first == again


def test_over_a_match_that_does_not_stand_any_more_is_not_told_again(trio):
    kh, th, _, ticks = trio
    ended(kh, th, ticks)
    kh.submits("k", "tell", doc="corrected")
    th.grants("t", "tell")
    ticks(5)
    assert (kh.told(), th.told()) == (["both", "over"], ["both", "over"])


def test_matches_that_wait_for_room_wait_too_while_the_other_side_is_silent(
    new_region, tmp_path, fake_country, open_matcher, pass_ticks
):
    region = new_region(tmp_path, notices_per_tick=1)
    kh, th, matcher = fake_country(region, "KH"), fake_country(region, "TH"), open_matcher(region)
    pass_ticks(region, kh, th, matcher, ticks=2)
    for i in range(4):
        kh.submits(f"k{i}", "hold", doc=f"A{i}")
        th.submits(f"t{i}", "tell", doc=f"A{i}")
    pass_ticks(region, kh, th, matcher, ticks=2)
    pass_ticks(region, kh, matcher, ticks=5)
    assert len(kh.notices) == 2  # one tick of silence is patience
    pass_ticks(region, kh, th, matcher, ticks=3)
    assert len(kh.notices) == 4


def test_a_matcher_that_is_restarted_within_a_tick_decides_nothing_before_the_next(
    region, fake_country, open_matcher, pass_ticks, settle
):
    database = open_database("sqlite:///:memory:")
    kh, th, matcher = fake_country(region, "KH"), fake_country(region, "TH"), open_matcher(region, database=database)
    pass_ticks(region, kh, th, matcher, ticks=2)
    meets(kh, th, "hold", "tell")
    pass_ticks(region, kh, th, matcher)
    region.clock.advance(60)
    settle(matcher)  # the tick has begun, and TH's has not been heard
    settle(kh, th, open_matcher(region, database=database))
    th.grants("t", "hold")
    pass_ticks(region, kh, th, open_matcher(region, database=database), ticks=3)
    assert kh.notices == []
