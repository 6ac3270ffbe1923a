"""Agreements that ended: what a country's node still has of a pair goes, and its focal points are told.

Its shares are destroyed, so nothing can be made any more. Open batches are dropped; whatever was asked, approved or
under way towards that country is over, and says why; tokens that are out are revoked here, and their matches close.
Nothing of it leaves: the matcher drops the pair by itself, and a burst of revocations would tell everybody how many
people there were. What this side was told stays told.

People are looked at a page at a time, and how far stands in the page's own transaction: a node that is killed goes on.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from events import person as persons
from events.base import NODE, Act, Purpose
from events.clock import Clock
from events.database import Database, Transaction
from events.directory import Directory
from events.endings import Ended
from events.model import countries_of, other_country
from services.country import batches
from services.country.publications import Publications
from services.country.records import Records

log = structlog.get_logger()

TABLES: Final = (
    # epoch: with which the agreement began. said_by, reason: '' and charter, where all members ended it
    # after: the last person that was looked at; done: 0 | 1
    """CREATE TABLE IF NOT EXISTS ended_agreements (pair TEXT NOT NULL, epoch BIGINT NOT NULL, at TEXT NOT NULL,
       said_by TEXT NOT NULL, reason TEXT NOT NULL, after TEXT NOT NULL, done BIGINT NOT NULL,
       PRIMARY KEY (pair, epoch))""",
)
_PAGE: Final = 100
"""People that are looked at in one transaction."""


@dataclass(frozen=True)
class EndedAgreement:
    """What focal points read. `at`: when a holder said so, or else when this node heard of it."""

    pair: str
    at: datetime
    said_by: str
    reason: str
    is_done: bool


class Endings:
    """Of one node. `step` is called in its round."""

    def __init__(
        self, country: str, *, database: Database, directory: Directory, records: Records, publications: Publications,
        clock: Clock,
    ) -> None:
        self._country = country
        self._db = database
        self._directory = directory
        self._records = records
        self._publications = publications
        self._clock = clock

    def step(self) -> int:
        """One page of each agreement of ours that ended. Returns how many pages."""
        with self._db.reading() as tx:
            ended = {p: one for p, one in self._directory.ended(tx).items() if self._country in countries_of(p)}
            due = [one for pair, one in ended.items() if not self._is_done(tx, pair)]
        for one in due:
            with self._db.transaction() as tx:
                self._drop(tx, one)
        return len(due)

    def listed(self, tx: Transaction) -> list[EndedAgreement]:
        """All that ended, the newest first."""
        rows = tx.execute("SELECT pair, at, said_by, reason, done FROM ended_agreements ORDER BY at DESC, pair")
        return [EndedAgreement(p, datetime.fromisoformat(at), who, why, bool(done)) for p, at, who, why, done in rows]

    # ---- within

    def _is_done(self, tx: Transaction, pair: str) -> bool:
        rows = tx.execute(
            "SELECT done FROM ended_agreements WHERE pair = ? AND epoch = ?", (pair, self._directory.agreed_from(pair))
        )
        return bool(rows and rows[0][0])

    def _drop(self, tx: Transaction, ended: Ended) -> None:
        pair = ended.pair
        place = (pair, self._directory.agreed_from(pair))
        first = ended.said[0] if ended.said else None
        at, who, why = (first.at, first.holder, first.reason) if first else (self._clock.now(), "", "charter")
        tx.execute(
            "INSERT INTO ended_agreements VALUES (?, ?, ?, ?, ?, '', 0) ON CONFLICT DO NOTHING",
            (*place, at.isoformat(), who, why),
        )
        batches.forget_pair(tx, pair)
        ((after,),) = tx.execute("SELECT after FROM ended_agreements WHERE pair = ? AND epoch = ?", place)
        people = self._publications.people(tx, after, _PAGE)
        for person_id in people:
            self._end(tx, person_id, other_country(pair, self._country))
        tx.execute(
            "UPDATE ended_agreements SET after = ?, done = ? WHERE pair = ? AND epoch = ?",
            (str(people[-1]) if people else after, int(len(people) < _PAGE), *place),
        )
        if len(people) < _PAGE:
            log.warning("agreement.over", pair=pair, holder=who, reason=why)

    def _end(self, tx: Transaction, person_id: UUID, country: str) -> None:
        if self._publications.end_agreement(tx, person_id, country):
            act = Act(at=self._clock.now(), by=NODE, purpose=Purpose.UPKEEP)
            person = self._records.person(tx, person_id)
            revoked = persons.decide_revoke_tokens(person, act, reason="agreement_ended", country=country)
            self._records.save(tx, revoked)
