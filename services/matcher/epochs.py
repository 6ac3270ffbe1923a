"""Which epochs of each pair's key are in use at the matcher, what their indices stand behind, and when they go.

A row is taken in the epoch in force and in former ones that still drain; of a later one, which its country has heard of
first, it waits. Each epoch of each pair has a pepper of its own. When both countries have said that all that is out
stands in a later epoch, or the charter's overlap is over, the former one is RETIRED: a late row of it is refused, so
its country has to evaluate again, as it does by itself; its rows are dropped, page by page, once none of their handles
waits to be taken in a later one, and then its pepper is destroyed. A match that stands in a later epoch too stands on.

Nothing of this is a state to be resumed: if we crash, the rows that are left are dropped next, and a pepper that is not
destroyed yet is. A database put back to a backup hears the countries' words again, from streams begun anew.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from events import epochs as introduced
from events.charter import Charter
from events.clock import Clock
from events.database import Database, Transaction
from events.directory import Directory
from events.epochs import InForce
from events.messages import EpochClosed, Submission
from events.model import countries_of
from keys import epochs
from matching.index import Index
from services.matcher.peppers import Peppers

log = structlog.get_logger()

TABLES: Final = (
    # the epoch below which a country has nothing out
    """CREATE TABLE IF NOT EXISTS matcher_closed (
        country TEXT NOT NULL, pair TEXT NOT NULL, epoch BIGINT NOT NULL, PRIMARY KEY (country, pair))""",
    # since when the matcher has known that an epoch is in force
    """CREATE TABLE IF NOT EXISTS matcher_epochs (
        pair TEXT NOT NULL, epoch BIGINT NOT NULL, since TEXT NOT NULL, PRIMARY KEY (pair, epoch))""",
)


class Epochs:
    """`check` and `close` work in the caller's transaction; `step` is called in the matcher's round."""

    def __init__(
        self,
        charter: Charter,
        *,
        directory: Directory,
        peppers: Peppers,
        index: Index,
        database: Database,
        clock: Clock,
    ) -> None:
        self._charter = charter
        self._directory = directory
        self._peppers = peppers
        self._index = index
        self._db = database
        self._clock = clock
        self._noted: set[tuple[str, int]] = set()
        self._after: dict[tuple[str, int], str] = {}

    # ---- what comes

    def refusal(self, tx: Transaction, sent: Submission) -> str | None:
        """Why a row of an agreed pair is not taken for its epoch; None: it is, now or when its epoch is in use."""
        in_force = self._directory.epoch(sent.pair, tx)
        newest = in_force.number if in_force else self._charter.matching_epoch
        if newest < sent.epoch < self._charter.matching_epoch + epochs.MOST:
            return None
        if in_force is None and sent.epoch == newest:  # rows come before shares are read
            schema: int | None = self._charter.schema_version
        else:
            schema = self._directory.schema_of(tx, sent.pair, sent.epoch)
        if schema is None or sent.epoch > newest:
            return "unknown_epoch"
        if self._is_retired(tx, sent.pair, sent.epoch, in_force) or self._peppers.is_past(sent.pair, sent.epoch):
            return "retired_epoch"
        return None if sent.schema_version == schema else "unknown_schema"

    def is_in_use(self, pair: str, epoch: int) -> bool:
        """Whether rows of an epoch are taken now. Of one that is not yet they wait: `keys.*` may tell of it soon."""
        return self._peppers.current(pair, epoch) is not None

    def newest(self, pair: str) -> int:
        """The newest epoch that is in use; 0: none is."""
        return max((epoch for of, epoch in self._peppers.places if of == pair), default=0)

    def close(self, tx: Transaction, country: str, said: EpochClosed) -> bool:
        """A country has nothing out below an epoch. Returns whether it may say so."""
        if said.pair not in self._charter.pairs_of(country):
            return False
        tx.execute(
            "INSERT INTO matcher_closed VALUES (?, ?, ?) ON CONFLICT (country, pair) DO UPDATE SET epoch ="
            " CASE WHEN excluded.epoch > matcher_closed.epoch THEN excluded.epoch ELSE matcher_closed.epoch END",
            (country, said.pair, said.epoch),
        )
        return True

    # ---- what goes

    def step(self) -> int:
        """Make the pepper of an epoch that has come into use; drop a page of rows of a retired one, or its pepper.

        Returns of how many pairs.
        """
        with self._db.reading() as tx:
            ended = self._directory.ended(tx)
            standing = [pair for pair in self._charter.pairs if pair not in ended]
            in_force = {pair: self._directory.epoch(pair, tx) for pair in standing}
        over = [place for place in self._peppers.places if place[0] in ended]
        for place in over:  # its rows are dropped by then (services.matcher.endings)
            self._drop(*place)
        return len(over) + sum(self._step(pair, epoch) for pair, epoch in in_force.items() if epoch)

    def _step(self, pair: str, in_force: InForce) -> bool:
        if (pair, in_force.number) not in self._noted:
            self._note(pair, in_force.number)
            self._begin(pair, in_force)
            self._noted.add((pair, in_force.number))  # last: a pepper that was not to be had is tried for again
            return True
        former = [epoch for of, epoch in self._peppers.places if of == pair and epoch < in_force.number]
        if not former:
            return False
        with self._db.reading() as tx:
            if not self._is_retired(tx, pair, former[0], in_force) or _waits(tx, pair, former[0], in_force.number):
                return False
        self._drop(pair, former[0])
        return True

    def _begin(self, pair: str, in_force: InForce) -> None:
        """Every epoch that is in force or drains has a pepper. If we crash before, it is looked at at the start."""
        with self._db.reading() as tx:
            used = [
                epoch.number
                for epoch in introduced.known(tx, pair)
                if epoch.number <= in_force.number
                and epoch.schema(self._charter.holders_of(pair)) is not None
                and not self._is_retired(tx, pair, epoch.number, in_force)
            ]
        for number in used:
            self._peppers.begin((pair, number))

    def _note(self, pair: str, epoch: int) -> None:
        """Note when an epoch was first seen in force; again changes nothing."""
        with self._db.transaction() as tx:
            row = (pair, epoch, self._clock.now().isoformat())
            tx.execute("INSERT INTO matcher_epochs VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row)

    def _drop(self, pair: str, epoch: int) -> None:
        with self._db.transaction() as tx:
            after = self._index.retire(tx, pair, epoch, after=self._after.get((pair, epoch), ""))
            if after is None:
                tx.execute("DELETE FROM matcher_taken WHERE pair = ? AND epoch = ?", (pair, epoch))
                self._peppers.retire(tx, (pair, epoch))
        if after is not None:
            self._after[pair, epoch] = after
            return
        self._peppers.reload()
        log.info("epoch.destroyed", pair=pair, epoch=epoch)

    def _is_retired(self, tx: Transaction, pair: str, epoch: int, in_force: InForce | None) -> bool:
        if in_force is None or epoch >= in_force.number:
            return False
        rows = tx.execute("SELECT MIN(since) FROM matcher_epochs WHERE pair = ? AND epoch > ?", (pair, epoch))
        return epochs.is_over(
            countries_of(pair), self._closed(tx, pair), epoch,
            since=datetime.fromisoformat(rows[0][0]) if rows[0][0] else None,
            now=self._clock.now(), overlap=timedelta(days=self._charter.renew_overlap_days),
        )  # fmt: skip

    @staticmethod
    def _closed(tx: Transaction, pair: str) -> Mapping[str, int]:
        return dict(tx.execute("SELECT country, epoch FROM matcher_closed WHERE pair = ?", (pair,)))


def _waits(tx: Transaction, pair: str, former: int, in_force: int) -> bool:
    """Whether rows that stand in a former epoch wait to be taken in a later one: they would stand nowhere meanwhile."""
    return bool(
        tx.execute(
            "SELECT 1 FROM matcher_deferred d WHERE d.pair = ? AND d.epoch > ? AND d.epoch <= ?"
            " AND EXISTS (SELECT 1 FROM slots s WHERE s.handle = d.handle AND s.epoch = ?) LIMIT 1",
            (pair, former, in_force, former),
        )
    )
