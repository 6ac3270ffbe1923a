"""What the matcher shows. To anyone: that it is alive. To analysts: counts that were released, each question logged.

Nothing here depends on a match before both sides were told of it: not a count of rows or of matches, not how many
notices wait, not which item was refused to whom. How many rows a country has submitted is not shown either: watched
from tick to tick, it would say when somebody was published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from events.base import Actor
from events.post import PostStatus
from services.matcher import cells, intake, statistics
from services.matcher.cells import Cell
from services.matcher.matcher import Matcher
from services.matcher.statistics import Query

QUERIES_SHOWN = 500


@dataclass(frozen=True)
class Health:
    """For anyone. `behind`: ticks since the stream that lags most was heard; None: one was never heard."""

    now: datetime
    tick: int
    behind: int | None
    post: PostStatus


@dataclass(frozen=True)
class Operation:
    """For operators and security reviewers.

    lag      topic -> ticks behind; None: not heard yet
    waiting  country -> rows beyond its day's intake
    refused  reason -> items not taken
    """

    health: Health
    lag: Mapping[str, int | None]
    waiting: Mapping[str, int]
    refused: Mapping[str, int]


@dataclass(frozen=True)
class Counts:
    """Released numbers. `through`: everything that happened before then has been looked at; `least`: the smallest."""

    cells: Mapping[Cell, int]
    through: datetime
    least: int


def health(matcher: Matcher) -> Health:
    now, status = matcher.clock.now(), matcher.status()
    lag = _lag(matcher, status)
    heard = [ticks for ticks in lag.values() if ticks is not None]
    behind = max(heard, default=0) if len(heard) == len(lag) else None
    return Health(now, matcher.charter.tick_at(now), behind, status)


def metrics(matcher: Matcher) -> dict[str, int]:
    """For machines, which do not sign in: no more than anyone may see."""
    well = health(matcher)
    return {
        "applied_total": well.post.applied,
        "unsent": well.post.unsent,
        "tick": well.post.tick,
        "ticks_behind": -1 if well.behind is None else well.behind,
        "streams_frozen": len(well.post.frozen),
    }


def operation(matcher: Matcher) -> Operation:
    well = health(matcher)
    with matcher.database.reading() as tx:
        return Operation(well, _lag(matcher, well.post), intake.waiting(tx), intake.refused(tx))


def matches(matcher: Matcher, actor: Actor, *, pair: str, band: str, month: str) -> Counts:
    """Matches told to both sides, by (pair, band, month). '' lets any value pass."""
    _log(matcher, actor, "matches", {"pair": pair, "band": band, "month": month})
    with matcher.database.reading() as tx:
        found = statistics.told_cells(tx, matcher.charter, matcher.clock.now())
    return _counts(matcher, cells.chosen(found, (pair or None, band or None, month or None)))


def outlines(matcher: Matcher, actor: Actor, *, event: str, month: str) -> Counts:
    """Case events, by (kind, month). '' lets any value pass."""
    _log(matcher, actor, "outlines", {"event": event, "month": month})
    with matcher.database.reading() as tx:
        found = statistics.outline_cells(tx, matcher.charter, matcher.clock.now())
    return _counts(matcher, cells.chosen(found, (event or None, month or None)))


def queries(matcher: Matcher) -> list[Query]:
    """What was asked last, the newest first."""
    with matcher.database.reading() as tx:
        return statistics.queries(tx, QUERIES_SHOWN)


def _log(matcher: Matcher, actor: Actor, what: str, filters: Mapping[str, str]) -> None:
    """Committed before the answer is made: nobody sees a number without a line that says so."""
    chosen = {name: value for name, value in filters.items() if value}
    with matcher.database.transaction() as tx:
        statistics.log_query(tx, matcher.clock.now(), actor, what, chosen)


def _counts(matcher: Matcher, shown: dict[Cell, int]) -> Counts:
    charter = matcher.charter
    begun = statistics.batch_of(charter, matcher.clock.now()) * charter.analyst_batch_seconds
    return Counts(shown, datetime.fromtimestamp(begun, UTC), charter.small_cell)


def _lag(matcher: Matcher, status: PostStatus) -> dict[str, int | None]:
    tick = matcher.charter.tick_at(matcher.clock.now())
    topics = [t.name for t in matcher.charter.read_by(matcher.me) if t.reader == matcher.me]
    return {name: max(0, tick - status.ticks[name]) if name in status.ticks else None for name in topics}

