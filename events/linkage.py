"""Tokens towards one partner country, and whether that country may be told: the events of a linkage, and its state.

Pure; what may happen when is decided in events.publication and events.person. A linkage is UNPUBLISHED, HOLD or TELL.
Country and grant are personal: that a woman hides from her home country is nobody's business. After an erasure they are
unknown, and an unknown grant counts as hold; the handle stays, so that tokens still out can be revoked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from events.base import Chosen, Event, Instant, Move, Open, Personal, Role, Rules, Second, Wire, kept
from events.messages import Bytes, Grant
from events.model import Country, Hex16

PublicationReason = Literal["first", "correction", "epoch"]
GrantReason = Literal["person_asked", "review", "unsafe_country", "ongoing_operation", "doubt", "expired", "other"]
RevocationReason = Literal["consent_over", "correction", "expired", "erasure", "death", "unsafe", "agreement_ended"]
LinkageState = Literal["UNPUBLISHED", "HOLD", "TELL"]

_BY_GRANT: Final = Chosen("grant", {"hold": "HOLD", "tell": "TELL"})
_STATE_OF: Final[Mapping[Grant, LinkageState]] = {"hold": "HOLD", "tell": "TELL"}


class TokensPublished(Event):
    """Tokens for one pair of countries go to the matcher under the person's handle for that country.

    token_set   the tokens themselves, which stay here; only their indices leave
    grant_until from then on the grant counts as hold
    """

    rules = Rules(
        aggregate="person",
        does="publish tokens",
        roles=frozenset({Role.TRM_FOCAL_POINT, Role.NODE}),
        moves=(Move("linkage", ("UNPUBLISHED", "HOLD", "TELL"), _BY_GRANT),),
        second=Second(
            frozenset({Role.CASE_WORKER}), "same country; the one who recorded C4", unless="by node, reason epoch"
        ),
        consents=("C4", "C2"),
        requires=(("record", ("HELD",)),),
        wire=(
            Wire(
                to="matcher",
                what="submission; epoch and schema stand on the batch",
                carries=("handle", "token_set", "grant"),
                needs=("C4",),
            ),
        ),
    )

    country: Personal[Country]
    handle: Open[Hex16]
    reason: Open[PublicationReason]
    key_epoch: Open[Annotated[int, Field(ge=1)]]
    schema_version: Open[Annotated[int, Field(ge=1)]]
    token_set: Personal[Annotated[Bytes, Field(min_length=1, max_length=65_536)]]
    grant: Personal[Grant]
    grant_until: Open[Instant]
    review_on: Open[date]
    expires_on: Open[date]


class GrantSet(Event):
    """Whether this country may be told of a match with her, from now on. What is told stays told."""

    rules = Rules(
        aggregate="person",
        does="set a grant",
        roles=frozenset({Role.TRM_FOCAL_POINT, Role.NODE}),
        moves=(Move("linkage", ("HOLD", "TELL"), _BY_GRANT),),
        second=Second(
            frozenset({Role.TRM_FOCAL_POINT, Role.SUPERVISOR}), "same country", unless="by node, or grant hold"
        ),
        wire=(Wire(to="matcher", what="grant of this handle", carries=("handle", "grant"), needs=("C4",)),),
    )

    country: Personal[Country]
    handle: Open[Hex16]
    reason: Personal[GrantReason]
    grant: Personal[Grant]
    grant_until: Open[Instant]
    review_on: Open[date]


class TokensRevoked(Event):
    """One handle's tokens are no more, in every live epoch. The handle stays the person's."""

    rules = Rules(
        aggregate="person",
        does="revoke tokens",
        roles=frozenset({Role.NODE, Role.TRM_FOCAL_POINT, Role.CASE_WORKER}),
        moves=(Move("linkage", ("HOLD", "TELL"), "UNPUBLISHED"),),
        wire=(
            Wire(
                to="matcher", what="revocation of one handle, in every live epoch", carries=("handle",), needs=()
            ),
        ),
    )

    handle: Open[Hex16]
    reason: Open[RevocationReason]


@dataclass(frozen=True, slots=True)
class Row:
    """The tokens of one publication in one epoch of the pair's key."""

    epoch: int
    schema_version: int
    tokens: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Linkage:
    """One person towards one country.

    country     None: erased
    serial      of the last publication or revocation by people's word: rises with each, and with the days, so that a
                word said after a backup was put back has a greater one than those that the backup lost
    was_tell    the grant has been `tell` at some time
    renewed_at  when people last published tokens, or set a `tell`: what may open a closed match again
    tokens      None: not published, or erased
    former      the same publication in earlier epochs, which may stand at the matcher still
    """

    country: str | None = field(repr=False)
    handle: str
    serial: int
    state: LinkageState = field(repr=False)
    grant_until: datetime
    review_on: date
    expires_on: date
    epoch: int
    schema_version: int
    renewed_at: datetime
    was_tell: bool = field(repr=False)
    tokens: bytes | None = field(repr=False)
    former: tuple[Row, ...] = ()

    @property
    def live(self) -> bool:
        """Tokens are out."""
        return self.state != "UNPUBLISHED"

    @property
    def grant(self) -> Grant:
        """The grant as it was set; `hold` while nothing is published."""
        return "tell" if self.state == "TELL" else "hold"

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is out, oldest epoch first."""
        newest = () if self.tokens is None else (Row(self.epoch, self.schema_version, self.tokens),)
        return (*self.former, *newest)


def published(earlier: Linkage | None, event: TokensPublished) -> Linkage:
    """The linkage after tokens went out. Made anew for another epoch they are the same people's same word."""
    grant: Grant = kept(event.grant, "hold")
    renewed = earlier if event.reason == "epoch" else None
    return Linkage(
        country=kept(event.country, None),
        handle=event.handle,
        serial=renewed.serial if renewed else _next_serial(earlier, event),
        state=_STATE_OF[grant],
        grant_until=event.grant_until,
        review_on=event.review_on,
        expires_on=event.expires_on,
        epoch=event.key_epoch,
        schema_version=event.schema_version,
        renewed_at=renewed.renewed_at if renewed else event.at,
        was_tell=grant == "tell" or (earlier is not None and earlier.was_tell),
        tokens=kept(event.token_set, None),
        former=tuple(row for row in renewed.rows if row.epoch != event.key_epoch) if renewed else (),
    )


def changed(linkage: Linkage, event: GrantSet | TokensRevoked) -> Linkage:
    """The linkage after its grant was set, or its tokens revoked."""
    if isinstance(event, TokensRevoked):
        return replace(linkage, state="UNPUBLISHED", tokens=None, former=(), serial=_next_serial(linkage, event))
    grant: Grant = kept(event.grant, "hold")
    return replace(
        linkage,
        state=_STATE_OF[grant],
        grant_until=event.grant_until,
        review_on=event.review_on,
        renewed_at=event.at if grant == "tell" else linkage.renewed_at,
        was_tell=linkage.was_tell or grant == "tell",
    )


def _next_serial(earlier: Linkage | None, event: Event) -> int:
    """The event's day in UTC, counted from the year 1; the next number where that is taken."""
    return max(earlier.serial + 1 if earlier else 0, event.at.astimezone(UTC).toordinal())
