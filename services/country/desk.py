"""The desk: what people command. Load, ask the domain to decide, save; every act bears who did it, in which role.

A refusal is events.errors.Refused and changes nothing. Nothing here decides: the rules stand in `events`. What a
command needs from several aggregates is loaded and saved in one transaction.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from events import case as cases
from events import consent as consents
from events import match as match_events
from events import person as persons
from events.access import AccessLog, Basis, access_stream, decide_log_access
from events.base import Act, Role
from events.case import Case, require_owner
from events.charter import Charter
from events.database import Database, Transaction
from events.errors import Refused
from events.ids import new_id
from events.linkage import GrantReason, Linkage
from events.messages import Grant
from events.store import EventStore
from keys.persons import PersonKeys
from services.country.decisions import Decisions, NotVictim
from services.country.publications import Publications
from services.country.records import Records
from services.country.signatures import Asked, Waiting

_CASE_ROLES = (Role.CASE_WORKER, Role.SUPERVISOR, Role.FIRST_RESPONDER)


@dataclass(frozen=True)
class CaseFile:
    """What is shown of one case to somebody with a ground to see it."""

    case: Case
    consents: consents.Consents
    person: persons.Person = field(repr=False)
    publications: Sequence[tuple[str, str, str]]
    """(country, state, reason)."""


@dataclass(frozen=True)
class CaseRow:
    case_id: UUID
    owner_org: str
    state: str
    identification: str
    reported_on: date


@dataclass(frozen=True)
class MatchRow:
    """A match that this side was told, with our own side's grant and file reference."""

    match: match_events.Match
    case_id: UUID
    reference: str | None = field(repr=False)
    own: Linkage | None = None


class Desk:
    """One node's commands and readings. Methods may be called from several threads."""

    def __init__(
        self,
        charter: Charter,
        *,
        database: Database,
        store: EventStore,
        records: Records,
        publications: Publications,
        decisions: Decisions,
        keys: PersonKeys,
    ) -> None:
        self._charter = charter
        self._db = database
        self._store = store
        self._records = records
        self._publications = publications
        self._decisions = decisions
        self._keys = keys

    # ---- the case

    def report(self, act: Act, **fields: Any) -> tuple[UUID, UUID]:
        """Open a case of the acting organisation. Returns (case id, person id).

        The person's key is made first: if we crash in between there is a key too many, never an unreadable event.
        """
        case_id, person_id = new_id(), new_id()
        self._keys.create([person_id])
        with self._db.transaction() as tx:
            self.report_in(tx, act, case_id, person_id, **fields)
        return case_id, person_id

    def report_in(self, tx: Transaction, act: Act, case_id: UUID, person_id: UUID, **fields: Any) -> None:
        """The same, inside a transaction: the caller has made the person's key."""
        self._records.save(
            tx, cases.decide_report(act, case_id=case_id, person_id=person_id, owner_org=act.by.organisation, **fields)
        )

    def screen(self, act: Act, case_id: UUID, **fields: Any) -> None:
        with self._db.transaction() as tx:
            case = self._records.case(tx, case_id)
            ledger = self._records.consents(tx, case.person_id)
            self._records.save(tx, cases.decide_screen(case, ledger, act, **fields))

    def identify(self, act: Act, case_id: UUID, **fields: Any) -> None:
        with self._db.transaction() as tx:
            self._records.save(tx, cases.decide_identify(self._records.case(tx, case_id), act, **fields))

    def ask_not_identify(self, act: Act, case_id: UUID, **fields: Any) -> None:
        """An official asks that she be called no victim. A second official must sign."""
        with self._db.transaction() as tx:
            self._decisions.ask(tx, act, self._records.case(tx, case_id), **fields)

    def sign_decision(self, act: Act, name: UUID) -> None:
        """The second official signs that she is no victim."""
        with self._db.transaction() as tx:
            self._decisions.sign(tx, act, name)

    def decline_decision(self, act: Act, name: UUID) -> None:
        _require_role(act, Role.IDENTIFICATION_AUTHORITY)
        with self._db.transaction() as tx:
            self._decisions.decline(tx, name)

    def decisions(self, act: Act) -> list[tuple[Waiting[NotVictim], str | None]]:
        """What waits for a second official, with the file reference of whom it is about: a reading, and logged."""
        _require_role(act, Role.IDENTIFICATION_AUTHORITY)
        with self._db.transaction() as tx:
            waiting = self._decisions.signatures.everything(tx)
            known = self._references(tx, act, {w.case_id for w in waiting}, frozenset({"reference", "decision"}))
            return [(w, known[w.case_id]) for w in waiting]

    def close(self, act: Act, case_id: UUID, **fields: Any) -> None:
        with self._db.transaction() as tx:
            self._records.save(tx, cases.decide_close(self._records.case(tx, case_id), act, **fields))

    # ---- the person

    def record_identifiers(self, act: Act, case_id: UUID, **fields: Any) -> None:
        with self._db.transaction() as tx:
            self.record_identifiers_in(tx, act, self._own_case(tx, act, case_id), **fields)

    def record_identifiers_in(self, tx: Transaction, act: Act, case: Case, **fields: Any) -> None:
        person, ledger = self._records.person(tx, case.person_id), self._records.consents(tx, case.person_id)
        events = persons.decide_record_identifiers(person, ledger, act, person_id=case.person_id, **fields)
        self._records.save(tx, events)
        if events:
            self._publications.void(tx, case.person_id)

    def record_consent(self, act: Act, case_id: UUID, **fields: Any) -> None:
        with self._db.transaction() as tx:
            self.record_consent_in(tx, act, self._own_case(tx, act, case_id), **fields)

    def record_consent_in(self, tx: Transaction, act: Act, case: Case, **fields: Any) -> None:
        """Tokens that the new answer no longer covers go in the same transaction."""
        ledger = self._records.consents(tx, case.person_id)
        self._records.save(
            tx,
            consents.decide_record_consent(
                ledger, act, person_id=case.person_id, age_status=case.age_status, consent_id=new_id(), **fields
            ),
        )
        self._follow_consents(tx, act, case.person_id)

    def withdraw_consent(self, act: Act, case_id: UUID, **fields: Any) -> None:
        """Anybody she can reach records it: no organisation is asked for."""
        with self._db.transaction() as tx:
            case = self._records.case(tx, case_id)
            ledger = self._records.consents(tx, case.person_id)
            self._records.save(tx, consents.decide_withdraw_consent(ledger, act, **fields))
            self._follow_consents(tx, act, case.person_id)

    def _follow_consents(self, tx: Transaction, act: Act, person_id: UUID) -> None:
        ledger, person = self._records.consents(tx, person_id), self._records.person(tx, person_id)
        self._records.save(tx, persons.decide_follow_consents(person, ledger, act))
        allowed = ledger.allowed_countries(act.at) if ledger.stands("C2", act.at) else frozenset()
        self._publications.follow_consents(tx, person_id, allowed)

    # ---- publication and grants

    def ask_publication(self, act: Act, case_id: UUID, countries: Collection[str]) -> int:
        """The case worker asks for tokens; returns how many countries now wait for a focal point."""
        with self._db.transaction() as tx:
            return self.ask_publication_in(tx, act, self._own_case(tx, act, case_id), countries)

    def ask_publication_in(self, tx: Transaction, act: Act, case: Case, countries: Collection[str]) -> int:
        _require_role(act, Role.CASE_WORKER)
        return len(self._publications.ask(tx, act, case, sorted(countries)))

    def sign(self, act: Act, signed: Sequence[tuple[UUID, Grant]]) -> None:
        """A second person signs what waits. All of it, or none."""
        _require_role(act, Role.TRM_FOCAL_POINT)
        with self._db.transaction() as tx:
            for name, grant in signed:
                self._publications.sign(tx, act, name, grant)

    def decline(self, act: Act, names: Sequence[UUID]) -> None:
        _require_role(act, Role.TRM_FOCAL_POINT)
        with self._db.transaction() as tx:
            for name in names:
                self._publications.decline(tx, name)

    def set_grant(self, act: Act, case_id: UUID, country: str, grant: Grant, reason: GrantReason) -> bool:
        """A `hold` is set at once. A `tell` waits for a second person. Returns whether it is set."""
        _require_role(act, Role.TRM_FOCAL_POINT)
        with self._db.transaction() as tx:
            case = self._records.case(tx, case_id)
            if grant == "tell":
                self._publications.ask_tell(tx, act, case, country, reason)
                return False
            self._publications.set_grant(tx, act, case.person_id, country, grant, reason)
            return True

    def revoke(self, act: Act, case_id: UUID, country: str | None) -> None:
        """Pull tokens out at once, for one country or all, because it has become unsafe. No second person is needed."""
        _require_role(act, Role.TRM_FOCAL_POINT, Role.CASE_WORKER)
        with self._db.transaction() as tx:
            case = self._records.case(tx, case_id)
            require_owner(case, act)
            person = self._records.person(tx, case.person_id)
            self._records.save(tx, persons.decide_revoke_tokens(person, act, reason="unsafe", country=country))
            self._publications.pull(tx, case.person_id, country)

    # ---- matches

    def close_match(self, act: Act, match_ref: str, reason: match_events.ClosingReason) -> None:
        _require_role(act, Role.TRM_FOCAL_POINT)
        with self._db.transaction() as tx:
            self._records.save(tx, match_events.decide_close_match(self._match(tx, match_ref), act, reason=reason))

    def matches(self, act: Act) -> list[MatchRow]:
        """Every match that this side was told. What is shown of each person is logged as a reading."""
        _require_role(act, Role.TRM_FOCAL_POINT)
        with self._db.transaction() as tx:
            rows = tx.execute("SELECT match_id FROM matches ORDER BY told_at DESC, match_ref")
            found = [self._match_row(tx, UUID(row[0])) for row in rows]
            self._log(tx, act, [r.match.person_id for r in found], frozenset({"reference", "match"}), "desk")
            return found

    def match(self, act: Act, match_ref: str) -> MatchRow:
        """One match. Raises Refused("no_such_match")."""
        _require_role(act, Role.TRM_FOCAL_POINT)
        with self._db.transaction() as tx:
            row = self._match_row(tx, self._match(tx, match_ref).match_id)
            self._log(tx, act, [row.match.person_id], frozenset({"reference", "match"}), "desk")
            return row

    def _match(self, tx: Transaction, match_ref: str) -> match_events.Match:
        rows = tx.execute("SELECT match_id FROM matches WHERE match_ref = ?", (match_ref,))
        match = self._records.match(tx, UUID(rows[0][0])) if rows else None
        if match is None:
            raise Refused("no_such_match", "This side was told of no match of this reference.")
        return match

    def _match_row(self, tx: Transaction, match_id: UUID) -> MatchRow:
        match = self._records.match(tx, match_id)
        if match is None:
            raise Refused("no_such_match", "This side was told of no match of this reference.")
        case = self._records.case_of(tx, match.person_id)
        own = self._records.person(tx, match.person_id).by_handle.get(match.handle)
        return MatchRow(match, case.case_id, case.reference, own)

    # ---- reading

    def cases(self, act: Act, limit: int = 200) -> list[CaseRow]:
        """The newest cases of the acting organisation: no personal field, so no reading of a person."""
        _require_role(act, *_CASE_ROLES)
        with self._db.reading() as tx:
            rows = tx.execute(
                "SELECT case_id, owner_org, state, identification, reported_on FROM cases WHERE owner_org = ?"
                " ORDER BY reported_on DESC, case_id LIMIT ?",
                (act.by.organisation, limit),
            )
        return [CaseRow(UUID(c), org, state, ident, date.fromisoformat(on)) for c, org, state, ident, on in rows]

    def read_case(self, act: Act, case_id: UUID) -> CaseFile:
        """One case whole, for those who work on it. Shown or refused, it is logged."""
        try:
            with self._db.transaction() as tx:
                case = self._own_case(tx, act, case_id)
                self._log(tx, act, [case.person_id], frozenset({"case", "consents", "identifiers"}), "owner")
                return CaseFile(
                    case,
                    self._records.consents(tx, case.person_id),
                    self._records.person(tx, case.person_id),
                    self._publications.of_person(tx, act, case.person_id),
                )
        except Refused as refusal:
            if refusal.code in {"other_organisation", "not_reporter"}:
                self._log_refusal(act, case_id)
            raise

    def awaiting(self, act: Act) -> list[tuple[Waiting[Asked], str | None]]:
        """What waits for a second person, with the file reference of whom it is about: a reading, and logged."""
        _require_role(act, Role.TRM_FOCAL_POINT)
        with self._db.transaction() as tx:
            waiting = self._publications.signatures.everything(tx)
            known = self._references(tx, act, {w.case_id for w in waiting}, frozenset({"reference"}))
            return [(w, known[w.case_id]) for w in waiting]

    def _references(
        self, tx: Transaction, act: Act, case_ids: Iterable[UUID], fields: frozenset[str]
    ) -> dict[UUID, str | None]:
        """The file references of these cases, shown beside `fields` to a desk: one reading each."""
        known = {case_id: self._records.case(tx, case_id) for case_id in case_ids}
        self._log(tx, act, [case.person_id for case in known.values()], fields, "desk")
        return {case_id: case.reference for case_id, case in known.items()}

    def _own_case(self, tx: Transaction, act: Act, case_id: UUID) -> Case:
        _require_role(act, *_CASE_ROLES)
        case = self._records.case(tx, case_id)
        require_owner(case, act)
        return case

    def _log_refusal(self, act: Act, case_id: UUID) -> None:
        with self._db.transaction() as tx:
            case = self._records.case(tx, case_id)
            self._log(tx, act, [case.person_id], frozenset({"case"}), "none")

    def _log(self, tx: Transaction, act: Act, people: Sequence[UUID], fields: frozenset[str], basis: Basis) -> None:
        log = AccessLog(act.by.organisation, self._store.version(access_stream(act.by.organisation), tx))
        for person_id in people:
            self._records.save(
                tx,
                decide_log_access(
                    log,
                    act,
                    person_id=person_id,
                    fields=fields,
                    outcome="refused" if basis == "none" else "shown",
                    basis=basis,
                ),
            )
            log = AccessLog(log.organisation, log.seq + 1)


def _require_role(act: Act, *roles: Role) -> None:
    if act.by.role not in roles:
        raise Refused(
            "role_may_not",
            f"The role {act.by.role.words} may not do this. Roles that may: "
            f"{', '.join(sorted(r.words for r in roles))}.",
        )
