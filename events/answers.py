"""What the readers of our streams say of them, and what we do about it.

A reader's head lets go of what it has applied; its want has sent again what it misses, and sealed anew what it can no
longer open. Where it has seen what we do not know, or asks for what is gone, the topic begins anew (events.outbox).
Refuses what a reader has no right to say: it speaks of the streams that it reads, and cannot have us use up numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from events.chain import last_epoch
from events.charter import Charter, Topic
from events.clock import Clock
from events.database import Transaction
from events.directory import SealingKey
from events.messages import Body, Head, Want
from events.outbox import Outbox, Place

_RESEALS_AT_ONCE: Final = 64
_PUBLIC_AT_ONCE: Final = 500
"""Envelopes of a public stream that one want brings once more."""
NEVER_SEALED_ANEW = frozenset({"linkage"})
"""Their events must not come late: an old `tell` sealed anew would overtake a newer `hold`. The stream begins anew."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Heeds and answers readers, in the transaction that takes what they say."""

    charter: Charter
    outbox: Outbox
    clock: Clock
    heard: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """(reader, topic, partition) -> the tick in which a want of it was heeded last. In memory only: nobody but us can
    make us start anew."""

    def heed(self, tx: Transaction, reader: str, head: Head) -> str | None:
        """Let go of what the reader has applied. Returns what is wrong with the head, if anything is."""
        topic = self.outbox.topics.get(head.topic)
        if topic is None or topic.reader != reader or not 0 <= head.partition < topic.partitions:
            return "head_of_no_stream"
        at = self.outbox.place(tx, head.topic, head.partition)
        if head.epoch < at.epoch or (head.epoch == at.epoch and head.seq <= at.acked):
            return None
        if (head.epoch, head.seq) > (at.epoch, at.seq):
            return self._go_beyond(tx, topic, at, head.epoch)
        if self.outbox.hash_at(tx, at, head.seq) != bytes.fromhex(head.hash):
            self.outbox.begin_epoch(tx, topic)
            return "reader_has_another"
        self.outbox.let_go(tx, at, head.seq)
        return None

    def answer(self, tx: Transaction, reader: str, want: Want, to: SealingKey | None) -> str | None:
        """Send again what a reader asks for, and seal anew what it can no longer open. Returns what is wrong, if any.

        to       the reader's present sealing key; None: unknown, then nothing is sealed anew until it asks again
        """
        topic = self.outbox.topics.get(want.topic)
        if topic is None or topic.reader not in {reader, None} or not 0 <= want.partition < topic.partitions:
            return "want_of_no_stream"
        if want.from_seq < 0 or (want.reseal and topic.reader is None):
            return "want_without_sense"
        at = self.outbox.place(tx, want.topic, want.partition)
        if want.epoch < at.epoch or not self._is_first_this_tick(reader, want):
            return None  # of an epoch that is over; or heard this tick: what it still lacks then, it wants again
        if want.epoch > at.epoch:  # said in public, it is anybody's word
            return self._go_beyond(tx, topic, at, want.epoch) if topic.reader == reader else None
        # What is at or below `acked` the reader had confirmed itself, and we dropped then.
        if (
            want.from_seq <= at.acked
            or (want.reseal and topic.family in NEVER_SEALED_ANEW)
            or (to and not self._seal_anew(tx, topic, at, want.reseal, to))
        ):
            self.outbox.begin_epoch(tx, topic)
            return "want_of_what_is_gone"
        # A public stream is kept whole: its end is sent in parts, each time from where the reader has come to.
        below = want.from_seq + _PUBLIC_AT_ONCE if topic.reader is None else at.seq + 1
        self.outbox.send_again(tx, want.topic, want.partition, want.from_seq, below)
        return None

    def _is_first_this_tick(self, reader: str, want: Want) -> bool:
        """Wants cost their writer nothing: each reader is heard once a tick about each stream."""
        place, tick = (reader, want.topic, want.partition), self.charter.tick_at(self.clock.now())
        is_first = self.heard.get(place) != tick
        self.heard[place] = tick
        return is_first

    def _go_beyond(self, tx: Transaction, topic: Topic, at: Place, epoch: int) -> str:
        """A reader has seen more than we know of, ours before a restore or a thief's: begin above it."""
        if epoch > at.epoch and epoch >= last_epoch(self.clock.now()):
            return "implausible_epoch"
        self.outbox.begin_epoch(tx, topic, above=epoch)
        return "reader_is_ahead"

    def _seal_anew(self, tx: Transaction, topic: Topic, at: Place, events: Sequence[UUID], to: SealingKey) -> bool:
        """Write these events again at the head, for the reader's present key. False: one is no longer kept."""
        for event in events[:_RESEALS_AT_ONCE]:
            kept = self.outbox.kept(tx, at, event)
            if kept is None:
                return False
            plain, last = kept
            if (last.sealing_key, last.charter_version) == (to.id, self.charter.version):
                continue  # asked for again while the new copy is on its way
            # The event only: what the body said of its tick and of streams was true when it was first sealed.
            lasting = Body(items=Body.model_validate_json(plain).items)
            self.outbox.put(tx, topic, at.partition, lasting.padded_to(len(plain)), to=to, event_id=event)
        return True
