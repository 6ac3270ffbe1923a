"""The audit: every record of the region's topics, and its charter, to a report of all that is amiss.

Deterministic and without a secret: whoever reads the same records with the same charter gets the same report.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from events.charter import Charter, Topic
from events.inbox import Place
from events.stream import Delivered
from keys.epochs import state_of
from services.auditor import announcements, chains
from services.auditor.announcements import Announcements
from services.auditor.chains import Chain
from services.auditor.endings import EndReview
from services.auditor.findings import Findings
from services.auditor.observed import Observed
from services.auditor.report import KeyRow, Report, ShareRow, StreamRow, WriterRow
from services.auditor.ticks import Silence
from services.auditor.totals import keep_books

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

    digest   the region's, which every share's proof is bound to
    records  of the charter's topics, in the carrier's order a partition; read once
    now      the auditor's own time: what says that it was sealed later is amiss
    ends     (topic, partition) -> the carrier's next offset; what it counts and does not give back is amiss
    """
    findings = Findings()
    observed = Observed(charter, now, findings)
    for record in records:
        observed.take(record)
    observed.blame_late()
    learned = announcements.learn(charter, digest, observed.said_in_order(), findings)
    announcements.check_shares(charter, learned, findings)
    books = keep_books(charter, learned.totals, observed.heard, tuple(learned.allowances.values()))
    review = _Review(charter, now, ends or {}, observed, learned, findings)
    review.check()
    writers, totals = review.writers(), books.rows(findings)
    ended = EndReview(charter, learned, observed.heard, findings).rows()
    found = findings.listed()
    return Report(
        ok=not found,
        region=charter.region,
        charter_version=charter.version,
        charter_digest=digest.hex(),
        last_heard=max((presence.last for presence in observed.heard.values()), default=None),
        writers=writers,
        findings=found,
        totals=totals,
        shares=tuple(_share_rows(learned)),
        ended=ended,
    )


@dataclass(frozen=True, slots=True)
class _Review:
    """What was observed, looked at as a whole."""

    charter: Charter
    now: datetime
    ends: Mapping[Place, int]
    observed: Observed
    learned: Announcements
    findings: Findings

    def check(self) -> None:
        """Chains, what they are sealed to, and whether the carrier gave all that it counts."""
        for of_place in self.observed.chains.values():
            for chain in of_place.values():
                chains.check(chain, self.findings)
                self._check_sealing(chain)
        for topic, partition in self._places():
            self._check_given(topic, partition)

    def _places(self) -> Iterator[tuple[Topic, int]]:
        return ((topic, partition) for topic in self.charter.topics for partition in range(topic.partitions))

    def _check_sealing(self, chain: Chain) -> None:
        known = self.learned.sealing.get(chain.topic.reader or "", {})
        for key_id, use in chain.sealed_to.items():
            key = known.get(key_id)
            if key is None:
                fault = "unknown_sealing_key"
            elif use.earliest < key.valid_from or use.latest >= key.valid_until:
                fault = "sealing_key_out_of_time"
            else:
                continue
            self.findings.add(fault, chain.topic, chain.partition, epoch=chain.epoch, seq=use.seq)

    def _check_given(self, topic: Topic, partition: int) -> None:
        place = (topic.name, partition)
        end, (_, last) = self.ends.get(place, 0), self.observed.offsets.get(place, (0, -1))
        # Retention drops what is oldest: what was before the first record, or every record, but of `keys.*` none.
        if last < end - 1 and (last >= 0 or topic.family == "keys"):
            self.findings.add("withheld", topic, partition, count=end, last=last, offset=last + 1)

    # ---- rows

    def writers(self) -> tuple[WriterRow, ...]:
        """One row a party, with its streams. Says who was silent on the way."""
        return tuple(self._writer(party.id) for party in self.charter.parties)

    def _writer(self, party: str) -> WriterRow:
        written = self.charter.written_by(party)
        for silence in self.observed.rhythm.of_party(party):
            (keys_topic,) = (topic for topic in written if topic.family == "keys")
            self._blame(silence, keys_topic, 0, f"{party} was not heard on any stream")
        rows = [row for topic in written for place in range(topic.partitions) for row in self._rows(topic, place)]
        presence = self.observed.heard.get(party)
        return WriterRow(
            writer=party,
            heard=presence is not None,
            envelopes=sum(row.envelopes for row in rows),
            last_heard=presence.last if presence else None,
            signed_under=self.observed.signed[party],
            sealing_keys=tuple(
                KeyRow(key_id=key.key_id, valid_from=key.valid_from, valid_until=key.valid_until)
                for key in self.learned.sealing.get(party, {}).values()
            ),
            streams=tuple(rows),
        )

    def _rows(self, topic: Topic, partition: int) -> list[StreamRow]:
        """A row for each stream epoch; one without numbers where there is none."""
        place = (topic.name, partition)
        can_seal = partial(self.learned.can_seal_to, topic.reader)
        silences = self.observed.rhythm.of_stream(
            topic.writer, place, since=self._since(topic, place), can_seal=can_seal
        )
        for silence in silences:
            self._blame(silence, topic, partition, f"{topic.writer} was heard, but not here")
        missed = sum(silence.count for silence in silences)
        of_place = sorted(self.observed.chains.get(place, {}).items())
        return [_row(chain, missed) for _, chain in of_place] or [_empty_row(topic, partition, missed)]

    def _since(self, topic: Topic, place: Place) -> int | None:
        """The first tick that can be asked about: the stream's own first; where it has none, its writer's (None)."""
        is_dropped = topic.family != "keys" and self.ends.get(place, 0) > 0
        dropped_until = self.charter.tick_at(self.now - _RETENTION) if is_dropped else None
        first = self.observed.rhythm.first_heard(place)
        return dropped_until if first is None else first

    def _blame(self, silence: Silence, topic: Topic, partition: int, what: str) -> None:
        since, until = map(self.observed.rhythm.time_of, (silence.first, silence.last + 1))
        self.findings.add(
            "silent", topic, partition,
            what=what, since=f"{since:%Y-%m-%d %H:%M:%S}", until=f"{until:%Y-%m-%d %H:%M:%S}", ticks=silence.count,
        )  # fmt: skip


def _row(chain: Chain, ticks_missed: int) -> StreamRow:
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


def _empty_row(topic: Topic, partition: int, ticks_missed: int) -> StreamRow:
    return StreamRow(
        topic=topic.name,
        partition=partition,
        epoch=None,
        envelopes=0,
        first=None,
        last=None,
        cut=False,
        resent=0,
        missing=(),
        forks=(),
        whole=True,
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
            active=generation == learned.active[pair, epoch],
            state=state_of(epoch, learned.in_force.get(pair)),
        )
