"""The audit: every record of the region's topics and its charter, to a report of all that is amiss.

Deterministic and without a secret: whoever reads the same records with the same charter gets the same report. A record
is taken for its writer's word only if it bears the signature of its topic's writer, by a key that the charter names for
the time of sealing (events.receiving); all else is counted, and counts for nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from events.charter import Charter, Topic
from events.envelope import Envelope, read_body
from events.errors import EnvelopeInvalid
from events.inbox import Place
from events.receiving import Authenticator, Parcel, header_fault
from events.stream import Delivered
from services.auditor import announcements, chains
from services.auditor.announcements import Announcements, Said
from services.auditor.chains import Chain
from services.auditor.findings import Findings
from services.auditor.report import KeyRow, Report, ShareRow, StreamRow, WriterRow
from services.auditor.ticks import GRACE, Rhythm, Silence
from services.auditor.totals import Presence, keep_books

_CLAIMS_A_NUMBER: Final = frozenset({"unknown_key", "key_out_of_time", "bad_signature", "newer_charter"})
"""Faults of a record that names this stream, and a number in it that no other finding need name again."""
_RETENTION: Final = timedelta(days=7)
"""How long a carrier keeps what is not on `keys.*`."""


def audit(
    charter: Charter,
    digest: bytes,
    records: Iterable[Delivered],
    *,
    now: datetime,
    ends: Mapping[Place, int] | None = None,
) -> Report:
    """Check the streams.

    records  of the charter's topics, in the carrier's order a partition; read once, bodies are not kept
    now      the auditor's own time: what says that it was sealed later is amiss
    ends     (topic, partition) -> the carrier's next offset; what it counts and does not give back is amiss
    """
    auditing = Audit(charter, digest, now)
    for record in records:
        auditing.take(record)
    return auditing.report(ends or {})


class Audit:
    """Takes records one by one, then reports once."""

    def __init__(self, charter: Charter, digest: bytes, now: datetime) -> None:
        self._charter = charter
        self._digest = digest
        self._now = now
        self._topics = {topic.name: topic for topic in charter.topics}
        self._authenticator = Authenticator(charter)
        self._findings = Findings()
        self._rhythm = Rhythm(charter, now)
        self._chains: dict[tuple[Place, int], Chain] = {}
        self._claimed: dict[tuple[Place, int], set[int]] = defaultdict(set)
        self._offsets: dict[Place, tuple[int, int]] = {}
        """The first and the last offset read."""
        self._heard: dict[str, Presence] = {}
        self._said: dict[str, list[Said]] = defaultdict(list)

    # ---- record by record

    def take(self, record: Delivered) -> None:
        topic, place = self._topics[record.topic], (record.topic, record.partition)
        is_first = place not in self._offsets
        self._offsets[place] = (record.offset if is_first else self._offsets[place][0], record.offset)
        parcel = self._authenticator.parcel(topic, record)
        fault = parcel.fault or parcel.wait
        if parcel.envelope is None or fault:
            self._refuse(parcel, fault or "malformed")
            return
        at = (place, parcel.envelope.header.epoch)
        if at not in self._chains:
            is_cut = is_first and record.offset > 0 and topic.family != "keys"
            self._chains[at] = Chain(topic, *at[0], at[1], is_cut=is_cut)
        if self._chains[at].take(parcel.envelope, parcel.digest):
            self._note(topic, parcel.envelope)

    def _refuse(self, parcel: Parcel, fault: str) -> None:
        topic, (_, partition), envelope = parcel.topic, parcel.place, parcel.envelope
        if envelope is not None and fault in _CLAIMS_A_NUMBER:
            header = envelope.header
            self._claimed[parcel.place, header.epoch].add(header.seq)
            self._findings.add(fault, topic, partition, epoch=header.epoch, seq=header.seq)
        else:
            self._findings.add(fault, topic, partition, offset=parcel.delivered.offset)

    def _note(self, topic: Topic, envelope: Envelope) -> None:
        """A new authentic envelope."""
        header, at = envelope.header, envelope.header.sealed_at
        before = self._heard.get(header.writer, Presence(at, at))
        self._heard[header.writer] = Presence(min(before.first, at), max(before.last, at))
        if header.charter_version == self._charter.version:
            self._rhythm.hear(header.writer, (header.topic, header.partition), at)
        fault = header_fault(self._charter, topic, header) or self._time_fault(envelope)
        if fault:
            self._blame(fault, topic, envelope)
        elif topic.family == "keys":
            self._listen(topic, envelope)

    def _time_fault(self, envelope: Envelope) -> str | None:
        header = envelope.header
        if header.sealed_at > self._now + GRACE:
            return "ahead_of_time"
        is_too_early = header.charter_version == self._charter.version and header.sealed_at < self._charter.issued
        return "before_charter" if is_too_early else None

    def _listen(self, topic: Topic, envelope: Envelope) -> None:
        header = envelope.header
        try:
            body = read_body("keys", envelope.box)
        except EnvelopeInvalid:
            self._blame("wrong_body", topic, envelope)
            return
        self._said[header.writer].append(Said(topic, header.epoch, header.seq, header.sealed_at, body.items))

    def _blame(self, fault: str, topic: Topic, envelope: Envelope) -> None:
        header = envelope.header
        self._findings.add(
            fault, topic, header.partition, epoch=header.epoch, seq=header.seq, at=f"{header.sealed_at:%Y-%m-%d %H:%M}"
        )

    # ---- all together

    def report(self, ends: Mapping[Place, int]) -> Report:
        """What the records show. Call it once, after the last record."""
        learned = self._learned()
        announcements.check_shares(self._charter, learned, self._findings)
        for chain in self._chains.values():
            chain.claimed = self._claimed[(chain.topic.name, chain.partition), chain.epoch]
            chains.check(chain, self._findings)
            self._check_sealing(chain, learned)
        self._check_given(ends)
        writers = tuple(self._writer(party.id, learned, ends) for party in self._charter.parties)
        totals = keep_books(self._charter, learned.totals, self._heard).rows(self._findings)
        findings = self._findings.listed()
        return Report(
            ok=not findings,
            region=self._charter.region,
            charter_version=self._charter.version,
            charter_digest=self._digest.hex(),
            last_heard=max((presence.last for presence in self._heard.values()), default=None),
            writers=writers,
            findings=findings,
            totals=totals,
            shares=tuple(_share_rows(learned)),
        )

    def _learned(self) -> Announcements:
        """What was said on `keys.*`; of a fork only what came first."""
        said = [sorted(of_one, key=lambda s: (s.epoch, s.seq)) for of_one in self._said.values()]
        unforked = [list({(s.epoch, s.seq): s for s in reversed(of_one)}.values())[::-1] for of_one in said]
        return announcements.learn(self._charter, self._digest, unforked, self._findings)

    def _check_sealing(self, chain: Chain, learned: Announcements) -> None:
        known = learned.sealing.get(chain.topic.reader or "", {})
        for key_id, use in chain.sealed_to.items():
            key = known.get(key_id)
            if key is None:
                fault = "unknown_sealing_key"
            elif use.earliest < key.valid_from or use.latest >= key.valid_until:
                fault = "sealing_key_out_of_time"
            else:
                continue
            self._findings.add(fault, chain.topic, chain.partition, epoch=chain.epoch, seq=use.seq)

    def _check_given(self, ends: Mapping[Place, int]) -> None:
        for (name, partition), end in ends.items():
            topic, given = self._topics[name], self._offsets.get((name, partition))
            last = given[1] if given else -1
            # Retention drops what is oldest: all of it, or what was before the first record that came.
            if last < end - 1 and (given or topic.family == "keys"):
                self._findings.add("withheld", topic, partition, count=end, last=last, offset=last + 1)

    # ---- rows

    def _writer(self, party: str, learned: Announcements, ends: Mapping[Place, int]) -> WriterRow:
        written = self._charter.written_by(party)
        for silence in self._rhythm.of_party(party):
            keys_topic = next(topic for topic in written if topic.family == "keys")
            self._blame_silence(silence, keys_topic, 0, f"{party} was not heard on any stream")
        rows = [
            row
            for topic in written
            for partition in range(topic.partitions)
            for row in self._streams(topic, partition, learned, ends)
        ]
        presence = self._heard.get(party)
        return WriterRow(
            writer=party,
            heard=presence is not None,
            envelopes=sum(row.envelopes for row in rows),
            last_heard=presence.last if presence else None,
            sealing_keys=tuple(
                KeyRow(key_id=key.key_id, valid_from=key.valid_from, valid_until=key.valid_until)
                for key in learned.sealing.get(party, {}).values()
            ),
            streams=tuple(rows),
        )

    def _streams(
        self, topic: Topic, partition: int, learned: Announcements, ends: Mapping[Place, int]
    ) -> Iterator[StreamRow]:
        """A row for each stream epoch; one without numbers where there is none."""
        place = (topic.name, partition)

        def can_seal(since: datetime, until: datetime) -> bool:
            return topic.reader is None or learned.can_seal_to(topic.reader, since, until)

        silences = self._rhythm.of_stream(topic.writer, place, since=self._since(place, ends), can_seal=can_seal)
        for silence in silences:
            self._blame_silence(silence, topic, partition, f"{topic.writer} was heard, but not here")
        missed = sum(silence.count for silence in silences)
        epochs = sorted(epoch for at, epoch in self._chains if at == place)
        for epoch in epochs:
            yield _stream_row(self._chains[place, epoch], missed)
        if not epochs:
            yield StreamRow(
                topic=topic.name, partition=partition, epoch=None, envelopes=0, first=None, last=None, cut=False,
                resent=0, missing=(), forks=(), whole=True, ticks_missed=missed,
            )  # fmt: skip

    def _since(self, place: Place, ends: Mapping[Place, int]) -> int | None:
        """The first tick that can be asked about, where the carrier's retention has dropped what was before."""
        if self._topics[place[0]].family == "keys":
            return None
        if place not in self._offsets:
            return self._charter.tick_at(self._now - _RETENTION) if ends.get(place) else None
        return self._rhythm.first_heard(place) if self._offsets[place][0] > 0 else None

    def _blame_silence(self, silence: Silence, topic: Topic, partition: int, what: str) -> None:
        since, until = self._rhythm.time_of(silence.first), self._rhythm.time_of(silence.last + 1)
        self._findings.add(
            "silent", topic, partition,
            what=what, since=f"{since:%Y-%m-%d %H:%M:%S}", until=f"{until:%Y-%m-%d %H:%M:%S}", ticks=silence.count,
        )  # fmt: skip


def _stream_row(chain: Chain, ticks_missed: int) -> StreamRow:
    return StreamRow(
        topic=chain.topic.name,
        partition=chain.partition,
        epoch=chain.epoch,
        envelopes=len(chain.links),
        first=chain.first,
        last=chain.last,
        cut=chain.is_cut,
        resent=chain.resent,
        missing=tuple(chain.missing),
        forks=tuple(chain.forks),
        whole=chain.is_whole,
        ticks_missed=ticks_missed,
    )


def _share_rows(learned: Announcements) -> Iterator[ShareRow]:
    for (pair, epoch, generation, holder), introduced in sorted(learned.shares.items(), key=lambda item: item[0]):
        yield ShareRow(
            pair=pair,
            epoch=epoch,
            generation=generation,
            holder=holder,
            public=introduced.share.public,
            introduced=introduced.said.at,
        )
