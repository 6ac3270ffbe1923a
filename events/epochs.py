"""The epochs of pairs' keys, as `keys.*` has told them: which shares stand, and in which epoch tokens are issued.

What an epoch's states mean is in keys.epochs; how its shares are refreshed, in events.generations.
"""

from dataclasses import dataclass

from events.charter import Charter
from events.database import Transaction
from keys import epochs
from keys.epochs import Epoch


@dataclass(frozen=True, slots=True)
class InForce:
    """The epoch that a pair's tokens are issued in, with the schema version that they are made with."""

    number: int
    schema_version: int


def known(tx: Transaction, pair: str) -> list[Epoch]:
    """All that was introduced of a pair's key, oldest first."""
    rows = tx.execute(
        "SELECT epoch, holder, schema_version FROM directory_shares WHERE pair = ? AND generation = 0 ORDER BY epoch",
        (pair,),
    )
    found: dict[int, dict[str, int]] = {}
    for number, holder, schema in rows:
        found.setdefault(number, {})[holder] = schema
    return [Epoch(number, schemas) for number, schemas in found.items()]


def in_force(tx: Transaction, charter: Charter, pair: str) -> InForce | None:
    """The epoch that tokens are issued in; None: a share is missing."""
    holders = charter.holders_of(pair)
    active = epochs.active(known(tx, pair), holders, charter.matching_epoch)
    schema = active.schema(holders) if active else None
    return InForce(active.number, schema) if active and schema is not None else None


def schema_of(tx: Transaction, charter: Charter, pair: str, number: int) -> int | None:
    """The schema version of an epoch, in force or a former one; None: its holders have not agreed on any."""
    found = next((epoch for epoch in known(tx, pair) if epoch.number == number), None)
    return found.schema(charter.holders_of(pair)) if found else None
