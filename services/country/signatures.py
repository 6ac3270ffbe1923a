"""What a first person has signed and a second has yet to: no event before both have; dropped after seven days.

What is asked for is sealed in its row: a country that a person fears is nobody's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, Literal, TypeVar
from uuid import UUID, uuid4

from events.base import Actor
from events.case import Case
from events.database import Transaction
from events.errors import Refused
from events.linkage import GrantReason
from events.model import Country, Value
from services.country.vault import Vault

SIGNED_WITHIN: Final = timedelta(days=7)
Kind = Literal["publish", "tell", "not_victim", "erasure"]
"""Tokens to publish, a `tell` to set, the decision that she is no victim, or that she is to be erased."""


class Signed(Value):
    """What a first person signed. `towards`: the country that it is about, if one; asked again, it is replaced."""

    by: Actor

    @property
    def towards(self) -> str:
        return ""


class Asked(Signed):
    """Something towards a country."""

    country: Country
    reason: GrantReason = "other"

    @property
    def towards(self) -> str:
        return self.country


A = TypeVar("A", bound=Signed)


@dataclass(frozen=True)
class Waiting(Generic[A]):
    """One thing that waits for a second person."""

    id: UUID
    kind: Kind
    case_id: UUID
    person_id: UUID
    asked_at: datetime
    asked: A = field(repr=False)


class Signatures(Generic[A]):
    """The list of what waits, of some kinds. All methods work in the caller's transaction."""

    def __init__(self, vault: Vault, asked: type[A], *kinds: Kind) -> None:
        """`asked` is what stands in the rows of these kinds."""
        self._vault = vault
        self._asked = asked
        self._kinds = kinds

    def wait(self, tx: Transaction, kind: Kind, case: Case, asked: A, at: datetime) -> UUID:
        """Put something on the list; asked again it takes the place of what waited."""
        self.drop(tx, case.person_id, asked.towards, kind)
        name = uuid4()
        tx.execute(
            "INSERT INTO awaiting (id, kind, person_id, case_id, country, box, asked_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                str(name),
                kind,
                str(case.person_id),
                str(case.case_id),
                self._vault.tag_of_country(case.person_id, asked.towards),
                self._vault.shut(("awaiting", str(name)), asked),
                at.isoformat(),
            ),
        )
        return name

    def everything(self, tx: Transaction) -> list[Waiting[A]]:
        """All that waits, oldest first."""
        return self._read(tx, "", ())

    def overdue(self, tx: Transaction, now: datetime) -> Sequence[Waiting[A]]:
        """What nobody signed in time."""
        return self._read(tx, "AND asked_at < ?", ((now - SIGNED_WITHIN).isoformat(),))

    def find(self, tx: Transaction, name: UUID) -> Waiting[A]:
        """Raises Refused("no_such_request")."""
        found = self._read(tx, "AND id = ?", (str(name),))
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
            (str(person_id), self._vault.tag_of_country(person_id, country), kind),
        )

    def _read(self, tx: Transaction, condition: str, params: Sequence[object]) -> list[Waiting[A]]:
        kinds = ", ".join("?" * len(self._kinds))
        rows = tx.execute(
            "SELECT id, kind, case_id, person_id, asked_at, box FROM awaiting "  # noqa: S608  conditions of ours
            f"WHERE kind IN ({kinds}) {condition} ORDER BY asked_at, id",
            (*self._kinds, *params),
        )
        return [
            Waiting(
                id=UUID(name),
                kind=kind,
                case_id=UUID(case_id),
                person_id=UUID(person_id),
                asked_at=datetime.fromisoformat(at),
                asked=self._vault.open(("awaiting", name), box, self._asked),
            )
            for name, kind, case_id, person_id, at, box in rows
        ]


def any_overdue(tx: Transaction, now: datetime) -> bool:
    """Whether anything of any kind was not signed in time."""
    earliest = (now - SIGNED_WITHIN).isoformat()
    return bool(tx.execute("SELECT 1 FROM awaiting WHERE asked_at < ? LIMIT 1", (earliest,)))
