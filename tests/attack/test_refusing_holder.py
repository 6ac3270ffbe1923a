"""A key holder that refuses without end, or says that it never refused, is stopped and held to what it signed."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from regions import person

from events.messages import EvaluationAsked, EvaluationRefused
from keys import dleq, group, labels, sign
from services.country import judging
from services.country.batches import Batch, split
from services.keyholder import holder as module


@pytest.fixture
def region(live):
    return live("KH", "TH")


@pytest.fixture
def refusing(monkeypatch):
    """Have TH's holder refuse everything of KH, until a time that the test says."""
    honest = module.KeyHolder._form_refusal

    def begin(retry_at, reason="over_quota"):
        def refuse(self, country, asked):
            if (self.me, country) == ("TH.holder", "KH"):
                return module.Refusal(reason, "No.", retry_at())
            return honest(self, country, asked)

        monkeypatch.setattr(module.KeyHolder, "_form_refusal", refuse)

    return begin


def asked(region):
    return [i for i in region.items("evaluate.KH.TH") if isinstance(i, EvaluationAsked)]


def refused(region):
    return [i for i in region.items("evaluated.TH.KH") if isinstance(i, EvaluationRefused)]


@pytest.mark.parametrize("ahead", [-86400 * 400, -1, 0, 1, 59], ids=lambda s: f"{s} s ahead")
def test_a_holder_that_would_be_asked_again_at_once_is_asked_once_a_tick_and_stopped_in_a_day(region, refusing, ahead):
    refusing(lambda: region.clock.now() + timedelta(seconds=ahead))
    region.publish("KH", person("A"))
    region.settle()
    for times in range(1, 5):
        assert (len(asked(region)), len(refused(region))) == (times, times)
        region.settle()  # nothing more within a tick
        region.tick()
    region.tick(3)
    why = region.nodes["KH"].status().waits_for["KH-TH"]
    assert why == "TH.holder is stopped: It refused one batch 5 times in a day."
    assert len(asked(region)) == 5
    (evidence,) = region.nodes["KH"].evaluations.evidence()
    assert evidence["holder"] == "TH.holder"
    assert EvaluationRefused.model_validate(evidence["answer"]) == refused(region)[-1]
    assert region.tokens("KH", "A") == {"TH": ("approved", "")}


def test_refusals_of_one_day_are_forgiven_the_next(region, refusing):
    """A holder that had nothing left this morning is not stopped for it tomorrow."""
    refusing(region.clock.now)
    region.publish("KH", person("A"))
    region.settle()
    region.tick(2)
    region.sleep(days=1)
    region.tick(2)
    assert len(refused(region)) == 6
    assert region.nodes["KH"].evaluations.evidence() == []


def test_a_refusal_counts_nothing_against_an_answer_that_was_given(region):
    """It answers wrongly, and would rather have refused."""
    node, holder = region.nodes["KH"], region.holders["TH"]
    region.kill("KH.holder")
    region.publish("KH", person("A"))
    region.settle()
    (request,) = asked(region)
    with region.databases["TH.holder"].transaction() as tx:
        holder._write_refusal(tx, "KH", request, module.Refusal("bad_element", "No."))
    region.settle()
    assert node.evaluations.evidence() == []
    region.start("KH.holder")
    region.settle()
    assert region.tokens("KH", "A") == {"TH": ("published", "")}


def test_a_refusal_that_the_holder_did_not_sign_itself_stops_the_pair(region, monkeypatch, refusing):
    """Its envelope is signed, and shows nobody what it says: heeded, it would be a way to refuse and never have."""
    refusing(lambda: region.clock.now() + timedelta(hours=1))
    monkeypatch.setattr(module, "EvaluationRefused", lambda **f: EvaluationRefused(**{**f, "signature": bytes(64)}))
    region.publish("KH", person("A"))
    region.settle()
    (evidence,) = region.nodes["KH"].evaluations.evidence()
    assert "not signed by the holder" in evidence["reason"]
    assert region.tokens("KH", "A") == {"TH": ("approved", "")}


# ---- what was signed, and only that


@pytest.fixture(scope="module")
def batch():
    blinded = group.hash_to_group([b"1", b"2"], labels.TOKEN_TO_GROUP)
    return Batch(UUID(int=7), "KH-TH", 1, 0, "match", (), (), tuple(blinded))


@pytest.fixture
def signed(region, batch):
    """A refusal by TH's holder, with its own key."""
    asked_ = EvaluationAsked(
        batch=batch.id, pair="KH-TH", epoch=1, generation=0, purpose="match", n=2, blinded=b"".join(batch.blinded)
    )
    holder, made = region.holders["TH"], []
    holder._write = lambda _tx, _country, item, _n: made.append(item)
    holder._write_refusal(None, "KH", asked_, module.Refusal("over_quota", "Later.", region.clock.now()))
    return made[0]


def fault(region, batch, refusal, holder="TH.holder", asker="KH", digest=None):
    return judging.refusal_fault(
        batch, holder, refusal, asker=asker, charter=region.charter, digest=digest or region.digest
    )


def test_what_a_holder_signed_is_its_word(region, batch, signed):
    assert fault(region, batch, signed) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "bad_size"}, {"sentence": "Later!"}, {"retry_at": None}, {"key_id": "KH.holder-1"},
        {"signature": bytes(64)}, {"signature": b""},
    ],
    ids=lambda c: str(*c),
)
def test_no_word_of_a_refusal_can_be_altered(region, batch, signed, change):
    assert fault(region, batch, signed.model_copy(update=change))


def test_not_a_microsecond_of_its_time_can_be_altered(region, batch, signed):
    later = signed.retry_at + timedelta(microseconds=1)
    assert fault(region, batch, signed.model_copy(update={"retry_at": later}))


def test_a_refusal_is_of_one_request_one_asker_one_holder_and_one_charter(region, batch, signed):
    other = group.hash_to_group([b"1", b"3"], labels.TOKEN_TO_GROUP)
    assert fault(region, replace(batch, blinded=tuple(other)), signed)
    assert fault(region, replace(batch, epoch=2), signed)
    assert fault(region, batch, signed, asker="TH")
    assert fault(region, batch, signed, holder="KH.holder")
    assert fault(region, batch, signed, digest=bytes(32))


def test_a_time_that_cannot_be_signed_is_no_refusal(region, batch, signed):
    before = signed.retry_at.replace(year=1969)
    assert fault(region, batch, signed.model_copy(update={"retry_at": before}))


def test_a_signed_refusal_is_no_answer_and_an_answer_no_refusal(region, batch, signed):
    """Under one label, a holder could be shown to have said what it did not."""
    key = region.ring("TH.holder").primary("signing")
    question = dleq.Question(region.digest, "KH", "KH-TH", 1, 0, "match", batch.id.bytes)
    digest = dleq.request_digest(question, batch.blinded)
    answer = dleq.answer_message(digest, "TH.holder", split(b"".join(batch.blinded)), bytes(64))
    refusal = dleq.refusal_message(
        question, batch.blinded, "TH.holder", reason=signed.reason, sentence=signed.sentence, retry_at=signed.retry_at
    )
    assert sign.is_valid(key.public, refusal, signed.signature)
    assert not sign.is_valid(key.public, answer, signed.signature)
    assert not refusal.startswith(answer[: 8 + len(labels.ANSWER)])
