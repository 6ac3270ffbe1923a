"""Agreements that ended: who has said what of them, and who goes on. Pure.

That a share is destroyed nobody can show, nor that rows are dropped; but who said so and goes on shows: in a share
introduced afterwards (events.directory refuses it by name), in a total that still grows, or in saying nothing at all
while being heard. A total is told at the turn of the charter's spans: the first one told after the turn that follows an
end may still count what was before it, and every later one that is greater does not. So who uses a share after an end
only until that turn is not found out here; what it answered convicts nobody and makes no token, for the other is gone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from events.charter import Charter, Topic
from events.endings import Ended
from services.auditor.announcements import Announcements, Told
from services.auditor.findings import Findings
from services.auditor.report import EndRow
from services.auditor.ticks import GRACE
from services.auditor.totals import Account, Presence

_TICKS: Final = 3
"""So many ticks after it has heard of an end, at most, a party that lives has followed it."""


@dataclass(frozen=True, slots=True)
class EndReview:
    """What was said of ends, against everything else."""

    charter: Charter
    learned: Announcements
    heard: Mapping[str, Presence]
    findings: Findings

    def rows(self) -> tuple[EndRow, ...]:
        """One row an agreement that is over. Says what is amiss on the way."""
        dropped = {d.pair for d in self.learned.drops if d.epoch >= self.charter.agreed_from(d.pair)}
        for pair in sorted(dropped - self.learned.ended.keys()):
            self.findings.add("dropped_unasked", self._topic("matcher"), about=pair, pair=pair)
        for ended in self.learned.ended.values():
            if ended.said:
                self._check(ended)
        return tuple(_row(self.charter, ended) for ended in self.learned.ended.values())

    def _check(self, ended: Ended) -> None:
        first = ended.said[0].at
        said = {one.holder: one.at for one in ended.said}
        holders = {holder for pair, _, _, holder in self.learned.shares if pair == ended.pair}
        for holder in sorted(holders - said.keys()):
            if self._lives_after(holder, first):
                self.findings.add("share_kept", self._topic(holder), about=ended.pair, holder=holder, pair=ended.pair,
                                  at=_text(first))  # fmt: skip
        if ended.dropped is None and self._lives_after("matcher", first):
            self.findings.add("rows_kept", self._topic("matcher"), about=ended.pair, pair=ended.pair, at=_text(first))
        stopped = {**said, **({"matcher": ended.dropped.at} if ended.dropped else {})}
        for account, writer, told in self._grown(ended.pair, stopped):
            self.findings.add(
                "counted_after_end", told.topic, epoch=told.epoch, seq=told.seq, about=str(account), who=writer,
                count=told.count, country=account.country, pair=ended.pair, at=_text(stopped[writer]),
            )  # fmt: skip

    def _lives_after(self, party: str, at: datetime) -> bool:
        presence = self.heard.get(party)
        followed = at + timedelta(seconds=_TICKS * self.charter.tick_seconds) + GRACE
        return presence is not None and presence.last > followed

    def _grown(self, pair: str, stopped: Mapping[str, datetime]) -> Iterator[tuple[Account, str, Told]]:
        """Totals that grew when nothing was counted any more."""
        told: dict[tuple[Account, str], list[Told]] = {}
        for one in self.learned.totals:
            if one.total.pair == pair and one.topic.writer in stopped:
                account = Account(pair, one.total.epoch, one.total.country)
                told.setdefault((account, one.topic.writer), []).append(one)
        for (account, writer), totals in told.items():
            late = [one for one in totals if one.at >= self._turn_after(stopped[writer])]
            grown = next((one for one in late if one.count > late[0].count), None)
            if grown is not None:
                yield account, writer, grown

    def _turn_after(self, at: datetime) -> datetime:
        span = self.charter.totals_seconds
        return datetime.fromtimestamp((at.timestamp() // span + 1) * span, UTC)

    def _topic(self, party: str) -> Topic:
        return next(topic for topic in self.charter.topics if topic.name == f"keys.{party}")


def _row(charter: Charter, ended: Ended) -> EndRow:
    first = ended.said[0] if ended.said else None
    return EndRow(
        pair=ended.pair,
        ended_by=first.holder if first else None,
        ended_at=first.at if first else None,
        reason=first.reason if first else "charter",
        custodians=first.custodians if first else (),
        destroyed_by=tuple(one.holder for one in ended.said),
        dropped_at=ended.dropped.at if ended.dropped else None,
        commitment=ended.dropped.commitment if ended.dropped else None,
        in_charter=ended.pair in charter.pairs,
    )


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
