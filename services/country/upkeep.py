"""What time does: consents lapse, grants become holds, tokens and matches end. The node's own acts, never a `tell`.

Whom to look at stands in the table `due`. A date that has passed is looked at once; what it brings is an event like any
other. If we crash before the row goes, it is looked at again, and nothing happens twice. Keys of people who were erased
are destroyed here too, if a crash came before.
"""

from datetime import datetime
from uuid import UUID

from events import consent as consents
from events import match as matches
from events import person as persons
from events.base import NODE, Act, Purpose
from events.clock import Clock
from events.database import Database, Transaction
from events.publication import decide_expire_grants
from services.country.decisions import Decisions
from services.country.erasures import Erasures
from services.country.publications import Publications
from services.country.records import Records
from services.country.signatures import any_overdue


class Upkeep:
    def __init__(
        self,
        database: Database,
        records: Records,
        publications: Publications,
        decisions: Decisions,
        erasures: Erasures,
        clock: Clock,
    ) -> None:
        self._db = database
        self._records = records
        self._publications = publications
        self._decisions = decisions
        self._erasures = erasures
        self._clock = clock

    def run(self, limit: int = 100) -> int:
        """Look at people whose time has come, at most `limit`; destroy keys that are over. Returns how many."""
        now = self._clock.now()
        with self._db.reading() as tx:
            rows = tx.execute("SELECT DISTINCT person_id FROM due WHERE at <= ? LIMIT ?", (now.isoformat(), limit))
            unsigned = any_overdue(tx, now)
        for (person_id,) in rows:
            with self._db.transaction() as tx:
                self._look(tx, UUID(person_id), now)
                tx.execute("DELETE FROM due WHERE person_id = ? AND at <= ?", (person_id, now.isoformat()))
        if unsigned:
            with self._db.transaction() as tx:
                self._publications.drop_unsigned(tx, now)
                self._decisions.drop_unsigned(tx, now)
                self._erasures.drop_unsigned(tx, now)
        return len(rows) + self._erasures.finish()

    def _look(self, tx: Transaction, person_id: UUID, now: datetime) -> None:
        act = Act(at=now, by=NODE, purpose=Purpose.UPKEEP)
        ledger = self._records.consents(tx, person_id)
        self._records.save(tx, consents.decide_lapse_consents(ledger, act))
        ledger = self._records.consents(tx, person_id)
        self._records.save(tx, persons.decide_follow_consents(self._records.person(tx, person_id), ledger, act))
        allowed = ledger.allowed_countries(now) if ledger.stands("C2", now) else frozenset()
        self._publications.follow_consents(tx, person_id, allowed)
        self._records.save(tx, persons.decide_expire_tokens(self._records.person(tx, person_id), act))
        self._records.save(tx, decide_expire_grants(self._records.person(tx, person_id), act))
        for (match_id,) in tx.execute(
            "SELECT match_id FROM matches WHERE person_id = ? AND state <> 'CLOSED'", (str(person_id),)
        ):
            match = self._records.match(tx, UUID(match_id))
            if match is not None:
                self._records.save(tx, matches.decide_lapse_match(match, act))
