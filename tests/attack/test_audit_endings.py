"""What an auditor sees of agreements that ended: who ended them and who followed; and it names whoever goes on."""


import pytest
from audited import PAIR, introduction

from events.messages import AgreementDropped, AgreementEnded
from keys import shares

TICKS = 8


def ended(world, holder: str, reason: str = "withdrawn", **changes) -> AgreementEnded:
    names = ("one", "two") if reason == "withdrawn" else ()
    fields = {"pair": PAIR, "epoch": 1, "holder": holder, "at": world.region.clock.now(), "reason": reason,
              "custodians": names}  # fmt: skip
    return AgreementEnded(**{**fields, **changes})


def dropped(world) -> AgreementDropped:
    return AgreementDropped(pair=PAIR, epoch=1, at=world.region.clock.now(), commitment="ab" * 32)


def end(world, *, followed: bool = True, drop: bool = True) -> None:
    world.announce("KH.holder", ended(world, "KH.holder"))
    if followed:
        world.announce("TH.holder", ended(world, "TH.holder", "other_side"))
    if drop:
        world.announce("matcher", dropped(world))


def codes(world) -> list[tuple[str, str]]:
    return [(finding.code, finding.writer) for finding in world.report().findings]


@pytest.fixture
def short(make_world):
    """Totals at every fourth tick."""
    return make_world(totals_seconds=240)


def test_an_end_that_all_followed_is_shown_and_nobody_is_named(world):
    end(world)
    world.live(TICKS)
    report = world.report()
    (row,) = report.ended
    assert report.findings == ()
    assert (row.pair, row.ended_by, row.reason, row.custodians) == (PAIR, "KH.holder", "withdrawn", ("one", "two"))
    assert (row.destroyed_by, row.commitment, row.in_charter) == (("KH.holder", "TH.holder"), "ab" * 32, True)


def test_a_holder_that_does_not_follow_is_named_and_one_that_was_not_heard_since_is_not(world):
    end(world, followed=False)
    world.live(2)
    assert codes(world) == []
    world.live(TICKS)
    assert codes(world) == [("share_kept", "TH.holder")]


def test_a_holder_that_is_down_is_not_accused_of_keeping_its_share(world):
    end(world, followed=False)
    world.live(TICKS, without=("TH.holder",))
    assert ("share_kept", "TH.holder") not in codes(world)


def test_a_matcher_that_drops_nothing_is_named(world):
    end(world, drop=False)
    world.live(TICKS)
    assert codes(world) == [("rows_kept", "matcher")]


def test_a_matcher_that_drops_what_nobody_ended_is_named(world):
    world.announce("matcher", dropped(world))
    world.live(TICKS)
    assert codes(world) == [("dropped_unasked", "matcher")]


def test_a_matcher_that_gives_two_accounts_of_what_it_dropped_is_named(world):
    end(world)
    world.say("matcher", dropped(world).model_copy(update={"commitment": "cd" * 32}))
    world.live(TICKS)
    assert codes(world) == [("account_changed", "matcher")]


def test_a_share_introduced_after_the_end_names_its_holder(world):
    end(world)
    world.live(1)
    share, proof = shares.introduce(world.region.digest, PAIR, 1, 1, "KH.holder")
    world.say("KH.holder", introduction(share, proof))
    world.live(TICKS)
    assert codes(world) == [("agreement_over", "KH.holder")]


@pytest.mark.parametrize("writer, holder, code", [
    ("matcher", "matcher", "not_a_holder"), ("KH", "KH", "not_a_holder"), ("TH.holder", "KH.holder", "not_its_own"),
])
def test_an_end_in_anothers_name_ends_nothing_and_names_its_writer(world, writer, holder, code):
    world.say(writer, ended(world, holder))
    world.live(TICKS)
    assert codes(world) == [(code, writer)]
    assert world.report().ended == ()


def test_evaluations_that_go_on_after_the_end_name_the_holder(short):
    short.tells("KH.holder", 10)
    short.tells("TH.holder", 10)
    end(short)
    short.live(5)
    short.tells("KH.holder", 12)  # of the span in which it ended: that may be
    short.tells("TH.holder", 12)
    short.live(TICKS)
    assert codes(short) == []
    short.tells("TH.holder", 14)
    short.live(TICKS)
    assert codes(short) == [("counted_after_end", "TH.holder")]


def test_rows_accepted_after_the_end_name_the_matcher(short):
    for holder in ("KH.holder", "TH.holder"):
        short.tells(holder, 40)
    short.accepts(10)
    end(short)
    short.live(5)
    short.accepts(12)
    short.live(4)
    short.accepts(14)
    short.live(TICKS)
    assert codes(short) == [("counted_after_end", "matcher")]
