"""The matches that were found, and what each side has been told of them: the matcher's own tables.

A match stands while a value raises it (matching.index). One that nobody was told of goes when it stops standing; one
that was told stays as a row, so that the same pair keeps its reference and is told nothing twice, whatever is
revoked, corrected and published again.

Refuses to decide anything: who is told is `matching.policy`'s word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from events.database import Transaction
from events.ids import new_match_ref
from events.messages import Band, Grant, MatchEnded
from events.model import countries_of
from matching import engine, policy
from matching.policy import Allow, Deny, Told

TABLES: Final = (
    # told: '' | this_side | both
    """CREATE TABLE IF NOT EXISTS found (
        first TEXT NOT NULL, second TEXT NOT NULL, match_ref TEXT NOT NULL UNIQUE, pair TEXT NOT NULL,
        epoch INTEGER NOT NULL, band TEXT NOT NULL, first_slot INTEGER NOT NULL, second_slot INTEGER NOT NULL,
        found_at TEXT NOT NULL, found_tick BIGINT NOT NULL, stands INTEGER NOT NULL,
        first_told TEXT NOT NULL, second_told TEXT NOT NULL, both_told_at TEXT,
        first_ended INTEGER NOT NULL, second_ended INTEGER NOT NULL, PRIMARY KEY (first, second))""",
    "CREATE INDEX IF NOT EXISTS found_by_second ON found (second)",
)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a found match: its handle and own slot, its grant towards the other, what it was told."""

    handle: str
    country: str
    slot: int
    grant: Grant
    grant_until: datetime
    told: Told | None
    ended: bool

    def standing(self, applied_tick: int | None) -> policy.Standing:
        """For `policy.notices`, with how far this country's stream has been applied."""
        return policy.Standing(self.grant, self.grant_until, applied_tick, self.told)


@dataclass(frozen=True, slots=True)
class Found:
    """A match that was found. One that was told may have stopped standing since."""

    match_ref: str
    pair: str
    epoch: int
    band: Band
    found_at: datetime
    found_tick: int
    stands: bool
    both_told_at: datetime | None
    first: Side
    second: Side


def to_tell(tx: Transaction) -> list[Found]:
    """The matches that stand and of which a side has not been told all, oldest first."""
    return _select(tx, "f.stands = 1 AND NOT (f.first_told = 'both' AND f.second_told = 'both')")


def by_ref(tx: Transaction, match_ref: str) -> Found | None:
    """The match of this reference, if there is one."""
    return next(iter(_select(tx, "f.match_ref = ?", (match_ref,))), None)


def note_told(tx: Transaction, match_ref: str, news: tuple[Told | None, Told | None], *, at: datetime) -> None:
    """Note what each side is told, in the transaction that writes the notices. None: nothing new for that side.

    If we crash before it commits, neither the notice nor the note exists, and the next tick tells.
    """
    for statement, told in zip(_TELLINGS, news, strict=True):
        if told:
            tx.execute(statement, (told, match_ref))
    tx.execute(
        "UPDATE found SET both_told_at = ? WHERE match_ref = ? AND first_told = 'both' AND second_told = 'both' "
        "AND both_told_at IS NULL",
        (text(at), match_ref),
    )


def end(tx: Transaction, country: str, sent: MatchEnded) -> Allow | Deny:
    """Note that this side's match is over. Whether the other side hears of it is the matcher's to say."""
    found = by_ref(tx, sent.match_ref)
    sides = (found.first, found.second) if found else ()
    for statement, side in zip(_ENDINGS, sides, strict=False):
        if (side.country, side.handle) == (country, sent.handle):
            if side.ended:
                return Deny("ended_already")
            tx.execute(statement, (sent.match_ref,))
            return Allow()
    return Deny("unknown_match")


def settle(tx: Transaction, match: engine.Match, *, at: datetime, tick: int) -> None:
    """Note that a match stands, new or altered.

    One that had stopped standing and stands again counts as found now: grants written meanwhile must be heard first.
    """
    ground = match.ground
    tx.execute(
        "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, '', '', NULL, 0, 0) "
        "ON CONFLICT (first, second) DO UPDATE SET epoch = excluded.epoch, band = excluded.band, "
        "first_slot = excluded.first_slot, second_slot = excluded.second_slot, stands = 1, "
        "found_at = CASE found.stands WHEN 1 THEN found.found_at ELSE excluded.found_at END, "
        "found_tick = CASE found.stands WHEN 1 THEN found.found_tick ELSE excluded.found_tick END",
        (
            match.first, match.second, new_match_ref(), match.pair, match.epoch, match.band,
            ground.first_slot, ground.second_slot, text(at), tick,
        ),
    )


def fall(tx: Transaction, first: str, second: str) -> None:
    """Note that nothing raises this match any more."""
    tx.execute(
        "DELETE FROM found WHERE first = ? AND second = ? AND first_told = '' AND second_told = ''", (first, second)
    )
    tx.execute("UPDATE found SET stands = 0 WHERE first = ? AND second = ?", (first, second))


def standing_of(tx: Transaction, handle: str) -> list[tuple[str, str]]:
    """The two handles of each standing match of a handle."""
    return [
        (first, second)
        for statement in (
            "SELECT first, second FROM found WHERE stands = 1 AND first = ?",
            "SELECT first, second FROM found WHERE stands = 1 AND second = ?",
        )
        for first, second in tx.execute(statement, (handle,))
    ]


def all_standing(tx: Transaction) -> list[tuple[str, str]]:
    """The two handles of every standing match."""
    return [(first, second) for first, second in tx.execute("SELECT first, second FROM found WHERE stands = 1")]


def text(at: datetime) -> str:
    """A time as the tables keep it: UTC, all of one length, so that text sorts as time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


_TELLINGS: Final = (
    "UPDATE found SET first_told = ? WHERE match_ref = ?",
    "UPDATE found SET second_told = ? WHERE match_ref = ?",
)
_ENDINGS: Final = (
    "UPDATE found SET first_ended = 1 WHERE match_ref = ?",
    "UPDATE found SET second_ended = 1 WHERE match_ref = ?",
)
_COLUMNS: Final = (
    "f.match_ref, f.pair, f.epoch, f.band, f.found_at, f.found_tick, f.stands, f.both_told_at, "
    "f.first, f.first_slot, a.granted, a.grant_until, f.first_told, f.first_ended, "
    "f.second, f.second_slot, b.granted, b.grant_until, f.second_told, f.second_ended"
)


def _select(tx: Transaction, condition: str, params: Sequence[object] = ()) -> list[Found]:
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM found f JOIN handles a ON a.handle = f.first JOIN handles b ON b.handle = f.second "  # noqa: S608  our own words
        f"WHERE {condition} ORDER BY f.found_at, f.match_ref",
        params,
    )
    return [_read(row) for row in rows]


def _read(row: tuple[Any, ...]) -> Found:
    match_ref, pair, epoch, band, found_at, found_tick, stands, both_told_at, *sides = row
    first, second = countries_of(pair)
    return Found(
        match_ref, pair, epoch, band, datetime.fromisoformat(found_at), found_tick, bool(stands),
        datetime.fromisoformat(both_told_at) if both_told_at else None,
        _side(first, sides[:6]), _side(second, sides[6:]),
    )


def _side(country: str, columns: Sequence[Any]) -> Side:
    handle, slot, grant, until, told, ended = columns
    return Side(handle, country, slot, grant, datetime.fromisoformat(until), told or None, bool(ended))
