from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from events.chain import Tail, Verdict, judge, last_epoch
from events.envelope import NO_HASH, Header

LAST, OTHER = b"\x01" * 32, b"\x02" * 32


SEALED = datetime(2026, 3, 1, tzinfo=UTC)
EARLIER, LATER = SEALED - timedelta(seconds=1), SEALED + timedelta(days=365)


def header(epoch, seq, prev=NO_HASH, sealed_at=SEALED):
    return Header(
        writer="KH", key_id="k", epoch=epoch, topic="linkage.KH", partition=0, seq=seq, prev=prev.hex(),
        charter_version=1, recipient="matcher", sealing_key="s", kind="linkage", event_id=UUID(int=1),
        sealed_at=sealed_at,
    )


def at(epoch=2, seq=5, *, frozen=False):
    return Tail("linkage.KH", 0, epoch=epoch, seq=seq, hash=LAST, frozen=frozen, sealed_at=SEALED)


@pytest.mark.parametrize(
    "tail, found, remembered, verdict",
    [
        (Tail("t", 0), header(1, 0), None, Verdict.APPLY),
        (Tail("t", 0), header(1, 3, OTHER), None, Verdict.AHEAD),
        (at(), header(2, 6, LAST), None, Verdict.APPLY),
        (at(), header(2, 6, OTHER), None, Verdict.FORK),
        (at(), header(2, 7, OTHER), None, Verdict.AHEAD),
        (at(), header(2, 5), OTHER, Verdict.DUPLICATE),
        (at(), header(2, 3), OTHER, Verdict.DUPLICATE),
        (at(), header(2, 3), LAST, Verdict.FORK),
        (at(), header(2, 3), None, Verdict.DUPLICATE),
        (at(), header(1, 6, LAST), None, Verdict.SUPERSEDED),
        (at(), header(3, 0), None, Verdict.APPLY),
        (at(), header(3, 0, LAST), None, Verdict.FORK),
        (at(), header(3, 1, OTHER), None, Verdict.AHEAD),
        (at(frozen=True), header(2, 6, LAST), None, Verdict.FROZEN),
        (at(frozen=True), header(2, 9, LAST), None, Verdict.FROZEN),
        (at(frozen=True), header(3, 0), None, Verdict.APPLY),
        (at(frozen=True), header(1, 0), None, Verdict.SUPERSEDED),
    ],
)
def test_each_envelope_has_one_place(tail, found, remembered, verdict):
    assert judge(tail, found, OTHER, remembered, key_until=LATER) is verdict


@pytest.mark.parametrize("tail", [at(), at(frozen=True)])
@pytest.mark.parametrize("place", [(2, 6, LAST), (2, 6, OTHER), (2, 9, OTHER), (3, 0), (3, 0, LAST), (2**40, 7, OTHER)])
def test_what_is_new_and_older_than_the_head_is_backdated_wherever_it_claims_to_belong(tail, place):
    assert judge(tail, header(*place, sealed_at=EARLIER), OTHER, None, key_until=LATER) is Verdict.BACKDATED


@pytest.mark.parametrize("remembered, verdict", [(OTHER, Verdict.DUPLICATE), (None, Verdict.DUPLICATE), (LAST, Verdict.FORK)])
def test_what_was_seen_before_may_come_again_with_its_own_time_and_two_stories_are_a_fork_at_any_time(remembered, verdict):
    assert judge(at(), header(2, 3, sealed_at=EARLIER), OTHER, remembered, key_until=LATER) is verdict


@pytest.mark.parametrize("place", [(2, 3), (2, 6, OTHER), (3, 0, OTHER)])
def test_a_key_that_ended_before_the_head_was_sealed_cannot_freeze_the_stream(place):
    assert judge(at(), header(*place), OTHER, LAST, key_until=SEALED) is Verdict.BACKDATED
    assert judge(at(), header(*place), OTHER, LAST, key_until=LATER) is Verdict.FORK


def test_an_epochs_number_is_bounded_by_the_time_so_that_there_is_always_a_next_one():
    assert last_epoch(SEALED) == 1_772_323_200
    assert last_epoch(SEALED + timedelta(seconds=1)) == last_epoch(SEALED) + 1


def test_a_gap_is_there_until_the_head_has_passed_what_was_seen_ahead():
    tail = at()
    assert not tail.has_gap
    tail.ahead_epoch, tail.ahead_seq = 2, 7
    assert tail.has_gap
    tail.seq = 7
    assert not tail.has_gap


def test_a_new_epoch_forgets_the_old_one_and_its_fork():
    tail = at(frozen=True)
    tail.begin_epoch(3)
    assert (tail.epoch, tail.seq, tail.hash, tail.frozen) == (3, -1, NO_HASH, False)
    assert tail.sealed_at == SEALED  # its time stays: a thief begins no epoch in the past
