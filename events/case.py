"""A case: reported, screened, decided upon, closed, in the organisation that owns it.

Pure. Identification and the case itself are small machines side by side: closing a case does not stop the others, and
no help ever waits for one of them. Refuses another organisation's case worker, and a case worker who would close a
child's case alone. A case needs no consent and no name, and may live under a pseudonym for its whole life.
"""

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

from events.base import (
    Act,
    AgeStatus,
    Code,
    Event,
    Language,
    Move,
    Open,
    Personal,
    Role,
    Rules,
    Second,
    Short,
    Text,
    Wire,
    counts_as_child,
    kept,
    placed,
)
from events.consent import Consents, require_consents
from events.errors import Refused, RowTampered
from events.ids import stream_id
from events.rules import expect_ahead, expect_state, permit, refusing_bad_values

Source = Literal["self", "organisation", "hotline", "authority", "transnational_referral"]
ScreeningResult = Literal["presumed", "no_indicators", "unclear"]
DecidingBody = Literal["Police", "NGO", "CourtOrProsecution", "NonPoliceGovernmentalOrganization", "Other"]
Outcome = Literal[
    "completed",
    "settled_here",
    "returned",
    "third_country",
    "referred_abroad",
    "referred_home_organisation",
    "not_a_victim",
    "declined_by_person",
    "left_care",
    "duplicate",
    "opened_in_error",
    "other",
]
CaseState = Literal["OPEN", "CLOSED"]
Identification = Literal["UNASSESSED", "SCREENED", "IDENTIFIED", "NOT_IDENTIFIED"]
Protection = Literal["WAITING", "ENDED"]
"""The states that this release's events reach."""


def _outline(carries: str) -> tuple[Wire]:
    return (Wire(to="matcher", what="outline", carries=(carries,), needs=("C9",)),)


class CaseReported(Event):
    """Somebody is responsible for this person from now on."""

    rules = Rules(
        aggregate="case",
        does="report a case",
        roles=frozenset({Role.FIRST_RESPONDER, Role.CASE_WORKER, Role.TRM_FOCAL_POINT}),
        moves=(Move("case", (), "OPEN"),),
        wire=_outline("age_status"),
    )

    case_id: Open[UUID]
    owner_org: Open[Short]
    reported_on: Open[date]
    source: Open[Source]
    referring_org: Open[Short | None] = None
    transnational_referral_id: Open[UUID | None] = None
    age_status: Personal[AgeStatus]
    summary: Personal[Text | None] = None
    reference: Personal[Short | None] = None
    """The record's id in the file it came from."""


class VictimScreened(Event):
    """Indicators asked. Act, means and purpose are the three axes of the Palermo definition and stay apart."""

    rules = Rules(
        aggregate="case",
        does="screen a person",
        roles=frozenset({Role.FIRST_RESPONDER, Role.CASE_WORKER}),
        moves=(Move("identification", ("UNASSESSED", "SCREENED", "NOT_IDENTIFIED"), "SCREENED"),),
        consents=("C1",),
    )

    indicator_set_version: Open[Short]
    acts: Personal[frozenset[Code]]
    means: Personal[frozenset[Code]]
    purposes: Personal[frozenset[Code]]
    result: Personal[ScreeningResult]


class VictimIdentified(Event):
    """The formal decision: yes. A status that gives rights hangs on no consent form."""

    rules = Rules(
        aggregate="case",
        does="identify a victim",
        roles=frozenset({Role.IDENTIFICATION_AUTHORITY}),
        moves=(Move("identification", ("UNASSESSED", "SCREENED", "NOT_IDENTIFIED"), "IDENTIFIED"),),
        wire=_outline("decided_on"),
    )

    decided_by: Open[DecidingBody]
    decided_on: Open[date]
    legal_basis: Open[Text]
    informed_in: Open[Language]
    request_id: Open[UUID | None] = None


class VictimNotIdentified(Event):
    """The formal decision: no, by two officials, open to review. Help goes on until the review date has passed."""

    rules = Rules(
        aggregate="case",
        does="decide that a person is no victim",
        roles=frozenset({Role.IDENTIFICATION_AUTHORITY}),
        moves=(Move("identification", ("UNASSESSED", "SCREENED", "IDENTIFIED"), "NOT_IDENTIFIED"),),
        second=Second(frozenset({Role.IDENTIFICATION_AUTHORITY}), "same country"),
        wire=_outline("decided_on"),
    )

    decided_by: Open[DecidingBody]
    decided_on: Open[date]
    reason: Personal[Text]
    informed_in: Open[Language]
    review_until: Open[date]


class CaseClosed(Event):
    """Nobody is responsible any more. Legal whatever the tracks say; identification goes on by itself."""

    rules = Rules(
        aggregate="case",
        does="close a case",
        roles=frozenset({Role.CASE_WORKER, Role.SUPERVISOR}),
        moves=(
            Move("case", ("OPEN",), "CLOSED"),
            Move("protection", ("WAITING", "PROTECTED", "ASSISTED", "LEFT_CARE", "ENDED"), "ENDED"),
        ),
        wire=_outline("outcome"),
    )

    outcome: Open[Outcome]
    reason: Personal[Text | None] = None
    duplicate_of: Open[UUID | None] = None
    how_to_come_back: Personal[Text | None] = None


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a case. After an erasure the age is `unknown` and the texts are gone; the states stay.

    reported_by    staff id
    refused_by     staff ids of the officials who last decided that she is no victim
    """

    seq: int
    case_id: UUID
    person_id: UUID
    owner_org: str
    reported_by: str
    reported_on: date
    source: Source
    age_status: AgeStatus
    state: CaseState = "OPEN"
    identification: Identification = "UNASSESSED"
    protection: Protection = "WAITING"
    refused_by: frozenset[str] = frozenset()
    review_until: date | None = None
    outcome: Outcome | None = None
    summary: str | None = field(default=None, repr=False)
    reference: str | None = field(default=None, repr=False)


_OWNERS: Final = (Role.CASE_WORKER, Role.SUPERVISOR)


def case_stream(case_id: UUID) -> UUID:
    return stream_id("case", case_id)


def evolve(case: Case | None, event: Event) -> Case:
    """Fold one event of the case's stream. Raises RowTampered where the stream does not begin with a report."""
    if isinstance(event, CaseReported):
        return _reported(event)
    if case is None:
        raise RowTampered(f"The stream {event.stream} of a case does not begin with CaseReported.")
    case = replace(case, seq=event.seq)
    match event:
        case VictimScreened():
            return replace(case, identification="SCREENED")
        case VictimIdentified():
            return replace(case, identification="IDENTIFIED", refused_by=frozenset(), review_until=None)
        case VictimNotIdentified():
            officials = frozenset(a.staff for a in (event.by, event.second_by) if a)
            until = event.review_until
            return replace(case, identification="NOT_IDENTIFIED", refused_by=officials, review_until=until)
        case CaseClosed():
            return replace(case, state="CLOSED", protection="ENDED", outcome=event.outcome)
    return case


def _reported(event: CaseReported) -> Case:
    return Case(
        seq=event.seq,
        case_id=event.case_id,
        person_id=event.person_id,
        owner_org=event.owner_org,
        reported_by=event.by.staff,
        reported_on=event.reported_on,
        source=event.source,
        age_status=kept(event.age_status, "unknown"),
        summary=kept(event.summary, None),
        reference=kept(event.reference, None),
    )


def require_owner(case: Case, act: Act) -> None:
    """Refuse a case worker or supervisor of another organisation, and a first responder who did not report this case.

    The caller asks it too before what it decides about the person's consents and record.
    """
    role = act.by.role
    if role in _OWNERS and act.by.organisation != case.owner_org:
        raise Refused(
            "other_organisation",
            "This case belongs to another organisation. Ask its case worker, or make a domestic referral.",
        )
    if role is Role.FIRST_RESPONDER and act.by.staff != case.reported_by:
        raise Refused(
            "not_reporter", "A first responder works on the cases that they reported. Ask the case worker for this one."
        )


@refusing_bad_values
def decide_report(
    act: Act,
    *,
    case_id: UUID,
    person_id: UUID,
    owner_org: str,
    reported_on: date,
    source: Source,
    age_status: AgeStatus,
    summary: str | None = None,
    reference: str | None = None,
    referring_org: str | None = None,
    transnational_referral_id: UUID | None = None,
) -> list[Event]:
    """A case is born. Raises Refused: role_may_not, same_person, bad_value."""
    permit(CaseReported, act)
    return [
        CaseReported(
            **placed(act, case_stream(case_id), 1, person_id),
            case_id=case_id,
            owner_org=owner_org,
            reported_on=reported_on,
            source=source,
            age_status=age_status,
            summary=summary,
            reference=reference,
            referring_org=referring_org,
            transnational_referral_id=transnational_referral_id,
        )
    ]


@refusing_bad_values
def decide_screen(
    case: Case,
    consents: Consents,
    act: Act,
    *,
    indicator_set_version: str,
    acts: frozenset[str],
    means: frozenset[str],
    purposes: frozenset[str],
    result: ScreeningResult,
) -> list[Event]:
    """Indicators were asked, under consent C1. An adult is presumed a victim only with means; a child needs none.

    raises  Refused: role_may_not, other_organisation, not_reporter, wrong_state, consent_missing, means_missing, ...
    """
    permit(VictimScreened, act)
    require_owner(case, act)
    expect_state(VictimScreened, "identification", case.identification)
    require_consents(VictimScreened, consents, act)
    if result == "presumed" and not means and not counts_as_child(case.age_status):
        raise Refused(
            "means_missing",
            "An adult is presumed a victim by act, means and purpose. Record the means, or another result.",
        )
    return [
        VictimScreened(
            **_next(case, act),
            indicator_set_version=indicator_set_version,
            acts=acts,
            means=means,
            purposes=purposes,
            result=result,
        )
    ]


@refusing_bad_values
def decide_identify(
    case: Case,
    act: Act,
    *,
    decided_by: DecidingBody,
    decided_on: date,
    legal_basis: str,
    informed_in: str,
    request_id: UUID | None = None,
) -> list[Event]:
    """The person is a victim. After a "no", another official decides than those who gave it.

    raises  Refused: role_may_not, wrong_state, same_official, bad_value
    """
    permit(VictimIdentified, act)
    expect_state(VictimIdentified, "identification", case.identification)
    if act.by.staff in case.refused_by:
        raise Refused(
            "same_official",
            "Whoever decided that she is no victim does not review that decision. Another official must.",
        )
    return [
        VictimIdentified(
            **_next(case, act),
            decided_by=decided_by,
            decided_on=decided_on,
            legal_basis=legal_basis,
            informed_in=informed_in,
            request_id=request_id,
        )
    ]


@refusing_bad_values
def decide_not_identify(
    case: Case,
    act: Act,
    *,
    decided_by: DecidingBody,
    decided_on: date,
    reason: str,
    informed_in: str,
    review_until: date,
) -> list[Event]:
    """The person is no victim, say two officials; it can be reviewed until a date that lies ahead.

    raises  Refused: role_may_not, second_needed, second_role_may_not, same_person, wrong_state, date_past, bad_value
    """
    permit(VictimNotIdentified, act)
    expect_state(VictimNotIdentified, "identification", case.identification)
    expect_ahead("review date", review_until, act)
    return [
        VictimNotIdentified(
            **_next(case, act),
            decided_by=decided_by,
            decided_on=decided_on,
            reason=reason,
            informed_in=informed_in,
            review_until=review_until,
        )
    ]


@refusing_bad_values
def decide_close(
    case: Case,
    act: Act,
    *,
    outcome: Outcome,
    reason: str | None = None,
    duplicate_of: UUID | None = None,
    how_to_come_back: str | None = None,
) -> list[Event]:
    """The case is over. Consents and tokens are not: they live and die with C4 and the person's record.

    raises  Refused: role_may_not, other_organisation, wrong_state, supervisor_closes, bad_value
    """
    permit(CaseClosed, act)
    require_owner(case, act)
    expect_state(CaseClosed, "case", case.state)
    if counts_as_child(case.age_status) and act.by.role is not Role.SUPERVISOR:
        raise Refused(
            "supervisor_closes",
            "The case of a child, or of somebody who may be one, is closed by a supervisor. Ask one.",
        )
    return [
        CaseClosed(
            **_next(case, act),
            outcome=outcome,
            reason=reason,
            duplicate_of=duplicate_of,
            how_to_come_back=how_to_come_back,
        )
    ]


def _next(case: Case, act: Act) -> dict[str, Any]:
    return placed(act, case_stream(case.case_id), case.seq + 1, case.person_id)
