"""The matches that were found, and what each side has been told of them: the matcher's own tables.

A match stands while a value raises it (matching.index). One that nobody was told of goes when it stops standing; one
that was told stays as a row, so that the same pair keeps its reference and is told nothing twice, whatever is
revoked, corrected and published again.

A match runs from when both are told until one side says that it is over, or revokes its row. Then it is over for both,
and both hear so, without a reason: the one that ended it too, for its word may have crossed the telling. What one side
alone knows ends on that side, and nobody hears of it. A side that is over is told nothing before it has published, or
said `tell`, since: its node would refuse it (lifecycle.json, MatchTold: "from CLOSED only on tokens published or a tell
set since"); nor is the other side then, or the two would know different things.

Refuses to decide anything: who is told is `matching.policy`'s word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from events.database import Transaction
from events.ids import new_match_ref
from events.messages import Band, Grant, MatchEnded, MatchOver
from events.model import countries_of
from matching import engine, policy
from matching.policy import Deny, Told

TABLES: Final = (
    # told: '' | this_side | given_back | both; running, ended: 0 | 1. ended: what this side knew is over there, and it
    # has neither published nor said `tell` since
    """CREATE TABLE IF NOT EXISTS found (
        first TEXT NOT NULL, second TEXT NOT NULL, match_ref TEXT NOT NULL UNIQUE, pair TEXT NOT NULL,
        epoch INTEGER NOT NULL, band TEXT NOT NULL, first_slot INTEGER NOT NULL, second_slot INTEGER NOT NULL,
        found_at TEXT NOT NULL, found_tick BIGINT NOT NULL, stands INTEGER NOT NULL,
        first_told TEXT NOT NULL, second_told TEXT NOT NULL, both_told_at TEXT,
        running INTEGER NOT NULL, first_ended INTEGER NOT NULL, second_ended INTEGER NOT NULL,
        PRIMARY KEY (first, second))""",
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
    told: Told | Literal["given_back"] | None
    ended: bool

    def standing(self, applied_tick: int | None) -> policy.Standing:
        """For `policy.notices`, with how far this country's stream has been applied."""
        return policy.Standing(self.grant, self.grant_until, applied_tick, self.told)


@dataclass(frozen=True, slots=True)
class Found:
    """A match that was found. One that was told may have stopped standing since.

    found_tick    what was written before the end of this tick must be heard before anybody is told
    both_told_at  for the first time
    running       both know, and on neither side it is over
    """

    match_ref: str
    pair: str
    epoch: int
    band: Band
    found_at: datetime
    found_tick: int
    stands: bool
    both_told_at: datetime | None
    running: bool
    first: Side
    second: Side


@dataclass(frozen=True, slots=True)
class Ending:
    """What a country is told: a match that both know is over."""

    country: str
    over: MatchOver


def to_tell(tx: Transaction) -> list[Found]:
    """The matches that stand, do not run, and are over on neither side, oldest first."""
    return _select(tx, "f.stands = 1 AND f.running = 0 AND f.first_ended = 0 AND f.second_ended = 0")


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
        "UPDATE found SET running = 1, both_told_at = COALESCE(both_told_at, ?) WHERE match_ref = ? "
        "AND first_told = 'both' AND second_told = 'both'",
        (text(at), match_ref),
    )


def end(tx: Transaction, country: str, sent: MatchEnded, *, tick: int) -> list[Ending] | Deny:
    """One side says that its match is over. Returns who is told of it; said again, nobody.

    tick  the tick that runs
    """
    match = by_ref(tx, sent.match_ref)
    if match:
        for place, side in enumerate((match.first, match.second)):
            if (side.country, side.handle) == (country, sent.handle):
                return _end(tx, match, place, tick)
    return Deny("unknown_match")


def end_of_handle(tx: Transaction, handle: str, *, tick: int) -> list[Ending]:
    """The row behind this handle is gone: all that its side knew is over. Returns who is told of it."""
    matches = _select(tx, "(f.first = ? OR f.second = ?)", (handle, handle))
    return [ending for match in matches for ending in _end(tx, match, int(match.second.handle == handle), tick)]


def renewed(tx: Transaction, handle: str) -> None:
    """The side of this handle has published, or said `tell`, again."""
    tx.execute("UPDATE found SET first_ended = 0 WHERE first = ?", (handle,))
    tx.execute("UPDATE found SET second_ended = 0 WHERE second = ?", (handle,))


def _end(tx: Transaction, match: Found, place: int, tick: int) -> list[Ending]:
    """A side that was told nothing has nothing that could be over.

    One that was told alone gives back what it knew: it is told again, with the other side, if then both tell.
    The end of what both knew counts as a new finding: a `tell` that crosses it on the way is no answer to it, but the
    other node's word that it is over there too, in the tick after, is heard before anybody is told anew.
    """
    sides = (match.first, match.second)
    if sides[place].told:
        tx.execute(_ENDINGS[place], (match.match_ref,))
    if not match.running:
        return []
    tx.execute(
        "UPDATE found SET running = 0, first_ended = 1, second_ended = 1, found_tick = ? WHERE match_ref = ?",
        (tick, match.match_ref),
    )
    return [Ending(side.country, MatchOver(match_ref=match.match_ref, handle=side.handle)) for side in sides]


def settle(tx: Transaction, match: engine.Match, *, at: datetime, tick: int) -> None:
    """Note that a match stands, new or altered.

    One that had stopped standing and stands again counts as found now: grants written meanwhile must be heard first.
    """
    ground = match.ground
    tx.execute(
        "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, '', '', NULL, 0, 0, 0) "
        "ON CONFLICT (first, second) DO UPDATE SET epoch = excluded.epoch, band = excluded.band, "
        "first_slot = excluded.first_slot, second_slot = excluded.second_slot, stands = 1, "
        "found_at = CASE found.stands WHEN 1 THEN found.found_at ELSE excluded.found_at END, "
        "found_tick = CASE found.stands WHEN 1 THEN found.found_tick ELSE excluded.found_tick END",
        (
            match.first, match.second, new_match_ref(), match.pair, match.epoch, match.band,
            ground.first_slot, ground.second_slot, text(at), tick,
        ),
    )


def restate(tx: Transaction, match: engine.Match) -> None:
    """A match that stands goes on to stand, on what its two records share in another epoch. When it was found stays."""
    ground = match.ground
    tx.execute(
        "UPDATE found SET epoch = ?, band = ?, first_slot = ?, second_slot = ? WHERE first = ? AND second = ?",
        (match.epoch, match.band, ground.first_slot, ground.second_slot, match.first, match.second),
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
_ENDED: Final = "{0}_ended = 1, {0}_told = REPLACE({0}_told, 'this_side', 'given_back')"
_ENDINGS: Final = tuple(
    f"UPDATE found SET {_ENDED.format(side)} WHERE match_ref = ?"  # noqa: S608  our own words
    for side in ("first", "second")
)
_COLUMNS: Final = (
    "f.match_ref, f.pair, f.epoch, f.band, f.found_at, f.found_tick, f.stands, f.both_told_at, f.running, "
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
    match_ref, pair, epoch, band, found_at, found_tick, stands, both_told_at, running, *sides = row
    first, second = countries_of(pair)
    return Found(
        match_ref, pair, epoch, band, datetime.fromisoformat(found_at), found_tick, bool(stands),
        datetime.fromisoformat(both_told_at) if both_told_at else None, bool(running),
        _side(first, sides[:6]), _side(second, sides[6:]),
    )


def _side(country: str, columns: Sequence[Any]) -> Side:
    handle, slot, grant, until, told, ended = columns
    return Side(handle, country, slot, grant, datetime.fromisoformat(until), told or None, bool(ended))
