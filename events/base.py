"""The frozen base of every event: who did what, when, for which purpose, about which person.

An event is a fact; it is never altered. Every field of it has a class: open, personal or identifying. The last two are
sealed under the person's own key (events.mapper); when that key is destroyed they load as `ERASED`, and whatever folds
an event must do without them. This file refuses a field without a class, an unknown field, and a time without a zone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema, core_schema

from events.ids import new_id
from events.model import Value

T = TypeVar("T")
D = TypeVar("D")

Instant = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]
"""A moment, in UTC. A time without a zone is refused."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$")]
"""A term of a code list."""
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
"""A BCP 47 tag: `lo`, `zh-Hant`."""

AgeStatus = Literal["adult", "child", "disputed", "unknown"]
ConsentPurpose = Literal["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10"]
"""What a person can consent to; events.consent says each in words."""


def counts_as_child(age_status: AgeStatus) -> bool:
    """Disputed or unknown counts as child."""
    return age_status != "adult"


class Role(StrEnum):
    """What somebody is allowed to do. Readers (the three before the last two) record no case event."""

    FIRST_RESPONDER = "first_responder"
    CASE_WORKER = "case_worker"
    SUPERVISOR = "supervisor"
    IDENTIFICATION_AUTHORITY = "identification_authority"
    JUSTICE_LIAISON = "justice_liaison"
    TRM_FOCAL_POINT = "trm_focal_point"
    MATCH_ADJUDICATOR = "match_adjudicator"
    DATA_PROTECTION_OFFICER = "data_protection_officer"
    KEY_CUSTODIAN = "key_custodian"
    SECURITY_REVIEWER = "security_reviewer"
    ANALYST = "analyst"
    NODE_OPERATOR = "node_operator"
    NODE = "node"
    MATCHER = "matcher"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ").replace("trm", "TRM")


class Purpose(StrEnum):
    """What an act or a reading is for."""

    IDENTIFICATION = "identification"
    PROTECTION = "protection"
    ASSISTANCE = "assistance"
    MATCHING = "matching"
    REFERRAL = "referral"
    JUSTICE = "justice"
    DATA_PROTECTION = "data_protection"
    OVERSIGHT = "oversight"
    UPKEEP = "upkeep"
    """The node's own clocks and reactions."""


class Actor(Value):
    """A member of staff, or a machine, in the role in which they act. `staff` names one human, whatever the role."""

    staff: Short
    organisation: Short
    role: Role


NODE: Final = Actor(staff="node", organisation="node", role=Role.NODE)
"""The country's own software: clocks and reactions, nothing that needs a person's decision."""
MATCHER: Final = Actor(staff="matcher", organisation="matcher", role=Role.MATCHER)


class Act(Value):
    """Who acts, when, for which purpose, and who signs as the second person: given to every decide_*.

    note    free text about the act, personal
    """

    at: Instant
    by: Actor
    purpose: Purpose
    second_by: Actor | None = None
    note: Text | None = Field(default=None, repr=False)

    def by_node(self) -> "Act":
        """The same moment, for what the node does of itself in consequence."""
        return Act(at=self.at, by=NODE, purpose=Purpose.UPKEEP)

    @property
    def today(self) -> date:
        """The date of the act, in UTC."""
        return self.at.date()


class Erased:
    """Stands where a personal field stood whose key is destroyed. There is one, `ERASED`; it is false."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<Erased>"

    def __bool__(self) -> bool:
        return False

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(cls)


ERASED: Final = Erased()


def kept(value: T | Erased, instead: D) -> T | D:
    """A personal field's value, or what to take in its place when it is erased."""
    return instead if isinstance(value, Erased) else value


class FieldClass(StrEnum):
    """Whom a field is about: nobody (open), a person, or a person and tells who or where they are."""

    OPEN = "open"
    PERSONAL = "personal"
    IDENTIFYING = "identifying"


_Kept = Field(union_mode="left_to_right")
Open = Annotated[T, FieldClass.OPEN]
Personal = Annotated[T | Erased, _Kept, FieldClass.PERSONAL]
Identifying = Annotated[T | Erased, _Kept, FieldClass.IDENTIFYING]


@dataclass(frozen=True, slots=True)
class Second:
    """Who must sign beside the first: a different human. `where` and `unless` are the law's words."""

    roles: frozenset[Role]
    where: str
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The state that a payload field chooses."""

    by: str
    states: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Move:
    """One machine's step. `origins` empty: it is born here. `to`: a state, or `same`, or chosen by a field."""

    machine: str
    origins: tuple[str, ...]
    to: str | Chosen


@dataclass(frozen=True, slots=True)
class Wire:
    """What of an event leaves the country, always sealed, and the consents that must stand when it does."""

    to: Literal["matcher", "named_country"]
    what: str
    carries: tuple[str, ...]
    needs: tuple[ConsentPurpose, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the law says of one event. `does` completes "the role ... may ...".

    consents    must stand when it is recorded
    requires    machine and the states in one of which it must be
    """

    aggregate: str
    does: str
    roles: frozenset[Role]
    moves: tuple[Move, ...]
    second: Second | None = None
    consents: tuple[ConsentPurpose, ...] = ()
    requires: tuple[tuple[str, tuple[str, ...]], ...] = ()
    wire: tuple[Wire, ...] = ()


class Event(Value):
    """A fact in one stream: the `seq`th, from 1 on, done by `by`, and signed by `second_by` where it takes two."""

    rules: ClassVar[Rules]
    open_fields: ClassVar[frozenset[str]]
    personal_fields: ClassVar[frozenset[str]]
    """Personal and identifying ones: what is sealed under the person's key."""

    event_id: Open[UUID] = Field(default_factory=new_id)
    stream: Open[UUID]
    seq: Open[int] = Field(ge=1)
    at: Open[Instant]
    by: Open[Actor]
    second_by: Open[Actor | None] = None
    purpose: Open[Purpose]
    person_id: Open[UUID]
    note: Personal[Text | None] = None

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        classes = {name: class_of(cls, name) for name in cls.model_fields}
        cls.open_fields = frozenset(n for n, c in classes.items() if c is FieldClass.OPEN)
        cls.personal_fields = frozenset(classes) - cls.open_fields

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.stream} {self.seq}>"

    __str__ = __repr__


def class_of(event: type[Event], field: str) -> FieldClass:
    """The class of an event's field. Raises TypeError where none is given: no field goes unclassed."""
    for mark in event.model_fields[field].metadata:
        if isinstance(mark, FieldClass):
            return mark
    raise TypeError(f"{event.__name__}.{field} is neither Open nor Personal nor Identifying.")


def placed(act: Act, stream: UUID, seq: int, person_id: UUID) -> dict[str, Any]:
    """The base fields of an event of this act: `SomethingDone(**placed(...), what=...)`."""
    return {
        "stream": stream,
        "seq": seq,
        "person_id": person_id,
        "at": act.at,
        "by": act.by,
        "second_by": act.second_by,
        "purpose": act.purpose,
        "note": act.note,
    }
