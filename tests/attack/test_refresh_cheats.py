"""A refresh falls between request and answer, or a holder cheats with generations: who is honest is accused by nobody.

And who is not is named: a stale generation answered as the new one, a share of the wrong generation in half a pair, a
share that was moved by something else than was offered.
"""

import json
from dataclasses import replace

import pytest
from attackers import guesses, is_found
from refreshing import HOLDERS, PAIR
from regions import person, regions_in

from events.evidence import Evidence, Region, judge
from events.messages import EvaluationAsked, EvaluationRefused
from keys import refresh, shares
from services.auditor import reading
from services.auditor.streams import audit

ROW = person("A")


@pytest.fixture
def make_region(tmp_path):
    with regions_in(tmp_path) as make:
        yield make


@pytest.fixture
def region(make_region):
    return make_region("KH", "TH")


def begin(region):
    region.holders["KH"].refreshes.ask(PAIR, "custodian")


def generation(region, country):
    return region.nodes[country]._post.directory.active_generation(PAIR, 1)


def asked(region):
    """(generation) of each request of KH, in order; the same again counts once."""
    seen = {i.batch: i.generation for i in region.items("evaluate.KH.KH") if isinstance(i, EvaluationAsked)}
    return list(seen.values())


def report(region):
    ends = reading.ends_of(region.stream, region.charter)
    records = list(reading.records(region.stream, ends))
    return audit(region.charter, region.digest, records, now=region.clock.now(), ends=ends)


def accused(region):
    return [e for cc in ("KH", "TH") for e in region.nodes[cc].evaluations.evidence()] + [
        why for cc in ("KH", "TH") for why in region.nodes[cc].status().waits_for.values()
    ]


# ---- honest holders


def test_a_request_asked_before_a_refresh_and_answered_after_it_is_answered_as_it_was_asked(region):
    """TH's holder makes both: it is active before it has read what KH asked it."""
    region.publish("KH", ROW)
    region.nodes["KH"].step()  # asked under generation 0, and on its way
    begin(region)
    holders = [region.holders["KH"].refreshes, region.holders["TH"].refreshes]
    posts = [region.holders["KH"]._post, region.holders["TH"]._post]
    for _ in range(6):
        for refreshes, post in zip(holders, posts, strict=True):
            post.receive({})
            refreshes.step()
            post.send()
    assert [p.state for one in holders for p in one.progress()] == ["closing", "closing"]
    region.settle()
    assert asked(region) == [0]
    region.publish("TH", person("B"))
    region.tick(4)
    assert generation(region, "KH") == 1
    assert region.matches("KH") == [("A", "TH", "BOTH_TOLD", "document")]
    assert accused(region) == []
    assert report(region).findings == ()


def test_a_batch_whose_old_generation_is_gone_is_begun_anew_without_loss_and_nobody_is_accused(region):
    """KH's requests are lost on the way until both holders have waited as long as they must."""
    region.publish("KH", ROW)
    node = region.nodes["KH"]
    node.step()
    lost = {holder: region.stream._logs.pop((f"evaluate.KH.{holder}", 0)) for holder in ("KH", "TH")}
    for holder, log in lost.items():
        region.stream._logs[f"evaluate.KH.{holder}", 0] = log[:-1]
    region.kill("KH")
    begin(region)
    region.tick(2)
    assert [p.state for h in region.holders.values() for p in h.refreshes.progress()] == ["closing"] * 2
    region.sleep(days=8)
    assert [p.state for h in region.holders.values() for p in h.refreshes.progress()] == ["rest"] * 2
    region.start("KH")
    region.publish("TH", person("B"))
    region.tick(6)
    refusals = [i.reason for h in ("KH", "TH") for i in region.items(f"evaluated.{h}.KH") if isinstance(i, EvaluationRefused)]
    assert set(refusals) == {"unknown_generation"}
    assert asked(region)[0] == 0
    assert asked(region)[-1] == 1
    assert region.matches("KH") == [("A", "TH", "BOTH_TOLD", "document")]
    assert accused(region) == []


def test_a_batch_that_waits_for_tomorrows_quota_keeps_the_old_share_alive_and_is_finished_under_it(make_region):
    region = make_region("KH", "TH", quota_per_day=5, batch_limit=5)
    region.publish("KH", ROW, person("B", prs_IdentityNumber="K1110001", prs_Birthdate="1980-01-01"))
    region.tick(2)
    assert region.nodes["KH"].status().waits_for["KH-TH"].endswith("has put a batch off until 2026-03-03 00:00:00+00:00")
    begin(region)
    region.tick(4)
    assert [p.state for h in region.holders.values() for p in h.refreshes.progress()] == ["closing"] * 2
    region.sleep(hours=16)
    region.tick(3)
    assert asked(region) == [0, 0]
    assert region.nodes["KH"].status().publications == {"published": 2}
    assert [p.state for h in region.holders.values() for p in h.refreshes.progress()] == ["rest"] * 2
    assert accused(region) == []


def test_people_published_before_and_after_refreshes_are_found_by_each_other(region):
    region.publish("KH", *(person(f"R{i}", prs_IdentityNumber=f"K10{i}", prs_FirstName=f"Na{'abc'[i]}") for i in range(3)))
    region.tick(2)
    for i in range(3):
        begin(region)
        region.tick(2)
        region.publish("TH", person(f"R{i}", prs_IdentityNumber=f"K10{i}", prs_FirstName=f"Na{'abc'[i]}"))
        region.tick(4)
        assert len(region.matches("TH")) == i + 1
    assert generation(region, "KH") == 3
    assert report(region).findings == ()
    assert accused(region) == []


def test_with_cover_every_request_has_one_size_before_during_and_after_a_refresh(make_region):
    region = make_region("KH", "TH", cover=True, cover_evaluations=10)
    region.tick(3)
    region.publish("KH", ROW)
    begin(region)
    region.tick(8)
    region.publish("TH", person("B"))
    region.tick(8)
    assert region.matches("KH") == [("A", "TH", "BOTH_TOLD", "document")]
    assert [p.state for h in region.holders.values() for p in h.refreshes.progress()] == ["rest"] * 2
    asking = [e for e in region.envelopes("evaluate.KH.TH") if any(b.items for b in [region._opened(e)])]
    assert len({len(e.box) for e in asking}) == 1
    assert {i.generation for i in region.items("evaluate.KH.TH") if isinstance(i, EvaluationAsked)} == {0, 1}


# ---- cheats


def test_a_stale_generation_answered_as_the_new_one_is_named_and_kept_as_evidence(region, monkeypatch):
    old = region.holders["TH"].shares.of(PAIR, 1, 0)
    begin(region)
    region.tick(3)
    honest = shares.evaluate
    monkeypatch.setattr(
        shares, "evaluate",
        lambda share, blinded: honest(replace(share, secret=old.secret) if share.holder == "TH.holder" else share, blinded),
    )
    region.publish("KH", ROW)
    region.tick(2)
    (evidence,) = region.nodes["KH"].evaluations.evidence()
    assert (evidence["holder"], evidence["request"]["generation"]) == ("TH.holder", 1)
    verdict = judge(Evidence.model_validate_json(json.dumps(evidence)), Region((region.charter,), region.digest))
    assert verdict.charge == "wrong_answer"  # by the share that it introduced for that generation
    assert region.tokens("KH", "A")["TH"][0] == "approved"  # she waits; none of it is used


def test_a_share_moved_otherwise_is_used_by_nobody_and_the_auditor_names_its_holder(region, monkeypatch):
    honest = refresh.moved

    def cheats(share, own, other, to):
        return honest(share, other if share.holder == "TH.holder" else own, own if share.holder == "TH.holder" else other, to)

    monkeypatch.setattr(refresh, "moved", cheats)
    begin(region)
    region.tick(3)
    (found,) = report(region).findings
    assert (found.code, found.topic) == ("key_changed", "keys.TH.holder")
    assert [generation(region, cc) for cc in ("KH", "TH")] == [0, 0]
    (progress,) = region.holders["KH"].refreshes.progress()
    assert (progress.state, progress.generation) == ("failed", 0)
    region.publish("KH", ROW)
    region.publish("TH", person("B"))
    region.tick(4)
    assert region.matches("KH") == [("A", "TH", "BOTH_TOLD", "document")]
    monkeypatch.setattr(refresh, "moved", honest)
    begin(region)
    region.tick(3)
    assert [generation(region, cc) for cc in ("KH", "TH")] == [2, 2]


def test_an_honest_refresh_leaves_the_auditor_nothing_to_find_and_every_share_in_its_table(region):
    begin(region)
    region.tick(3)
    done = report(region)
    assert done.findings == ()
    assert [(row.holder, row.generation) for row in done.shares] == [(h, g) for g in (0, 1) for h in HOLDERS]


# ---- thieves


def test_one_share_stolen_before_a_refresh_and_the_other_after_it_find_nobody(region):
    """With the matcher's pepper and database, both shares of one generation would."""
    region.publish("KH", ROW)
    region.tick(2)
    stolen = {holder: [region.ring(holder).secret("share", "KH-TH/1/0")] for holder in HOLDERS}
    assert is_found(region, PAIR, "KH", guesses(region, ROW, [stolen[h][0] for h in HOLDERS]))
    begin(region)
    region.tick(3)
    for holder in HOLDERS:
        stolen[holder].append(region.ring(holder).secret("share", "KH-TH/1/1"))
    kh, th = (stolen[h] for h in HOLDERS)
    assert not is_found(region, PAIR, "KH", guesses(region, ROW, [kh[0], th[1]]))
    assert not is_found(region, PAIR, "KH", guesses(region, ROW, [kh[1], th[0]]))
    assert is_found(region, PAIR, "KH", guesses(region, ROW, [kh[1], th[1]]))  # the key is the same


def test_who_has_a_ring_after_the_refresh_has_no_way_back_to_the_old_share(region):
    begin(region)
    region.tick(3)
    for holder in HOLDERS:
        ring = region.ring(holder)
        assert [v.secret for p in ("share", "refresh") for v in ring.versions(p) if v.state == "destroyed"] == [None, None]
