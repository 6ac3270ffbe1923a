"""An erasure takes two people: the data protection officer asks, a key custodian signs, within seven days.

The events come first, in one transaction with everything that goes from the node's own tables; then the key is
destroyed. If we crash in between, `finish` destroys it on the next round. It looks at every erased person again when
the node starts: a backup of the keys that was put back gives nobody back who was erased since.

The officer names a case, which tells this desk nothing of whom it is about; the custodian sees no more than that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from events.base import Act, Actor, Event, Role
from events.database import Database, Transaction
from events.erasure import decide_erase
from events.errors import Refused
from events.person import ErasureBasis
from keys.erasure import Farewell, farewell
from keys.persons import PersonKeys
from services.country.records import Records
from services.country.signatures import Signatures, Signed, Waiting
from services.country.vault import Vault

_WHOEVER_SIGNS: Final = Actor(staff="whoever will sign", organisation="any", role=Role.KEY_CUSTODIAN)
_NOT_YET: Final = Farewell(bytes(32), bytes(32))


class ErasureAsked(Signed):
    """What the data protection officer signed."""

    basis: ErasureBasis


class Erasures:
    """Methods may be called from several threads. Each raises Refused, with the domain's code."""

    def __init__(self, database: Database, records: Records, vault: Vault, keys: PersonKeys) -> None:
        self._db = database
        self._records = records
        self._keys = keys
        self._signatures = Signatures(vault, ErasureAsked, "erasure")

    def ask(self, act: Act, case_id: UUID, basis: ErasureBasis) -> None:
        """The officer asks. What no custodian could sign is refused at once."""
        asked = ErasureAsked(by=act.by, basis=basis)
        with self._db.transaction() as tx:
            case = self._records.case(tx, case_id)
            self._decide(tx, act, case.person_id, asked, _WHOEVER_SIGNS, _NOT_YET)
            self._signatures.wait(tx, "erasure", case, asked, act.at)

    def waiting(self) -> list[Waiting[ErasureAsked]]:
        """All that waits for a custodian, oldest first."""
        with self._db.reading() as tx:
            return self._signatures.everything(tx)

    def sign(self, act: Act, name: UUID) -> None:
        """The custodian signs: she is erased."""
        with self._db.transaction() as tx:
            waiting = self._signatures.find(tx, name)
            key = self._keys.get(waiting.person_id)
            if key is None:
                raise Refused("person_key_missing", "This person has no key any more: there is nothing to destroy.")
            last = farewell(key, waiting.person_id, act.at)
            self._records.save(tx, self._decide(tx, act, waiting.person_id, waiting.asked, act.by, last))
        self.finish()

    def decline(self, name: UUID) -> None:
        """Whoever may sign does not, or the officer thinks better of it."""
        with self._db.transaction() as tx:
            self._signatures.done(tx, self._signatures.find(tx, name).id)

    def drop_unsigned(self, tx: Transaction, now: datetime) -> None:
        for waiting in self._signatures.overdue(tx, now):
            self._signatures.done(tx, waiting.id)

    def finish(self, *, all_of_them: bool = False) -> int:
        """Destroy the keys of those who are erased. Returns how many people were looked at.

        all_of_them  those too whose keys were destroyed before: a backup may have brought them back
        """
        with self._db.reading() as tx:
            people = _erased(tx, all_of_them=all_of_them)
        for person_id in people:
            if self._keys.get(person_id) is not None:
                self._keys.destroy(person_id)
        if people:
            with self._db.transaction() as tx:
                done = "UPDATE erased SET is_destroyed = 1 WHERE person_id = ?"
                tx.executemany(done, [(str(person_id),) for person_id in people])
        return len(people)

    def _decide(
        self, tx: Transaction, act: Act, person_id: UUID, asked: ErasureAsked, second_by: Actor, last: Farewell
    ) -> list[Event]:
        person, consents = self._records.person(tx, person_id), self._records.consents(tx, person_id)
        signed = act.model_copy(update={"by": asked.by, "second_by": second_by})
        return decide_erase(person, consents, signed, person_id=person_id, basis=asked.basis, farewell=last)


def _erased(tx: Transaction, *, all_of_them: bool) -> Sequence[UUID]:
    rows = tx.execute("SELECT person_id FROM erased WHERE is_destroyed <= ?", (int(all_of_them),))
    return [UUID(person_id) for (person_id,) in rows]
