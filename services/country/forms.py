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
from events.model import Country, Value
from events.person import BirthDate, Contact, Document, Name

Few = Annotated[tuple[Country, ...], Field(min_length=1, max_length=64)]


class Report(Value):
    reported_on: date
    source: Source
    age_status: AgeStatus
    summary: Text | None = None
    reference: Short | None = None


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


class Closing(Value):
    outcome: Outcome
    reason: Text | None = None


class Identifiers(Value):
    names: tuple[Name, ...] = Field(default=(), max_length=20)
    birth_date: BirthDate | None = None
    documents: tuple[Document, ...] = Field(default=(), max_length=20)
    contacts: tuple[Contact, ...] = Field(default=(), max_length=20)
    gender: Code | None = None
    citizenships: frozenset[Country] = frozenset()


class Consent(Value):
    purpose: ConsentPurpose
    answer: Literal["given", "refused"]
    scope: Text
    allowed_countries: frozenset[Country] = frozenset()
    language: Language
    capacity: Capacity
    guardian: Short | None = None
    best_interest_ref: UUID | None = None
    expires_on: date


class Withdrawal(Value):
    purpose: ConsentPurpose
    by: Literal["person", "guardian", "representative"]


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
