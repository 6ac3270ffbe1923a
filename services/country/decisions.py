"""That a person is no victim takes two officials: the first asks, the second signs, within seven days.

Until then it is no event; it stands sealed in its row, since the reason is about her. Whatever is recorded of her
identification meanwhile ends what waits (services.country.projection): who asked did not know of it.
"""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from events.base import Act, Actor, Event, Language, Role, Text
from events.case import Case, DecidingBody, decide_not_identify
from events.database import Transaction
from services.country.records import Records
from services.country.signatures import Signatures, Signed
from services.country.vault import Vault

_WHOEVER_SIGNS: Final = Actor(staff="whoever will sign", organisation="any", role=Role.IDENTIFICATION_AUTHORITY)


class NotVictim(Signed):
    """What the first official signed."""

    decided_by: DecidingBody
    decided_on: date
    reason: Text
    informed_in: Language
    review_until: date


class Decisions:
    """All methods work in the caller's transaction."""

    def __init__(self, records: Records, vault: Vault) -> None:
        self._records = records
        self.signatures = Signatures(vault, NotVictim, "not_victim")

    def ask(self, tx: Transaction, act: Act, case: Case, **fields: Any) -> UUID:
        """The first official asks. What no second one could sign is refused at once, with the domain's code."""
        _decided(case, act, act.by, _WHOEVER_SIGNS, fields)
        return self.signatures.wait(tx, "not_victim", case, NotVictim(by=act.by, **fields), act.at)

    def sign(self, tx: Transaction, act: Act, name: UUID) -> None:
        """The second official signs, and it waits no more. Raises Refused: no_such_request, and as the domain does."""
        waiting = self.signatures.find(tx, name)
        asked, case = waiting.asked, self._records.case(tx, waiting.case_id)
        fields = {name: value for name, value in asked if name != "by"}
        self._records.save(tx, _decided(case, act, asked.by, act.by, fields))

    def decline(self, tx: Transaction, name: UUID) -> None:
        """The second official does not sign."""
        self.signatures.done(tx, self.signatures.find(tx, name).id)

    def drop_unsigned(self, tx: Transaction, now: datetime) -> None:
        for waiting in self.signatures.overdue(tx, now):
            self.signatures.done(tx, waiting.id)


def _decided(case: Case, act: Act, by: Actor, second_by: Actor, fields: dict[str, Any]) -> list[Event]:
    return decide_not_identify(case, act.model_copy(update={"by": by, "second_by": second_by}), **fields)
