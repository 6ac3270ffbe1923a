"""Where each person's tokens stand, country by country: asked, approved, working, published; or refused and why.

Two people publish: the case worker who recorded consent C4 asks, a focal point approves and sets the grant. What the
first has signed waits here and is no event; unsigned after seven days it is dropped.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal
from uuid import UUID, uuid4

from events.base import Act, Actor, Event, Purpose
from events.case import Case
from events.charter import Charter
from events.clock import Clock
from events.consent import Consents
from events.database import Transaction
from events.errors import Refused
from events.ids import new_handle
from events.linkage import GrantReason
from events.messages import Grant
from events.model import Country, Value
from events.person import Person
from events.publication import decide_publish_tokens, decide_set_grant
from matching.policy import Deny, Publication, may_publish
from services.country.records import Records
from services.country.vault import Vault

SIGNED_WITHIN: Final = timedelta(days=7)
_HOLD_REVIEW: Final = timedelta(days=30)
_LIVE: Final = ("asked", "approved", "working", "published")

WHY: Final = {
    "not_your_pair": "A country is not matched with itself.",
    "pair_not_agreed": "The charter has no agreement between the two countries.",
    "no_identifiers": "No identifiers are held to make tokens of.",
    "keeping_not_consented": "Consent C2 (keeping identifying data) does not stand.",
    "matching_not_consented": "Consent C4 (matching) does not stand.",
    "country_not_allowed": "The person's consent C4 does not name this country.",
    "country_unsafe": "The newest risk assessment calls this country unsafe.",
    "not_approved": "No focal point has approved.",
    "asked_by_another": "The case worker who asks must be the one who recorded consent C4.",
    "approved_by_the_same": "Nobody approves what they asked for.",
}


class Approved(Value):
    """What two people signed: sealed in the publication's row until its tokens are made."""

    country: Country
    asked_by: Actor
    approved_by: Actor | None = None
    grant: Grant = "hold"


class Asked(Value):
    """What a first person signed, sealed in its row until a second one does."""

    country: Country
    by: Actor
    grant: Grant | None = None
    reason: GrantReason = "other"


class Waiting(Value):
    """One thing that waits for a second person: tokens to publish, or a `tell` to set."""

    id: UUID
    kind: Literal["publish", "tell"]
    case_id: UUID
    asked: Asked
    asked_at: datetime


class Publications:
    """All methods work in the caller's transaction."""

    def __init__(self, country: str, charter: Charter, records: Records, vault: Vault, clock: Clock) -> None:
        self._country = country
        self._charter = charter
        self._records = records
        self._vault = vault
        self._clock = clock

    # ---- the first person

    def ask(self, tx: Transaction, act: Act, case: Case, countries: Sequence[str]) -> list[UUID]:
        """The case worker asks for tokens towards these countries. Returns what now awaits a second person.

        raises  Refused: with the code of the rule that says no
        """
        consents, person = self._records.consents(tx, case.person_id), self._records.person(tx, case.person_id)
        for country in countries:
            self._require(consents, person, act, country)
        return [self._ask(tx, act, case, country) for country in countries if not self._is_live(tx, case, country)]

    def _require(self, consents: Consents, person: Person, act: Act, country: str) -> None:
        asked = Publication(
            own=self._country,
            towards=country,
            pairs=self._charter.pairs,
            identifiers_held=person.record == "HELD" and not person.erased,
            keeping=consents.stands("C2", act.at),
            matching=consents.stands("C4", act.at),
            allowed=consents.allowed_countries(act.at),
            recorded_by=consents.recorded_by("C4"),
            asked_by=act.by.staff,
            approved_by="a focal point",
        )
        answer = may_publish(asked)
        if isinstance(answer, Deny):
            raise Refused(answer.reason, WHY.get(answer.reason, "The rules say no."))

    def _is_live(self, tx: Transaction, case: Case, country: str) -> bool:
        rows = tx.execute(
            "SELECT state FROM publications WHERE person_id = ? AND country = ?",
            (str(case.person_id), self._tag(country)),
        )
        return bool(rows) and rows[0][0] in _LIVE

    def _ask(self, tx: Transaction, act: Act, case: Case, country: str) -> UUID:
        asked = Approved(country=country, asked_by=act.by)
        tx.execute(
            "INSERT INTO publications (person_id, country, case_id, state, reason, box)"
            " VALUES (?, ?, ?, 'asked', '', ?)"
            " ON CONFLICT (person_id, country) DO UPDATE SET state = 'asked', reason = '', box = excluded.box",
            (
                str(case.person_id),
                self._tag(country),
                str(case.case_id),
                self._vault.shut(_place(case.person_id, country), asked),
            ),
        )
        return self._await(tx, "publish", case, Asked(country=country, by=act.by), act.at)

    def ask_tell(self, tx: Transaction, act: Act, case: Case, country: str, reason: GrantReason) -> UUID:
        """A focal point asks that this country may be told. A second person must sign."""
        return self._await(tx, "tell", case, Asked(country=country, by=act.by, grant="tell", reason=reason), act.at)

    def _await(self, tx: Transaction, kind: str, case: Case, asked: Asked, at: datetime) -> UUID:
        tag, name = self._tag(asked.country), uuid4()
        tx.execute(
            "DELETE FROM awaiting WHERE person_id = ? AND country = ? AND kind = ?", (str(case.person_id), tag, kind)
        )
        tx.execute(
            "INSERT INTO awaiting (id, kind, person_id, case_id, country, box, asked_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                str(name),
                kind,
                str(case.person_id),
                str(case.case_id),
                tag,
                self._vault.shut(("awaiting", str(name)), asked),
                at.isoformat(),
            ),
        )
        return name

    # ---- the second person

    def awaiting(self, tx: Transaction) -> list[Waiting]:
        """What waits for a second person, oldest first."""
        rows = tx.execute("SELECT id, kind, case_id, box, asked_at FROM awaiting ORDER BY asked_at, id")
        return [
            Waiting(
                id=UUID(name),
                kind=kind,
                case_id=UUID(case_id),
                asked=self._vault.open(("awaiting", name), box, Asked),
                asked_at=datetime.fromisoformat(at),
            )
            for name, kind, case_id, box, at in rows
        ]

    def sign(self, tx: Transaction, act: Act, name: UUID, grant: Grant) -> None:
        """The second person signs. For tokens the focal point sets the grant; a `tell` is taken as it was asked.

        raises  Refused: no_such_request, same_person, role_may_not, and whatever the domain refuses
        """
        kind, person_id, asked = self._find(tx, name)
        if asked.by.staff == act.by.staff:
            raise Refused("same_person", "Nobody is their own second person. Ask somebody else to sign.")
        if kind == "publish":
            self._approve(tx, act, person_id, asked, grant)
        else:
            self._tell(tx, act, person_id, asked)
        tx.execute("DELETE FROM awaiting WHERE id = ?", (str(name),))

    def decline(self, tx: Transaction, name: UUID) -> None:
        """The second person does not sign: what was asked for is over, and says so."""
        kind, person_id, asked = self._find(tx, name)
        if kind == "publish":
            self._end(tx, person_id, asked.country, "refused", "declined")
        tx.execute("DELETE FROM awaiting WHERE id = ?", (str(name),))

    def _find(self, tx: Transaction, name: UUID) -> tuple[str, UUID, Asked]:
        rows = tx.execute("SELECT kind, person_id, box FROM awaiting WHERE id = ?", (str(name),))
        if not rows:
            raise Refused(
                "no_such_request", "Nothing of this id waits for a second person: it was signed, declined or dropped."
            )
        kind, person_id, box = rows[0]
        return kind, UUID(person_id), self._vault.open(("awaiting", str(name)), box, Asked)

    def _approve(self, tx: Transaction, act: Act, person_id: UUID, asked: Asked, grant: Grant) -> None:
        approved = Approved(country=asked.country, asked_by=asked.by, approved_by=act.by, grant=grant)
        tx.execute(
            "UPDATE publications SET state = 'approved', reason = '', box = ? WHERE person_id = ? AND country = ?",
            (self._vault.shut(_place(person_id, asked.country), approved), str(person_id), self._tag(asked.country)),
        )

    def _tell(self, tx: Transaction, act: Act, person_id: UUID, asked: Asked) -> None:
        signed = act.model_copy(update={"by": asked.by, "second_by": act.by})
        self.set_grant(tx, signed, person_id, asked.country, "tell", asked.reason)

    def set_grant(
        self, tx: Transaction, act: Act, person_id: UUID, country: str, grant: Grant, reason: GrantReason
    ) -> None:
        """Set a grant that needs no more signatures than the act has. Raises Refused."""
        person, consents = self._records.person(tx, person_id), self._records.consents(tx, person_id)
        self._records.save(
            tx,
            decide_set_grant(
                person,
                consents,
                act,
                country=country,
                grant=grant,
                reason=reason,
                grant_until=act.at + timedelta(days=self._charter.grant_days),
                review_on=act.today + _HOLD_REVIEW,
            ),
        )

    # ---- the tokens

    def approved(self, tx: Transaction, country: str, limit: int) -> tuple[UUID, ...]:
        """People whose tokens towards this country two people have signed for and no batch holds yet."""
        rows = tx.execute(
            "SELECT person_id FROM publications WHERE state = 'approved' AND country = ? ORDER BY person_id LIMIT ?",
            (self._tag(country), limit),
        )
        return tuple(UUID(row[0]) for row in rows)

    def start(self, tx: Transaction, batch: UUID, people: Sequence[UUID], country: str) -> None:
        tag = self._tag(country)
        tx.executemany(
            "UPDATE publications SET state = 'working', batch = ?"
            " WHERE person_id = ? AND country = ? AND state = 'approved'",
            [(str(batch), str(person_id), tag) for person_id in people],
        )

    def put_back(self, tx: Transaction, batch: UUID) -> None:
        """The batch came to nothing: its people wait again."""
        tx.execute("UPDATE publications SET state = 'approved', batch = NULL WHERE batch = ?", (str(batch),))

    def finish(self, tx: Transaction, batch: UUID, country: str, epoch: int, person_id: UUID, token_set: bytes) -> None:
        """Publish the tokens that were made, if all that was signed still stands; else say why not, and drop them."""
        rows = tx.execute(
            "SELECT box FROM publications WHERE person_id = ? AND country = ? AND batch = ?",
            (str(person_id), self._tag(country), str(batch)),
        )
        if not rows:
            return  # withdrawn or corrected meanwhile: these tokens are nobody's
        approved = self._vault.open(_place(person_id, country), rows[0][0], Approved)
        try:
            self._records.save(tx, self._published(tx, approved, epoch, person_id, token_set))
        except Refused as refusal:
            self._end(tx, person_id, country, "refused", refusal.code)

    def _published(
        self, tx: Transaction, approved: Approved, epoch: int, person_id: UUID, token_set: bytes
    ) -> list[Event]:
        if approved.approved_by is None:
            raise Refused("not_approved", WHY["not_approved"])
        person, consents = self._records.person(tx, person_id), self._records.consents(tx, person_id)
        now = self._clock.now()
        act = Act(at=now, by=approved.approved_by, second_by=approved.asked_by, purpose=Purpose.MATCHING)
        linkage = person.linkages.get(approved.country)
        return decide_publish_tokens(
            person,
            consents,
            act,
            age_status=self._records.case_of(tx, person_id).age_status,
            country=approved.country,
            handle=linkage.handle if linkage else new_handle(),
            epoch=epoch,
            schema_version=self._charter.schema_version,
            token_set=token_set,
            grant=approved.grant,
            grant_until=now + timedelta(days=self._charter.grant_days),
            review_on=act.today + _HOLD_REVIEW,
            expires_on=_last_day(consents, act),
            reason="correction" if linkage else "first",
        )

    # ---- endings

    def follow_consents(self, tx: Transaction, person_id: UUID, allowed: frozenset[str]) -> None:
        """Consent has changed: what was asked or approved for a country that it no longer names is over."""
        rows = tx.execute(
            "SELECT country, box FROM publications WHERE person_id = ? AND state IN ('asked','approved','working')",
            (str(person_id),),
        )
        for tag, _ in rows:
            if bytes(tag) not in {self._tag(c) for c in allowed}:
                self._end_tag(tx, person_id, bytes(tag), "refused", "consent_over")

    def void(self, tx: Transaction, person_id: UUID, reason: str) -> None:
        """The identifiers are others now: what is under way was made of the old ones."""
        tx.execute(
            "UPDATE publications SET state = 'refused', reason = ?, batch = NULL WHERE person_id = ?"
            " AND state IN ('approved', 'working')",
            (reason, str(person_id)),
        )

    def drop_unsigned(self, tx: Transaction, now: datetime) -> None:
        """What nobody signed within seven days."""
        old = (now - SIGNED_WITHIN).isoformat()
        for name, person_id, kind, box in tx.execute(
            "SELECT id, person_id, kind, box FROM awaiting WHERE asked_at < ?", (old,)
        ):
            if kind == "publish":
                asked = self._vault.open(("awaiting", name), box, Asked)
                self._end(tx, UUID(person_id), asked.country, "refused", "not_signed_in_time")
            tx.execute("DELETE FROM awaiting WHERE id = ?", (name,))

    def of_person(self, tx: Transaction, person_id: UUID) -> list[tuple[str, str, str]]:
        """(country, state, reason) for each country that was asked for."""
        rows = tx.execute("SELECT country, state, reason FROM publications WHERE person_id = ?", (str(person_id),))
        known = {self._tag(c): c for c in self._charter.countries}
        return sorted((known.get(bytes(tag), "??"), state, reason) for tag, state, reason in rows)

    def _end(self, tx: Transaction, person_id: UUID, country: str, state: str, reason: str) -> None:
        self._end_tag(tx, person_id, self._tag(country), state, reason)

    def _end_tag(self, tx: Transaction, person_id: UUID, tag: bytes, state: str, reason: str) -> None:
        tx.execute(
            "UPDATE publications SET state = ?, reason = ?, batch = NULL WHERE person_id = ? AND country = ?",
            (state, reason, str(person_id), tag),
        )
        tx.execute("DELETE FROM awaiting WHERE person_id = ? AND country = ?", (str(person_id), tag))

    def _tag(self, country: str) -> bytes:
        return self._vault.tag("country", country)


def _place(person_id: UUID, country: str) -> tuple[str, ...]:
    return ("publications", str(person_id), country)


def _last_day(consents: Consents, act: Act) -> date:
    """Tokens end with consent C4."""
    matching = consents.standing("C4", act.at)
    return matching.expires_on if matching else act.today
