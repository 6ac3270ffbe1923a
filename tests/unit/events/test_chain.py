from datetime import UTC, datetime
from uuid import UUID

import pytest

from events.chain import Tail, Verdict, judge
from events.envelope import NO_HASH, Header

LAST, OTHER = b"\x01" * 32, b"\x02" * 32


def header(epoch, seq, prev=NO_HASH):
    return Header(
        writer="KH", key_id="k", epoch=epoch, topic="linkage.KH", partition=0, seq=seq, prev=prev.hex(),
        charter_version=1, recipient="matcher", sealing_key="s", kind="linkage", event_id=UUID(int=1),
        sealed_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def at(epoch=2, seq=5, *, frozen=False):
    return Tail("linkage.KH", 0, epoch=epoch, seq=seq, hash=LAST, frozen=frozen)


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
    assert judge(tail, found, OTHER, remembered) is verdict


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
