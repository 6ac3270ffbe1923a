"""Where an envelope belongs in its stream: next, seen, forked, ahead, or of an epoch that is over. Pure.

A stream is (writer, stream epoch, topic, partition). Its envelopes bear contiguous numbers from 0, and each names the
hash of the one before. Refuses to know content, keys or clocks: whoever calls has seen that the writer signed.
"""

from dataclasses import dataclass
from enum import StrEnum

from events.envelope import NO_HASH, Header


class Verdict(StrEnum):
    """What is to be done with an authentic envelope, by its place alone."""

    APPLY = "applied"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
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

    @property
    def has_gap(self) -> bool:
        """Whether something is missing before an envelope that was seen."""
        return (self.ahead_epoch, self.ahead_seq) > (self.epoch, self.seq)

    def begin_epoch(self, epoch: int) -> None:
        """Forget the old epoch: nothing of it counts any more."""
        self.epoch, self.seq, self.hash, self.tick, self.frozen = epoch, -1, NO_HASH, -1, False


def judge(tail: Tail, header: Header, digest: bytes, remembered: bytes | None) -> Verdict:
    """Where an authentic envelope belongs.

    digest      the envelope's own hash
    remembered  the hash of what was applied under its number; None: nothing, or longer ago than is remembered
    """
    if header.epoch < tail.epoch:
        return Verdict.SUPERSEDED
    begins = header.epoch > tail.epoch
    if tail.frozen and not begins:
        return Verdict.FROZEN
    seq, last = (-1, NO_HASH) if begins else (tail.seq, tail.hash)
    if header.seq > seq + 1:
        return Verdict.AHEAD
    if header.seq == seq + 1:
        return Verdict.APPLY if bytes.fromhex(header.prev) == last else Verdict.FORK
    return Verdict.DUPLICATE if remembered in {None, digest} else Verdict.FORK
