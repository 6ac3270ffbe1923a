"""Every way to answer with something else than the introduced share, through real nodes and holders.

Whoever cheats is named, nothing of its answer is used, and the file of evidence convicts it before a third party that
has the charter alone (`samaki keys verify-evidence`). The same file with an honest holder's answer in it convicts
nobody, also when a refresh fell between the request and the answer.
"""

import json
from base64 import b64encode
from dataclasses import replace

import pytest
from refreshing import HOLDERS, PAIR
from regions import person, regions_in

from events.messages import Evaluated, EvaluationAsked, ShareIntroduced
from keys import group, shares
from services.custodian import evidence

CHEAT = "TH.holder"
ROW, OTHER = person("A"), person("B", prs_IdentityNumber="K1110001", prs_Birthdate="1980-01-01")


@pytest.fixture(scope="module")
def met(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("cheats")) as make:
        yield make("KH", "TH")


@pytest.fixture
def region(met, tmp_path):
    with met.copied(tmp_path / "region") as copy:
        yield copy


@pytest.fixture
def judged(tmp_path, capsys):
    """(region, record) -> whether the file convicts, and the verdict's fields."""

    def judge(region, record):
        file = tmp_path / "evidence.json"
        file.write_text(json.dumps(record))
        capsys.readouterr()  # the region's log
        convicts = evidence.verify(file, region.region.charter_file, as_json=True)
        (row,) = json.loads(capsys.readouterr().out)["verdicts"]
        return convicts, row

    return judge


# ---- the cheats


def with_elements(lie):
    """Its answers are altered after they were made, and proved as if they had not been."""

    def begin(region, monkeypatch):
        honest = shares.evaluate
        monkeypatch.setattr(
            shares, "evaluate", lambda s, asked: lie(honest(s, asked)) if s.holder == CHEAT else honest(s, asked)
        )

    return begin


def with_share(swap, *, for_whom=("KH", "TH")):
    """It answers with another share, and proves it with that one too."""

    def begin(region, monkeypatch):
        holder = region.holders["TH"]
        answer, own, old = holder._evaluate, holder.shares.of, holder.shares.of(PAIR, 1, 0)

        def evaluate(request, asked):
            with monkeypatch.context() as patch:
                if request.country in for_whom:
                    patch.setattr(holder.shares, "of", lambda *place: swap(own(*place), old))
                answer(request, asked)

        monkeypatch.setattr(holder, "_evaluate", evaluate)

    return begin


def one_wrong(answers):
    return [*answers[:-1], *group.add(answers[-1:], answers[-1:])]


def all_wrong(answers):
    return group.add(answers, answers)


def wrong_in_pairs(answers):
    """Off by E and by -E in turn: their plain sum is right."""
    (error,) = group.hash_to_group([b"error"], b"attack")
    (minus,) = group.multiply([error], group.scalar_subtract(bytes(32), b"\1" + bytes(31)))
    return group.add(answers, ([error, minus] * len(answers))[: len(answers)])


def another(_share, _old):
    return shares.introduce(bytes(32), PAIR, 1, 0, CHEAT)[0]


def another_secret(share, old):
    return replace(share, secret=another(share, old).secret)


def stale(share, old):
    return replace(old, generation=share.generation)


CHEATS = {
    "one wrong answer": with_elements(one_wrong),
    "all wrong": with_elements(all_wrong),
    "all wrong, in pairs that add up to nothing": with_elements(wrong_in_pairs),
    "another share": with_share(another_secret),
    "another share, proved under a public one of its own": with_share(another),
    "a stale generation": with_share(stale),
    "another share for one requester": with_share(another, for_whom=("KH",)),
}


RIGHT = {"convicts": False, "charge": None}


def introduction(region, holder, generation):
    """The envelope in which a holder introduced its share of this generation, as evidence has it."""
    found = [
        envelope.wire for envelope in region.envelopes(f"keys.{holder}") for item in region._opened(envelope).items
        if isinstance(item, ShareIntroduced) and item.generation == generation
    ]
    return b64encode(found[0]).decode()


def answer_of(region, topic, batch):
    return next(i for i in region.items(topic) if isinstance(i, Evaluated) and str(i.batch) == batch).model_dump(mode="json")


def refresh(region):
    region.holders["KH"].refreshes.ask(PAIR, "custodian")
    region.tick(3)
    assert [progress.generation for h in region.holders.values() for progress in h.refreshes.progress()] == [1, 1]


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_is_named_and_convicted_by_a_file_of_evidence_and_nobody_else_is(region, monkeypatch, judged, cheat):
    CHEATS[cheat](region, monkeypatch)
    generation = 1 if cheat == "a stale generation" else 0
    if generation:
        refresh(region)
    region.publish("KH", ROW)
    region.publish("TH", OTHER)
    region.tick(2)
    cheated = ("KH",) if cheat == "another share for one requester" else ("KH", "TH")
    for country, node in region.nodes.items():
        kept = node.evaluations.evidence()
        assert len(kept) == (country in cheated)
        for record in kept:
            convicts, row = judged(region, record)
            assert convicts
            assert (row["charge"], row["holder"], row["requester"]) == ("wrong_answer", CHEAT, country)
            assert (row["pair"], row["generation"]) == (PAIR, generation)
            other = "TH" if country == "KH" else "KH"
            assert region.tokens(country, {"KH": "A", "TH": "B"}[country])[other][0] == "approved"  # nothing is used
            assert node.status().waits_for[PAIR].startswith(f"{CHEAT} is stopped: ")
            framed = {
                **record, "holder": "KH.holder", "introduction": introduction(region, "KH.holder", generation),
                "answer": answer_of(region, f"evaluated.KH.{country}", record["request"]["batch"]),
            }
            assert judged(region, framed) == (False, RIGHT | {"sentence": "KH.holder signed this answer, and it is right."})
    if "TH" not in cheated:
        assert region.tokens("TH", "B")["KH"] == ("published", "")


@pytest.mark.long
def test_one_wrong_answer_in_ten_thousand_is_enough(tmp_path, monkeypatch, judged):
    """Cover fills one person's batch up to what is asked at each tick, here 10,000."""
    rules = {"tick_seconds": 3600.0, "batch_limit": 10_000, "cover_evaluations": 10_000, "quota_per_day": 1_000_000}
    with regions_in(tmp_path) as make:
        region = make("KH", "TH", cover=True, **rules)
        with_elements(one_wrong)(region, monkeypatch)
        region.publish("KH", ROW)
        region.tick(2)
        (record,) = region.nodes["KH"].evaluations.evidence()
        assert record["request"]["n"] == 10_000
        convicts, row = judged(region, record)
        assert convicts
        assert (row["charge"], row["holder"], row["requester"]) == ("wrong_answer", CHEAT, "KH")
        assert region.tokens("KH", "A")["TH"][0] == "approved"


def test_a_refresh_between_request_and_answer_makes_no_honest_answer_into_evidence(region, judged):
    """Asked under one generation, answered when the next is in force: held against either, it convicts nobody."""
    region.publish("KH", ROW)
    region.nodes["KH"].step()  # asked, and on its way
    region.holders["KH"].refreshes.ask(PAIR, "custodian")
    for _ in range(6):  # the holders hear each other alone
        for holder in region.holders.values():
            holder._post.receive({})
            holder.refreshes.step()
            holder._post.send()
    assert [p.state for holder in region.holders.values() for p in holder.refreshes.progress()] == ["closing", "closing"]
    region.tick(2)
    assert region.tokens("KH", "A")["TH"] == ("published", "")
    assert region.nodes["KH"].evaluations.evidence() == []
    (asked,) = [i for i in region.items("evaluate.KH.TH") if isinstance(i, EvaluationAsked)]
    assert asked.generation == 0
    for holder in HOLDERS:
        record = {
            "charter_version": 1, "charter_digest": region.digest.hex(), "requester": "KH", "holder": holder,
            "request": asked.model_dump(mode="json"), "reason": "It is wrong!", "found_at": region.clock.now().isoformat(),
            "answer": answer_of(region, f"evaluated.{holder[:2]}.KH", str(asked.batch)),
        }
        for introduced in (0, 1):
            for named in (0, 1):
                claim = record | {
                    "introduction": introduction(region, holder, introduced),
                    "request": record["request"] | {"generation": named},
                }
                convicts, row = judged(region, claim)
                assert not convicts
                if introduced == named == 0:
                    assert row["sentence"] == f"{holder} signed this answer, and it is right."
