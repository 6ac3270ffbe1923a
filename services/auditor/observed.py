"""What the carrier gave, record by record: chains, who was heard when, and what `keys.*` said.

A record is taken for its writer's word only if it bears the signature of its topic's writer, by a key that the charter
names for the time of sealing, and is not backdated (events.receiving); all else is named, and counts for nothing.
Bodies are not kept.
"""

from collections import Counter, defaultdict
from datetime import datetime
from typing import Final, NamedTuple

from events.charter import Charter, Topic
from events.clock import LONG_AGO
from events.envelope import Envelope, Header, read_body
from events.errors import EnvelopeInvalid
from events.inbox import Place
from events.receiving import Authenticator, Parcel, header_fault
from events.stream import Delivered
from services.auditor.announcements import Said
from services.auditor.chains import Chain
from services.auditor.findings import Findings
from services.auditor.ticks import GRACE, Rhythm
from services.auditor.totals import Presence

_CLAIMS_A_NUMBER: Final = frozenset((
    "unknown_key", "key_out_of_time", "bad_signature", "retired_key", "implausible_epoch", "backdated", "newer_charter",
))
"""Faults of a record that names this stream, and a number in it that no other finding need name again."""


class Front(NamedTuple):
    """How far a topic and partition is written, over all its stream epochs, and when that was sealed."""

    epoch: int
    seq: int
    sealed_at: datetime


class Observed:
    """Everything that is remembered of the records.

    chains   topic and partition -> stream epoch -> its chain
    claimed  (topic and partition, stream epoch) -> numbers that records claim which are not the writer's word
    offsets  topic and partition -> the first and the last offset read
    heard    party -> when it was first and last heard
    signed   party -> signing key -> how many envelopes
    """

    def __init__(self, charter: Charter, now: datetime, findings: Findings) -> None:
        self._charter = charter
        self._now = now
        self._findings = findings
        self._topics = {topic.name: topic for topic in charter.topics}
        self._authenticator = Authenticator(charter)
        self._said: dict[str, list[Said]] = defaultdict(list)
        self.rhythm = Rhythm(charter, now)
        self.chains: dict[Place, dict[int, Chain]] = defaultdict(dict)
        self.claimed: dict[tuple[Place, int], set[int]] = defaultdict(set)
        self.offsets: dict[Place, tuple[int, int]] = {}
        self._fronts: dict[Place, Front] = {}
        self.heard: dict[str, Presence] = {}
        self.signed: dict[str, Counter[str]] = defaultdict(Counter)
        self._late: dict[Place, list[Header]] = defaultdict(list)

    def take(self, record: Delivered) -> None:
        """Note one record; those of a partition in the carrier's order."""
        topic, place = self._topics[record.topic], (record.topic, record.partition)
        first, _ = self.offsets.get(place, (record.offset, 0))
        self.offsets[place] = (first, record.offset)
        parcel = self._authenticator.parcel(topic, record, self._now)
        fault = parcel.fault or parcel.wait
        if parcel.envelope is None or fault:
            self._refuse(parcel, fault or "malformed")
            return
        if self._is_backdated(parcel, parcel.envelope.header):
            self._refuse(parcel, "backdated")
            return
        chain = self._chain(topic, parcel.envelope.header)
        if chain.take(parcel.envelope, parcel.digest):
            self._note(topic, parcel.envelope)
            # Of a fork, parties hear what comes first.
            if topic.family == "keys" and len(chain.links[parcel.envelope.header.seq]) == 1:
                self._listen(topic, parcel.envelope)

    def blame_late(self) -> None:
        """Name what was sealed under an older charter by writers that have not loaded this one since.

        Who has, has said it again: what was refused then was asked for anew, and public topics begin anew.
        """
        for (name, _), headers in self._late.items():
            for header in headers:
                self._blame("old_charter", self._topics[name], header)

    def said_in_order(self) -> list[list[Said]]:
        """What each party announced, in the order of its chain."""
        return [sorted(of_one, key=lambda said: (said.epoch, said.seq)) for of_one in self._said.values()]

    def _is_backdated(self, parcel: Parcel, header: Header) -> bool:
        """As readers judge it (events.chain), of the furthest envelope in the place of the last that they applied."""
        front = self._fronts.get(parcel.place, Front(0, -1, LONG_AGO))
        if (header.epoch, header.seq) <= front[:2]:
            chain = self.chains[parcel.place].get(header.epoch)
            is_second = chain is not None and chain.has_another(header.seq, parcel.digest)
            return is_second and parcel.key_until <= front.sealed_at
        if header.sealed_at < front.sealed_at:
            return True
        # What says that it comes from the future does not make what follows older.
        at = front.sealed_at if header.sealed_at > self._now + GRACE else header.sealed_at
        self._fronts[parcel.place] = Front(header.epoch, header.seq, at)
        return False

    def _chain(self, topic: Topic, header: Header) -> Chain:
        place = (header.topic, header.partition)
        chains = self.chains[place]
        if header.epoch not in chains:
            # Retention drops what is oldest: only the chain that the log now begins with can have lost its start.
            is_cut = topic.family != "keys" and self.offsets[place][0] > 0 and not chains
            claimed = self.claimed[place, header.epoch]
            chains[header.epoch] = Chain(topic, header.partition, header.epoch, is_cut=is_cut, claimed=claimed)
        return chains[header.epoch]

    def _refuse(self, parcel: Parcel, fault: str) -> None:
        topic, (_, partition), envelope = parcel.topic, parcel.place, parcel.envelope
        if envelope is None or fault not in _CLAIMS_A_NUMBER:
            self._findings.add(fault, topic, partition, offset=parcel.delivered.offset)
            return
        header = envelope.header
        self._findings.add(fault, topic, partition, epoch=header.epoch, seq=header.seq)
        self.claimed[parcel.place, header.epoch].add(header.seq)

    def _note(self, topic: Topic, envelope: Envelope) -> None:
        header, at = envelope.header, envelope.header.sealed_at
        before = self.heard.get(header.writer, Presence(at, at))
        self.heard[header.writer] = Presence(min(before.first, at), max(before.last, at))
        self.signed[header.writer][header.key_id] += 1
        place = (header.topic, header.partition)
        if header.charter_version == self._charter.version:
            self.rhythm.hear(header.writer, place, at)
            self._late.pop(place, None)
        for fault in (header_fault(self._charter, topic, header), self._time_fault(header)):
            if fault == "old_charter":
                self._late[place].append(header)
            elif fault:
                self._blame(fault, topic, header)

    def _time_fault(self, header: Header) -> str | None:
        if header.sealed_at > self._now + GRACE:
            return "ahead_of_time"
        is_too_early = header.charter_version == self._charter.version and header.sealed_at < self._charter.issued
        return "before_charter" if is_too_early else None

    def _listen(self, topic: Topic, envelope: Envelope) -> None:
        """Public announcements, as far as parties read them."""
        header = envelope.header
        if header_fault(self._charter, topic, header):
            return
        try:
            body = read_body("keys", envelope.box)
        except EnvelopeInvalid:
            self._blame("wrong_body", topic, header)
            return
        self._said[header.writer].append(Said(topic, header.epoch, header.seq, header.sealed_at, body.items))

    def _blame(self, fault: str, topic: Topic, header: Header) -> None:
        at = f"{header.sealed_at:%Y-%m-%d %H:%M:%S}"
        self._findings.add(fault, topic, header.partition, epoch=header.epoch, seq=header.seq, at=at)
