"""A match, on this side: told by the matcher, closed by this country. One stream a match and side.

Pure. The matcher tells, by grants alone; this file checks that it had the right to: the handle is one of ours with its
tokens out towards that very country, and nobody is told on both sides whose own grant never was `tell`. What a matcher
may not do is refused, what it repeats is dropped. Dispositions, by two adjudicators a side, come in a later release.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID, uuid5

from pydantic import Field

from events.base import Act, Chosen, Event, Instant, Move, Open, Role, Rules, Wire, placed
from events.errors import Refused, RowTampered
from events.ids import stream_id
from events.linkage import Linkage, RevocationReason, TokensRevoked
from events.messages import Band
from events.model import Country, Hex16
from events.person import Person
from events.rules import permit, refusing_bad_values

Told = Literal["this_side", "both"]
MatchState = Literal["TOLD", "BOTH_TOLD", "CLOSED"]
"""The states that this release's events reach."""
ClosingReason = Literal["withdrawal", "erasure", "death", "expiry", "referred", "other_side_ended", "agreement_ended"]

_TOLD: Final = Chosen("told", {"this_side": "TOLD", "both": "BOTH_TOLD"})
_CLOSED_BY: Final[Mapping[RevocationReason, ClosingReason]] = {
    "consent_over": "withdrawal",
    "correction": "withdrawal",
    "unsafe": "withdrawal",
    "expired": "expiry",
    "erasure": "erasure",
    "death": "death",
    "agreement_ended": "agreement_ended",
}


class MatchTold(Event):
    """The matcher says that a person behind this handle is protected in another country too.

    slot       the common slot, for the proofs that both nodes exchange; only when both are told
    half_time  when a supervisor is told that nothing is decided; decide_by: when the match ends if nothing is
    """

    rules = Rules(
        aggregate="match",
        does="tell of a match",
        roles=frozenset({Role.MATCHER}),
        moves=(Move("match", (), _TOLD), Move("match", ("TOLD", "CLOSED"), _TOLD)),
        requires=(("linkage", ("HOLD", "TELL")),),
        wire=(
            Wire(
                to="named_country",
                what="notice, sealed by the matcher to the side that the other's grant tells",
                carries=(
                    "match_ref",
                    "handle",
                    "other_country",
                    "told",
                    "band",
                    "slot",
                    "key_epoch",
                    "half_time",
                    "decide_by",
                ),
                needs=("C4",),
            ),
        ),
    )

    match_id: Open[UUID]
    match_ref: Open[Annotated[str, Field(min_length=1, max_length=40)]]
    handle: Open[Hex16]
    other_country: Open[Country]
    told: Open[Told]
    band: Open[Band]
    slot: Open[Annotated[int, Field(ge=0)] | None] = None
    key_epoch: Open[Annotated[int, Field(ge=1)]]
    half_time: Open[Instant]
    decide_by: Open[Instant]


class MatchClosed(Event):
    """Over, on this side. The other side hears of it only if both were told, and without a reason."""

    rules = Rules(
        aggregate="match",
        does="close a match",
        roles=frozenset({Role.NODE, Role.TRM_FOCAL_POINT}),
        moves=(Move("match", ("TOLD", "BOTH_TOLD", "DISPOSED", "AGREED", "CONFLICT"), "CLOSED"),),
        wire=(
            Wire(
                to="matcher",
                what="'ended', without reason; the matcher passes it on when both were told, else to nobody",
                carries=(),
                needs=(),
            ),
        ),
    )

    reason: Open[ClosingReason]


@dataclass(frozen=True, slots=True)
class Match:
    """One match on this side, as it was told last."""

    seq: int
    match_id: UUID
    person_id: UUID
    match_ref: str
    handle: str
    other_country: str
    state: MatchState
    band: Band
    slot: int | None
    epoch: int
    half_time: datetime
    decide_by: datetime
    told_at: datetime
    closed_at: datetime | None = None
    reason: ClosingReason | None = None

    @property
    def live(self) -> bool:
        return self.state != "CLOSED"


def match_id_of(handle: str, match_ref: str) -> UUID:
    """The id of this side's match: whatever repeats, the same handle and reference give the same match."""
    return uuid5(UUID(hex=handle), match_ref)


def match_stream(match_id: UUID) -> UUID:
    return stream_id("match", match_id)


def evolve(match: Match | None, event: Event) -> Match:
    """Fold one event of the match's stream. Raises RowTampered where it does not begin with the telling."""
    if isinstance(event, MatchTold):
        return _told(event)
    if match is None:
        raise RowTampered(f"The stream {event.stream} of a match does not begin with MatchTold.")
    if isinstance(event, MatchClosed):
        return replace(match, seq=event.seq, state="CLOSED", closed_at=event.at, reason=event.reason)
    return replace(match, seq=event.seq)


def _told(event: MatchTold) -> Match:
    return Match(
        seq=event.seq,
        match_id=event.match_id,
        person_id=event.person_id,
        match_ref=event.match_ref,
        handle=event.handle,
        other_country=event.other_country,
        state="BOTH_TOLD" if event.told == "both" else "TOLD",
        band=event.band,
        slot=event.slot,
        epoch=event.key_epoch,
        half_time=event.half_time,
        decide_by=event.decide_by,
        told_at=event.at,
    )


@refusing_bad_values
def decide_told(
    match: Match | None,
    person: Person,
    act: Act,
    *,
    match_id: UUID,
    match_ref: str,
    handle: str,
    other_country: str,
    told: Told,
    band: Band,
    slot: int | None,
    epoch: int,
    half_time: datetime,
    decide_by: datetime,
) -> list[Event]:
    """A notice of the matcher becomes an event; a repeated one nothing. This side alone is told once a pair.

    match     the match of this id, None: never told
    person    the person whose handle it is
    match_id  `match_id_of(handle, match_ref)`
    raises    Refused: role_may_not, unknown_handle, wrong_country, tokens_not_out, another_match, grant_never_tell,
              told_too_much, match_over, bad_value
    """
    permit(MatchTold, act)
    linkage = person.by_handle.get(handle)
    if linkage is None or person.person_id is None:
        raise Refused("unknown_handle", "The notice names a handle that is none of ours. Look into it.")
    _check_linkage(linkage, other_country)
    _check_notice(match, linkage, match_ref, told, slot)
    if match is not None and (told == "this_side" or match.state == "BOTH_TOLD"):
        return []
    if match is not None and match.closed_at is not None and linkage.renewed_at <= match.closed_at:
        raise Refused("match_over", "This match is over, and neither tokens nor a `tell` came since. Nothing is told.")
    return [
        MatchTold(
            **placed(act, match_stream(match_id), match.seq + 1 if match else 1, person.person_id),
            match_id=match_id,
            match_ref=match_ref,
            handle=handle,
            other_country=other_country,
            told=told,
            band=band,
            slot=slot,
            key_epoch=epoch,
            half_time=half_time,
            decide_by=decide_by,
        )
    ]


def _check_linkage(linkage: Linkage, other_country: str) -> None:
    if not linkage.live:
        raise Refused("tokens_not_out", "The notice is about tokens that are revoked. Nothing is told.")
    if linkage.country != other_country:
        raise Refused(
            "wrong_country", "The notice names another country than its handle was published for. Look into it."
        )


def _check_notice(match: Match | None, linkage: Linkage, match_ref: str, told: Told, slot: int | None) -> None:
    if match is not None and (match.match_ref, match.handle) != (match_ref, linkage.handle):
        raise Refused("another_match", "The notice's reference or handle is not that of this match. Look into it.")
    if told == "both" and not linkage.was_tell:
        raise Refused(
            "grant_never_tell",
            "The notice says that both sides were told, but our grant never was `tell`: the matcher broke its rule. "
            "Keep the notice, and tell the security reviewer.",
        )
    if told == "this_side" and slot is not None:
        raise Refused("told_too_much", "A notice to one side alone carries the band and no slot. Look into it.")


@refusing_bad_values
def decide_close_match(match: Match, act: Act, *, reason: ClosingReason) -> list[Event]:
    """The match is ended by this side, alone and at any time. Closed already: nothing.

    raises  Refused: role_may_not, same_person, bad_value
    """
    permit(MatchClosed, act)
    if not match.live:
        return []
    base = placed(act, match_stream(match.match_id), match.seq + 1, match.person_id)
    return [MatchClosed(**base, reason=reason)]


def decide_lapse_match(match: Match, act: Act) -> list[Event]:
    """A match whose date to decide has come is over: a missed date ends, never tells. Raises Refused: role_may_not."""
    permit(MatchClosed, act)
    return decide_close_match(match, act, reason="expiry") if act.at >= match.decide_by else []


def decide_follow_revocation(match: Match, revoked: TokensRevoked, act: Act) -> list[Event]:
    """What the node does when a handle's tokens are revoked: the match of that handle closes."""
    if match.handle != revoked.handle:
        return []
    return decide_close_match(match, act.by_node(), reason=_CLOSED_BY[revoked.reason])
