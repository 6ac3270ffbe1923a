"""Where each person's tokens stand, country by country: asked, approved, working, published; or refused and why.

Two people publish: the case worker who recorded consent C4 asks, a focal point approves and sets the grant. What the
first has signed waits (services.country.signatures) and is no event.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from events.base import Act, Actor, Event, Purpose
from events.case import Case
from events.charter import Charter
from events.clock import Clock
from events.consent import Consents
from events.database import Transaction
from events.directory import Directory
from events.errors import Refused
from events.ids import new_handle
from events.linkage import GrantReason, Row
from events.messages import Grant
from events.model import Country, Value, other_country
from events.publication import decide_publish_tokens, decide_set_grant
from matching.policy import Deny, Publication, may_publish
from services.country.records import Records
from services.country.signatures import Asked, Signatures, Waiting
from services.country.vault import Vault

_HOLD_REVIEW: Final = timedelta(days=30)
_UNDER_WAY: Final = ("asked", "approved", "working")
_LIVE: Final = (*_UNDER_WAY, "published")

WHY: Final = {
    "not_your_pair": "A country is not matched with itself.",
    "pair_not_agreed": "There is no agreement between the two countries, or none any more.",
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


class Publications:
    """All methods work in the caller's transaction."""

    def __init__(
        self, country: str, charter: Charter, directory: Directory, records: Records, vault: Vault, clock: Clock
    ) -> None:
        self._directory = directory
        self._country = country
        self._charter = charter
        self._records = records
        self._vault = vault
        self._clock = clock
        self.signatures = Signatures(vault, Asked, "publish", "tell")

    def partners(self, tx: Transaction) -> frozenset[str]:
        """The countries that this one has an agreement with, which has not ended."""
        pairs = frozenset(self._charter.pairs_of(self._country)) - self._directory.ended(tx).keys()
        return frozenset(other_country(pair, self._country) for pair in pairs)

    # ---- two people

    def ask(self, tx: Transaction, act: Act, case: Case, countries: Sequence[str]) -> list[UUID]:
        """The case worker asks for tokens towards these countries. Returns what now waits for a second person.

        raises  Refused: with the code of the rule that says no
        """
        for country in countries:
            reason = self._reason_against(tx, act, case.person_id, country, asked_by=act.by.staff)
            if reason is not None:
                raise Refused(reason, WHY.get(reason, "The rules say no."))
        live = {country for country, state, _ in self._rows(tx, case.person_id) if state in _LIVE}
        return [self._ask(tx, act, case, country) for country in countries if country not in live]

    def _reason_against(
        self, tx: Transaction, act: Act, person_id: UUID, country: str, asked_by: str | None = None
    ) -> str | None:
        """Why tokens towards a country may not be asked for now; None: nothing speaks against it.

        asked_by  the case worker who asks; None: the one who may
        """
        consents, person = self._records.consents(tx, person_id), self._records.person(tx, person_id)
        answer = may_publish(
            Publication(
                own=self._country,
                towards=country,
                pairs=tuple(pair for pair in self._charter.pairs if not self._directory.is_ended(pair, tx)),
                identifiers_held=person.record == "HELD" and not person.erased,
                keeping=consents.stands("C2", act.at),
                matching=consents.stands("C4", act.at),
                allowed=consents.allowed_countries(act.at),
                recorded_by=consents.recorded_by("C4"),
                asked_by=asked_by or consents.recorded_by("C4"),
                approved_by="whoever will sign",  # the second person's turn comes later
            )
        )
        return answer.reason if isinstance(answer, Deny) else None

    def _ask(self, tx: Transaction, act: Act, case: Case, country: str) -> UUID:
        asked = Approved(country=country, asked_by=act.by)
        tx.execute(
            "INSERT INTO publications (person_id, country, case_id, state, reason, box)"
            " VALUES (?, ?, ?, 'asked', '', ?)"
            " ON CONFLICT (person_id, country) DO UPDATE SET state = 'asked', reason = '', box = excluded.box",
            (
                str(case.person_id),
                self._tag(case.person_id, country),
                str(case.case_id),
                self._vault.shut(_place(case.person_id, country), asked),
            ),
        )
        return self.signatures.wait(tx, "publish", case, Asked(country=country, by=act.by), act.at)

    def ask_tell(self, tx: Transaction, act: Act, case: Case, country: str, reason: GrantReason) -> UUID:
        """A focal point asks that this country may be told. A second person must sign."""
        return self.signatures.wait(tx, "tell", case, Asked(country=country, by=act.by, reason=reason), act.at)

    def sign(self, tx: Transaction, act: Act, name: UUID, grant: Grant) -> None:
        """The second person signs. For tokens the focal point sets the grant; a `tell` is taken as it was asked.

        raises  Refused: no_such_request, same_person, and whatever the domain refuses
        """
        waiting = self.signatures.find(tx, name)
        if waiting.asked.by.staff == act.by.staff:
            raise Refused("same_person", "Nobody is their own second person. Ask somebody else to sign.")
        if waiting.kind == "publish":
            self._approve(tx, act, waiting.person_id, waiting.asked, grant)
        elif grant != "tell":
            raise Refused("not_what_was_asked", "A `tell` is asked for here: sign it as `tell`, or decline.")
        else:
            signed = act.model_copy(update={"by": waiting.asked.by, "second_by": act.by})
            self.set_grant(tx, signed, waiting.person_id, waiting.asked.country, "tell", waiting.asked.reason)
        self.signatures.done(tx, name)

    def decline(self, tx: Transaction, name: UUID) -> None:
        """The second person does not sign: what was asked for is over, and says so."""
        self._give_up(tx, self.signatures.find(tx, name), "declined")

    def drop_unsigned(self, tx: Transaction, now: datetime) -> None:
        for waiting in self.signatures.overdue(tx, now):
            self._give_up(tx, waiting, "not_signed_in_time")

    def _give_up(self, tx: Transaction, waiting: Waiting[Asked], reason: str) -> None:
        if waiting.kind == "publish":
            self._end(tx, waiting.person_id, waiting.asked.country, reason)
        self.signatures.done(tx, waiting.id)

    def _approve(self, tx: Transaction, act: Act, person_id: UUID, asked: Asked, grant: Grant) -> None:
        approved = Approved(country=asked.country, asked_by=asked.by, approved_by=act.by, grant=grant)
        if grant == "hold":
            self.signatures.drop(tx, person_id, asked.country, "tell")  # who asked for it did not know of this
        tx.execute(
            "UPDATE publications SET state = 'approved', reason = '', box = ? WHERE person_id = ? AND country = ?",
            (
                self._vault.shut(_place(person_id, asked.country), approved),
                str(person_id),
                self._tag(person_id, asked.country),
            ),
        )
        self._next_turn(tx)

    def set_grant(
        self, tx: Transaction, act: Act, person_id: UUID, country: str, grant: Grant, reason: GrantReason
    ) -> None:
        """Set a grant that needs no more signatures than the act has. Raises Refused.

        A `hold` also counts for tokens that are approved and not out yet: they will leave with it.
        """
        if grant == "hold" and self._hold_under_way(tx, person_id, country):
            return
        person, consents = self._records.person(tx, person_id), self._records.consents(tx, person_id)
        events = decide_set_grant(
            person,
            consents,
            act,
            country=country,
            grant=grant,
            reason=reason,
            grant_until=act.at + timedelta(days=self._charter.grant_days),
            review_on=act.today + _HOLD_REVIEW,
        )
        self._records.save(tx, events)

    def _hold_under_way(self, tx: Transaction, person_id: UUID, country: str) -> bool:
        rows = tx.execute(
            "SELECT box FROM publications WHERE person_id = ? AND country = ? AND state IN ('approved', 'working')",
            (str(person_id), self._tag(person_id, country)),
        )
        for (box,) in rows:
            place = _place(person_id, country)
            held = self._vault.open(place, box, Approved).model_copy(update={"grant": "hold"})
            tx.execute(
                "UPDATE publications SET box = ? WHERE person_id = ? AND country = ?",
                (self._vault.shut(place, held), str(person_id), self._tag(person_id, country)),
            )
            self.signatures.drop(tx, person_id, country, "tell")  # who asked for it did not know of this
        return bool(rows)

    # ---- the tokens

    @staticmethod
    def turn(tx: Transaction) -> int:
        """A number that moves whenever somebody's tokens wait to be made who did not wait before."""
        rows = tx.execute("SELECT position FROM cursors WHERE name = 'approvals'")
        return int(rows[0][0]) if rows else 0

    @staticmethod
    def _next_turn(tx: Transaction) -> None:
        tx.execute(
            "INSERT INTO cursors (name, position) VALUES ('approvals', 1)"
            " ON CONFLICT (name) DO UPDATE SET position = cursors.position + 1"
        )

    def approved(self, tx: Transaction, country: str, limit: int) -> tuple[UUID, ...]:
        """People whose tokens towards this country two people have signed for and no batch holds yet.

        cost   a hash for each that waits, for whichever country, until `limit` are found: tags tell no countries
        """
        rows = tx.execute("SELECT person_id, country FROM publications WHERE state = 'approved' ORDER BY person_id")
        people = (UUID(person_id) for person_id, tag in rows if bytes(tag) == self._tag(person_id, country))
        return tuple(islice(people, limit))

    def are_waiting(self, tx: Transaction, country: str, _epoch: int, people: Sequence[UUID]) -> bool:
        """Whether what two people signed for each of them still stands, and no batch holds it: in whichever epoch."""
        query = "SELECT 1 FROM publications WHERE person_id = ? AND country = ? AND state = 'approved'"
        return all(tx.execute(query, (str(person_id), self._tag(person_id, country))) for person_id in people)

    def start(self, tx: Transaction, batch: UUID, people: Sequence[UUID], country: str) -> None:
        tx.executemany(
            "UPDATE publications SET state = 'working', batch = ?"
            " WHERE person_id = ? AND country = ? AND state = 'approved'",
            [(self._vault.tag_of_batch(batch), str(person_id), self._tag(person_id, country)) for person_id in people],
        )

    def put_back(self, tx: Transaction, batch: UUID) -> None:
        """The batch came to nothing: its people wait again."""
        tx.execute(
            "UPDATE publications SET state = 'approved', batch = NULL WHERE batch = ? AND state = 'working'",
            (self._vault.tag_of_batch(batch),),
        )
        self._next_turn(tx)

    def finish(self, tx: Transaction, batch: UUID, country: str, person_id: UUID, row: Row) -> None:
        """Publish the tokens that were made, if all that was signed still stands; else say why not, and drop them."""
        rows = tx.execute(
            "SELECT box FROM publications WHERE person_id = ? AND country = ? AND batch = ? AND state = 'working'",
            (str(person_id), self._tag(person_id, country), self._vault.tag_of_batch(batch)),
        )
        if not rows:
            return  # withdrawn or corrected meanwhile: these tokens are nobody's
        approved = self._vault.open(_place(person_id, country), rows[0][0], Approved)
        try:
            self._records.save(tx, self._published(tx, approved, person_id, row))
        except Refused as refusal:
            self._end(tx, person_id, country, refusal.code)

    def _published(self, tx: Transaction, approved: Approved, person_id: UUID, row: Row) -> list[Event]:
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
            epoch=row.epoch,
            schema_version=row.schema_version,
            token_set=row.tokens,
            grant=approved.grant,
            grant_until=now + timedelta(days=self._charter.grant_days),
            review_on=act.today + _HOLD_REVIEW,
            expires_on=_last_day(consents, act),
            reason="correction" if linkage else "first",
        )

    # ---- endings

    @staticmethod
    def people(tx: Transaction, after: str, limit: int) -> list[UUID]:
        """Everybody for whom tokens were ever asked, in an order that stays, after this one."""
        rows = tx.execute(
            "SELECT DISTINCT person_id FROM publications WHERE person_id > ? ORDER BY person_id LIMIT ?", (after, limit)
        )
        return [UUID(person_id) for (person_id,) in rows]

    def end_agreement(self, tx: Transaction, person_id: UUID, country: str) -> bool:
        """The agreement with this country is over: what is under way is, too. Returns whether tokens may be out."""
        states = [state for known, state, _ in self._rows(tx, person_id) if known == country]
        if set(states) & {*_UNDER_WAY}:
            self._end(tx, person_id, country, "agreement_ended")
        self.signatures.drop(tx, person_id, country, "tell")
        return bool(states)

    def follow_consents(self, tx: Transaction, person_id: UUID, allowed: frozenset[str]) -> None:
        """Consent has changed: what was asked or approved for a country that it no longer names is over."""
        for country, state, _ in self._rows(tx, person_id):
            if state in _UNDER_WAY and country not in allowed:
                self._end(tx, person_id, country, "consent_over")

    def pull(self, tx: Transaction, person_id: UUID, country: str | None) -> None:
        """She is not safe there, or (None) anywhere: what is asked, approved or under way for it is over too."""
        for known, state, _ in self._rows(tx, person_id):
            if state in _UNDER_WAY and country in {None, known}:
                self._end(tx, person_id, known, "unsafe")

    def void(self, tx: Transaction, person_id: UUID) -> None:
        """The identifiers are others now: what is approved or under way was about the old ones."""
        for country, state, _ in self._rows(tx, person_id):
            if state in {"approved", "working"}:
                self._end(tx, person_id, country, "correction")

    def of_person(self, tx: Transaction, act: Act, person_id: UUID) -> list[tuple[str, str, str]]:
        """(country, state, reason) for each country of the charter's pairs, those too whose agreement is over: `none`
        and why where nothing was ever asked for.
        """
        known = {country: (state, reason) for country, state, reason in self._rows(tx, person_id)}
        return [
            (c, *known.get(c, ("none", self._reason_against(tx, act, person_id, c) or "not_asked")))
            for c in sorted(other_country(pair, self._country) for pair in self._charter.pairs_of(self._country))
        ]

    def _rows(self, tx: Transaction, person_id: UUID) -> list[tuple[str, str, str]]:
        rows = tx.execute("SELECT country, state, reason FROM publications WHERE person_id = ?", (str(person_id),))
        known = {self._tag(person_id, c): c for c in self._charter.countries}
        return [(known[bytes(tag)], state, reason) for tag, state, reason in rows if bytes(tag) in known]

    def _end(self, tx: Transaction, person_id: UUID, country: str, reason: str) -> None:
        tx.execute(
            "UPDATE publications SET state = 'refused', reason = ?, batch = NULL WHERE person_id = ? AND country = ?",
            (reason, str(person_id), self._tag(person_id, country)),
        )
        self.signatures.drop(tx, person_id, country, "publish")

    def _tag(self, person_id: UUID | str, country: str) -> bytes:
        return self._vault.tag_of_country(person_id, country)


def _place(person_id: UUID, country: str) -> tuple[str, ...]:
    return ("publications", str(person_id), country)


def _last_day(consents: Consents, act: Act) -> date:
    """Tokens end with consent C4."""
    matching = consents.standing("C4", act.at)
    return matching.expires_on if matching else act.today
