"""Bulk allowances: what two custodians of a holder's country let another ask beyond the daily quota, as `keys.*` tells.

A holder answers by its own record and nobody else's word (services.keyholder.allowances); what it announces is for
those who count what it does: the asking country, the matcher's intake, an auditor. The charter can hold allowances too,
from the founding of a region; both add up.

Refused, whoever says it: an allowance of another holder, for a pair that is not the holder's or a country that is not
of the pair, with fewer than two custodians, for longer than a year, changed under its id, or one of too many.
"""

from datetime import datetime, timedelta
from typing import Final

from events.charter import Allowance, Charter
from events.database import Transaction
from events.errors import Refused
from events.messages import AllowanceGranted
from events.model import countries_of

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS directory_allowances (
        id TEXT PRIMARY KEY, holder TEXT NOT NULL, country TEXT NOT NULL, pair TEXT NOT NULL, item TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS directory_allowances_of ON directory_allowances (holder, country, pair)",
)
LONGEST: Final = timedelta(days=366)
MOST: Final = 400
"""Of one holder for one country and pair: one a day for a year, and some. So nobody fills others' stores."""


def learn(tx: Transaction, charter: Charter, writer: str, item: AllowanceGranted) -> None:
    """Take an announcement to heart; again changes nothing. Raises Refused."""
    if item.pair in charter.ended_pairs:
        return  # no offence: it was granted while the pair agreed
    if item.holder != writer or item.pair not in charter.pairs or writer not in charter.holders_of(item.pair):
        raise Refused("not_its_own", f"{writer} granted what only the holder itself grants, of a pair of its own.")
    if item.country not in countries_of(item.pair):
        raise Refused("not_of_the_pair", f"{writer} granted {item.country} something of {item.pair}.")
    if len(set(item.custodians)) != len(item.custodians):
        raise Refused("same_person", f"{writer} granted an allowance that one custodian approved twice.")
    if not item.valid_from < item.valid_until <= item.valid_from + LONGEST:
        raise Refused("bad_span", f"{writer} granted an allowance for no time, or for longer than a year.")
    known = tx.execute("SELECT item FROM directory_allowances WHERE id = ?", (str(item.id),))
    if known:
        if AllowanceGranted.model_validate_json(known[0][0]) != item:
            raise Refused("allowance_repeated", f"{writer} granted another allowance under an id that was used.")
        return
    place = (item.holder, item.country, item.pair)
    if _count(tx, place) >= MOST:
        raise Refused("too_many", f"{writer} has granted {item.country} {MOST} allowances of {item.pair} already.")
    row = (str(item.id), *place, item.model_dump_json())
    tx.execute("INSERT INTO directory_allowances VALUES (?, ?, ?, ?, ?)", row)


def standing(
    tx: Transaction, charter: Charter, holder: str, country: str, pair: str, at: datetime
) -> tuple[Allowance, ...]:
    """What stands at this time of one holder, for one country and pair: the charter's, and what was granted since."""
    rows = tx.execute(
        "SELECT item FROM directory_allowances WHERE holder = ? AND country = ? AND pair = ? ORDER BY id",
        (holder, country, pair),
    )
    granted = (AllowanceGranted.model_validate_json(item).allowance for (item,) in rows)
    return tuple(a for a in (*chartered(charter, holder, country, pair), *granted) if a.stands_at(at))


def chartered(charter: Charter, holder: str, country: str, pair: str) -> tuple[Allowance, ...]:
    """The charter's own, whenever they stand."""
    return tuple(a for a in charter.allowances if (a.holder, a.country, a.pair) == (holder, country, pair))


def _count(tx: Transaction, place: tuple[str, str, str]) -> int:
    rows = tx.execute("SELECT COUNT(*) FROM directory_allowances WHERE holder = ? AND country = ? AND pair = ?", place)
    return int(rows[0][0])
