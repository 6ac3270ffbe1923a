"""What a custodian has asked the party's own process to renew: a note in its store, made while it runs or does not.

Whoever may write the store may ask; the process does it at its next step, and takes the note away in the transaction
that makes it so. Asked twice before that, it is done once.
"""

from datetime import datetime
from typing import Final, Literal

from events.database import Transaction

TABLES: Final = ("CREATE TABLE IF NOT EXISTS rotations (purpose TEXT PRIMARY KEY, asked_at TEXT NOT NULL)",)
Noted = Literal["sealing", "pepper"]


def ask(tx: Transaction, purpose: Noted, at: datetime) -> None:
    """Note that this is to be renewed, unless it is noted already."""
    tx.execute("INSERT INTO rotations VALUES (?, ?) ON CONFLICT DO NOTHING", (purpose, at.isoformat()))


def asked(tx: Transaction, purpose: Noted) -> datetime | None:
    """Since when this is to be renewed; None: nobody asked."""
    rows = tx.execute("SELECT asked_at FROM rotations WHERE purpose = ?", (purpose,))
    return datetime.fromisoformat(rows[0][0]) if rows else None


def done(tx: Transaction, purpose: Noted) -> None:
    """It is renewed, as far as asking goes: take the note away."""
    tx.execute("DELETE FROM rotations WHERE purpose = ?", (purpose,))
