"""Batches on their way through two key holders: who is down is waited for, and nothing that happens is overlooked."""

from uuid import UUID

import pytest
from asking import asked, published, waits
from regions import LiveRegion, people, person

from events.messages import Evaluated, EvaluationRefused
from events.person import Name
from matching import tokens
from services.country import batches
from services.country.publications import Publications

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
