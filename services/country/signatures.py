"""What a first person has signed and a second has yet to: no event before both have; dropped after seven days.

What is asked for is sealed in its row: a country that a person fears is nobody's business.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID, uuid4

from events.base import Actor
from events.case import Case
from events.database import Transaction
from events.errors import Refused
from events.linkage import GrantReason
from events.model import Country, Value
from services.country.vault import Vault

SIGNED_WITHIN: Final = timedelta(days=7)
Kind = Literal["publish", "tell"]
"""Tokens to publish, or a `tell` to set."""


class Asked(Value):
    """What a first person signed."""

    country: Country
    by: Actor
    reason: GrantReason = "other"


class Waiting(Value):
    """One thing that waits for a second person."""

    id: UUID
    kind: Kind
    case_id: UUID
    person_id: UUID
    asked: Asked
    asked_at: datetime


class Signatures:
    """The list of what waits. All methods work in the caller's transaction."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def wait(self, tx: Transaction, kind: Kind, case: Case, asked: Asked, at: datetime) -> UUID:
        """Put something on the list; asked again it takes the place of what waited."""
        self.drop(tx, case.person_id, asked.country, kind)
        name = uuid4()
        tx.execute(
            "INSERT INTO awaiting (id, kind, person_id, case_id, country, box, asked_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                str(name),
                kind,
                str(case.person_id),
                str(case.case_id),
                self._vault.tag("country", asked.country),
                self._vault.shut(("awaiting", str(name)), asked),
                at.isoformat(),
            ),
        )
        return name

    def everything(self, tx: Transaction) -> list[Waiting]:
        """All that waits, oldest first."""
        return self._read(tx, "", ())

    def overdue(self, tx: Transaction, now: datetime) -> Sequence[Waiting]:
        """What nobody signed in time."""
        return self._read(tx, "WHERE asked_at < ?", ((now - SIGNED_WITHIN).isoformat(),))

    def find(self, tx: Transaction, name: UUID) -> Waiting:
        """Raises Refused("no_such_request")."""
        found = self._read(tx, "WHERE id = ?", (str(name),))
        if not found:
            raise Refused(
                "no_such_request", "Nothing of this id waits for a second person: it was signed, declined or dropped."
            )
        return found[0]

    def done(self, tx: Transaction, name: UUID) -> None:
        """It waits no more."""
        tx.execute("DELETE FROM awaiting WHERE id = ?", (str(name),))

    def drop(self, tx: Transaction, person_id: UUID, country: str, kind: Kind) -> None:
        tx.execute(
            "DELETE FROM awaiting WHERE person_id = ? AND country = ? AND kind = ?",
            (str(person_id), self._vault.tag("country", country), kind),
        )

    def _read(self, tx: Transaction, where: str, params: Sequence[object]) -> list[Waiting]:
        rows = tx.execute(
            "SELECT id, kind, case_id, person_id, box, asked_at FROM awaiting "  # noqa: S608  conditions of ours
            f"{where} ORDER BY asked_at, id",
            params,
        )
        return [
            Waiting(
                id=UUID(name),
                kind=kind,
                case_id=UUID(case_id),
                person_id=UUID(person_id),
                asked=self._vault.open(("awaiting", name), box, Asked),
                asked_at=datetime.fromisoformat(at),
            )
            for name, kind, case_id, person_id, box, at in rows
        ]
