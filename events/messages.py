"""What travels: the body of every envelope, and the items it may carry. A closed list.

A body is JSON, UTF-8. On sealed topics it is sealed to the reader; on `keys.*` it is public. Every body may
carry, beside its items, the writer's heads and wants about the streams that its reader writes.
"""

import base64
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, PlainSerializer

from events.charter import Allowance
from events.model import Country, Hex16, Hex32, PairName, PartyId, StaffId, Value


def _bytes(value: object) -> object:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


Bytes = Annotated[bytes, BeforeValidator(_bytes), PlainSerializer(_text, return_type=str)]
"""Bytes; base64 in JSON."""

Grant = Literal["tell", "hold"]
Band = Literal["document", "strong", "possible"]
EvaluationPurpose = Literal["match", "bulk", "rotation"]
RenewalReason = Literal["compromise", "period", "schema"]
EndReason = Literal["withdrawn", "compromise", "law", "other", "other_side", "charter"]
"""Why a holder has ended an agreement. `other_side`, `charter`: it follows another holder, or all members."""


class Head(Value):
    """How far a reader has applied one stream: everything up to `seq` inclusive, whose hash is `hash`."""

    writer: PartyId
    epoch: int
    topic: str
    partition: int
    seq: int
    hash: Hex32


class Want(Value):
    """Send this stream again from `from_seq`; seal anew the events of `reseal`, whose bodies no longer open."""

    epoch: int
    topic: str
    partition: int
    from_seq: int
    reseal: tuple[UUID, ...] = ()


# ---- keys.<party>: public


class SealingKeyIntroduced(Value):
    kind: Literal["sealing_key_introduced"] = "sealing_key_introduced"
    key_id: str
    public: Hex32
    valid_from: datetime
    valid_until: datetime
    """Sealed to until then; accepted for the charter's days after."""


class ShareIntroduced(Value):
    """A holder's public share of a pair's key, with its proof of knowledge (keys.shares).

    The first of an epoch begins it, or joins who has begun it: `reason` says why, of later generations nothing.
    """

    kind: Literal["share_introduced"] = "share_introduced"
    pair: PairName
    epoch: int
    generation: int
    holder: PartyId
    public: Hex32
    proof: Bytes
    schema_version: int = Field(default=1, ge=1)
    """Of the tokens that are made in this epoch; all holders must mean the same."""
    reason: RenewalReason | Literal["first", "joined", "refresh"] = "first"


class RefreshOffered(Value):
    """A holder draws its part of a refresh: what its share, and the other's, will be moved by (keys.refresh)."""

    kind: Literal["refresh_offered"] = "refresh_offered"
    pair: PairName
    epoch: int
    generation: int
    """The one that is to come."""
    base: int
    """The generation that is refreshed."""
    holder: PartyId
    public: Hex32
    """D, of which the part is the logarithm."""
    seal_to: Hex32
    """X25519, for this refresh alone: the other holder seals its part to it."""
    reason: Literal["custodian", "cryptoperiod", "joined"]


class RefreshRevealed(Value):
    """The part that a holder has offered, sealed to the other holder of the pair."""

    kind: Literal["refresh_revealed"] = "refresh_revealed"
    pair: PairName
    epoch: int
    generation: int
    holder: PartyId
    box: Bytes


class EvaluatedTotal(Value):
    """How many elements a holder has evaluated for one country and pair in one epoch, up to now.

    rotated   of these, so many to make anew what was out in the epoch before
    """

    kind: Literal["evaluated_total"] = "evaluated_total"
    pair: PairName
    epoch: int
    country: Country
    count: int
    most_in_a_day: int
    """The largest count of any one day, without `rotated`: what the daily quota and the allowances are held against."""
    rotated: int = 0


class AcceptedTotal(Value):
    """How many slots the matcher has accepted from one country for one pair in one epoch, up to now."""

    kind: Literal["accepted_total"] = "accepted_total"
    pair: PairName
    epoch: int
    country: Country
    count: int


class AgreementEnded(Value):
    """A holder has destroyed every share of a pair's key that it had: no token can be made under it again, ever.

    custodians   two of this side, where it is the one that ends; none where it follows
    """

    kind: Literal["agreement_ended"] = "agreement_ended"
    pair: PairName
    epoch: int
    """Of the pair's key: what was said of it, and of the epochs before, is over."""
    holder: PartyId
    at: datetime
    reason: EndReason
    custodians: tuple[StaffId, ...] = ()


class AgreementDropped(Value):
    """The matcher has dropped every row and match of a pair. Its own word: what makes rows worthless is the destroyed
    share.
    """

    kind: Literal["agreement_dropped"] = "agreement_dropped"
    pair: PairName
    epoch: int
    at: datetime
    commitment: Hex32
    """To what it dropped (services.matcher.endings), which it shows to whoever inspects it; no count stands here."""


class AllowanceGranted(Value):
    """Two custodians of a holder's country let a country ask more of it, once over a span of time.

    It stands from `valid_from`, which is never before it was announced.
    """

    kind: Literal["allowance_granted"] = "allowance_granted"
    id: UUID
    holder: PartyId
    country: Country
    pair: PairName
    count: int = Field(gt=0)
    valid_from: datetime
    valid_until: datetime
    reason: str = Field(min_length=1, max_length=200)
    custodians: tuple[StaffId, StaffId]

    @property
    def allowance(self) -> Allowance:
        """As the charter writes one."""
        return Allowance(**self.model_dump(exclude={"kind", "id", "custodians"}))


# ---- evaluate.<from>.<to> and evaluated.<from>.<to>


class EvaluationAsked(Value):
    kind: Literal["evaluation_asked"] = "evaluation_asked"
    batch: UUID
    pair: PairName
    epoch: int = Field(ge=0)
    generation: int = Field(ge=0)
    purpose: EvaluationPurpose
    n: int = Field(ge=1)
    blinded: Bytes
    """n elements of 32 bytes, one after another."""


class GenerationClosed(Value):
    """No batch of the asker's is open any more under an epoch and generation of the pair's key below this one."""

    kind: Literal["generation_closed"] = "generation_closed"
    pair: PairName
    epoch: int = Field(ge=0)
    generation: int = Field(ge=0)


class Evaluated(Value):
    kind: Literal["evaluated"] = "evaluated"
    batch: UUID
    pair: PairName
    epoch: int
    generation: int
    n: int = Field(ge=1)
    elements: Bytes
    proof: Bytes
    """c | s, 64 bytes (keys.dleq)."""
    key_id: str
    signature: Bytes
    """Ed25519 by the holder's signing key over keys.dleq.answer_message: a wrong answer convicts its holder."""


class EvaluationRefused(Value):
    kind: Literal["evaluation_refused"] = "evaluation_refused"
    batch: UUID
    reason: Literal[
        "over_quota", "not_your_pair", "agreement_ended", "unknown_epoch", "unknown_generation", "bad_size",
        "bad_element",
    ]
    sentence: str
    retry_at: datetime | None
    """When to ask again; None: never, mend the request."""
    key_id: str
    signature: Bytes
    """Ed25519 by the holder's signing key over keys.dleq.refusal_message."""


# ---- linkage.<cc>


class Submission(Value):
    """One person's row of slots for one pair. Nothing of the case: no country list, state, date or size."""

    kind: Literal["submission"] = "submission"
    handle: Hex16
    serial: int = Field(default=0, ge=0, le=2**53)
    """Of the publication, among those and the revocations of this handle (events.linkage). 0: not told."""
    pair: PairName
    epoch: int
    schema_version: int
    indices: Bytes
    """One index of 32 bytes a slot, in the charter's order of slots; empty slots hold a random token's."""
    grant: Grant
    grant_until: datetime


class GrantChanged(Value):
    kind: Literal["grant_changed"] = "grant_changed"
    handle: Hex16
    grant: Grant
    grant_until: datetime


class Revocation(Value):
    kind: Literal["revocation"] = "revocation"
    handle: Hex16
    serial: int = Field(default=0, ge=0, le=2**53)
    """As a submission's."""


class MatchEnded(Value):
    """The sender's side of a match is over; no reason is given."""

    kind: Literal["match_ended"] = "match_ended"
    match_ref: str
    handle: Hex16


class EpochClosed(Value):
    """All that is out of the sender's for this pair stands in this epoch, or in a later one."""

    kind: Literal["epoch_closed"] = "epoch_closed"
    pair: PairName
    epoch: int = Field(ge=0, lt=2**53)


# ---- notices.<cc>


class MatchNotice(Value):
    kind: Literal["match_notice"] = "match_notice"
    match_ref: str
    handle: Hex16
    other_country: Country
    told: Literal["this_side", "both"]
    band: Band
    slot: int | None
    """The common slot, for the proofs that both nodes exchange; only when both are told."""
    epoch: int
    half_time: datetime
    decide_by: datetime


class MatchOver(Value):
    """The other side of a match that both were told has ended it."""

    kind: Literal["match_over"] = "match_over"
    match_ref: str
    handle: Hex16


# ---- cases.<cc>


class Outline(Value):
    """A case event without anything identifying, under a pseudonym that nothing links to a handle."""

    kind: Literal["outline"] = "outline"
    pseudonym: Hex16
    event: str
    fields: dict[str, str]


Item = Annotated[
    SealingKeyIntroduced | ShareIntroduced | RefreshOffered | RefreshRevealed
    | EvaluatedTotal | AcceptedTotal | AllowanceGranted | AgreementEnded | AgreementDropped
    | EvaluationAsked | GenerationClosed | Evaluated | EvaluationRefused
    | Submission | GrantChanged | Revocation | MatchEnded | EpochClosed
    | MatchNotice | MatchOver
    | Outline,
    Field(discriminator="kind"),
]

ITEMS_OF: dict[str, tuple[type[Value], ...]] = {
    "keys": (
        SealingKeyIntroduced, ShareIntroduced, RefreshOffered, RefreshRevealed,
        EvaluatedTotal, AcceptedTotal, AllowanceGranted, AgreementEnded, AgreementDropped,
    ),
    "evaluate": (EvaluationAsked, GenerationClosed),
    "evaluated": (Evaluated, EvaluationRefused),
    "linkage": (Submission, GrantChanged, Revocation, MatchEnded, EpochClosed),
    "notices": (MatchNotice, MatchOver),
    "cases": (Outline,),
}
"""What each family of topics may carry; anything else in a body is malformed."""


class Body(Value):
    """The content of one envelope.

    tick    the number of the tick that this envelope opens for its stream; None between ticks
    heads   how far the writer has applied the reader's streams
    wants   what the writer asks the reader to send again
    pad     spaces, so that bodies of one kind have one size
    """

    tick: int | None = None
    heads: tuple[Head, ...] = ()
    wants: tuple[Want, ...] = ()
    items: tuple[Item, ...] = ()
    pad: str = ""

    def padded_to(self, size: int) -> bytes:
        """The body as JSON of exactly `size` bytes. Raises ValueError if it is larger."""
        plain = self.model_dump_json().encode()
        if len(plain) > size:
            raise ValueError(f"A body of {len(plain)} bytes does not fit the fixed {size}.")
        return self.model_copy(update={"pad": " " * (size - len(plain))}).model_dump_json().encode()
