"""What a key holder shows of itself: that it is alive, how far it has read, and how its quotas are used.

Nothing here is about a person: a holder sees blinded elements, and counts them. Counts by country are for security
reviewers and operators, since one that moves says that a country has just published somebody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from events.charter import Allowance
from events.clock import day_of
from events.model import countries_of
from events.post import PostStatus
from services.keyholder import alarms, book
from services.keyholder.alarms import Alarm
from services.keyholder.holder import KeyHolder


@dataclass(frozen=True)
class Quota:
    """How one country uses one share today, and in this epoch."""

    pair: str
    country: str
    spent_today: int
    limit_today: int
    per_day: int
    allowances: tuple[Allowance, ...]
    total: int
    most_in_a_day: int


@dataclass(frozen=True)
class Health:
    """For anyone.

    epochs   pair -> the one in force
    lag      topic -> ticks behind the one that runs; None: nothing was heard of it yet
    """

    now: datetime
    tick: int
    pairs: tuple[str, ...]
    epochs: dict[str, int]
    waiting: int
    lag: dict[str, int | None]
    post: PostStatus


def health(holder: KeyHolder) -> Health:
    now, status = holder.clock.now(), holder.status()
    with holder.database.reading() as tx:
        waiting, epochs = book.waiting(tx), holder.epochs(tx)
    tick = holder.charter.tick_at(now)
    topics = [t.name for t in holder.charter.read_by(holder.me) if t.reader == holder.me]
    return Health(
        now=now,
        tick=tick,
        pairs=holder.shares.pairs,
        epochs=epochs,
        waiting=waiting,
        lag={name: max(0, tick - status.ticks[name]) if name in status.ticks else None for name in topics},
        post=status,
    )


def metrics(holder: KeyHolder) -> dict[str, int]:
    """For machines, which do not sign in. No count of envelopes: it moves when somebody is published."""
    well = health(holder)
    behind = [-1 if ticks is None else ticks for ticks in well.lag.values()]
    return {
        "tick": well.post.tick,
        "ticks_behind": -1 if -1 in behind else max(behind, default=0),
        "streams_frozen": len(well.post.frozen),
        "quota_alarms_today": len(alarms_today(holder)),
    }


def quotas(holder: KeyHolder) -> Sequence[Quota]:
    """Each pair's two countries, those that have asked nothing too."""
    today = day_of(holder.clock.now())
    with holder.database.reading() as tx:
        used = {(u.pair, u.country): u for u in book.usage(tx, holder.epochs(tx))}
        standing = {
            (pair, country): holder.allowances.standing(country, pair, tx)
            for pair in holder.shares.pairs
            for country in countries_of(pair)
        }
    return [
        _quota(holder, pair, country, used.get((pair, country)), standing[pair, country], today)
        for pair in holder.shares.pairs
        for country in countries_of(pair)
    ]


def alarms_today(holder: KeyHolder) -> Sequence[Alarm]:
    """Which countries have used most of today's limit of which share."""
    with holder.database.reading() as tx:
        return alarms.listed(tx, day_of(holder.clock.now()))


def _quota(
    holder: KeyHolder,
    pair: str,
    country: str,
    used: book.Usage | None,
    allowances: tuple[Allowance, ...],
    today: int,
) -> Quota:
    return Quota(
        pair=pair,
        country=country,
        spent_today=used.spent if used and used.day >= today else 0,
        limit_today=holder.limit(country, pair),
        per_day=holder.charter.quota_per_day,
        allowances=allowances,
        total=used.total if used else 0,
        most_in_a_day=used.most_in_a_day if used else 0,
    )
