"""Totals against each other and against the quotas. Pure.

A total only grows. What the matcher accepted from a country never exceeds what either holder of the pair evaluated for
it, or tokens came from elsewhere. Holders and matcher tell their totals at times of their own and only when they have
changed, so an accepted total is held against the first evaluated total told after it; where none came, against the last
one before it, once the holder has been heard for the charter's span after, in which it would have told a greater one.

A quota is a day's; an allowance is granted once, for its span. A holder tells its greatest day itself; so that this
word need not be taken, its whole count must also fit into the days since it was first heard.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from events.allowances import chartered
from events.charter import Charter
from events.clock import day_of
from services.auditor.announcements import Granted, Told
from services.auditor.findings import Findings
from services.auditor.report import TotalRow
from services.auditor.ticks import GRACE

Verdict = Literal["holds", "exceeds", "open"]


@dataclass(frozen=True, slots=True)
class Account:
    """What is counted together: one country, one pair, one epoch of its key."""

    pair: str
    epoch: int
    country: str

    def __str__(self) -> str:
        return f"{self.country} {self.pair} {self.epoch}"


@dataclass(frozen=True, slots=True)
class Presence:
    """When a party was first and last heard on any stream."""

    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Books:
    """Every total that was told, sorted, and what it is held against."""

    charter: Charter
    heard: Mapping[str, Presence]
    told: Mapping[Account, Mapping[str, Sequence[Told]]]
    """Account -> who tells -> totals in the order told."""
    granted: Sequence[Granted] = ()
    """Allowances that holders announced, beside the charter's."""

    def rows(self, findings: Findings) -> tuple[TotalRow, ...]:
        """One row an account. Says what is amiss on the way."""
        accounts = sorted(self.told, key=lambda a: (a.pair, a.epoch, a.country))
        return tuple(self._row(account, findings) for account in accounts)

    def _row(self, account: Account, findings: Findings) -> TotalRow:
        by_writer = self.told[account]
        for totals in by_writer.values():
            _check_growth(account, totals, findings)
        holders = self.charter.holders_of(account.pair)
        for holder in holders:
            self._check_quota(account, holder, findings)
        verdicts = [self._check_accepted(account, holder, findings) for holder in holders]
        last = {holder: by_writer[holder][-1] for holder in holders if holder in by_writer}
        return TotalRow(
            pair=account.pair,
            epoch=account.epoch,
            country=account.country,
            evaluated={holder: told.count for holder, told in last.items()},
            most_in_a_day={holder: told.most_in_a_day for holder, told in last.items()},
            allowed_in_a_day={
                holder: self.charter.quota_per_day + self._allowances(account, holder, told.at)
                for holder, told in last.items()
            },
            accepted=by_writer["matcher"][-1].count if "matcher" in by_writer else 0,
            verdict="exceeds" if "exceeds" in verdicts else "open" if "open" in verdicts else "holds",
        )

    # ---- quotas

    def _check_quota(self, account: Account, holder: str, findings: Findings) -> None:
        for told in self.told[account].get(holder, ()):
            daily, extra = self.charter.quota_per_day, self._allowances(account, holder, told.at)
            days = day_of(told.at) - day_of(self.heard[holder].first) + 1
            if told.most_in_a_day > daily + extra:
                count, span, most = told.most_in_a_day, "one day", daily + extra
            elif told.count - told.rotated > daily * days + extra:
                count, span, most = told.count - told.rotated, "the days since it was first heard", daily * days + extra
            elif told.rotated > self._before(account, holder, told.at):
                count, most = told.rotated, self._before(account, holder, told.at)
                span = "making anew what was out in the epoch before"
            else:
                continue
            findings.add(
                "over_quota", told.topic, epoch=told.epoch, seq=told.seq, about=str(account),
                holder=holder, count=count, country=account.country, pair=account.pair, days=span, allowed=most,
            )  # fmt: skip

    def _before(self, account: Account, holder: str, at: datetime) -> int:
        """What the holder had evaluated in the epoch before, for the same country: so much may be made anew."""
        same = (a for a in self.told if (a.pair, a.country) == (account.pair, account.country))
        newest = max((a for a in same if a.epoch < account.epoch), key=lambda a: a.epoch, default=None)
        told = [one.count for one in self.told[newest].get(holder, ()) if one.at <= at] if newest else []
        return max(told, default=0)

    def _allowances(self, account: Account, holder: str, at: datetime) -> int:
        """All that had begun by then: which day was the greatest, a total does not say. Each counts once, not daily."""
        place = (holder, account.country, account.pair)
        founding = [a.count for a in chartered(self.charter, *place) if a.valid_from <= at]
        granted = [g.granted for g in self.granted if g.has_begun(at)]
        return sum(founding) + sum(g.count for g in granted if (g.holder, g.country, g.pair) == place)

    # ---- accepted and evaluated

    def _check_accepted(self, account: Account, holder: str, findings: Findings) -> Verdict:
        verdicts: set[Verdict] = set()
        for told in self.told[account].get("matcher", ()):
            verdict, evaluated = self._judge(told, holder, self.told[account].get(holder, ()))
            verdicts.add(verdict)
            if verdict == "exceeds":
                findings.add(
                    "accepted_above_evaluated", told.topic, epoch=told.epoch, seq=told.seq, about=f"{account} {holder}",
                    accepted=told.count, country=account.country, pair=account.pair, key_epoch=account.epoch,
                    holder=holder, evaluated=evaluated,
                )  # fmt: skip
        return "exceeds" if "exceeds" in verdicts else "open" if "open" in verdicts else "holds"

    def _judge(self, accepted: Told, holder: str, evaluated: Sequence[Told]) -> tuple[Verdict, int]:
        """One accepted total, and what the holder says to it."""
        after = [told for told in evaluated if told.at >= accepted.at]
        known = after[0] if after else evaluated[-1] if evaluated else None
        count = known.count if known else 0
        if accepted.count <= count:
            return "holds", count
        return ("exceeds" if after or self._would_have_told(holder, accepted.at) else "open"), count

    def _would_have_told(self, holder: str, at: datetime) -> bool:
        """Whether the holder was heard long enough after this time. One that was never heard evaluated nothing."""
        presence = self.heard.get(holder)
        span = timedelta(seconds=self.charter.totals_seconds)
        return presence is None or presence.last - at >= span + GRACE


def keep_books(
    charter: Charter, totals: Sequence[Told], heard: Mapping[str, Presence], granted: Sequence[Granted] = ()
) -> Books:
    """Sort what was told by account and by who told it."""
    sorted_out: dict[Account, dict[str, list[Told]]] = defaultdict(lambda: defaultdict(list))
    for told in totals:
        account = Account(told.total.pair, told.total.epoch, told.total.country)
        sorted_out[account][told.topic.writer].append(told)
    return Books(charter, heard, sorted_out, granted)


def _check_growth(account: Account, totals: Sequence[Told], findings: Findings) -> None:
    for earlier, told in pairwise(totals):
        for kind, before, after in (
            ("total", earlier.count, told.count),
            ("greatest day", earlier.most_in_a_day, told.most_in_a_day),
        ):
            if after < before:
                findings.add(
                    "total_fell", told.topic, epoch=told.epoch, seq=told.seq, about=str(account),
                    kind=kind, country=account.country, pair=account.pair, key_epoch=account.epoch,
                    before=before, after=after,
                )  # fmt: skip
