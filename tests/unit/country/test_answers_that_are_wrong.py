"""A key holder that lies is named and convicted by what it signed; its answers are not used, and its pair stops."""

import pytest
from asking import asked, charge, published, waits
from regions import LiveRegion, people, person
from structlog.testing import capture_logs

from events.messages import Evaluated, EvaluationRefused
from keys import dleq, group, shares
from keys.errors import KeysError


def _double_one(elements):
    return [*group.add(elements[:1], elements[:1]), *elements[1:]]


LIES = {
    "one wrong element": _double_one,
    "another share": lambda e: group.multiply(e, group.random_scalars(1)[0]),
    "another order": lambda e: [e[1], e[0], *e[2:]],
    "one for all": lambda e: [e[0]] * len(e),
    "too few": lambda e: e[:-1],
    "too many": lambda e: [*e, e[0]],
    "the identity": lambda e: [group.IDENTITY, *e[1:]],
    "no element": lambda e: [b"\xff" * 32, *e[1:]],
}


@pytest.fixture
def lying(monkeypatch):
    """Have one holder lie in its answers, signed as they are."""
    honest = {"evaluate": shares.evaluate, "prove": dleq.prove}

    def begin(holder: str, lie) -> None:
        def prove(statement, secret, blinded, evaluated):
            """The best it can do where the arithmetic gives no proof: any 64 bytes."""
            try:
                return honest["prove"](statement, secret, blinded, evaluated)
            except KeysError:
                return b"\1" + bytes(31) + b"\1" + bytes(31)

        monkeypatch.setattr(
            shares, "evaluate",
            lambda share, b: lie(honest["evaluate"](share, b)) if share.holder == holder else honest["evaluate"](share, b),
        )
        monkeypatch.setattr(dleq, "prove", prove)

    begin.end = monkeypatch.undo
    return begin


def convicts(evidence: dict, region: LiveRegion) -> bool:
    """Whether a third party says that this holder answered wrongly."""
    return charge(evidence, region) == "wrong_answer"


@pytest.mark.parametrize("lie", LIES)
def test_a_holder_that_answers_wrongly_is_named_and_convicted_and_its_answers_are_not_used(region, node, lying, lie):
    lying("TH.holder", LIES[lie])
    with capture_logs() as logs:
        region.publish("KH", *people(2))
        region.tick(2)
    assert waits(region)["KH-TH"].startswith("TH.holder is stopped: ")
    stopped = [line for line in logs if line["event"] == "holder.stopped"]
    assert [(line["holder"], line["pair"]) for line in stopped] == [("TH.holder", "KH-TH")]
    (evidence,) = node.evaluations.evidence()
    assert evidence["holder"] == "TH.holder"
    assert convicts(evidence, region)
    assert region.tokens("KH", "R0") == {"LA": ("published", ""), "TH": ("approved", "")}
    assert {i.pair for i in region.items("linkage.KH")} == {"KH-LA"}


def test_evidence_against_an_honest_holder_convicts_nobody(region, node, lying):
    lying("TH.holder", _double_one)
    region.publish("KH", person("A"))
    region.settle()
    (evidence,) = node.evaluations.evidence()
    (right,) = [i for i in region.items("evaluated.KH.KH") if str(i.batch) == evidence["request"]["batch"]]
    assert not convicts({**evidence, "holder": "KH.holder", "answer": right.model_dump(mode="json")}, region)
    for forged in ({"requester": "LA"}, {"charter_digest": "00" * 32}, {"holder": "LA.holder"}):
        assert not convicts({**evidence, **forged}, region)


def test_a_stopped_pair_asks_no_more_until_an_operator_resumes_it(region, node, lying):
    lying("TH.holder", _double_one)
    region.publish("KH", person("A"))
    region.tick(2)
    before = len(asked(region, "KH", "TH"))
    region.publish("KH", *people(2))
    region.tick(3)
    assert len(asked(region, "KH", "TH")) == before
    lying.end()
    region.tick(2)
    assert len(asked(region, "KH", "TH")) == before
    node.evaluations.resume("KH-TH")
    region.tick(2)
    assert waits(region) == {}
    assert published(region) == 6
    assert len(node.evaluations.evidence()) == 1  # kept


def test_when_a_pair_is_resumed_those_who_waited_are_asked_about_though_nobody_came_meanwhile(region, node, lying):
    lying("TH.holder", _double_one)
    region.kill("TH.holder")
    region.publish("KH", person("A"))
    region.settle()  # she is asked about, and nobody else waits
    region.start("TH.holder")
    region.settle()
    assert set(waits(region)) == {"KH-TH"}
    lying.end()
    node.evaluations.resume("KH-TH")
    region.tick()
    assert region.tokens("KH", "A")["TH"] == ("published", "")


def test_a_stopped_pair_stays_stopped_over_a_restart(region, lying):
    lying("TH.holder", _double_one)
    region.publish("KH", person("A"))
    region.tick()
    lying.end()
    region.kill("KH")
    region.start("KH")
    region.tick(2)
    assert waits(region)["KH-TH"].startswith("TH.holder is stopped")
    assert len(region.nodes["KH"].evaluations.evidence()) == 1


def test_only_the_country_that_was_lied_to_stops_the_pair(region, lying):
    """TH.holder lies to nobody but KH: TH goes on with the same pair."""
    lying("TH.holder", _double_one)
    region.publish("KH", person("A"))
    region.tick()
    lying.end()
    region.publish("TH", person("B"))
    region.tick(2)
    assert waits(region, "TH") == {}
    assert published(region, "TH") == 2


def test_an_answer_that_the_holder_did_not_sign_itself_stops_the_pair_and_convicts_nobody(region, node, monkeypatch):
    monkeypatch.setattr(
        "services.keyholder.holder.Evaluated", lambda **fields: Evaluated(**{**fields, "signature": bytes(64)})
    )
    region.publish("KH", person("A", x_consent_C4="TH"))
    region.settle()
    (evidence,) = node.evaluations.evidence()
    assert not convicts(evidence, region)
    assert region.tokens("KH", "A")["TH"] == ("approved", "")


def test_an_answer_of_somebody_who_holds_no_share_of_the_pair_is_dropped(region, node):
    """LA's holder, which KH asks too, answers for TH's."""
    region.kill("TH.holder")
    region.publish("KH", person("A", x_consent_C4="TH"))
    region.settle()
    (request,) = asked(region, "KH", "KH")
    forged = EvaluationRefused(
        batch=request.batch, reason="bad_element", sentence="no", retry_at=None, key_id="LA.holder-1",
        signature=bytes(64),
    )
    liar = region.holders["LA"]
    with region.databases["LA.holder"].transaction() as tx:
        liar._post.write(tx, liar._topics["KH"], [forged])
    region.settle()
    assert waits(region)["KH-TH"].startswith("TH.holder has not answered")
    region.start("TH.holder")
    region.settle()
    assert published(region) == 1
