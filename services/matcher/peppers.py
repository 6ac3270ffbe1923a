"""What the matcher's indices stand behind, one pepper a pair and epoch: a secret of its ring, or a key in a token.

A pepper comes when an epoch is first in use, and goes with its rows (services.matcher.epochs). Within an epoch it is
changed so, since nothing that the matcher keeps can be put behind another one:
1. The next pepper is made, durably, in the ring or the token.                  killed here: it is found again
2. It is named in the store, and every country asked for its live rows anew.    one transaction
3. Each row that comes is kept behind both; matches are looked for behind the old one, under which all rows stand.
4. Once every row stands behind the next one too, it takes the old one's place. one transaction (matching.index.turn)
5. The old one is destroyed; before step 4 that is refused, for rows stand under it.

The store says at which step it is, so whoever was killed goes on there.
"""

from collections.abc import Iterable
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
Place = tuple[str, int]
"""A pair and an epoch of its key."""
TABLES: Final = (
    # place: ring | token
    """CREATE TABLE IF NOT EXISTS matcher_peppers (
        name TEXT PRIMARY KEY, pair TEXT NOT NULL, epoch BIGINT NOT NULL, place TEXT NOT NULL, state TEXT NOT NULL)""",
)


@dataclass(frozen=True, slots=True)
class Named:
    """One pepper, as the store names it. `place`: ring or token."""

    name: str
    pair: str
    epoch: int
    place: str
    state: State

    @property
    def of(self) -> Place:
        return self.pair, self.epoch


class Peppers:
    """All that stand. What `current` and `successor` give changes as peppers do.

    token   where new peppers are made; None: in the ring
    """

    def __init__(self, me: str, *, ring: KeyRing, database: Database, clock: Clock, token: TokenAddress | None) -> None:
        self._me = me
        self._ring = ring
        self._db = database
        self._clock = clock
        self._token = token
        self._current: dict[Place, Pepper] = {}
        self._successors: dict[Place, Pepper] = {}
        self._past: set[Place] = set()

    def current(self, pair: str, epoch: int) -> Pepper | None:
        """What an epoch's indices stand behind; None: it has none yet, or any more."""
        return self._current.get((pair, epoch))

    def successor(self, pair: str, epoch: int) -> Pepper | None:
        """What is to take its place; None: nothing."""
        return self._successors.get((pair, epoch))

    @property
    def places(self) -> list[Place]:
        """The pairs and epochs whose peppers stand, oldest epoch first."""
        return sorted(self._current, key=lambda place: (place[1], place[0]))

    @property
    def changing(self) -> list[Place]:
        """Those whose pepper has a successor."""
        return sorted(self._successors)

    def is_past(self, pair: str, epoch: int) -> bool:
        """Whether an epoch's pepper is over."""
        return (pair, epoch) in self._past

    def open(self, places: Iterable[Place]) -> None:
        """Make the tables, and a pepper for each of these where there never was one; open all, destroy what is over.

        Raises TokenUnavailable, UnknownKey: one that rows stand behind is not to be had; then nothing is served.
        """
        self._db.create(TABLES)
        self._load()
        for place in places:
            self.begin(place)

    def begin(self, place: Place) -> bool:
        """Make the pepper of an epoch that comes into use. Returns whether there never was one.

        If we crash before the store names it, the one that was made is found again.
        """
        if place in self._current or place in self._past:
            return False
        made = self._made(place)
        with self._db.transaction() as tx:
            _note(tx, replace(made, state="current"))
        self._load()
        return True

    def prepare(self, place: Place) -> Named:
        """Step 1: make the next pepper of an epoch, durably, or find the one that was made before a crash."""
        return self._made(place)

    def follow(self, tx: Transaction, made: Named) -> None:
        """Step 2, in the caller's transaction; `reload` after it."""
        _note(tx, replace(made, state="next"))

    def turned(self, tx: Transaction, place: Place) -> None:
        """Step 4, in the transaction in which the index has turned; `reload` after it."""
        move = "UPDATE matcher_peppers SET state = ? WHERE pair = ? AND epoch = ? AND state = ?"
        tx.execute(move, ("over", *place, "current"))
        tx.execute(move, ("current", *place, "next"))

    def retire(self, tx: Transaction, place: Place) -> None:
        """The epoch is over, and no row of it stands, in the transaction that drops the last; `reload` after it."""
        tx.execute(
            "UPDATE matcher_peppers SET state = 'over' WHERE pair = ? AND epoch = ? AND state IN ('current', 'next')",
            place,
        )

    def reload(self) -> None:
        """See what the store says now, after a transaction that changed it. Step 5 is here."""
        self._load()

    # ---- within

    def _load(self) -> None:
        with self._db.reading() as tx:
            known = named(tx)
        opened = {n.name: self._opened(n) for n in known if n.state in {"current", "next"}}
        for stand, state in ((self._current, "current"), (self._successors, "next")):
            stand.clear()
            stand.update({n.of: opened[n.name] for n in known if n.state == state})
        self._past = {n.of for n in known} - set(self._current)
        for over in (n for n in known if n.state == "over"):
            self._destroy(over)

    def _made(self, place: Place) -> Named:
        """The first of this epoch's names that has no past: a crash before the store named it leaves it to be used."""
        with self._db.reading() as tx:
            used = {n.name for n in named(tx)}
        gone = {v.id for v in self._ring.versions("pepper") if v.state == "destroyed"}
        number = 1
        while (name := _name(self._me, place, number)) in used | gone:
            number += 1
        if self._token:
            try:
                self._key(name).make()
            except AlreadyThere:
                self._key(name).open()
        elif all(v.id != name for v in self._ring.versions("pepper")):
            self._ring.add("pepper", name, seal.new_key(), valid_from=self._clock.now())
        return Named(name, *place, "token" if self._token else "ring", "next")

    def _opened(self, known: Named) -> Pepper:
        if known.place == "ring":
            return SecretPepper(self._ring.secret("pepper", known.name))
        return self._key(known.name).open()

    def _destroy(self, over: Named) -> None:
        """Nothing stands behind it: rows have turned, or gone, in the transaction that called it over."""
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
    rows = tx.execute("SELECT name, pair, epoch, place, state FROM matcher_peppers ORDER BY pair, epoch, name")
    return [Named(*row) for row in rows]


def _note(tx: Transaction, pepper: Named) -> None:
    tx.execute(
        "INSERT INTO matcher_peppers VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state",
        (pepper.name, pepper.pair, pepper.epoch, pepper.place, pepper.state),
    )


def _name(me: str, place: Place, number: int) -> str:
    pair, epoch = place
    return f"{me}/pepper/{pair}/{epoch}" + ("" if number == 1 else f".{number}")


def progress(tx: Transaction) -> tuple[int, int]:
    """Of the epochs whose pepper changes: how many rows stand behind the next one too, and how many there are."""
    places = [n.of for n in named(tx) if n.state == "next"]
    counts = [Index.behind(tx, pair, epoch) for pair, epoch in places]
    return sum(done for done, _ in counts), sum(of for _, of in counts)
