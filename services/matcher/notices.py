"""What countries are told, in order, in one envelope of one size at each tick, full or empty.

A notice is written down in the transaction that decides it, and leaves in the tick's envelope. It stays as a row: where
a stream begins anew, the last word on each match is said again. If we crash between the decision and the tick, the next
tick carries it; if the tick's transaction is undone, the notice still waits.
"""

from datetime import UTC, datetime
from typing import Final

from pydantic import TypeAdapter

from events.charter import Charter
from events.database import Transaction
from events.ids import new_match_ref
from events.messages import Body, MatchNotice, MatchOver

TABLES: Final = (
    # tick: in which it left; -1: not yet
    """CREATE TABLE IF NOT EXISTS matcher_notices (
        id BIGSERIAL PRIMARY KEY, country TEXT NOT NULL, match_ref TEXT NOT NULL, item TEXT NOT NULL,
        tick BIGINT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS matcher_notices_waiting ON matcher_notices (country, id) WHERE tick < 0",
    "CREATE INDEX IF NOT EXISTS matcher_notices_by_match ON matcher_notices (country, match_ref)",
)
_NOTICE: Final[TypeAdapter[MatchNotice | MatchOver]] = TypeAdapter(MatchNotice | MatchOver)


def put(tx: Transaction, country: str, notice: MatchNotice | MatchOver) -> None:
    """Let a country be told, at the next tick that has room."""
    tx.execute(
        "INSERT INTO matcher_notices (country, match_ref, item, tick) VALUES (?, ?, ?, -1)",
        (country, notice.match_ref, notice.model_dump_json()),
    )


def waiting(tx: Transaction, country: str) -> int:
    """How many notices to a country have not left."""
    return int(tx.execute("SELECT COUNT(*) FROM matcher_notices WHERE country = ? AND tick < 0", (country,))[0][0])


def take(tx: Transaction, country: str, limit: int, tick: int) -> list[MatchNotice | MatchOver]:
    """The oldest notices that have not left; they leave now."""
    rows = tx.execute(
        "SELECT id, item FROM matcher_notices WHERE country = ? AND tick < 0 ORDER BY id LIMIT ?", (country, limit)
    )
    tx.executemany("UPDATE matcher_notices SET tick = ? WHERE id = ?", [(tick, row) for row, _ in rows])
    return [_NOTICE.validate_json(item) for _, item in rows]


def say_again(tx: Transaction, country: str) -> None:
    """The stream to a country begins anew: the last word on each match leaves again. Countries drop what they know."""
    tx.execute(
        "UPDATE matcher_notices SET tick = -1 WHERE id IN"
        " (SELECT MAX(id) FROM matcher_notices WHERE country = ? GROUP BY match_ref)",
        (country,),
    )


def body_size(charter: Charter) -> int:
    """Bytes of a body with as many of the largest notices as a tick may carry: every body is padded to it."""
    late = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    largest = MatchNotice(
        match_ref=new_match_ref(),
        handle="0" * 32,
        other_country="XX",
        told="this_side",
        band="document",
        slot=15,
        epoch=2**53,
        half_time=late,
        decide_by=late,
    )
    return len(Body(tick=2**53, items=(largest,) * charter.notices_per_tick).model_dump_json())
