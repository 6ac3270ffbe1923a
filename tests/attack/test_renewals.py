"""Renewals under attack: a holder that renews for ever, late tokens, stolen shares, and what a replay must not say."""


import pytest
from attackers import guesses, is_found
from refreshing import HOLDERS, PAIR
from regions import people, person
from renewing import epoch, pair_region, refused, renew, rows, state

from events import directory
from events.messages import EvaluationAsked, EvaluationRefused, MatchNotice, Submission
from services.auditor import reading
from services.auditor.streams import audit

ROW = person("A")


new_region, founded, region = pair_region(batch_limit=10)


def asked(region, country, purpose="rotation"):
    items = (item for holder in ("KH", "TH") for item in region.items(f"evaluate.{country}.{holder}"))
    return [item for item in items if isinstance(item, EvaluationAsked) and item.purpose == purpose]


def report(region):
    ends = reading.ends_of(region.stream, region.charter)
    records = list(reading.records(region.stream, ends))
    return audit(region.charter, region.digest, records, now=region.clock.now(), ends=ends)


def told(region, country):
    return [n.match_ref for n in region.items(f"notices.{country}") if isinstance(n, MatchNotice)]


# ---- a holder alone


def test_a_holder_that_renews_alone_makes_nobody_replay_more_than_once_in_the_charters_days(region):
    region.publish("KH", ROW)
    region.tick(2)
    for _ in range(3):
        renew(region, "TH")
        region.tick()
    assert (state(region, "KH"), state(region, "TH"), epoch(region, "KH")) == ("awaited", "prepared", 1)
    assert asked(region, "KH") == []
    region.sleep(days=30)
    region.tick(2)
    assert (epoch(region, "KH"), state(region, "KH")) == (2, "rest")
    replayed = len(asked(region, "KH"))
    assert replayed == 2  # one batch, to each holder
    for _ in range(3):
        renew(region, "TH")
        region.tick()
    assert (epoch(region, "KH"), len(asked(region, "KH"))) == (2, replayed)


def test_a_holder_that_runs_ahead_of_the_other_is_followed_one_epoch_at_a_time(region):
    shares = region.holders["TH"].shares
    for number in (2, 3, 4):
        shares.begin(PAIR, number, "period")
    region.tick()
    assert epoch(region, "KH") == 1
    region.sleep(days=30)
    assert epoch(region, "KH") == 2


def test_shares_of_epochs_out_of_turn_are_learned_by_nobody(region, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(directory, "may_introduce", lambda *_: True)
        region.holders["TH"].shares.begin(PAIR, 3, "period")
    region.tick()
    with region.databases["KH"].reading() as tx:
        assert tx.execute("SELECT MAX(epoch) FROM directory_shares") == [(1,)]
    assert [finding.code for finding in report(region).findings] == ["no_such_epoch"]


def test_a_country_gets_no_more_evaluations_out_of_a_renewal_than_it_had_asked_before(region):
    region.publish("KH", *people(2))
    region.tick(2)
    renew(region)
    region.tick()
    (one, _) = asked(region, "KH")
    again = one.model_copy(update={"batch": one.batch.__class__(int=7)})
    node = region.nodes["KH"]
    with region.databases["KH"].transaction() as tx:
        topic = next(t for t in region.charter.topics if t.name == "evaluate.KH.TH")
        node._post.write(tx, topic, [again])
    region.tick()
    answers = [i for i in region.items("evaluated.TH.KH") if i.batch == again.batch]
    assert [(type(a), a.reason) for a in answers] == [(EvaluationRefused, "over_quota")]


# ---- what is late, and what was stolen


def test_a_late_request_in_a_former_epoch_is_told_to_evaluate_again(region):
    region.publish("KH", ROW)
    region.tick(2)
    late = asked(region, "KH", "match")[0]
    renew(region)
    region.tick(3)
    again = late.model_copy(update={"batch": late.batch.__class__(int=9)})
    with region.databases["KH"].transaction() as tx:
        topic = next(t for t in region.charter.topics if t.name == "evaluate.KH.TH")
        region.nodes["KH"]._post.write(tx, topic, [again])
    region.tick()
    (answer,) = [i for i in region.items("evaluated.TH.KH") if i.batch == again.batch]
    assert (answer.reason, "evaluate again" in answer.sentence) == ("unknown_epoch", True)


def test_a_late_row_of_a_retired_epoch_is_refused_and_none_is_left_of_it(region):
    region.publish("KH", ROW)
    region.tick(2)
    (late,) = [item for item in region.items("linkage.KH") if isinstance(item, Submission)]
    renew(region)
    region.tick(3)
    assert rows(region) == {("KH", 2): 1}
    topic = next(t for t in region.charter.topics if t.name == "linkage.KH")
    with region.databases["KH"].transaction() as tx:
        region.nodes["KH"]._post.write(tx, topic, [late])
    region.tick()
    assert (rows(region), refused(region)) == ({("KH", 2): 1}, {"retired_epoch": 1})


def test_shares_stolen_before_a_renewal_find_nobody_after_it(region):
    """With everything else in the thief's hands: tokens made since, both peppers, the matcher's database."""
    region.publish("KH", ROW)
    region.tick(2)
    stolen = [region.ring(holder).secret("share", "KH-TH/1/0") for holder in HOLDERS]
    pepper = region.ring("matcher").secret("pepper", "matcher/pepper/KH-TH/1")
    assert is_found(region, PAIR, "KH", guesses(region, ROW, stolen))
    renew(region)
    region.tick(3)
    fresh = [region.ring(holder).secret("share", "KH-TH/2/0") for holder in HOLDERS]
    assert is_found(region, PAIR, "KH", guesses(region, ROW, fresh), epoch=2)
    for shares in (stolen, [stolen[0], fresh[1]], [fresh[0], stolen[1]]):
        assert not is_found(region, PAIR, "KH", guesses(region, ROW, shares), epoch=2)
        assert not is_found(region, PAIR, "KH", guesses(region, ROW, shares), pepper, epoch=1)


def test_nothing_of_a_former_epoch_is_left_in_any_ring(region):
    region.publish("KH", ROW)
    region.holders["KH"].refreshes.ask(PAIR, "custodian")
    region.tick(2)
    region.holders["KH"].refreshes.ask(PAIR, "custodian")
    region.holders["KH"].step()  # a refresh has begun, and comes to nothing: its part goes too
    renew(region)
    region.tick(4)
    for party in (*HOLDERS, "matcher"):
        kept = [v for p in ("share", "refresh", "pepper") for v in region.ring(party).versions(p) if v.secret]
        assert {v.id.split("/")[-2 if party != "matcher" else -1] for v in kept} == {"2"}


# ---- what a replay must not say


def test_a_match_is_told_once_whichever_epochs_it_is_found_in(region):
    region.publish("KH", ROW)
    region.publish("TH", ROW)
    region.tick(4)
    before = {cc: told(region, cc) for cc in ("KH", "TH")}
    assert [len(refs) for refs in before.values()] == [1, 1]
    renew(region)
    region.tick(5)
    assert rows(region) == {("KH", 2): 1, ("TH", 2): 1}
    assert {cc: told(region, cc) for cc in ("KH", "TH")} == before


def test_a_replay_does_not_reopen_a_match_that_one_side_has_ended(region):
    region.publish("KH", ROW)
    region.publish("TH", ROW)
    region.tick(4)
    node = region.nodes["KH"]
    (match,) = node.desk.matches(region.act("KH", "focal"))
    node.desk.close_match(region.act("KH", "focal"), match.match.match_ref, "referred")
    region.tick(3)
    renew(region)
    region.tick(5)
    assert [state for _, _, state, _ in (*region.matches("KH"), *region.matches("TH"))] == ["CLOSED", "CLOSED"]
    assert [len(told(region, cc)) for cc in ("KH", "TH")] == [1, 1]


@pytest.mark.parametrize("steps", [0, 1, 3, 6])
def test_a_hold_that_is_set_during_a_renewal_is_obeyed(region, steps):
    region.publish("KH", ROW)
    region.tick(2)
    renew(region)
    for _ in range(steps):
        for party in list(region.parties.values()):
            party.step()
    act, file = region.act("KH", "focal"), region.file("KH", "A")
    region.nodes["KH"].desk.set_grant(act, file.case.case_id, "TH", "hold", "doubt")
    region.publish("TH", ROW)
    region.tick(6)
    assert region.matches("TH") == []
    assert [row[:2] for row in region.matches("KH")] == [("A", "TH")]


def test_who_is_revoked_during_a_renewal_is_in_neither_epoch(region):
    region.publish("KH", ROW)
    region.tick(2)
    renew(region)
    for _ in range(3):
        for party in list(region.parties.values()):
            party.step()
    file = region.file("KH", "A")
    region.nodes["KH"].desk.revoke(region.act("KH", "worker"), file.case.case_id, "TH")
    region.publish("TH", ROW)
    region.tick(5)
    assert (rows(region), region.matches("TH")) == ({("TH", 2): 1}, [])


def test_an_honest_renewal_leaves_the_auditor_nothing_to_find_and_each_epoch_in_its_table(region):
    region.publish("KH", *people(3))
    region.tick(2)
    renew(region)
    region.tick(6)
    done = report(region)
    assert done.findings == ()
    assert [(row.holder, row.epoch, row.state) for row in done.shares] == [
        (h, number, found) for number, found in ((1, "DRAINING"), (2, "ACTIVE")) for h in HOLDERS
    ]
    assert {(row.epoch, row.country, row.verdict) for row in done.totals} >= {(1, "KH", "holds"), (2, "KH", "holds")}
