"""Where an envelope belongs in its stream: next, seen, forked, ahead, backdated, or of an epoch that is over. Pure.

A stream is (writer, stream epoch, topic, partition). Its envelopes bear contiguous numbers from 0, and each names the
hash of the one before. Their times of sealing never go back, also from one stream epoch to the next: a writer sees to
it (events.outbox), so what is new and says that it is older than the head was made by a thief of a key whose time is
over. Refuses to know content, keys or clocks: whoever calls has seen that the writer's key signed.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from events.clock import LONG_AGO
from events.envelope import NO_HASH, Header


class Verdict(StrEnum):
    """What is to be done with an authentic envelope, by its place alone."""

    APPLY = "applied"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    BACKDATED = "backdated"
    FORK = "fork"
    FROZEN = "frozen"
    AHEAD = "ahead"


@dataclass(slots=True)
class Tail:
    """The end of one stream as far as it is read. Epoch 0 and number -1 before its first envelope."""

    topic: str
    partition: int
    position: int = 0
    """The carrier's offset to read next."""
    epoch: int = 0
    seq: int = -1
    hash: bytes = NO_HASH
    tick: int = -1
    """The last tick that its writer opened here."""
    frozen: bool = False
    ahead_epoch: int = 0
    ahead_seq: int = -1
    """The furthest envelope seen that did not fit yet."""
    sealed_at: datetime = LONG_AGO
    """What is new must not be older: the head's time of sealing, or our own then, if its writer's clock was ahead."""

    @property
    def has_gap(self) -> bool:
        """Whether something is missing before an envelope that was seen."""
        return (self.ahead_epoch, self.ahead_seq) > (self.epoch, self.seq)

    def begin_epoch(self, epoch: int) -> None:
        """Forget the old epoch: nothing of it counts any more but its time."""
        self.epoch, self.seq, self.hash, self.tick, self.frozen = epoch, -1, NO_HASH, -1, False


def last_epoch(at: datetime) -> int:
    """The highest number that a stream epoch may bear at this time: the seconds since 1970.

    Writers count from 1, and begin anew a few times in their life: none comes near. Whoever has a writer's key cannot
    lock it out by using the numbers up: one second later there is another.
    """
    return int(at.timestamp())


def judge(tail: Tail, header: Header, digest: bytes, remembered: bytes | None, *, key_until: datetime) -> Verdict:
    """Where an authentic envelope belongs.

    digest      the envelope's own hash
    remembered  the hash of what was applied under its number; None: nothing, or longer ago than is remembered
    key_until   when the key that signed it ended; one that ended before the head was sealed cannot fork the stream
    """
    if header.epoch < tail.epoch:
        return Verdict.SUPERSEDED
    begins = header.epoch > tail.epoch
    seq, last = (-1, NO_HASH) if begins else (tail.seq, tail.hash)
    if header.seq > seq and header.sealed_at < tail.sealed_at:
        return Verdict.BACKDATED
    if tail.frozen and not begins:
        return Verdict.FROZEN
    if header.seq > seq + 1:
        return Verdict.AHEAD
    if header.seq == seq + 1 and bytes.fromhex(header.prev) == last:
        return Verdict.APPLY
    second_story = Verdict.BACKDATED if key_until <= tail.sealed_at else Verdict.FORK
    return Verdict.DUPLICATE if header.seq <= seq and remembered in {None, digest} else second_story
