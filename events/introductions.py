"""The envelopes that introduced shares, as they stood on `keys.*`: what shows to anybody that a holder said it.

The directory keeps what was said; this keeps who signed it, in the same transaction. The proof in an introduction shows
that somebody knows the share's secret, not whose share it is: whoever draws a share can make one in another's name. So
evidence against a holder carries the envelope itself (events.evidence).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from events.database import Transaction
from events.envelope import Envelope
from events.messages import Body, ShareIntroduced

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS directory_introductions (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, generation BIGINT NOT NULL, holder TEXT NOT NULL,
        sealed_at TEXT NOT NULL, key_id TEXT NOT NULL, envelope BLOB NOT NULL,
        PRIMARY KEY (pair, epoch, generation, holder))""",
)


@dataclass(frozen=True, slots=True)
class Introduction:
    """When a share was introduced, and under which signing key of its holder."""

    pair: str
    epoch: int
    generation: int
    holder: str
    sealed_at: datetime
    key_id: str


def keep(tx: Transaction, envelope: Envelope, body: Body) -> None:
    """Keep an envelope of `keys.*` beside each share of it that the directory has learned. The first one stays."""
    for item in body.items:
        if isinstance(item, ShareIntroduced):
            tx.execute(
                "INSERT INTO directory_introductions SELECT pair, epoch, generation, holder, ?, ?, ?"
                " FROM directory_shares WHERE pair = ? AND epoch = ? AND generation = ? AND holder = ? AND public = ?"
                " ON CONFLICT (pair, epoch, generation, holder) DO NOTHING",
                (
                    envelope.header.sealed_at.isoformat(), envelope.header.key_id, envelope.wire,
                    item.pair, item.epoch, item.generation, envelope.header.writer, item.public,
                ),
            )  # fmt: skip


def envelope_of(tx: Transaction, pair: str, epoch: int, generation: int, holder: str) -> bytes | None:
    """The bytes in which this share was introduced; None: it was not, that we know."""
    rows = tx.execute(
        "SELECT envelope FROM directory_introductions WHERE pair = ? AND epoch = ? AND generation = ? AND holder = ?",
        (pair, epoch, generation, holder),
    )
    return bytes(rows[0][0]) if rows else None


def listed(tx: Transaction) -> list[Introduction]:
    """All that are known, by pair, epoch, generation and holder."""
    rows = tx.execute(
        "SELECT pair, epoch, generation, holder, sealed_at, key_id FROM directory_introductions"
        " ORDER BY pair, epoch, generation, holder"
    )
    return [Introduction(p, e, g, h, datetime.fromisoformat(at), key) for p, e, g, h, at, key in rows]
