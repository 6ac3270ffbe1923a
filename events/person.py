"""A person's record: identifiers held, and the linkages to partner countries; how tokens end, and how the record does.

Pure. Refuses identifiers without consent C2, and anything personal once the person is erased. Tokens are put out and
grants set in events.publication; ending them needs no consent and no second person, so it stands here, with what
makes it happen: a correction, a consent that is over, time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from events.base import (
    Act,
    Code,
    Erased,
    Event,
    Identifying,
    Language,
    Move,
    Open,
    Personal,
    Role,
    Rules,
    Second,
    Short,
    kept,
    placed,
)
from events.consent import Consents, require_consents
from events.errors import Refused
from events.ids import stream_id
from events.linkage import (
    GrantSet,
    Linkage,
    RevocationReason,
    TokensPublished,
    TokensRevoked,
    changed,
    published,
)
from events.model import Country, Hex32, Value
from events.rules import permit, refusing_bad_values

ErasureBasis = Literal["retention", "person_asked", "unlawful"]

BirthDate = Annotated[str, StringConstraints(pattern=r"^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$")]
"""Year, year and month, or full date, as it was given: its length is its precision."""


class Identifier(Value):
    """A value that tells who somebody is, or where. It prints as its type alone."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class Name(Identifier):
    """One form of a name, order as given; one of the two parts may be empty. `script`: ISO 15924, `Laoo`."""

    first: Annotated[str, StringConstraints(max_length=200)] = ""
    second: Annotated[str, StringConstraints(max_length=200)] = ""
    kind: Literal["native", "latin", "alias"] = "native"
    script: Annotated[str, StringConstraints(pattern=r"^[A-Z][a-z]{3}$")] | None = None

    @model_validator(mode="after")
    def _is_no_blank(self) -> Self:
        if not (self.first.strip() or self.second.strip()):
            raise ValueError("a name has at least one part")
        return self


class Document(Identifier):
    """An identity document. `issuer`: the country that issued it, None: unknown."""

    type: Code = "unknown"
    number: Short
    issuer: Country | None = None


class Contact(Identifier):
    kind: Literal["phone", "email", "address"]
    value: Short


class IdentifiersRecorded(Event):
    """Who the person is, as told or shown. Recorded again it takes the place of what was there; history keeps both."""

    rules = Rules(
        aggregate="person",
        does="record identifiers",
        roles=frozenset({Role.FIRST_RESPONDER, Role.CASE_WORKER}),
        moves=(Move("record", ("PSEUDONYM", "HELD"), "HELD"),),
        consents=("C2",),
    )

    names: Identifying[tuple[Name, ...]]
    birth_date: Identifying[BirthDate | None]
    documents: Identifying[tuple[Document, ...]]
    contacts: Identifying[tuple[Contact, ...]] = ()
    gender: Personal[Code | None]
    citizenships: Personal[frozenset[Country]]
    languages: Personal[tuple[Language, ...]] = ()
    marital_status: Personal[Code | None] = None
    children: Personal[Annotated[int, Field(ge=0, le=99)] | None] = None
    education: Personal[Code | None] = None


class PersonErased(Event):
    """The person's key is destroyed: no copy of her history anywhere can be read. The tombstone names no one.

    key_id_hash, proof   the last words of the key (keys.erasure)
    """

    rules = Rules(
        aggregate="person",
        does="erase a person",
        roles=frozenset({Role.DATA_PROTECTION_OFFICER}),
        moves=(
            Move("record", ("PSEUDONYM", "HELD"), "ERASED"),
            Move("linkage", ("UNPUBLISHED", "HOLD", "TELL"), "UNPUBLISHED"),
        ),
        second=Second(frozenset({Role.KEY_CUSTODIAN}), "same country"),
    )

    key_id_hash: Open[Hex32]
    basis: Open[ErasureBasis]
    proof: Open[Hex32]


@dataclass(frozen=True, slots=True)
class Person:
    """A person's record. `Person()` is that of somebody of whom nothing is recorded.

    erased      the person's key is destroyed: identifiers, countries and grants are unknown, handles stay. It is that
                already where the record is not yet ERASED: on a store older than the key's end
    by_handle   every linkage there ever was, by its handle
    """

    seq: int = 0
    person_id: UUID | None = None
    record: Literal["PSEUDONYM", "HELD", "ERASED"] = "PSEUDONYM"
    erased: bool = False
    names: tuple[Name, ...] = field(default=(), repr=False)
    birth_date: str | None = field(default=None, repr=False)
    documents: tuple[Document, ...] = field(default=(), repr=False)
    contacts: tuple[Contact, ...] = field(default=(), repr=False)
    gender: str | None = field(default=None, repr=False)
    citizenships: frozenset[str] = field(default=frozenset(), repr=False)
    languages: tuple[str, ...] = field(default=(), repr=False)
    marital_status: str | None = field(default=None, repr=False)
    children: int | None = field(default=None, repr=False)
    education: str | None = field(default=None, repr=False)
    by_handle: Mapping[str, Linkage] = field(default_factory=dict)

    @property
    def linkages(self) -> dict[str, Linkage]:
        """The linkages by country; those of an erased person have none."""
        return {one.country: one for one in self.by_handle.values() if one.country is not None}

    @property
    def live(self) -> tuple[Linkage, ...]:
        """The linkages whose tokens are out."""
        return tuple(one for one in self.by_handle.values() if one.live)


def person_stream(person_id: UUID) -> UUID:
    return stream_id("person", person_id)


def evolve(person: Person, event: Event) -> Person:
    """Fold one event of the person's stream."""
    person = replace(person, seq=event.seq, person_id=event.person_id)
    match event:
        case IdentifiersRecorded():
            return _held(person, event)
        case TokensPublished():
            linkage = published(person.by_handle.get(event.handle), event)
            person = replace(person, erased=person.erased or linkage.country is None)
        case PersonErased():
            return replace(person, record="ERASED", erased=True)
        case GrantSet() | TokensRevoked():
            linkage = changed(person.by_handle[event.handle], event)
        case _:
            return person
    return replace(person, by_handle={**person.by_handle, linkage.handle: linkage})


def _held(person: Person, event: IdentifiersRecorded) -> Person:
    if isinstance(event.names, Erased):
        return replace(person, record="HELD", erased=True)
    return replace(
        person,
        record="HELD",
        names=kept(event.names, ()),
        birth_date=kept(event.birth_date, None),
        documents=kept(event.documents, ()),
        contacts=kept(event.contacts, ()),
        gender=kept(event.gender, None),
        citizenships=kept(event.citizenships, frozenset()),
        languages=kept(event.languages, ()),
        marital_status=kept(event.marital_status, None),
        children=kept(event.children, None),
        education=kept(event.education, None),
    )


_IDENTIFIERS: Final = tuple(n for n in IdentifiersRecorded.model_fields if n not in Event.model_fields)


def refuse_erased(person: Person) -> None:
    """Refuse to add anything personal to an erased record."""
    if person.erased:
        raise Refused("erased", "This person's record is erased. Nothing personal can be added to it.")


def next_of(person: Person, person_id: UUID, act: Act, ahead: int) -> dict[str, Any]:
    """The base fields of the `ahead`th event that this act adds to the person's stream."""
    return placed(act, person_stream(person_id), person.seq + ahead, person_id)


@refusing_bad_values
def decide_record_identifiers(
    person: Person,
    consents: Consents,
    act: Act,
    *,
    person_id: UUID,
    names: Sequence[Name],
    birth_date: str | None,
    documents: Sequence[Document],
    gender: str | None,
    citizenships: frozenset[str],
    contacts: Sequence[Contact] = (),
    languages: Sequence[str] = (),
    marital_status: str | None = None,
    children: int | None = None,
    education: str | None = None,
) -> list[Event]:
    """Identifiers are held, under consent C2. The same again: nothing. Others: tokens that are out are revoked.

    Tokens are then made anew by two people, else a correction would be a way to fish.
    raises  Refused: role_may_not, same_person, consent_missing, nothing_given, erased, bad_value
    """
    permit(IdentifiersRecorded, act)
    refuse_erased(person)
    require_consents(IdentifiersRecorded, consents, act)
    recorded = IdentifiersRecorded(
        **next_of(person, person_id, act, 1),
        names=tuple(names),
        birth_date=birth_date,
        documents=tuple(documents),
        contacts=tuple(contacts),
        gender=gender,
        citizenships=citizenships,
        languages=tuple(languages),
        marital_status=marital_status,
        children=children,
        education=education,
    )
    if all(getattr(recorded, name) == getattr(person, name) for name in _IDENTIFIERS) and person.record == "HELD":
        return []
    if not (names or birth_date or documents or contacts):
        raise Refused("nothing_given", "There is no name, birth date, document or contact. Give at least one of them.")
    return [recorded, *_revoked(person, person.live, "correction", act.by_node(), 1)]


@refusing_bad_values
def decide_revoke_tokens(
    person: Person, act: Act, *, reason: RevocationReason, country: str | None = None
) -> list[Event]:
    """Tokens that are out are no more: those for this country, or all. None are out: nothing.

    raises  Refused: role_may_not, same_person, bad_value
    """
    permit(TokensRevoked, act)
    over = [one for one in person.live if country in (None, one.country)]
    return _revoked(person, over, reason, act)


def decide_follow_consents(person: Person, consents: Consents, act: Act) -> list[Event]:
    """What the node does when consents have changed, in the same transaction: tokens that they no longer cover go.

    Covered is a country that C4 names while C4 and C2 stand; a C4 given anew for the same country revokes nothing.
    consents    as they are after the change
    """
    countries = consents.allowed_countries(act.at) if consents.stands("C2", act.at) else frozenset()
    over = [one for one in person.live if one.country not in countries]
    return _revoked(person, over, "consent_over", act.by_node())


def decide_expire_tokens(person: Person, act: Act) -> list[Event]:
    """Tokens whose last day has passed are revoked. Raises Refused: role_may_not, same_person."""
    permit(TokensRevoked, act)
    over = [one for one in person.live if one.expires_on < act.today]
    return _revoked(person, over, "expired", act)


def _revoked(
    person: Person, over: Sequence[Linkage], reason: RevocationReason, act: Act, after: int = 0
) -> list[Event]:
    if person.person_id is None:
        return []
    return [
        TokensRevoked(**next_of(person, person.person_id, act, i), handle=one.handle, reason=reason)
        for i, one in enumerate(over, after + 1)
    ]
