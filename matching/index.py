"""The matcher's tracked store: which handles hold which indices, behind a pepper, and which matches they raise.

What stands is what `engine.find` gives on the live rows, in whatever order they came, changed and went:
1. A change of a handle (submit, revoke) writes its slots and notes every value it held or now holds as changed. The
   matches that stood on the old slots alone stop standing in the same transaction.
2. `company`, afterwards, looks at each changed value: who holds it now, so which matches it raises now.
Insert and commit first, then look: two matchers with the two halves of a match cannot both miss it, and if we crash in
between, the changed values are still noted. All of it may be done twice.

A handle has one row in each epoch of its pair's key that is in use; they are compared within an epoch, and grant,
revocation and match are the handle's, in whichever epoch. `retire` takes the rows of an epoch that is over away.

Refuses what a country may not say: other countries' handles, pairs it is no part of, rows of another size. A refusal is
a value, for the caller to count and log. Holds no identifier, no token, and no index in clear: without the pepper
nobody can test an index against it. A revoked handle leaves a tombstone, which only its own country can lift.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from events.database import Database, Transaction
from events.messages import Grant, GrantChanged, Revocation, Submission
from events.model import countries_of
from keys.pepper import Pepper
from matching import engine, found
from matching.policy import Allow, Deny, Reason

INDEX: Final = 32

_TABLES: Final = (
    # state: live | revoked. `granted`, because `grant` is a word of SQL. `next`: the same value behind the next pepper
    """CREATE TABLE IF NOT EXISTS handles (
        handle TEXT PRIMARY KEY, country TEXT NOT NULL, pair TEXT NOT NULL, granted TEXT NOT NULL,
        grant_until TEXT NOT NULL, state TEXT NOT NULL, changed_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS slots (
        handle TEXT NOT NULL, slot INTEGER NOT NULL, country TEXT NOT NULL, pair TEXT NOT NULL, epoch INTEGER NOT NULL,
        recipe TEXT NOT NULL, peppered BLOB NOT NULL, next BLOB, PRIMARY KEY (handle, epoch, slot))""",
    "CREATE INDEX IF NOT EXISTS slots_by_value ON slots (peppered, handle)",
    """CREATE TABLE IF NOT EXISTS changed_values (
        peppered BLOB NOT NULL, recipe TEXT NOT NULL, pair TEXT NOT NULL, epoch INTEGER NOT NULL,
        PRIMARY KEY (peppered, recipe, pair, epoch))""",
    """CREATE TABLE IF NOT EXISTS hot_values (
        peppered BLOB NOT NULL, recipe TEXT NOT NULL, pair TEXT NOT NULL, epoch INTEGER NOT NULL,
        PRIMARY KEY (peppered, recipe, pair, epoch))""",
    # which value raises which match
    """CREATE TABLE IF NOT EXISTS grounds (
        peppered BLOB NOT NULL, recipe TEXT NOT NULL, pair TEXT NOT NULL, epoch INTEGER NOT NULL,
        first TEXT NOT NULL, second TEXT NOT NULL, PRIMARY KEY (peppered, recipe, pair, epoch, first, second))""",
    "CREATE INDEX IF NOT EXISTS grounds_by_match ON grounds (first, second)",
    *found.TABLES,
)

Peppered = Callable[[str, int], Pepper | None]
"""What the indices of a pair's epoch stand behind."""
_Value = tuple[bytes, str, str, int]
"""A peppered index with its recipe, pair and epoch: what must be equal for two slots to meet."""


class Index:
    """Works in the caller's transactions, so that an effect stands or falls with the head of the stream it came by.

    pepper      (pair, epoch) > what indices stand behind; None: the epoch is not in use, and its rows are refused
    slots       the charter's row of recipes
    successor   (pair, epoch) > the pepper that is to take its place; None: there is none
    """

    def __init__(
        self, database: Database, pepper: Peppered, slots: Sequence[str], caps: Mapping[str, int] = engine.CAPS,
        *, successor: Peppered = lambda _pair, _epoch: None,
    ) -> None:
        self._database = database
        self._pepper = pepper
        self._successor = successor
        self._slots = tuple(slots)
        self._caps = caps

    def create(self) -> None:
        """Make the tables, those of `found` too, where they are missing."""
        self._database.create(_TABLES)

    def submit(self, tx: Transaction, country: str, sent: Submission, *, at: datetime) -> Allow | Deny:
        """Put a handle's row in the place of what it had in this epoch. A revoked handle lives again, if its own
        country sends it.
        """
        pepper = self._pepper(sent.pair, sent.epoch)
        refusal = self._refusal(country, sent, _handle(tx, sent.handle), pepper)
        if refusal or pepper is None:
            return Deny(refusal or "unknown_epoch")
        self._drop(tx, sent.handle, sent.epoch)
        tx.execute(
            "INSERT INTO handles VALUES (?, ?, ?, ?, ?, 'live', ?) ON CONFLICT (handle) DO UPDATE SET "
            "granted = excluded.granted, grant_until = excluded.grant_until, state = 'live', "
            "changed_at = excluded.changed_at",
            (sent.handle, country, sent.pair, sent.grant, found.text(sent.grant_until), found.text(at)),
        )
        self._put(tx, country, sent, pepper)
        return Allow()

    @staticmethod
    def epochs_of(tx: Transaction, handle: str) -> frozenset[int]:
        """The epochs in which this handle has a row."""
        rows = tx.execute("SELECT DISTINCT epoch FROM slots WHERE handle = ?", (handle,))
        return frozenset(epoch for (epoch,) in rows)

    def retire(self, tx: Transaction, pair: str, epoch: int, *, after: str = "", limit: int = 500) -> str | None:
        """Drop the rows of an epoch that is over, at most `limit` handles' at once. What stands in another epoch too
        stands on. Begun anew after a crash, it goes on with what is left.

        after    go on from this handle
        returns  the handle to go on from; None: none is left
        """
        handles: list[str] = [handle for (handle,) in tx.execute(
            "SELECT DISTINCT handle FROM slots WHERE handle > ? AND pair = ? AND epoch = ? ORDER BY handle LIMIT ?",
            (after, pair, epoch, limit),
        )]
        for handle in handles:
            self._drop(tx, handle, epoch)
        if len(handles) == limit:
            return handles[-1]
        for table in ("changed_values", "hot_values"):
            tx.execute(f"DELETE FROM {table} WHERE pair = ? AND epoch = ?", (pair, epoch))  # noqa: S608  our own words
        return None

    @staticmethod
    def grant_of(tx: Transaction, handle: str) -> tuple[Grant, datetime] | None:
        """The grant of a live row, and its end."""
        known = _handle(tx, handle)
        return (known.grant, known.grant_until) if known and known.live else None

    def set_grant(self, tx: Transaction, country: str, sent: GrantChanged) -> Allow | Deny:
        """Set anew whether the other country may be told of this handle's matches. What was told stays told."""
        before = _handle(tx, sent.handle)
        refusal = _not_theirs(country, before) or ("revoked" if before and not before.live else None)
        if refusal:
            return Deny(refusal)
        tx.execute(
            "UPDATE handles SET granted = ?, grant_until = ? WHERE handle = ?",
            (sent.grant, found.text(sent.grant_until), sent.handle),
        )
        return Allow()

    def revoke(self, tx: Transaction, country: str, sent: Revocation, *, at: datetime) -> Allow | Deny:
        """Drop a handle's slots, in every epoch, and leave a tombstone, its grant at `hold`. Twice is once."""
        before = _handle(tx, sent.handle)
        refusal = _not_theirs(country, before)
        if refusal:
            return Deny(refusal)
        if before and before.live:
            for epoch in self.epochs_of(tx, sent.handle):
                self._drop(tx, sent.handle, epoch)
            tx.execute(
                "UPDATE handles SET state = 'revoked', granted = 'hold', changed_at = ? WHERE handle = ?",
                (found.text(at), sent.handle),
            )
        return Allow()

    def company(self, tx: Transaction, *, at: datetime, tick: int, limit: int = 500) -> int:
        """Look at values that have changed, and note which matches they raise now; in a transaction after the change.

        tick     the tick that runs: it stands as the tick of the finding
        returns  how many values were looked at; fewer than `limit`: none is left
        cost     four statements a value that nobody else holds
        """
        changed = tx.execute("SELECT peppered, recipe, pair, epoch FROM changed_values LIMIT ?", (limit,))
        for peppered, recipe, pair, epoch in changed:
            for first, second in self._look(tx, (bytes(peppered), recipe, pair, epoch)):
                match = _match(tx, first, second)
                if match:
                    found.settle(tx, match, at=at, tick=tick)
                else:
                    found.fall(tx, first, second)
        return len(changed)

    def turn(self, tx: Transaction, pair: str, epoch: int) -> bool:
        """Put the next pepper of a pair's epoch in the place of the present one, in everything that stands behind it.

        returns  False: a row does not stand behind the next one yet, or changed values wait for `company`, of which
                 nobody may hold one any more. Then nothing is changed
        """
        place = (pair, epoch)
        if tx.execute("SELECT 1 FROM slots WHERE pair = ? AND epoch = ? AND next IS NULL LIMIT 1", place):
            return False
        if tx.execute("SELECT 1 FROM changed_values WHERE pair = ? AND epoch = ? LIMIT 1", place):
            return False
        for table in ("grounds", "hot_values"):  # each value in them some live row holds, and all say the same of it
            tx.execute(
                f"UPDATE {table} SET peppered = (SELECT next FROM slots WHERE slots.peppered = {table}.peppered"  # noqa: S608  our own words
                " LIMIT 1) WHERE pair = ? AND epoch = ?", place,
            )
        tx.execute("UPDATE slots SET peppered = next, next = NULL WHERE pair = ? AND epoch = ?", place)
        return True

    @staticmethod
    def behind(tx: Transaction, pair: str, epoch: int) -> tuple[int, int]:
        """How many of an epoch's rows stand behind the next pepper too, and how many there are."""
        ((done, of),) = tx.execute(
            "SELECT COUNT(DISTINCT CASE WHEN next IS NOT NULL THEN handle END), COUNT(DISTINCT handle) FROM slots"
            " WHERE pair = ? AND epoch = ?", (pair, epoch),
        )
        return int(done), int(of)

    def outcome(self, tx: Transaction) -> engine.Outcome:
        """All that stands, as the reference gives it: for audits and tests."""
        matches = (_match(tx, first, second) for first, second in found.all_standing(tx))
        return engine.outcome([match for match in matches if match], self.hot(tx))

    def hot(self, tx: Transaction) -> dict[str, int]:
        """For each raising recipe, how many values raise nothing because too many hold them."""
        counted = dict(tx.execute("SELECT recipe, COUNT(*) FROM hot_values GROUP BY recipe"))
        return {recipe: counted.get(recipe, 0) for recipe in self._caps}

    def sizes(self, tx: Transaction) -> dict[str, int]:
        """Counts for pages and metrics: live and revoked handles, values still to be looked at; of matches, none."""
        states = dict(tx.execute("SELECT state, COUNT(*) FROM handles GROUP BY state"))
        ((waiting,),) = tx.execute("SELECT COUNT(*) FROM changed_values")
        return {"live": states.get("live", 0), "revoked": states.get("revoked", 0), "waiting": waiting}

    def _refusal(
        self, country: str, sent: Submission, before: "_Handle | None", pepper: Pepper | None
    ) -> Reason | None:
        checks: tuple[tuple[bool, Reason], ...] = (
            (country in countries_of(sent.pair), "not_your_pair"),
            (pepper is not None, "unknown_epoch"),
            (len(sent.indices) == INDEX * len(self._slots), "wrong_size"),
            (before is None or before.country == country, "not_your_handle"),
            (before is None or before.pair == sent.pair, "other_pair"),
        )
        return next((reason for holds, reason in checks if not holds), None)

    def _put(self, tx: Transaction, country: str, sent: Submission, pepper: Pepper) -> None:
        successor = self._successor(sent.pair, sent.epoch)
        cut = [sent.indices[start : start + INDEX] for start in range(0, len(sent.indices), INDEX)]
        peppered = [pepper.mac(index) for index in cut]
        values: list[_Value] = [(v, r, sent.pair, sent.epoch) for r, v in zip(self._slots, peppered, strict=True)]
        following = [successor.mac(index) if successor else None for index in cut]
        tx.executemany(
            "INSERT INTO slots (handle, slot, country, peppered, recipe, pair, epoch, next)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(sent.handle, slot, country, *value, following[slot]) for slot, value in enumerate(values)],
        )
        self._note(tx, values)

    def _drop(self, tx: Transaction, handle: str, epoch: int) -> None:
        """Take a handle's slots of an epoch away, and at once all that stood on them alone: nothing is told of what
        was withdrawn.
        """
        place = (handle, epoch)
        held = tx.execute("SELECT peppered, recipe, pair, epoch FROM slots WHERE handle = ? AND epoch = ?", place)
        if not held:
            return
        self._note(tx, ((bytes(peppered), recipe, pair, epoch) for peppered, recipe, pair, epoch in held))
        tx.execute("DELETE FROM slots WHERE handle = ? AND epoch = ?", place)
        for first, second in found.standing_of(tx, handle):
            tx.execute("DELETE FROM grounds WHERE first = ? AND second = ? AND epoch = ?", (first, second, epoch))
            match = _match(tx, first, second)
            if match:
                found.restate(tx, match)
            else:
                found.fall(tx, first, second)

    def _note(self, tx: Transaction, values: Iterable[_Value]) -> None:
        tx.executemany(
            "INSERT INTO changed_values VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [value for value in values if value[1] in self._caps],
        )

    def _look(self, tx: Transaction, value: _Value) -> list[tuple[str, str]]:
        """Make the grounds of one value what they are to be; the two handles of every match that they concern."""
        tx.execute("DELETE FROM changed_values WHERE peppered = ? AND recipe = ? AND pair = ? AND epoch = ?", value)
        holders = self._holders(tx, value)
        raised = set() if self._is_hot(tx, value, len(holders)) else set(engine.across(holders))
        before = {(first, second) for first, second in tx.execute(
            "SELECT first, second FROM grounds WHERE peppered = ? AND recipe = ? AND pair = ? AND epoch = ?", value
        )}
        tx.executemany(
            "DELETE FROM grounds WHERE peppered = ? AND recipe = ? AND pair = ? AND epoch = ? "
            "AND first = ? AND second = ?", [(*value, *two) for two in before - raised],
        )
        tx.executemany("INSERT INTO grounds VALUES (?, ?, ?, ?, ?, ?)", [(*value, *two) for two in raised - before])
        return sorted(before | raised)

    def _holders(self, tx: Transaction, value: _Value) -> set[tuple[str, str, str]]:
        """Handle, country and pair of who holds a value: all, or of a flood enough to see that it is hot.

        A handle has at most as many rows here as the charter has slots.
        """
        room = (self._caps[value[1]] + 1) * len(self._slots)
        return {(handle, country, pair) for handle, country, pair in tx.execute(
            "SELECT handle, country, pair FROM slots WHERE peppered = ? AND recipe = ? AND pair = ? AND epoch = ? "
            "ORDER BY handle LIMIT ?", (*value, room),
        )}

    def _is_hot(self, tx: Transaction, value: _Value, holders: int) -> bool:
        if holders > self._caps[value[1]]:
            tx.execute("INSERT INTO hot_values VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", value)
            return True
        tx.execute("DELETE FROM hot_values WHERE peppered = ? AND recipe = ? AND pair = ? AND epoch = ?", value)
        return False


@dataclass(frozen=True, slots=True)
class _Handle:
    country: str
    pair: str
    grant: Grant
    grant_until: datetime
    live: bool


def _handle(tx: Transaction, handle: str) -> _Handle | None:
    rows = tx.execute("SELECT country, pair, granted, grant_until, state FROM handles WHERE handle = ?", (handle,))
    for country, pair, grant, until, state in rows:
        return _Handle(country, pair, grant, datetime.fromisoformat(until), state == "live")
    return None


def _not_theirs(country: str, before: _Handle | None) -> Reason | None:
    if before is None:
        return "unknown_handle"
    return None if before.country == country else "not_your_handle"


def _match(tx: Transaction, first: str, second: str) -> engine.Match | None:
    """What two handles share in the newest epoch in which something raises their match; None: nothing does."""
    raising: dict[int, set[engine.Key]] = {}
    for epoch, recipe, peppered in tx.execute(
        "SELECT epoch, recipe, peppered FROM grounds WHERE first = ? AND second = ?", (first, second)
    ):
        raising.setdefault(epoch, set()).add((recipe, bytes(peppered)))
    if not raising:
        return None
    newest = max(raising)
    return engine.compare(_row(tx, first, newest), _row(tx, second, newest), raising[newest])


def _row(tx: Transaction, handle: str, epoch: int) -> engine.Row:
    rows = tx.execute(
        "SELECT country, pair, recipe, peppered FROM slots WHERE handle = ? AND epoch = ? ORDER BY slot",
        (handle, epoch),
    )
    country, pair, _, _ = rows[0]
    return engine.Row(
        handle, country, pair, epoch, tuple(row[2] for row in rows), tuple(bytes(row[3]) for row in rows)
    )
