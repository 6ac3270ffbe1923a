"""A renewal seen from a country: who is made anew, what stands where meanwhile, and what a backup undoes."""

import shutil
from datetime import timedelta

import pytest
from refreshing import PAIR
from regions import people, person
from renewing import COUNTRIES, epoch, matched, pair_region, refused, renew, rows, state, steps

from events.messages import EpochClosed, EvaluationAsked, Submission
from keys import epochs
from matching import recipes
from matching.recipes import RECIPES

new_region, founded, region = pair_region(batch_limit=10)


def asked(region, country, purpose):
    items = region.items(f"evaluate.{country}.TH")
    return [item for item in items if isinstance(item, EvaluationAsked) and item.purpose == purpose]


def test_all_that_is_out_is_made_anew_under_its_handle_with_its_grant(region):
    region.publish("KH", *people(3), grant="hold")
    region.tick(2)
    first = {item.handle: item for item in region.items("linkage.KH") if isinstance(item, Submission)}
    renew(region)
    region.tick(3)
    again = [item for item in region.items("linkage.KH") if isinstance(item, Submission) and item.epoch == 2]
    assert {item.handle for item in again} == set(first)
    for item in again:
        before = first[item.handle]
        assert (item.serial, item.grant, item.grant_until) == (before.serial, "hold", before.grant_until)
        assert item.indices != before.indices
    assert rows(region) == {("KH", 2): 3}
    assert sum(batch.n for batch in asked(region, "KH", "rotation")) == 3 * len(region.charter.slots)


def test_who_has_given_her_consent_anew_with_an_earlier_end_is_made_anew_too(region):
    region.publish("KH", *people(1))
    region.tick(2)
    desk, case_id = region.nodes["KH"].desk, region.case_id("KH", "R0")
    desk.record_consent(
        region.act("KH", "worker"), case_id, purpose="C4", answer="given", scope="as explained", language="km",
        allowed_countries=frozenset({"TH"}), capacity="adult",
        expires_on=region.clock.now().date() + timedelta(days=20),
    )
    renew(region)
    region.tick(3)
    assert rows(region) == {("KH", 2): 1}
    region.sleep(days=21)
    region.tick(2)
    assert rows(region) == {}


def test_made_anew_nobody_has_said_anything_since(region):
    region.publish("KH", *people(1))
    region.tick(2)
    before = region.file("KH", "R0").person.linkages["TH"]
    renew(region)
    region.tick(3)
    after = region.file("KH", "R0").person.linkages["TH"]
    assert (after.epoch, after.renewed_at, after.serial) == (2, before.renewed_at, before.serial)
    assert [row.epoch for row in after.rows] == [1, 2]


def test_a_stream_that_begins_anew_in_the_middle_says_the_rows_of_both_epochs_and_after_it_of_the_new_one(region):
    region.publish("KH", *people(2))
    region.tick(2)
    renew(region)
    region.tick(3)
    node, topic = region.nodes["KH"], next(t for t in region.charter.topics if t.name == "linkage.KH")

    def said_anew():
        with region.databases["KH"].transaction() as tx:
            node._relay.refill(tx)
            return sorted(item.epoch for item in node._relay.take(tx, topic, 0, 100))

    assert said_anew() == [2, 2]
    with region.databases["KH"].transaction() as tx:
        tx.execute("DELETE FROM renewed_epochs")  # as if there were more to be made anew
    assert said_anew() == [1, 1, 2, 2]


def test_only_when_both_countries_have_replayed_the_former_rows_go(region):
    region.publish("KH", *people(2))
    region.publish("TH", person("R0", prs_IdentityNumber="K7290"))
    region.tick(3)
    region.kill("TH")
    renew(region)
    region.tick(3)
    assert rows(region) == {("KH", 1): 2, ("KH", 2): 2, ("TH", 1): 1}
    assert [v.state for v in region.ring("matcher").versions("pepper")] == ["active", "active"]
    region.start("TH")
    region.tick(3)
    assert rows(region) == {("KH", 2): 2, ("TH", 2): 1}
    assert [v.state for v in region.ring("matcher").versions("pepper")] == ["destroyed", "active"]
    closed = [item for item in region.items("linkage.TH") if isinstance(item, EpochClosed)]
    assert closed == [EpochClosed(pair=PAIR, epoch=2)]


def test_who_is_published_in_the_new_epoch_alone_is_found_when_the_other_side_has_replayed(region):
    region.publish("KH", *people(2))
    region.tick(2)
    region.kill("KH")  # its rows stand in the former epoch
    renew(region)
    region.settle()
    region.publish("TH", *people(2))
    region.tick(3)
    assert rows(region) == {("KH", 1): 2, ("TH", 2): 2}
    region.start("KH")
    region.tick(5)
    assert matched(region) == [["R0", "R1"], ["R0", "R1"]]


def test_what_was_begun_in_the_former_epoch_is_finished_in_it_and_made_anew(region):
    region.publish("KH", *people(1))
    region.nodes["KH"].step()  # its batch is made, in epoch 1
    renew(region)
    region.tick(4)
    assert [[batch.epoch for batch in asked(region, "KH", purpose)] for purpose in ("match", "rotation")] == [[1], [2]]
    assert (rows(region), refused(region)) == ({("KH", 2): 1}, {})


def test_a_country_that_never_comes_back_keeps_the_former_rows_for_the_charters_overlap_and_no_longer(region):
    region.publish("KH", *people(1))
    region.publish("TH", *people(1))
    region.tick(3)
    region.kill("TH")
    renew(region)
    region.tick(2)
    region.sleep(days=89)
    assert rows(region)["TH", 1] == 1
    region.sleep(days=2)
    region.tick()
    assert rows(region) == {("KH", 2): 1}


def test_renewed_twice_in_a_row_all_ends_in_the_last_epoch(region):
    region.publish("KH", *people(3))
    region.publish("TH", *people(3))
    region.tick(3)
    renew(region)
    steps(region, 4)
    renew(region)
    region.tick(6)
    assert [epoch(region, cc) for cc in COUNTRIES] == [3, 3]
    assert rows(region) == {("KH", 3): 3, ("TH", 3): 3}
    assert [v.state for v in region.ring("matcher").versions("pepper")][-1] == "active"
    assert matched(region) == [["R0", "R1", "R2"]] * 2


def test_with_cover_a_replay_stays_within_the_ticks_batches(new_region):
    region = new_region(*COUNTRIES, cover=True, quota_per_day=20_000)
    region.publish("KH", *people(2))
    region.tick(6)
    sizes = {len(envelope.box) for envelope in region.envelopes("evaluate.KH.TH")[-3:]}
    renew(region)
    region.tick(8)
    assert rows(region) == {("KH", 2): 2}
    assert asked(region, "KH", "rotation") == []
    assert {len(envelope.box) for envelope in region.envelopes("evaluate.KH.TH")[-8:]} == sizes
    lengths = {len(envelope.box) for envelope in region.envelopes("linkage.KH")[-8:]}
    assert len(lengths) == 1


def test_the_first_holder_renews_by_itself_when_the_period_is_over_and_the_other_follows(new_region):
    region = new_region(*COUNTRIES, renew_days=60)
    region.publish("KH", *people(1))
    region.tick(2)
    region.sleep(days=59)
    assert epoch(region, "KH") == 1
    region.sleep(days=1)
    region.tick(2)
    assert [epoch(region, cc) for cc in COUNTRIES] == [2, 2]


def test_an_epoch_that_is_used_up_is_renewed_whatever_its_age(region, monkeypatch):
    monkeypatch.setattr(epochs, "MOST_EVALUATIONS", 5)
    region.publish("KH", *people(1))
    region.tick(2)
    assert state(region, "KH") == "prepared"


# ---- backups put back


def backed_up(region, party):
    """What the party's home is put back to."""
    region.kill(party)
    home = region.region.home(party)
    shutil.copytree(home, home.with_name(f"{party}.backup"))
    region.start(party)


def restored(region, party, *, ring):
    """Its home as it was; without `ring` the ring is the newer one."""
    region.kill(party)
    home = region.region.home(party)
    for file in home.with_name(f"{party}.backup").iterdir():
        if file.is_file() and (ring or file.name != "ring.json"):
            shutil.copy(file, home / file.name)
    region.start(party)


@pytest.mark.parametrize(("party", "ring"), [("matcher", True), ("KH", False)])
def test_a_party_put_back_to_before_the_renewal_comes_to_the_same(region, party, ring):
    region.publish("KH", *people(3))
    region.publish("TH", *people(2))
    region.tick(3)
    backed_up(region, party)
    renew(region)
    region.tick(5)
    restored(region, party, ring=ring)
    region.tick(6)
    region.publish("TH", *people(3)[2:])
    region.tick(5)
    assert rows(region) == {("KH", 2): 3, ("TH", 2): 3}
    assert [set(row) for row in matched(region)] == [{"R0", "R1", "R2"}] * 2


# ---- schema versions


def under_schema(region, version):
    """Everybody starts again under a charter with this schema version."""
    region.charter = region.charter.model_copy(update={"schema_version": version})
    for party in list(region.parties):
        region.kill(party)
    for party in region.charter.parties:
        region.start(party.id)


def test_a_matcher_put_back_to_the_middle_of_a_renewal_hears_both_epochs_again(region):
    region.publish("KH", *people(2))
    region.publish("TH", *people(2))
    region.tick(3)
    region.kill("TH")
    renew(region)
    region.tick(3)
    backed_up(region, "matcher")
    region.publish("KH", person("R2", prs_IdentityNumber="K7292"))
    region.tick(2)
    restored(region, "matcher", ring=True)
    region.tick(3)
    assert rows(region) == {("KH", 1): 2, ("KH", 2): 3, ("TH", 1): 2}
    region.start("TH")
    region.tick(4)
    assert rows(region) == {("KH", 2): 3, ("TH", 2): 2}


def test_a_region_goes_from_one_schema_version_to_the_next_by_a_renewal(region, monkeypatch):
    """The next version writes documents otherwise; each epoch's tokens are of its own."""
    monkeypatch.setitem(recipes.SCHEMAS, 2, {**RECIPES, "DOC": lambda r: ((d.number[::-1],) for d in r.documents)})
    region.publish("KH", *people(3))
    region.publish("TH", *people(2))
    region.tick(3)
    under_schema(region, 2)
    region.publish("TH", *people(3)[2:])
    region.tick(3)
    assert {s.schema_version for s in region.items("linkage.TH") if isinstance(s, Submission)} == {1}
    renew(region, reason="schema")
    region.tick(5)
    assert rows(region) == {("KH", 2): 3, ("TH", 2): 3}
    made = {(s.epoch, s.schema_version) for s in region.items("linkage.TH") if isinstance(s, Submission)}
    assert made == {(1, 1), (2, 2)}
    assert matched(region) == [["R0", "R1", "R2"]] * 2
    wrong = next(s for s in region.items("linkage.KH") if isinstance(s, Submission) and s.epoch == 2)
    topic = next(t for t in region.charter.topics if t.name == "linkage.KH")
    with region.databases["KH"].transaction() as tx:
        region.nodes["KH"]._post.write(tx, topic, [wrong.model_copy(update={"schema_version": 1})])
    region.tick()
    assert refused(region) == {"unknown_schema": 1}


def test_a_node_that_does_not_make_the_new_schema_waits_and_says_so(region):
    region.publish("KH", *people(1))
    region.tick(2)
    under_schema(region, 2)
    renew(region, reason="schema")
    region.tick(2)
    status = region.nodes["KH"].status()
    assert status.waits_for == {PAIR: "this version makes no tokens of schema 2: bring it up to date"}
    assert (status.renewing, rows(region)) == ({PAIR: 1}, {("KH", 1): 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes.SCHEMAS, 2, RECIPES)
        region.tick(3)
    assert rows(region) == {("KH", 2): 1}


def test_holders_under_different_charters_do_not_follow_each_other(region):
    older = region.charter
    region.charter = older.model_copy(update={"schema_version": 2})
    region.kill("KH.holder")
    region.start("KH.holder")
    renew(region, reason="schema")
    region.tick(2)
    assert [epoch(region, cc) for cc in COUNTRIES] == [1, 1]
    region.kill("TH.holder")
    region.start("TH.holder")
    region.tick(2)
    assert [epoch(region, cc) for cc in COUNTRIES] == [2, 2]


def test_an_epoch_that_two_holders_begin_at_once_for_different_schemas_is_never_in_force_and_the_next_is(region):
    region.charter = region.charter.model_copy(update={"schema_version": 2})
    region.kill("KH.holder")
    region.start("KH.holder")
    renew(region, reason="schema")
    for holder in region.holders.values():
        holder.renewals.step()  # neither has read the other
    region.tick(2)
    assert [epoch(region, cc) for cc in COUNTRIES] == [1, 1]
    assert [state(region, cc) for cc in COUNTRIES] == ["failed", "failed"]
    region.kill("TH.holder")
    region.start("TH.holder")
    renew(region, reason="schema")
    region.tick(2)
    assert [epoch(region, cc) for cc in COUNTRIES] == [3, 3]
