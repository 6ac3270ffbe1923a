"""A person's consents: one ledger a person, one entry an answer. What stands here decides what may be done with data.

Pure. Refuses a child's consent without a guardian's and, for what reaches beyond the country, without a best-interest
decision; a consent that does not name what it is for; and one that never ends. Overrides on a ground, by two people,
come in a later release.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field

from events.base import (
    Act,
    AgeStatus,
    Chosen,
    Code,
    ConsentPurpose,
    Event,
    Identifying,
    Language,
    Move,
    Open,
    Personal,
    Role,
    Rules,
    Short,
    Text,
    Wire,
    counts_as_child,
    kept,
    placed,
)
from events.errors import Refused
from events.ids import stream_id
from events.model import Country, Hex32
from events.rules import expect_ahead, permit, refusing_bad_values

Capacity = Literal["adult", "supported_adult", "child_assent_plus_guardian"]
LapseReason = Literal["expired", "replaced", "review_date_passed", "ended_on_review", "majority", "death", "erasure"]
EntryState = Literal["STANDING", "REFUSED", "WITHDRAWN", "LAPSED"]

CONSENTS: Final[Mapping[str, str]] = {
    "C1": "interview and screening",
    "C2": "recording and keeping identifying data in this country",
    "C3": "referral to a named organisation in this country, with these fields",
    "C4": "matching by keyed tokens, with these countries only",
    "C5": "contact with the family",
    "C6": "sending these fields to this organisation in this country until this date",
    "C7": "return and travel",
    "C8": "sharing with police, prosecution or courts; being a witness",
    "C9": "non-identifying use for statistics",
    "C10": "contact after return or after the end of assistance",
}
MUST_NAME: Final[Mapping[str, tuple[str, ...]]] = {
    "C3": ("receiver_org",),
    "C6": ("receiver_org", "receiver_country", "receiver_fields"),
}
"""What a given consent must name. C4 names its countries: with none it is a refusal."""
_BEST_INTEREST: Final = ("C4", "C6", "C7")
_LONGEST: Final = timedelta(days=366)
_OVER: Final = Wire(
    to="named_country",
    what="only to a country that relies on this C5 or C6 entry: 'over', without reason",
    carries=("consent_id",),
    needs=(),
)


class ConsentRecorded(Event):
    """The person was asked and answered. `informed_points` are HTCDS's seven points of informed consent."""

    rules = Rules(
        aggregate="consent",
        does="record a consent",
        roles=frozenset({Role.FIRST_RESPONDER, Role.CASE_WORKER}),
        moves=(Move("entry", (), Chosen("answer", {"given": "STANDING", "refused": "REFUSED"})),),
    )

    consent_id: Open[UUID]
    consent: Open[ConsentPurpose]
    answer: Open[Literal["given", "refused"]]
    scope: Personal[Text]
    allowed_countries: Personal[frozenset[Country]] = frozenset()
    receiver_org: Personal[Short | None] = None
    receiver_country: Personal[Country | None] = None
    receiver_fields: Personal[frozenset[Code]] = frozenset()
    language: Open[Language]
    capacity: Personal[Capacity]
    guardian: Identifying[Short | None] = None
    best_interest_ref: Open[UUID | None] = None
    informed_points: Open[frozenset[Annotated[int, Field(ge=1, le=7)]]] = frozenset()
    expires_on: Open[date]
    evidence_hash: Open[Hex32 | None] = None


class ConsentWithdrawn(Event):
    """Taken back. Anybody she can reach records it; no reason is asked."""

    rules = Rules(
        aggregate="consent",
        does="record that a consent is withdrawn",
        roles=frozenset({Role.FIRST_RESPONDER, Role.CASE_WORKER, Role.SUPERVISOR, Role.DATA_PROTECTION_OFFICER}),
        moves=(Move("entry", ("STANDING",), "WITHDRAWN"),),
        wire=(_OVER,),
    )

    consent_id: Open[UUID]
    withdrawn_on: Open[date]
    withdrawn_by: Open[Literal["person", "guardian", "representative"]]


class ConsentLapsed(Event):
    """Over by time, or replaced by a newer answer."""

    rules = Rules(
        aggregate="consent",
        does="end a consent whose time is over",
        roles=frozenset({Role.NODE, Role.SUPERVISOR, Role.DATA_PROTECTION_OFFICER}),
        moves=(Move("entry", ("STANDING", "OVERRIDDEN"), "LAPSED"),),
        wire=(_OVER,),
    )

    consent_id: Open[UUID]
    reason: Open[LapseReason]


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer. It stands up to and including `expires_on`, a date in UTC. `recorded_by` is a staff id."""

    consent_id: UUID
    purpose: ConsentPurpose
    state: EntryState
    expires_on: date
    recorded_by: str
    best_interest_ref: UUID | None
    allowed_countries: frozenset[str] = field(repr=False)
    receiver: tuple[str | None, str | None] = field(repr=False)
    """Organisation and country."""

    def stands(self, at: datetime) -> bool:
        return self.state == "STANDING" and at.date() <= self.expires_on


@dataclass(frozen=True, slots=True)
class Consents:
    """The ledger of one person. `Consents()` is that of somebody who was never asked."""

    seq: int = 0
    person_id: UUID | None = None
    entries: Mapping[UUID, Entry] = field(default_factory=dict)

    def stands(self, purpose: ConsentPurpose, at: datetime) -> bool:
        return self.standing(purpose, at) is not None

    def standing(self, purpose: ConsentPurpose, at: datetime) -> Entry | None:
        """The newest entry that stands for this purpose."""
        return next((e for e in self.given(purpose) if e.stands(at)), None)

    def allowed_countries(self, at: datetime) -> frozenset[str]:
        """The countries with which the person allows matching (C4); none without it."""
        entry = self.standing("C4", at)
        return entry.allowed_countries if entry else frozenset()

    def recorded_by(self, purpose: ConsentPurpose) -> str | None:
        """The staff id of whoever recorded the entry that counts, whether or not its time is over."""
        return next((e.recorded_by for e in self.given(purpose)), None)

    def given(self, purpose: ConsentPurpose) -> list[Entry]:
        """The entries given and not ended by an event, newest first, whether or not their time is over."""
        return [e for e in self.entries.values() if e.purpose == purpose and e.state == "STANDING"][::-1]


def consents_stream(person_id: UUID) -> UUID:
    return stream_id("consent", person_id)


def evolve(consents: Consents, event: Event) -> Consents:
    """Fold one event of the ledger. After an erasure countries and receivers are gone; purposes and states stay."""
    match event:
        case ConsentRecorded():
            entry = _entry(event)
        case ConsentWithdrawn():
            entry = replace(consents.entries[event.consent_id], state="WITHDRAWN")
        case ConsentLapsed():
            entry = replace(consents.entries[event.consent_id], state="LAPSED")
        case _:
            return replace(consents, seq=event.seq)
    return Consents(event.seq, event.person_id, {**consents.entries, entry.consent_id: entry})


def _entry(event: ConsentRecorded) -> Entry:
    return Entry(
        consent_id=event.consent_id,
        purpose=event.consent,
        state="STANDING" if event.answer == "given" else "REFUSED",
        expires_on=event.expires_on,
        recorded_by=event.by.staff,
        best_interest_ref=event.best_interest_ref,
        allowed_countries=kept(event.allowed_countries, frozenset()),
        receiver=(kept(event.receiver_org, None), kept(event.receiver_country, None)),
    )


@refusing_bad_values
def decide_record_consent(
    consents: Consents,
    act: Act,
    *,
    person_id: UUID,
    age_status: AgeStatus,
    consent_id: UUID,
    purpose: ConsentPurpose,
    answer: Literal["given", "refused"],
    scope: str,
    language: str,
    capacity: Capacity,
    expires_on: date,
    allowed_countries: frozenset[str] = frozenset(),
    receiver_org: str | None = None,
    receiver_country: str | None = None,
    receiver_fields: frozenset[str] = frozenset(),
    guardian: str | None = None,
    best_interest_ref: UUID | None = None,
    informed_points: frozenset[int] = frozenset(),
    evidence_hash: str | None = None,
) -> list[Event]:
    """A new answer takes the place of the older one to the same purpose (and receiver). The same entry again: nothing.

    age_status  of the person's case; disputed or unknown counts as child
    raises      Refused: role_may_not, guardian_missing, best_interest_missing, names_nothing, date_past, too_long,
                bad_value
    """
    permit(ConsentRecorded, act)
    if consent_id in consents.entries:
        return []
    older = [e for e in consents.given(purpose) if _same_subject(e, (receiver_org, receiver_country))]
    recorded = ConsentRecorded(
        **_next(consents, person_id, act, len(older) + 1),
        consent_id=consent_id,
        consent=purpose,
        answer="refused" if purpose == "C4" and not allowed_countries else answer,
        scope=scope,
        allowed_countries=allowed_countries,
        receiver_org=receiver_org,
        receiver_country=receiver_country,
        receiver_fields=receiver_fields,
        language=language,
        capacity=capacity,
        guardian=guardian,
        best_interest_ref=best_interest_ref,
        informed_points=informed_points,
        expires_on=expires_on,
        evidence_hash=evidence_hash,
    )
    if recorded.answer == "given":
        _check_given(recorded, age_status, act)
    return [*_lapsed(consents, person_id, older, "replaced", act.by_node()), recorded]


def _check_given(recorded: ConsentRecorded, age_status: AgeStatus, act: Act) -> None:
    purpose = recorded.consent
    if counts_as_child(age_status):
        _check_child(recorded)
    missing = [name for name in MUST_NAME.get(purpose, ()) if not getattr(recorded, name)]
    if missing:
        raise Refused("names_nothing", f"Consent {purpose} must name what it is for. Add: {', '.join(missing)}.")
    expect_ahead("end of the consent", recorded.expires_on, act)
    if recorded.expires_on > act.today + _LONGEST:
        raise Refused("too_long", "A consent stands for 12 months or less. Give an earlier end, and ask again then.")


def _check_child(recorded: ConsentRecorded) -> None:
    if recorded.capacity != "child_assent_plus_guardian" or recorded.guardian is None:
        raise Refused(
            "guardian_missing",
            "A child, or somebody who may be one, consents by assent together with an independent guardian. "
            "Record the guardian, with the capacity child_assent_plus_guardian.",
        )
    if recorded.consent in _BEST_INTEREST and recorded.best_interest_ref is None:
        raise Refused(
            "best_interest_missing",
            f"Consent {recorded.consent} of a child needs a best-interest decision behind it. Add its reference.",
        )


def _same_subject(entry: Entry, receiver: tuple[str | None, str | None]) -> bool:
    """Two receivers are two consents; an answer that names none is about all of its purpose."""
    return entry.purpose not in MUST_NAME or receiver[0] is None or entry.receiver == receiver


@refusing_bad_values
def decide_withdraw_consent(
    consents: Consents,
    act: Act,
    *,
    purpose: ConsentPurpose,
    by: Literal["person", "guardian", "representative"],
    consent_id: UUID | None = None,
) -> list[Event]:
    """Every entry given for this purpose is over, or the one named. There is none: nothing.

    In the same transaction the caller lets the person's tokens follow (events.person.decide_follow_consents).
    raises  Refused: role_may_not, same_person, bad_value
    """
    permit(ConsentWithdrawn, act)
    if consents.person_id is None:
        return []
    person_id = consents.person_id
    over = [e for e in consents.given(purpose) if consent_id in (None, e.consent_id)]
    return [
        ConsentWithdrawn(
            **_next(consents, person_id, act, i),
            consent_id=e.consent_id,
            withdrawn_on=act.today,
            withdrawn_by=by,
        )
        for i, e in enumerate(over, 1)
    ]


def decide_lapse_consents(consents: Consents, act: Act) -> list[Event]:
    """Entries whose last day has passed are over. Tokens follow, as after a withdrawal.

    raises  Refused: role_may_not, same_person
    """
    permit(ConsentLapsed, act)
    if consents.person_id is None:
        return []
    over = [e for e in consents.entries.values() if e.state == "STANDING" and not e.stands(act.at)]
    return [*_lapsed(consents, consents.person_id, over, "expired", act)]


def decide_end_consents(consents: Consents, act: Act, *, reason: LapseReason) -> list[Event]:
    """Every entry that stands is over, for a reason that is about the person. Raises Refused: role_may_not."""
    permit(ConsentLapsed, act)
    if consents.person_id is None:
        return []
    over = [e for e in consents.entries.values() if e.state == "STANDING"]
    return [*_lapsed(consents, consents.person_id, over, reason, act)]


def _lapsed(
    consents: Consents, person_id: UUID, over: Sequence[Entry], reason: LapseReason, act: Act
) -> list[ConsentLapsed]:
    return [
        ConsentLapsed(**_next(consents, person_id, act, i), consent_id=e.consent_id, reason=reason)
        for i, e in enumerate(over, 1)
    ]


def _next(consents: Consents, person_id: UUID, act: Act, ahead: int) -> dict[str, Any]:
    return placed(act, consents_stream(person_id), consents.seq + ahead, person_id)


def require_consents(event: type[Event], consents: Consents, act: Act) -> None:
    """Refuse an event whose consents do not stand at the time of the act."""
    for purpose in event.rules.consents:
        if not consents.stands(purpose, act.at):
            raise Refused(
                "consent_missing",
                f"Consent {purpose} ({CONSENTS[purpose]}) does not stand. Ask the person and record the answer first.",
            )
