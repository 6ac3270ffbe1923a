"""A file of people through the desk: each good row becomes a case, whole or not at all; each bad row is a reject.

Rows that were taken before (same organisation and record_id) are refused, so a file whose import was cut short is
simply sent again. What a row says of consents counts; the rest is what the case worker states for the whole file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from events.base import Act, AgeStatus, Role
from events.clock import Clock
from events.database import Database, Transaction
from events.errors import Refused
from events.htcds.rows import PersonRow, Reject, read_rows
from events.ids import new_id
from events.model import Country, Value
from events.person import Document, Name
from keys.persons import PersonKeys
from matching.normalise.dates import birth_date
from services.country.desk import Desk
from services.country.publications import Publications
from services.country.records import Records
from services.country.vault import Vault

CHUNK: Final = 50
"""Rows of one transaction: few enough that readers and the pump get their turn."""
_MAJORITY: Final = 18
_STANDS: Final = timedelta(days=365)


class Stated(Value):
    """What the case worker states for every row that does not say it itself.

    c4        the countries of consent C4, asked of each person; None: not asked
    guardian  the independent guardian who consents with each child; None: children without one are refused consent
    ask       ask the focal point for tokens towards every country that the person allows
    """

    c2: bool = False
    c4: frozenset[Country] | None = None
    c9: bool = False
    guardian: str | None = None
    language: str = "en"
    ask: bool = True


@dataclass(frozen=True)
class Report:
    """What became of a file."""

    cases: int
    with_identifiers: int
    asked: int
    """Publications, one a person and country, that now wait for a focal point."""
    rejects: tuple[Reject, ...]


class Importer:
    """Imports as one case worker, in their organisation."""

    def __init__(
        self,
        country: str,
        *,
        desk: Desk,
        records: Records,
        publications: Publications,
        keys: PersonKeys,
        database: Database,
        vault: Vault,
        clock: Clock,
    ) -> None:
        self._country = country
        self._desk = desk
        self._records = records
        self._publications = publications
        self._keys = keys
        self._db = database
        self._vault = vault
        self._clock = clock

    def take(self, act: Act, data: bytes, stated: Stated) -> Report:
        """Import a CSV file's bytes. Raises Refused("role_may_not"); whatever is wrong with a row is a reject."""
        if act.by.role is not Role.CASE_WORKER:
            raise Refused("role_may_not", "Only a case worker imports a file of cases.")
        rows, rejects = read_rows(data, self._clock.now().date())
        cases = with_identifiers = asked = 0
        for chunk in _chunks(rows):
            ids = [(new_id(), new_id()) for _ in chunk]
            self._keys.create(person_id for _, person_id in ids)
            with self._db.transaction() as tx:
                for row, names in zip(chunk, ids, strict=True):
                    outcome = self._row(tx, act, row, names, stated)
                    if isinstance(outcome, Reject):
                        rejects.append(outcome)
                    else:
                        cases += 1
                        with_identifiers += outcome >= 0
                        asked += max(outcome, 0)
        return Report(cases, with_identifiers, asked, tuple(sorted(rejects, key=lambda r: r.row)))

    def _row(self, tx: Transaction, act: Act, row: PersonRow, ids: tuple[UUID, UUID], stated: Stated) -> int | Reject:
        """How many publications were asked for; -1: no identifiers recorded, since consent C2 does not stand."""
        case_id, person_id = ids
        reference = self._vault.tag("record", act.by.organisation, row.reference)
        if tx.execute("SELECT 1 FROM case_references WHERE reference = ?", (reference,)):
            return Reject(row.number, "record_id", "this record was imported before")
        try:
            with tx.savepoint():
                self._desk.report_in(
                    tx,
                    act,
                    case_id,
                    person_id,
                    reported_on=act.today,
                    source="organisation",
                    age_status=_age_status(row, act.today),
                    reference=row.reference,
                )
                tx.execute("INSERT INTO case_references (reference, case_id) VALUES (?, ?)", (reference, str(case_id)))
                return self._person(tx, act, row, case_id, stated)
        except Refused as refusal:
            return Reject(row.number, "(row)", f"{refusal.code}: {refusal.sentence}")

    def _person(self, tx: Transaction, act: Act, row: PersonRow, case_id: UUID, stated: Stated) -> int:
        case = self._records.case(tx, case_id)
        answers = _answers(row, stated, self._country)
        for purpose, (given, countries) in answers.items():
            self._desk.record_consent_in(
                tx,
                act,
                case,
                purpose=purpose,
                answer="given" if given else "refused",
                scope="as on the form",
                allowed_countries=countries,
                language=stated.language,
                expires_on=act.today + _STANDS,
                **_capacity(case.age_status, stated, given=given),
            )
        if not answers.get("C2", (False, frozenset()))[0]:
            return -1
        self._desk.record_identifiers_in(
            tx,
            act,
            case,
            names=_names(row),
            birth_date=row.birth_date or None,
            documents=_documents(row),
            gender=row.gender,
            citizenships=frozenset(row.citizenships),
        )
        given, countries = answers.get("C4", (False, frozenset()))
        # She may name a country that no agreement exists with: her answer is kept, and nobody is asked for tokens.
        countries &= self._publications.partners(tx)
        return self._desk.ask_publication_in(tx, act, case, countries) if given and countries and stated.ask else 0


def _chunks(rows: Sequence[PersonRow]) -> Iterator[Sequence[PersonRow]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]


def _answers(row: PersonRow, stated: Stated, own: str) -> dict[str, tuple[bool, frozenset[str]]]:
    """(given, countries) for each purpose that was asked about."""
    answers: dict[str, tuple[bool, frozenset[str]]] = {}
    for purpose, default in (("C2", stated.c2), ("C9", stated.c9)):
        if purpose in row.given or default:
            answers[purpose] = (row.given.get(purpose, default), frozenset())
    if "C4" in row.given:
        answers["C4"] = (row.given["C4"], row.allowed_countries - {own})
    elif stated.c4 is not None:
        answers["C4"] = (True, stated.c4 - {own})
    return answers


def _age_status(row: PersonRow, today: date) -> AgeStatus:
    """A year alone makes an adult only if she is one whatever the day."""
    born = birth_date(row.birth_date)
    if not born.year:
        return "unknown"
    month, day = int(born.month or 12), int(born.day or 31)
    had_birthday = (today.month, today.day) >= (month, day)
    return "adult" if today.year - int(born.year) - (not had_birthday) >= _MAJORITY else "child"


def _capacity(age_status: AgeStatus, stated: Stated, *, given: bool) -> dict[str, object]:
    if age_status == "adult" or not given:
        return {"capacity": "adult"}
    return {"capacity": "child_assent_plus_guardian", "guardian": stated.guardian, "best_interest_ref": new_id()}


def _names(row: PersonRow) -> tuple[Name, ...]:
    forms = [("native", row.first_name, row.second_name), ("latin", row.latin_first_name, row.latin_second_name)]
    forms += [("alias", alias, "") for alias in row.aliases]
    return tuple(Name(kind=kind, first=first, second=second) for kind, first, second in forms if first or second)  # type: ignore[arg-type]


def _documents(row: PersonRow) -> tuple[Document, ...]:
    """The file has no issuer of its own: the first citizenship's country issues the document."""
    if not row.document_number:
        return ()
    return (Document(number=row.document_number, issuer=row.citizenships[0] if row.citizenships else None),)
