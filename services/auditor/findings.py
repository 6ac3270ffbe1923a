"""What is amiss: a code for machines, a place, a sentence for people. The codes are a closed list.

What is amiss in the same way in one stream is one finding, at its first occurrence, that counts the others: a carrier
that damages a million records does not bury the one forged key. A sentence names writers, numbers and times, never what
a body says; `keys.*` is public, and even of it only ids and counts are repeated.
"""

from dataclasses import dataclass
from typing import Final

from events.charter import Topic
from events.model import Value

WHAT: Final[dict[str, str]] = {
    # a record that is not its writer's word: readers ignore it
    "malformed": "no envelope; only {writer} may write here, and what it wrote may be lost under this",
    "misplaced": "an envelope of another topic or partition: somebody copied it here",
    "wrong_writer": "an envelope that names another writer than {writer}",
    "unknown_key": "signed under a key that the charter does not name for {writer}: a forgery",
    "key_out_of_time": "signed under a key of {writer} that was not valid when the envelope says that it was sealed",
    "retired_key": "signed under a retired key of {writer}, beyond the last envelope that the charter counts under it",
    "implausible_epoch": "a stream epoch that {writer} cannot have come to by then: somebody uses the numbers up",
    "backdated": "says that it is older than what stands before it: its key's time may be over, and its thief pretends",
    "bad_signature": "the signature is not {writer}'s: altered or forged, and no good copy of this number counts here",
    "newer_charter": "sealed under a newer charter than this one: audit again with the newest",
    # an envelope of its writer that readers refuse, or should
    "old_charter": "sealed under an older charter when this one was in force: the writer must load this one",
    "before_charter": "names this charter, and was sealed before this charter was issued",
    "wrong_header": "its family, recipient or sealing key do not fit the topic",
    "wrong_body": "its public body cannot be read, or carries what has no place there",
    "unknown_sealing_key": "sealed to a key that {reader} has not introduced",
    "sealing_key_out_of_time": "sealed to a key of {reader} outside the days for which it was introduced",
    "ahead_of_time": "says that it was sealed at {at}, which has not come",
    # a stream
    "gap": "missing and not sent again: {numbers}",
    "fork": "{writer} signed two different envelopes under this number: it, or whoever has its key, tells two stories",
    "broken_chain": "names another predecessor than the envelope before it: something was replaced",
    "out_of_order": "came only before a number that precedes it: no reader takes {numbers} until they are sent again",
    "withheld": "the carrier counts {count} records here and gave back none after offset {last}",
    "silent": "{what} between {since} and {until}: {ticks} ticks without an envelope",
    # keys.*; the codes of events.directory, with its sentences, come beside these
    "share_missing": "{holder} has introduced no share of {pair}, epoch {key_epoch}, generation {generation}: no token "
    "can be made under the pair's key",
    "key_changed": "{holder} did not move its share of {pair}, epoch {key_epoch}, by what both holders had offered to "
    "generation {generation}: that would be another key, and nobody uses it",
    # agreements that ended; the directory's `agreement_over`, `not_a_holder` and others come beside these
    "share_kept": "{holder} has not said that it destroyed its share of {pair}, which ended at {at}, and is alive",
    "rows_kept": "the matcher has not said that it dropped the rows of {pair}, which ended at {at}, and is alive",
    "dropped_unasked": "the matcher dropped the rows of {pair}, which nobody has ended",
    "counted_after_end": "{who} counts {count} of {country} for {pair}, more than when it had ended, at {at}: it goes "
    "on",
    # totals
    "total_fell": "the {kind} of {country} for {pair}, epoch {key_epoch}, fell from {before} to {after}: it only grows",
    "over_quota": "{holder} evaluated {count} for {country} and {pair} in {days}; the charter allows {allowed}",
    "accepted_above_evaluated": "the matcher accepted {accepted} slots of {country} for {pair}, epoch {key_epoch}; by "
    "{holder}'s count {evaluated} were evaluated: some tokens came from elsewhere",
}
"""Code -> what is said of a place. Changing a code is changing the command's interface."""


class Finding(Value):
    """One thing that is amiss.

    writer  the party whose stream it is; not always the one to blame: what it did not sign, it did not write
    epoch   the stream epoch, and `seq` the number in it, of the first occurrence; None where there is none
    """

    code: str
    writer: str
    topic: str
    partition: int
    epoch: int | None
    seq: int | None
    sentence: str


@dataclass(slots=True)
class _Amiss:
    code: str
    topic: Topic
    partition: int
    epoch: int | None
    seq: int | None
    offset: int | None
    what: str
    more: int = 0

    def told(self) -> Finding:
        return Finding(
            code=self.code,
            writer=self.topic.writer,
            topic=self.topic.name,
            partition=self.partition,
            epoch=self.epoch,
            seq=self.seq,
            sentence=f"{self._where()}: {self.what.rstrip('.')}.",
        )

    def _where(self) -> str:
        where = f"{self.topic.name}/{self.partition}"
        if self.epoch is not None and self.epoch > 1:
            where += f", stream epoch {self.epoch}"
        if self.seq is not None:
            where += f", number {self.seq}"
        elif self.offset is not None:
            where += f", offset {self.offset}"
        return where + (f" and {self.more} more" if self.more else "")


class Findings:
    """Collects what is amiss, until `listed`."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], _Amiss] = {}

    def add(
        self,
        code: str,
        topic: Topic,
        partition: int = 0,
        *,
        epoch: int | None = None,
        seq: int | None = None,
        offset: int | None = None,
        about: str = "",
        **fields: object,
    ) -> None:
        """Something of this list is amiss. `about`: what distinguishes findings of one code in one stream."""
        what = WHAT[code].format(writer=topic.writer, reader=topic.reader, **fields)
        self._add(about, _Amiss(code, topic, partition, epoch, seq, offset, what))

    def add_refusal(self, code: str, sentence: str, topic: Topic, *, epoch: int, seq: int) -> None:
        """An announcement that the directory refuses, as it would at every party."""
        self._add(sentence, _Amiss(code, topic, 0, epoch, seq, None, sentence))

    def listed(self) -> tuple[Finding, ...]:
        """All of them, by writer and place."""
        return tuple(
            amiss.told()
            for amiss in sorted(
                self._found.values(),
                key=lambda a: (a.topic.writer, a.topic.name, a.partition, a.epoch or 0, a.seq or 0, a.code),
            )
        )

    def _add(self, about: str, amiss: _Amiss) -> None:
        key = (amiss.code, amiss.topic.name, amiss.partition, amiss.epoch, about)
        known = self._found.setdefault(key, amiss)
        if known is not amiss:
            known.more += 1
