"""What the matcher's indices stand behind, one pepper a matching epoch: a secret of its ring, or a key in a token.

Within an epoch a pepper is changed so, since nothing that the matcher keeps can be put behind another one:
1. The next pepper is made, durably, in the ring or the token.                  killed here: it is found again
2. It is named in the store, and every country asked for its live rows anew.    one transaction
3. Each row that comes is kept behind both; matches are looked for behind the old one, under which all rows stand.
4. Once every row stands behind the next one too, it takes the old one's place. one transaction (matching.index.turn)
5. The old one is destroyed; before step 4 that is refused, for rows stand under it.

The store says at which step it is, so whoever was killed goes on there.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from events.clock import Clock
from events.database import Database, Transaction
from keys import seal
from keys.errors import AlreadyThere, TokenUnavailable
from keys.hsm import TokenAddress
from keys.pepper import Pepper, SecretPepper
from keys.ring import KeyRing
from matching.index import Index

State = Literal["current", "next", "over", "destroyed"]
TABLES: Final = (
    # place: ring | token
    """CREATE TABLE IF NOT EXISTS matcher_peppers (
        name TEXT PRIMARY KEY, epoch BIGINT NOT NULL, place TEXT NOT NULL, state TEXT NOT NULL)""",
)


@dataclass(frozen=True, slots=True)
class Named:
    """One pepper, as the store names it."""

    name: str
    epoch: int
    place: str
    state: State


class Peppers:
    """All that stand. `current` and `successors` change as peppers do: whoever holds them sees it.

    token   where new peppers are made; None: in the ring
    """

    def __init__(self, me: str, *, ring: KeyRing, database: Database, clock: Clock, token: TokenAddress | None) -> None:
        self._me = me
        self._ring = ring
        self._db = database
        self._clock = clock
        self._token = token
        self.current: dict[int, Pepper] = {}
        self.successors: dict[int, Pepper] = {}

    def open(self, epoch: int) -> None:
        """Make the tables, and this epoch's pepper where there is none; open all, and destroy those that are over.

        Raises TokenUnavailable, UnknownKey: one that rows stand behind is not to be had; then nothing is served.
        """
        self._db.create(TABLES)
        with self._db.reading() as tx:
            is_first = not any(n.epoch == epoch and n.state == "current" for n in named(tx))
        if is_first:
            made = self._made(epoch)
            with self._db.transaction() as tx:
                _note(tx, replace(made, state="current"))
        self._load()

    def prepare(self, epoch: int) -> Named:
        """Step 1: make the next pepper of an epoch, durably, or find the one that was made before a crash."""
        return self._made(epoch)

    def follow(self, tx: Transaction, made: Named) -> None:
        """Step 2, in the caller's transaction; `reload` after it."""
        _note(tx, replace(made, state="next"))

    def turned(self, tx: Transaction, epoch: int) -> None:
        """Step 4, in the transaction in which the index has turned; `reload` after it."""
        tx.execute("UPDATE matcher_peppers SET state = 'over' WHERE epoch = ? AND state = 'current'", (epoch,))
        tx.execute("UPDATE matcher_peppers SET state = 'current' WHERE epoch = ? AND state = 'next'", (epoch,))

    def reload(self) -> None:
        """See what the store says now, after a transaction that changed it. Step 5 is here."""
        self._load()

    # ---- within

    def _load(self) -> None:
        with self._db.reading() as tx:
            known = named(tx)
        opened = {n.name: self._opened(n) for n in known if n.state in {"current", "next"}}
        for stand, state in ((self.current, "current"), (self.successors, "next")):
            stand.clear()
            stand.update({n.epoch: opened[n.name] for n in known if n.state == state})
        for over in (n for n in known if n.state == "over"):
            self._destroy(over)

    def _made(self, epoch: int) -> Named:
        """The first of this epoch's names that has no past: a crash before the store named it leaves it to be used."""
        place = "token" if self._token else "ring"
        with self._db.reading() as tx:
            used = {n.name for n in named(tx)}
        gone = {v.id for v in self._ring.versions("pepper") if v.state == "destroyed"}
        number = 1
        while (name := _name(self._me, epoch, number)) in used | gone:
            number += 1
        if self._token:
            try:
                self._key(name).make()
            except AlreadyThere:
                self._key(name).open()
        elif all(v.id != name for v in self._ring.versions("pepper")):
            self._ring.add("pepper", name, seal.new_key(), valid_from=self._clock.now())
        return Named(name, epoch, place, "next")

    def _opened(self, known: Named) -> Pepper:
        if known.place == "ring":
            return SecretPepper(self._ring.secret("pepper", known.name))
        return self._key(known.name).open()

    def _destroy(self, over: Named) -> None:
        """Nothing stands behind it: rows have turned in the transaction that called it over."""
        if over.place == "ring":
            self._ring.destroy("pepper", over.name)
        else:
            self._key(over.name).destroy()
        with self._db.transaction() as tx:
            _note(tx, replace(over, state="destroyed"))

    def _key(self, name: str) -> TokenAddress:
        if self._token is None:
            raise TokenUnavailable(f"The pepper {name} stands in a token: say in SAMAKI_PEPPER in which.")
        return replace(self._token, object=f"{self._token.object} {name}")


def named(tx: Transaction) -> list[Named]:
    """Every pepper that the store has named."""
    rows = tx.execute("SELECT name, epoch, place, state FROM matcher_peppers ORDER BY epoch, name")
    return [Named(*row) for row in rows]


def _note(tx: Transaction, pepper: Named) -> None:
    tx.execute(
        "INSERT INTO matcher_peppers VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state",
        (pepper.name, pepper.epoch, pepper.place, pepper.state),
    )


def _name(me: str, epoch: int, number: int) -> str:
    return f"{me}/pepper/{epoch}" if number == 1 else f"{me}/pepper/{epoch}.{number}"


def progress(tx: Transaction) -> tuple[int, int]:
    """Of the epochs whose pepper changes: how many rows stand behind the next one too, and how many there are."""
    epochs = [n.epoch for n in named(tx) if n.state == "next"]
    counts = [Index.behind(tx, epoch) for epoch in epochs]
    return sum(done for done, _ in counts), sum(of for _, of in counts)
