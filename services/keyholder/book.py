"""What a key holder must not forget: shares it has drawn, requests it has taken, evaluations it has counted.

The life of a request: `keep` writes it down, in the transaction that moves the stream's head; `count` counts it, once,
before anything is computed; the answer is written in the transaction that `answered` it. If we crash between any two,
it goes on from where it was: nothing is lost, nothing is counted or answered twice. Its digest is remembered as long as
its epoch runs, so that the same request again costs nothing; its elements for a few days, in case its answer is lost
with a broker. Since it costs nothing it is answered again once a tick at most, and after everything that is new.

All functions work in the caller's transaction. No identifier and no token stands in these tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from events.database import Transaction
from events.messages import EvaluatedTotal, EvaluationAsked
from keys import quota

TABLES: Final = (
    # announced: 0 | 1. `proof` is published with the share; the secret stands in the key ring
    # reason: why its epoch was begun, or `refresh`
    """CREATE TABLE IF NOT EXISTS holder_shares (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, generation BIGINT NOT NULL, public BLOB NOT NULL,
        proof BLOB NOT NULL, schema_version BIGINT NOT NULL, reason TEXT NOT NULL, announced BIGINT NOT NULL,
        PRIMARY KEY (pair, epoch, generation))""",
    # state: waiting | counted | answered | again, asked for once more; item: the request, '' once it is old
    # answered_on, answered_in: the day and the tick of the last answer
    """CREATE TABLE IF NOT EXISTS holder_requests (
        id BIGSERIAL PRIMARY KEY, digest BLOB NOT NULL UNIQUE, country TEXT NOT NULL, pair TEXT NOT NULL,
        epoch BIGINT NOT NULL,
        state TEXT NOT NULL, item TEXT NOT NULL, answered_on BIGINT NOT NULL, answered_in BIGINT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS holder_requests_open ON holder_requests (country, id) WHERE state <> 'answered'",
    # what keys.quota is asked with
    """CREATE TABLE IF NOT EXISTS holder_windows (
        country TEXT NOT NULL, pair TEXT NOT NULL, day BIGINT NOT NULL, spent BIGINT NOT NULL,
        PRIMARY KEY (country, pair))""",
    # the account behind the totals; told: what the last total said
    """CREATE TABLE IF NOT EXISTS holder_days (
        country TEXT NOT NULL, pair TEXT NOT NULL, epoch BIGINT NOT NULL, day BIGINT NOT NULL, count BIGINT NOT NULL,
        PRIMARY KEY (country, pair, epoch, day))""",
    # of these, what was asked to make anew what was out in the epoch before; its own limit, not the day's
    """CREATE TABLE IF NOT EXISTS holder_rotations (
        country TEXT NOT NULL, pair TEXT NOT NULL, epoch BIGINT NOT NULL, count BIGINT NOT NULL,
        PRIMARY KEY (country, pair, epoch))""",
    # what a restored holder may have answered of these and no longer knows: all
    """CREATE TABLE IF NOT EXISTS holder_rotations_lost (
        country TEXT NOT NULL, pair TEXT NOT NULL, epoch BIGINT NOT NULL, PRIMARY KEY (country, pair, epoch))""",
    # what a restored holder may have answered and no longer knows, beyond the daily quota
    """CREATE TABLE IF NOT EXISTS holder_written_off (
        country TEXT NOT NULL, pair TEXT NOT NULL, day BIGINT NOT NULL, count BIGINT NOT NULL,
        PRIMARY KEY (country, pair, day))""",
    """CREATE TABLE IF NOT EXISTS holder_told (
        country TEXT NOT NULL, pair TEXT NOT NULL, epoch BIGINT NOT NULL, count BIGINT NOT NULL,
        PRIMARY KEY (country, pair, epoch))""",
    "CREATE TABLE IF NOT EXISTS holder_clock (name TEXT PRIMARY KEY, value BIGINT NOT NULL)",
)
KEPT_DAYS: Final = 7
"""How long an answered request can be answered again unasked: as long as a stream keeps its envelopes."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request that waits for its answer. `counted`: against the quota, already. `again`: it was answered before."""

    digest: bytes
    country: str
    counted: bool
    again: bool
    asked: EvaluationAsked


@dataclass(frozen=True, slots=True)
class Usage:
    """What one country has asked of one share of this holder. `spent` on `day`, the last day it asked."""

    country: str
    pair: str
    day: int
    spent: int
    total: int
    most_in_a_day: int


def keep(tx: Transaction, digest: bytes, country: str, asked: EvaluationAsked, tick: int) -> None:
    """Write a request down. Answered before this tick: it is answered again, and costs nothing. Waiting: it waits on.

    What was answered in this tick is on its way, and is not answered again: the outbox keeps it until it is confirmed.
    """
    tx.execute(
        "INSERT INTO holder_requests (digest, country, pair, epoch, state, item, answered_on, answered_in)"
        " VALUES (?, ?, ?, ?, 'waiting', ?, 0, 0)"
        " ON CONFLICT (digest) DO UPDATE SET item = excluded.item, state = 'again'"
        " WHERE holder_requests.state = 'answered' AND holder_requests.answered_in < ?",
        (digest, country, asked.pair, asked.epoch, asked.model_dump_json(), tick),
    )


def oldest(tx: Transaction, country: str) -> Request | None:
    """The request of this country that has waited longest; what was answered before comes after all that was not."""
    rows = tx.execute(
        "SELECT digest, state, item FROM holder_requests WHERE country = ? AND state <> 'answered'"
        " ORDER BY CASE state WHEN 'again' THEN 1 ELSE 0 END, id LIMIT 1",
        (country,),
    )
    for digest, state, item in rows:
        asked = EvaluationAsked.model_validate_json(item)
        return Request(bytes(digest), country, state != "waiting", state == "again", asked)
    return None


def waiting(tx: Transaction) -> int:
    """How many requests wait for an answer."""
    return int(tx.execute("SELECT COUNT(*) FROM holder_requests WHERE state <> 'answered'")[0][0])


def count(tx: Transaction, request: Request, limit: int, today: int) -> quota.Allow | quota.Deny:
    """Count a request against its country's day, if it fits; it is then owed an answer, whatever happens."""
    asked = request.asked
    verdict = quota.ask(window_of(tx, request.country, asked.pair), asked.n, limit, today)
    if isinstance(verdict, quota.Allow):
        day = verdict.window.day
        _keep_window(tx, request.country, asked.pair, verdict.window)
        tx.execute(
            "INSERT INTO holder_days VALUES (?, ?, ?, ?, ?) ON CONFLICT (country, pair, epoch, day)"
            " DO UPDATE SET count = holder_days.count + excluded.count",
            (request.country, asked.pair, asked.epoch, day, asked.n),
        )
        tx.execute("UPDATE holder_requests SET state = 'counted' WHERE digest = ?", (request.digest,))
    return verdict


def count_rotation(tx: Transaction, request: Request) -> int | None:
    """Count a request to make anew what was out in the epoch before, if it fits; it is then owed an answer.

    A country may ask so much once more as it had asked in that epoch: all that can be out, and nothing beyond.
    returns  None: counted; else how much is left
    """
    asked = request.asked
    left = _rotation_left(tx, request.country, asked.pair, asked.epoch)
    if asked.n > left:
        return left
    _count_rotated(tx, request.country, asked.pair, asked.epoch, asked.n)
    tx.execute("UPDATE holder_requests SET state = 'counted' WHERE digest = ?", (request.digest,))
    return None


def spend_rotation(tx: Transaction, country: str, pair: str, epoch: int) -> None:
    """Leave nothing of it, as `spend` does of a day's quota. It counts in no total: nobody knows what was answered."""
    tx.execute(
        "INSERT INTO holder_rotations_lost VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (country, pair, epoch)
    )


def _rotation_left(tx: Transaction, country: str, pair: str, epoch: int) -> int:
    place = (country, pair, epoch)
    if tx.execute("SELECT 1 FROM holder_rotations_lost WHERE country = ? AND pair = ? AND epoch = ?", place):
        return 0
    mine = {t.epoch: t for t in _totals(tx, country, pair)}
    before = max((number for number in mine if number < epoch), default=None)
    return (mine[before].count if before is not None else 0) - (mine[epoch].rotated if epoch in mine else 0)


def _count_rotated(tx: Transaction, country: str, pair: str, epoch: int, n: int) -> None:
    tx.execute(
        "INSERT INTO holder_rotations VALUES (?, ?, ?, ?) ON CONFLICT (country, pair, epoch)"
        " DO UPDATE SET count = holder_rotations.count + excluded.count",
        (country, pair, epoch, n),
    )


def spend(tx: Transaction, country: str, pair: str, limit: int, today: int) -> None:
    """Leave nothing of today's quota, nor of allowances that stand.

    A holder restored from a backup may have answered what it no longer knows.
    """
    window = window_of(tx, country, pair)
    current = quota.on(window, today)
    _keep_window(tx, country, pair, quota.Window(current.day, max(current.spent, limit)))
    tx.execute(
        "INSERT INTO holder_written_off VALUES (?, ?, ?, ?) ON CONFLICT (country, pair, day) DO UPDATE SET"
        " count = CASE WHEN excluded.count > holder_written_off.count THEN excluded.count"
        " ELSE holder_written_off.count END",
        (country, pair, current.day, limit),
    )


def spent(tx: Transaction, country: str, pair: str, *, since: int, before: int) -> list[int]:
    """What was spent on each of the days from `since` up to, not including, `before`; days without any are left out."""
    rows = tx.execute(
        "SELECT SUM(count) FROM (SELECT day, count FROM holder_days WHERE country = ? AND pair = ?"
        " UNION ALL SELECT day, count FROM holder_written_off WHERE country = ? AND pair = ?) AS spent"
        " WHERE day >= ? AND day < ? GROUP BY day",
        (country, pair, country, pair, since, before),
    )
    return [int(count) for (count,) in rows]


def answered(tx: Transaction, request: Request, today: int, tick: int) -> None:
    """Note, in the transaction that writes the answer, that it is written."""
    tx.execute(
        "UPDATE holder_requests SET state = 'answered', answered_on = ?, answered_in = ? WHERE digest = ?",
        (today, tick, request.digest),
    )


def refused(tx: Transaction, request: Request) -> None:
    """Forget a request that was refused: asked again, it is judged again."""
    tx.execute("DELETE FROM holder_requests WHERE digest = ?", (request.digest,))


def owe_again(tx: Transaction, country: str) -> None:
    """The stream to this country begins anew and its unconfirmed answers are lost: they are given again."""
    tx.execute(
        "UPDATE holder_requests SET state = 'counted' WHERE country = ? AND state = 'answered' AND item <> ''",
        (country,),
    )


def tidy(tx: Transaction, today: int) -> None:
    """Drop the elements of requests answered long ago."""
    tx.execute(
        "UPDATE holder_requests SET item = '' WHERE state = 'answered' AND item <> '' AND answered_on < ?",
        (today - KEPT_DAYS,),
    )


def forget_epoch(tx: Transaction, pair: str, epoch: int) -> None:
    """Drop what was answered in an epoch that is over: asked again, it is refused."""
    tx.execute("DELETE FROM holder_requests WHERE state = 'answered' AND pair = ? AND epoch = ?", (pair, epoch))


def usage(tx: Transaction, epochs: Mapping[str, int]) -> list[Usage]:
    """What each country has asked, by country and pair; totals of the pair's epoch.

    epochs   pair -> the epoch in force
    """
    windows = tx.execute("SELECT country, pair, day, spent FROM holder_windows ORDER BY country, pair")
    totals = {(t.country, t.pair, t.epoch): t for t in _totals(tx)}
    found = []
    for country, pair, day, spent_then in windows:
        total = totals.get((country, pair, epochs.get(pair, 0)))
        counts = (total.count, total.most_in_a_day) if total else (0, 0)
        found.append(Usage(country, pair, day, spent_then, *counts))
    return found


def evaluated_in(tx: Transaction, pair: str, epoch: int) -> int:
    """How many elements were evaluated in an epoch, for all countries together."""
    rows = tx.execute(
        "SELECT SUM(count) FROM (SELECT count FROM holder_days WHERE pair = ? AND epoch = ?"
        " UNION ALL SELECT count FROM holder_rotations WHERE pair = ? AND epoch = ?) AS counted",
        (pair, epoch, pair, epoch),
    )
    return int(rows[0][0] or 0)


def untold_totals(tx: Transaction) -> list[EvaluatedTotal]:
    """The totals that differ from what was announced last."""
    told_last = {(c, p, e): n for c, p, e, n in tx.execute("SELECT country, pair, epoch, count FROM holder_told")}
    return [t for t in _totals(tx) if t.count != told_last.get((t.country, t.pair, t.epoch), 0)]


def _totals(tx: Transaction, *of: str) -> list[EvaluatedTotal]:
    """Of all accounts, or of one country and pair."""
    rows = tx.execute(
        "SELECT country, pair, epoch, SUM(daily + rotated), MAX(daily), SUM(rotated) FROM"  # noqa: S608  ours
        " (SELECT country, pair, epoch, count AS daily, 0 AS rotated FROM holder_days"
        " UNION ALL SELECT country, pair, epoch, 0, count FROM holder_rotations) AS counted"
        f" {'WHERE country = ? AND pair = ?' if of else ''}"
        " GROUP BY country, pair, epoch ORDER BY pair, epoch, country",
        of,
    )
    return [
        EvaluatedTotal(
            country=country, pair=pair, epoch=epoch, count=int(total), most_in_a_day=int(most), rotated=int(rotated)
        )
        for country, pair, epoch, total, most, rotated in rows
    ]


def told(tx: Transaction, totals: Sequence[EvaluatedTotal]) -> None:
    """Note what was announced, in the transaction that announces it."""
    tx.executemany(
        "INSERT INTO holder_told VALUES (?, ?, ?, ?) ON CONFLICT (country, pair, epoch)"
        " DO UPDATE SET count = excluded.count",
        [(t.country, t.pair, t.epoch, t.count) for t in totals],
    )


def has_begun(tx: Transaction, name: str, span: int) -> bool:
    """Whether a span of time, numbered, is a later one than at the last call. The first call only takes note."""
    rows = tx.execute("SELECT value FROM holder_clock WHERE name = ?", (name,))
    if rows and rows[0][0] >= span:
        return False
    tx.execute(
        "INSERT INTO holder_clock VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, span)
    )
    return bool(rows)


def window_of(tx: Transaction, country: str, pair: str) -> quota.Window:
    """What a country has spent of a pair's share on the latest day seen."""
    rows = tx.execute("SELECT day, spent FROM holder_windows WHERE country = ? AND pair = ?", (country, pair))
    return quota.Window(*rows[0]) if rows else quota.Window(0, 0)


def _keep_window(tx: Transaction, country: str, pair: str, window: quota.Window) -> None:
    tx.execute(
        "INSERT INTO holder_windows VALUES (?, ?, ?, ?) ON CONFLICT (country, pair)"
        " DO UPDATE SET day = excluded.day, spent = excluded.spent",
        (country, pair, window.day, window.spent),
    )
