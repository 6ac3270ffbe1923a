"""Evidence against a key holder: what a country keeps of a wrong answer or a refusal, and how a third party judges it.

Pure. Judged from public keys alone: the charter, and the envelope in which the holder introduced its share. A holder is
convicted by what it signed and by nothing else. So nobody can make evidence up: the share is taken from an envelope
that the holder signed, since anybody can make an introduction in another's name; and whatever stands in an answer or a
request beside what was signed counts nothing. In doubt nobody is convicted.

    a wrong answer    the holder signed it (keys.dleq.answer_message), and its proof fails under its introduced share
    a false refusal   the holder signed it (keys.dleq.refusal_message), and charter and request contradict its reason

Not convicted: a refusal that may be true (a quota that is spent, an epoch or a generation that is not there yet or any
more, a size, since how many elements were announced is not signed), and whatever bears a key that was retired for
compromise: its thief signs as well as its owner did.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from events.charter import Charter, share_generation
from events.envelope import Envelope, read_body, unpack
from events.errors import EnvelopeInvalid
from events.messages import Bytes, Evaluated, EvaluationAsked, EvaluationRefused, ShareIntroduced
from events.model import Country, Hex32, PartyId, Value, countries_of
from events.receiving import Authenticator, header_fault
from keys import dleq, group, shares, sign
from keys.errors import InvalidElement, InvalidProof, KeysError

Charge = Literal["wrong_answer", "false_refusal"]


class Evidence(Value):
    """One signed wrong answer or refusal, with all that a third party needs beside the charter to judge it."""

    charter_version: int
    """In force at the country then: its own word, which nothing rests on."""
    charter_digest: Hex32
    """Of the region's first version: what stands for the region in every proof."""
    requester: Country
    holder: PartyId
    request: EvaluationAsked
    answer: Annotated[Evaluated | EvaluationRefused, Field(discriminator="kind")]
    introduction: Bytes | None
    """The envelope on `keys.<holder>` in which the share that was asked was introduced; None: it is not known."""
    reason: str
    """Why the country stopped the pair: its own words, which convict nobody."""
    found_at: datetime


@dataclass(frozen=True, slots=True)
class Region:
    """A region's charter in all its versions, verified, oldest first; the digest that stands for it in every proof."""

    history: tuple[Charter, ...]
    digest: bytes

    def naming(self, party: str) -> Charter | None:
        """The newest version with this party: what it says of the party's keys counts. None: there never was one."""
        versions = reversed(self.history)
        return next((version for version in versions if party in {p.id for p in version.parties}), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the holder is convicted, of what, and why or why not in a sentence."""

    charge: Charge | None
    sentence: str

    @property
    def convicts(self) -> bool:
        return self.charge is not None


class _Acquitted(Exception):
    """Why nobody is convicted: leaves this file as a Verdict only."""


def judge(evidence: Evidence, region: Region) -> Verdict:
    """What the evidence shows. Cost of an answer: two weighted sums of the batch."""
    try:
        return _judged(evidence, region)
    except _Acquitted as why:
        return Verdict(None, str(why))


def _judged(evidence: Evidence, region: Region) -> Verdict:
    if evidence.charter_digest != region.digest.hex():
        raise _Acquitted("It is about another region: its charter is not the one that was given.")
    charter = region.naming(evidence.holder)
    if charter is None:
        raise _Acquitted(f"The region has no party {evidence.holder}.")
    if isinstance(evidence.answer, Evaluated):
        return _judge_answer(evidence, evidence.answer, region, charter)
    return _judge_refusal(evidence, evidence.answer, region, charter)


# ---- answers


def _judge_answer(evidence: Evidence, answer: Evaluated, region: Region, charter: Charter) -> Verdict:
    holder, request = evidence.holder, evidence.request
    share = _introduced(evidence, region, charter)
    statement = dleq.Statement(**asdict(_question(evidence, region)), holder=holder, public=bytes.fromhex(share.public))
    blinded, elements = _split(request.blinded), _split(answer.elements)
    digest = dleq.request_digest(statement, blinded)
    _require_signed(charter, holder, answer, dleq.answer_message(digest, holder, elements, answer.proof))
    try:
        dleq.verify(statement, blinded, elements, answer.proof)
    except (InvalidProof, InvalidElement):
        return Verdict(
            "wrong_answer",
            f"{holder} signed an answer to {evidence.requester} (batch {request.batch}, {len(blinded)} elements of "
            f"{request.pair}) that its introduced share of epoch {request.epoch}, generation {request.generation} did "
            "not make.",
        )
    raise _Acquitted(f"{holder} signed this answer, and it is right.")


def _introduced(evidence: Evidence, region: Region, charter: Charter) -> ShareIntroduced:
    """The share that was asked, as its holder introduced it."""
    holder, request = evidence.holder, evidence.request
    if evidence.introduction is None:
        raise _Acquitted(f"The evidence lacks the envelope in which {holder} introduced its share.")
    try:
        envelope = unpack(evidence.introduction)
        body = read_body("keys", envelope.box)
    except EnvelopeInvalid as error:
        raise _Acquitted(f"The introduction of {holder}'s share is no envelope: {error}") from error
    place = (request.pair, request.epoch, share_generation(request.pair, holder, request.generation), holder)
    introduced = (item for item in body.items if isinstance(item, ShareIntroduced))
    found = [share for share in introduced if (share.pair, share.epoch, share.generation, share.holder) == place]
    if not _is_word_of(envelope, holder, charter) or len(found) != 1:
        raise _Acquitted(f"The envelope in the evidence is not {holder}'s introduction of the share that was asked.")
    if not _is_proved(found[0], region.digest):
        raise _Acquitted(f"The introduction of {holder}'s share bears no proof for this region.")
    return found[0]


def _is_word_of(envelope: Envelope, holder: str, charter: Charter) -> bool:
    """Whether the holder announced this, under a key that counts there."""
    header = envelope.header
    topic = next((t for t in charter.topics if t.name == header.topic), None)
    if topic is None or topic.family != "keys" or (topic.writer, header.writer) != (holder, holder):
        return False
    fault, wait = Authenticator(charter).check(envelope, header.sealed_at)
    return fault is None and wait is None and header_fault(charter, topic, header) != "wrong_header"


def _is_proved(share: ShareIntroduced, digest: bytes) -> bool:
    public = bytes.fromhex(share.public)
    try:
        shares.verify_introduction(
            digest, share.pair, share.epoch, share.generation, share.holder, public, share.proof
        )
    except KeysError:
        return False
    return True


# ---- refusals


def _judge_refusal(evidence: Evidence, refusal: EvaluationRefused, region: Region, charter: Charter) -> Verdict:
    """Under every version of the charter: nothing that is signed tells by which of them the holder went."""
    holder, blinded = evidence.holder, _split(evidence.request.blinded)
    try:
        message = dleq.refusal_message(
            _question(evidence, region), blinded, holder,
            reason=refusal.reason, sentence=refusal.sentence, retry_at=refusal.retry_at,
        )  # fmt: skip
    except (KeysError, TypeError) as error:  # TypeError: a time without its zone
        raise _Acquitted("The refusal in the evidence has a number or a time that no holder can sign.") from error
    _require_signed(charter, holder, refusal, message)
    contradictions = [_contradiction(evidence, refusal, version) for version in region.history]
    if None in contradictions:
        raise _Acquitted(
            f"{holder} signed this refusal ({refusal.reason}), which can be shown to anybody; nothing in charter and "
            "request contradicts it."
        )
    batch = evidence.request.batch
    return Verdict(
        "false_refusal",
        f"{holder} refused {evidence.requester} (batch {batch}): {refusal.reason}. {contradictions[0]}",
    )


def _contradiction(evidence: Evidence, refusal: EvaluationRefused, charter: Charter) -> str | None:
    """What charter and signed request say against the reason; None: it may be true.

    A size is never contradicted: how many elements were announced is not in what the holder signs.
    """
    request, blinded = evidence.request, _split(evidence.request.blinded)
    match refusal.reason:
        case "not_your_pair" if _is_theirs(charter, request.pair, evidence.requester, evidence.holder):
            return f"By the charter, {evidence.requester} may ask {evidence.holder} about {request.pair}."
        case "bad_element" if _are_elements(blinded):
            return f"All {len(blinded)} elements are canonical, and none is the identity."
        case "over_quota" if _is_owed(request, refusal, len(blinded), charter):
            return f"No day has room for {len(blinded)}, it says; the charter grants {charter.quota_per_day} every day."
        case _:
            return None


def _is_theirs(charter: Charter, pair: str, requester: str, holder: str) -> bool:
    return pair in charter.pairs and requester in countries_of(pair) and holder in charter.holders_of(pair)


def _is_owed(request: EvaluationAsked, refusal: EvaluationRefused, count: int, charter: Charter) -> bool:
    """Every day has room for what the charter grants a day. What is made anew for a new epoch counts by itself."""
    return refusal.retry_at is None and request.purpose != "rotation" and 0 < count <= charter.quota_per_day


def _are_elements(blinded: Sequence[bytes]) -> bool:
    try:
        group.validate(blinded)
    except InvalidElement:
        return False
    return bool(blinded)


# ---- signatures


def _question(evidence: Evidence, region: Region) -> dleq.Question:
    request = evidence.request
    return dleq.Question(
        charter_digest=region.digest,
        requester=evidence.requester,
        pair=request.pair,
        epoch=request.epoch,
        generation=request.generation,
        purpose=request.purpose,
        batch=request.batch.bytes,
    )


def _require_signed(charter: Charter, holder: str, answer: Evaluated | EvaluationRefused, message: bytes) -> None:
    key = next((k for k in charter.party(holder).signing if k.id == answer.key_id), None)
    if key is None or not sign.is_valid(bytes.fromhex(key.public), message, answer.signature):
        raise _Acquitted(f"{holder} has not signed this: it was altered, made up, or belongs to another request.")
    if key.last is not None:
        raise _Acquitted(f"The key {key.id} was retired for compromise: a thief of it can have signed this.")


def _split(joined: bytes) -> list[bytes]:
    return [joined[at : at + group.SIZE] for at in range(0, len(joined), group.SIZE)]


