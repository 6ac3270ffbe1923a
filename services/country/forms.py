"""What requests to a country's node hold: closed models; a refused one is never repeated in the answer."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from events.base import AgeStatus, Code, ConsentPurpose, Language, Short, Text
from events.case import DecidingBody, Outcome, ScreeningResult, Source
from events.consent import Capacity
from events.linkage import GrantReason
from events.match import ClosingReason
from events.messages import Grant
from events.model import Country, Hex32, Value
from events.person import BirthDate, Contact, Document, ErasureBasis, Name

Few = Annotated[tuple[Country, ...], Field(min_length=1, max_length=64)]


class Report(Value):
    reported_on: date
    source: Source
    age_status: AgeStatus
    summary: Text | None = None
    reference: Short | None = None
    referring_org: Short | None = None
    transnational_referral_id: UUID | None = None


class Screening(Value):
    indicator_set_version: Short
    acts: frozenset[Code] = frozenset()
    means: frozenset[Code] = frozenset()
    purposes: frozenset[Code] = frozenset()
    result: ScreeningResult


class Identification(Value):
    decided_by: DecidingBody
    decided_on: date
    legal_basis: Text
    informed_in: Language
    request_id: UUID | None = None


class NonIdentification(Value):
    """What the first of two officials signs."""

    decided_by: DecidingBody
    decided_on: date
    reason: Text
    informed_in: Language
    review_until: date


class Closing(Value):
    outcome: Outcome
    reason: Text | None = None
    duplicate_of: UUID | None = None
    how_to_come_back: Text | None = None


class Erasure(Value):
    """What the data protection officer signs."""

    basis: ErasureBasis


class Identifiers(Value):
    names: tuple[Name, ...] = Field(default=(), max_length=20)
    birth_date: BirthDate | None = None
    documents: tuple[Document, ...] = Field(default=(), max_length=20)
    contacts: tuple[Contact, ...] = Field(default=(), max_length=20)
    gender: Code | None = None
    citizenships: frozenset[Country] = frozenset()
    languages: tuple[Language, ...] = Field(default=(), max_length=20)
    marital_status: Code | None = None
    children: int | None = Field(default=None, ge=0, le=99)
    education: Code | None = None


class Consent(Value):
    purpose: ConsentPurpose
    answer: Literal["given", "refused"]
    scope: Text
    allowed_countries: frozenset[Country] = frozenset()
    receiver_org: Short | None = None
    receiver_country: Country | None = None
    receiver_fields: frozenset[Code] = frozenset()
    language: Language
    capacity: Capacity
    guardian: Short | None = None
    best_interest_ref: UUID | None = None
    informed_points: frozenset[Annotated[int, Field(ge=1, le=7)]] = frozenset()
    expires_on: date
    evidence_hash: Hex32 | None = None


class Withdrawal(Value):
    """`consent_id` None: every consent given for this purpose."""

    purpose: ConsentPurpose
    by: Literal["person", "guardian", "representative"]
    consent_id: UUID | None = None


class Revocation(Value):
    """`country` None: towards every country."""

    country: Country | None = None


class PublicationRequest(Value):
    countries: Few


class Signature(Value):
    """A second person's signature. `grant` counts for tokens to be published."""

    id: UUID
    grant: Grant = "hold"


class Signatures(Value):
    signed: tuple[Signature, ...] = Field(min_length=1, max_length=20_000)


class Declined(Value):
    ids: tuple[UUID, ...] = Field(min_length=1, max_length=20_000)


class GrantChange(Value):
    country: Country
    grant: Grant
    reason: GrantReason


class MatchGrant(Value):
    grant: Grant
    reason: GrantReason


class MatchClosing(Value):
    reason: ClosingReason
