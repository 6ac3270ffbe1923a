"""Whether a holder's answer may be used: signed, of the share that was asked, proved; or its refusal heeded. Pure."""

from dataclasses import asdict

from events.charter import Charter
from events.directory import PublicShare
from events.messages import Evaluated, EvaluationRefused
from keys import dleq, sign
from keys.errors import KeysError
from services.country.batches import Batch, split


def fault(
    batch: Batch, share: PublicShare | None, answer: Evaluated, *, asker: str, charter: Charter, digest: bytes
) -> str:
    """What is wrong with an answer, as a sentence; '' if nothing is.

    share   the holder's public share, from `keys.*` and nowhere else: so no holder uses another for one asker
    digest  the charter's
    cost    two weighted sums of the batch
    """
    if share is None or (answer.epoch, answer.generation) != (batch.epoch, batch.generation):
        return "It answers with another share than was asked."
    elements = split(answer.elements)
    statement = statement_of(batch, share, asker, digest)
    message = dleq.answer_message(dleq.request_digest(statement, batch.blinded), share.holder, elements, answer.proof)
    if not _is_signed(charter, share.holder, answer, message):
        return "The answer itself is not signed by the holder: it proves nothing, and is not used."
    try:
        dleq.verify(statement, batch.blinded, elements, answer.proof)
    except KeysError as error:
        return str(error)
    return ""


def refusal_fault(
    batch: Batch, holder: str, refusal: EvaluationRefused, *, asker: str, charter: Charter, digest: bytes
) -> str:
    """What is wrong with a refusal, as a sentence; '' if the holder has said it, and can be held to it."""
    question = _question_of(batch, asker, digest)
    try:
        message = dleq.refusal_message(
            question, batch.blinded, holder, reason=refusal.reason, sentence=refusal.sentence, retry_at=refusal.retry_at
        )
    except KeysError as error:
        return str(error)
    if not _is_signed(charter, holder, refusal, message):
        return "The refusal itself is not signed by the holder: it proves nothing, and is not heeded."
    return ""


def statement_of(batch: Batch, share: PublicShare, asker: str, digest: bytes) -> dleq.Statement:
    """What the holder's proof must be about."""
    question = _question_of(batch, asker, digest)
    return dleq.Statement(**asdict(question), holder=share.holder, public=share.public)


def _question_of(batch: Batch, asker: str, digest: bytes) -> dleq.Question:
    return dleq.Question(
        charter_digest=digest,
        requester=asker,
        pair=batch.pair,
        epoch=batch.epoch,
        generation=batch.generation,
        purpose=batch.purpose,
        batch=batch.id.bytes,
    )


def _is_signed(charter: Charter, holder: str, answer: Evaluated | EvaluationRefused, message: bytes) -> bool:
    return any(
        key.id == answer.key_id and sign.is_valid(bytes.fromhex(key.public), message, answer.signature)
        for key in charter.party(holder).signing
    )
