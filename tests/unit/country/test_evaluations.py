"""Batches on their way through two key holders: who is down is waited for, who lies is named, who counts is obeyed."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from regions import LiveRegion, person
from structlog.testing import capture_logs

from events.evidence import Evidence, Region, judge
from events.messages import Evaluated, EvaluationAsked, EvaluationRefused
from events.person import Name
from keys import dleq, group, shares
from keys.errors import KeysError
from matching import tokens
from services.country import batches
from services.country.publications import Publications


@pytest.fixture
def node(region):
    return region.nodes["KH"]


def people(count: int, **columns: str) -> list[dict[str, str]]:
    return [person(f"R{i}", prs_IdentityNumber=f"K729{i}", **columns) for i in range(count)]


def waits(region: LiveRegion, country: str = "KH") -> dict[str, str]:
    return region.nodes[country].status().waits_for


def published(region: LiveRegion, country: str = "KH") -> int:
    return region.nodes[country].status().publications.get("published", 0)


def asked(region: LiveRegion, asker: str, holder: str) -> list[EvaluationAsked]:
    return [i for i in region.items(f"evaluate.{asker}.{holder}") if isinstance(i, EvaluationAsked)]


# ---- a holder that is down


def test_until_both_holders_have_introduced_their_shares_nothing_is_asked_and_the_node_says_so(new_region):
    region = new_region("KH", "TH", settled=False)
    region.kill("TH.holder")
    region.stream._logs["keys.TH.holder", 0].clear()  # it never spoke
    region.tick()
    region.publish("KH", person("A"))
    region.tick(2)
    assert waits(region) == {"KH-TH": "TH.holder has introduced no share yet"}
    assert region.tokens("KH", "A") == {"TH": ("approved", "")}
    region.start("TH.holder")
    region.tick(2)
    assert waits(region) == {}
    assert region.tokens("KH", "A") == {"TH": ("published", "")}


def test_while_a_holder_is_down_its_pair_waits_and_says_so_and_the_others_go_on(region):
    region.kill("TH.holder")
    region.publish("KH", *people(3))
    region.publish("TH", person("B"))
    at = region.clock.now().isoformat()
    region.settle()
    region.tick(3)
    assert waits(region) == {"KH-TH": f"TH.holder has not answered since {at}"}
    for i in range(3):
        assert region.tokens("KH", f"R{i}") == {"LA": ("published", ""), "TH": ("working", "")}
    region.start("TH.holder")
    region.tick(4)
    assert waits(region) == waits(region, "TH") == {}
    assert published(region) == 6
    assert {(name, country, state) for name, country, state, _ in region.matches("KH")} == {
        (f"R{i}", "TH", "BOTH_TOLD") for i in range(3)  # all bear one name and birth date
    }


def test_one_batch_after_another_waits_and_none_is_lost_or_counted_twice(new_region):
    region = new_region("KH", "TH", batch_limit=5, totals_seconds=60.0)
    region.kill("TH.holder")
    region.publish("KH", *people(5))
    region.tick(3)
    status = region.nodes["KH"].status()
    assert status.open_batches == {"KH-TH": 2}
    assert status.publications == {"approved": 3, "working": 2}
    region.start("TH.holder")
    region.tick(3)
    assert published(region) == 5
    totals = region.nodes["KH"]._post.directory.totals()
    assert {(writer, t.country, t.count) for writer, t in totals if writer != "matcher"} == {
        ("KH.holder", "KH", 25), ("TH.holder", "KH", 25)
    }


def test_a_node_that_is_killed_asks_the_very_same_again(region, node):
    region.publish("KH", person("A"))
    assert node.evaluations.ask() == 2
    assert node.evaluations.send() == 4
    region.kill("KH")
    region.start("KH")
    region.settle()
    assert published(region) == 2
    requests = asked(region, "KH", "TH")
    assert len({r.batch for r in requests}) == len({r.blinded for r in requests}) == 1


def test_people_and_blinds_of_a_batch_are_sealed_while_it_is_under_way_and_gone_afterwards(region, node):
    region.kill("TH.holder")
    region.publish("KH", person("A"))
    region.settle()
    with region.databases["KH"].reading() as tx:
        ((name, box, blinded),) = tx.execute("SELECT id, box, blinded FROM batches")
        batch = batches.load(tx, UUID(name), region.ring("KH").primary("store").secret)
        kept = [bytes(cell) for row in tx.execute("SELECT * FROM batches") for cell in row if isinstance(cell, bytes)]
    assert kept == [box, blinded]
    assert len(batch.blinds) == 5
    assert batch.people == (region.file("KH", "A").case.person_id,)
    assert not any(secret in cell for cell in kept for secret in (*batch.blinds, batch.people[0].bytes))
    region.start("TH.holder")
    region.settle()
    with region.databases["KH"].reading() as tx:
        for table, column in (("batches", "id"), ("requests", "batch"), ("answers", "batch"), ("refusals", "batch")):
            assert tx.execute(f"SELECT COUNT(*) FROM {table} WHERE {column} = ?", (name,)) == [(0,)]


# ---- while a batch is made


def correct(region: LiveRegion) -> None:
    region.nodes["KH"].desk.record_identifiers(
        region.act("KH", "worker"), region.case_id("KH", "R0"), names=(Name(first="Other"),), birth_date="1991-04-23",
        documents=(), gender="Feminine", citizenships=frozenset({"LA"}),
    )


MEANWHILE = {
    "she withdraws": lambda region: region.nodes["KH"].desk.withdraw_consent(
        region.act("KH", "worker"), region.case_id("KH", "R0"), purpose="C4", by="person"
    ),
    "she is not safe there": lambda region: region.nodes["KH"].desk.revoke(
        region.act("KH", "worker"), region.case_id("KH", "R0"), "TH"
    ),
    "her identifiers are corrected": correct,
    "she is erased": lambda region: region._persons["KH"].destroy(region.file("KH", "R0").case.person_id),
}


@pytest.fixture
def interleaved(monkeypatch):
    """Let something happen after people were read for a batch, and before it is started."""
    honest = tokens.blind

    def begin(act) -> None:
        todo = [act]

        def blind(inputs):
            if todo:
                todo.pop()()
            return honest(inputs)

        monkeypatch.setattr(tokens, "blind", blind)

    return begin


@pytest.mark.parametrize("what", MEANWHILE)
def test_what_happens_while_a_batch_is_made_is_not_overlooked(new_region, interleaved, what):
    region = new_region("KH", "TH")
    node = region.nodes["KH"]
    region.publish("KH", *people(2))
    interleaved(lambda: MEANWHILE[what](region))
    assert node.evaluations.ask() == 1
    assert node.status().open_batches == {}  # she was among them: it is made anew
    while node.evaluations.ask():
        pass
    with region.databases["KH"].reading() as tx:
        ((name,),) = tx.execute("SELECT id FROM batches")
        batch = batches.load(tx, UUID(name), region.ring("KH").primary("store").secret)
    asked_about = set(batch.people)
    assert region.file("KH", "R1").case.person_id in asked_about
    if what != "she is erased":  # of whom nothing is held: empty slots are asked about, which say nothing
        assert region.file("KH", "R0").case.person_id not in asked_about


def test_somebody_approved_while_a_batch_is_made_changes_nothing_of_it(new_region, interleaved):
    region = new_region("KH", "TH")
    node = region.nodes["KH"]
    region.publish("KH", *people(2))
    interleaved(lambda: region.publish("KH", person("B")))
    assert node.evaluations.ask() == 1
    assert node.status().publications == {"working": 2, "approved": 1}


def test_while_nobody_waits_anew_nobody_is_looked_for(region, node, monkeypatch):
    looked, honest = [], Publications.approved
    monkeypatch.setattr(
        Publications, "approved", lambda self, tx, country, most: looked.append(country) or honest(self, tx, country, most)
    )
    region.publish("KH", person("A", x_consent_C4="TH"))
    region.settle()
    assert {"LA", "TH"} <= set(looked)
    looked.clear()
    region.tick(3)
    assert looked == []
    region.publish("KH", person("B", x_consent_C4="TH"))
    region.settle()
    assert published(region) == 2


# ---- a holder that lies


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


# ---- quotas


def midnight_after(region: LiveRegion):
    return (region.clock.now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def test_over_quota_the_batch_waits_until_the_day_it_is_told_and_then_goes_on(new_region):
    region = new_region("KH", "TH", quota_per_day=10, batch_limit=10)
    region.publish("KH", *people(5))
    region.tick(2)
    midnight = midnight_after(region)
    assert published(region) == 2
    assert waits(region) == {"KH-TH": f"TH.holder has put a batch off until {midnight}"}
    refusals = [i for i in region.items("evaluated.TH.KH") if isinstance(i, EvaluationRefused)]
    assert {(r.reason, r.retry_at) for r in refusals} == {("over_quota", midnight)}
    before = len(asked(region, "KH", "TH"))
    region.sleep(hours=12)
    assert (published(region), len(asked(region, "KH", "TH"))) == (2, before)  # it does not nag
    region.sleep(hours=4)
    assert published(region) == 4
    region.sleep(days=1)
    assert published(region) == 5
    assert waits(region) == {}
    again = asked(region, "KH", "TH")
    assert len({r.batch for r in again}) == 3


def test_a_quota_that_is_spent_for_one_pair_holds_up_no_other(new_region):
    region = new_region("KH", "LA", "TH", quota_per_day=5, batch_limit=5)
    region.publish("KH", *people(2, x_consent_C4="TH"))
    region.publish("KH", person("L", x_consent_C4="LA"))
    region.tick(2)
    assert region.tokens("KH", "L")["LA"] == ("published", "")
    assert set(waits(region)) == {"KH-TH"}


def test_a_file_that_takes_many_days_of_quota_stops_no_pair(new_region):
    """Each day the next batch is refused until midnight: that is what a quota is for."""
    region = new_region("KH", "TH", quota_per_day=5, batch_limit=5)
    region.publish("KH", *people(9))
    region.tick(2)
    for day in range(9):
        assert published(region) == day + 1
        assert not any("stopped" in why for why in waits(region).values())
        region.sleep(days=1)
        region.tick(2)
    assert (published(region), waits(region)) == (9, {})


def test_a_holder_whose_clock_is_a_little_behind_is_asked_again_at_each_tick_and_not_stopped(new_region):
    region = new_region("KH", "TH", quota_per_day=5, batch_limit=5)
    holder, ours = region.holders["TH"], region.clock

    class Behind:
        def now(self):
            return ours.now() - timedelta(seconds=2.5 * region.charter.tick_seconds)

    holder.clock = Behind()
    region.publish("KH", *people(2))
    region.tick(2)
    region.sleep(seconds=(midnight_after(region) - ours.now()).total_seconds())
    before = len(asked(region, "KH", "TH"))
    assert published(region) == 1
    region.tick(4)
    assert len(asked(region, "KH", "TH")) - before == 3  # its midnight is two and a half ticks after ours
    assert (published(region), waits(region)) == (2, {})


def test_a_holder_that_goes_away_while_a_batch_waits_for_its_quota_is_waited_for(new_region):
    """Its sealing key grows too old to write to: that is no failure of the node's."""
    region = new_region("KH", "TH", quota_per_day=5, batch_limit=5)
    region.publish("KH", *people(2))
    region.tick(2)
    region.kill("TH.holder")
    for days in (9, 5, 5):
        region.sleep(days=days)
    assert published(region) == 1
    region.start("TH.holder")
    region.tick(3)
    assert published(region) == 2


def test_a_batch_is_never_larger_than_a_day_of_its_quota(new_region):
    region = new_region("KH", "TH", quota_per_day=12, batch_limit=320)
    region.publish("KH", *people(3))
    region.tick(2)
    assert {r.n for r in asked(region, "KH", "TH")} == {10, 5}
    assert published(region) == 2


def charge(record: dict, region: LiveRegion) -> str | None:
    """What a third party can say from the record and the charter alone."""
    return judge(Evidence.model_validate_json(json.dumps(record)), Region((region.charter,), region.digest)).charge


def refuses(monkeypatch, holder: str, **fields) -> None:
    """Have one holder refuse everything in these words."""
    from services.keyholder import holder as module

    honest = module.KeyHolder._form_refusal
    refusal = module.Refusal(**fields)
    monkeypatch.setattr(
        module.KeyHolder, "_form_refusal",
        lambda self, country, asked: refusal if self.me == holder else honest(self, country, asked),
    )


@pytest.mark.parametrize(
    ("reason", "convicts_of"),
    [
        ("bad_element", "false_refusal"), ("unknown_epoch", "false_refusal"), ("not_your_pair", "false_refusal"),
        ("over_quota", "false_refusal"), ("bad_size", None),
    ],
)
def test_a_refusal_that_no_waiting_mends_stops_the_pair_and_convicts_where_it_is_untrue(
    region, node, monkeypatch, reason, convicts_of
):
    refuses(monkeypatch, "TH.holder", reason=reason, sentence="Because.")
    region.publish("KH", person("A"))
    region.tick(2)
    assert waits(region)["KH-TH"] == f"TH.holder is stopped: It refuses: {reason}."
    assert region.tokens("KH", "A") == {"LA": ("published", ""), "TH": ("approved", "")}
    (record,) = node.evaluations.evidence()
    assert record["answer"]["reason"] == reason
    assert charge(record, region) == convicts_of


def test_a_holder_that_denies_the_generation_in_force_is_asked_once_a_tick_and_stopped_in_a_day(region, node, monkeypatch):
    """It may know of a newer one, of which we have not heard; or it does not mean to answer."""
    refuses(monkeypatch, "TH.holder", reason="unknown_generation", sentence="Gone.")
    region.publish("KH", person("A"))
    before = len(asked(region, "KH", "TH"))
    region.settle()
    assert len(asked(region, "KH", "TH")) == before + 1
    assert waits(region)["KH-TH"].startswith("TH.holder has put a batch off")
    region.tick(3)
    assert node.evaluations.evidence() == []
    region.tick(2)
    assert waits(region)["KH-TH"] == "TH.holder is stopped: It refused one batch 5 times in a day."
    (record,) = node.evaluations.evidence()
    assert record["answer"]["reason"] == "unknown_generation"
    assert charge(record, region) is None


def test_a_holder_that_puts_us_off_for_two_days_is_waited_for(region, node, monkeypatch):
    until = region.clock.now() + timedelta(days=2)
    refuses(monkeypatch, "TH.holder", reason="over_quota", sentence="Later.", retry_at=until)
    region.publish("KH", person("A"))
    region.settle()
    assert waits(region)["KH-TH"] == f"TH.holder has put a batch off until {until}"
    before = len(asked(region, "KH", "TH"))
    region.sleep(days=1)
    assert (len(asked(region, "KH", "TH")), node.evaluations.evidence()) == (before, [])


def test_a_holder_that_puts_us_off_for_longer_than_two_days_is_stopped(region, node, monkeypatch):
    until = region.clock.now() + timedelta(days=2, seconds=1)
    refuses(monkeypatch, "TH.holder", reason="over_quota", sentence="Later.", retry_at=until)
    region.publish("KH", person("A"))
    region.settle()
    assert waits(region)["KH-TH"] == "TH.holder is stopped: It refuses: over_quota."
    (record,) = node.evaluations.evidence()
    assert charge(record, region) is None  # its window may truly stand there


# ---- cover


def test_with_cover_each_holder_gets_one_request_a_tick_and_pair_all_of_one_size(new_region):
    region = new_region("KH", "LA", "TH", cover=True, cover_evaluations=10)
    begun = {t: len(asked(region, "KH", t)) for t in ("KH", "LA", "TH")}
    region.publish("KH", *people(5))
    region.tick(3)
    sent = {t: asked(region, "KH", t)[begun[t]:] for t in ("KH", "LA", "TH")}
    assert {t: len(requests) for t, requests in sent.items()} == {"KH": 6, "LA": 3, "TH": 3}
    assert {r.n for requests in sent.values() for r in requests} == {10}
    assert published(region) == 10  # two people a tick and pair, the fifth in the third tick


def test_with_cover_a_request_that_was_refused_for_the_day_goes_again_at_a_tick_like_all_others(new_region):
    region = new_region("KH", "TH", cover=True, cover_evaluations=10)
    with region.databases["TH.holder"].transaction() as tx:
        tx.execute("DELETE FROM holder_windows")
        tx.execute(
            "INSERT INTO holder_windows VALUES ('KH', 'KH-TH', ?, 100000)",
            (int(region.clock.now().timestamp() // 86400),),
        )
    region.publish("KH", *people(2))
    region.tick(3)
    assert published(region) == 0
    assert waits(region)["KH-TH"].startswith("TH.holder has put a batch off")
    before = len(region.envelopes("evaluate.KH.TH"))
    region.sleep(hours=17)
    region.tick(3)
    assert len(region.envelopes("evaluate.KH.TH")) == before + 4
    assert published(region) == 2
    said = [(type(b.items[0]), len(e.wire)) for e, b in zip(
        region.envelopes("evaluated.TH.KH"), region.bodies("evaluated.TH.KH"), strict=True) if b.items]
    assert {kind for kind, _ in said} == {Evaluated, EvaluationRefused}
    assert max(size for _, size in said) - min(size for _, size in said) <= 2  # a refusal looks like an answer
