"""A region goes on under its next charter: what was proved, asked and sealed before still counts, and newcomers read it."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from charters import ROOTS, START, adopt, following, founded, joining, retiring, signed
from regions import LiveRegion, person

from events.database import open_database
from events.directory import Directory
from events.errors import CharterInvalid
from events.messages import EvaluatedTotal, ShareIntroduced
from keys.errors import UnknownKey
from services.auditor import reading
from services.auditor.streams import audit
from services.charter import drafts
from services.runtime.errors import CharterOver
from services.runtime.party import in_force
from services.runtime.process import _looped


@pytest.fixture
def region(tmp_path):
    with LiveRegion(tmp_path / "region", ("KH", "TH"), roots=ROOTS) as region:
        region.meet()
        yield region


def findings(region):
    ends = reading.ends_of(region.stream, region.charter)
    records = list(reading.records(region.stream, ends))
    return audit(region.charter, region.digest, records, now=region.clock.now(), ends=ends).findings


def learned_anew(region, items):
    """(pair, holder) of the shares that somebody relies on who reads these announcements, all of holders, today."""
    told = [item for item in items if isinstance(item, ShareIntroduced)]
    with closing(open_database("sqlite:///:memory:")) as database:
        directory = Directory(database, region.charter, region.digest)
        directory.create()
        with database.transaction() as tx:
            for item in told:
                directory.learn(tx, item.holder, item)
        return {(item.pair, item.holder) for item in told if directory.share(item.pair, item.epoch, item.holder, item.generation)}


def refusals(region):
    return {p: s._post.status().refused for p, s in region.parties.items() if s._post.status().refused}


def told(region, country):
    return [(reference, other) for reference, other, _, _ in region.matches(country)]


def test_the_old_shares_stay_proven_for_everybody_who_reads_them_from_the_beginning(region):
    before = region.digest
    adopt(region, joining(region, "LA"), ("KH", "TH", "LA"))
    assert (region.charter.version, region.digest) == (2, before)
    shares = [item for cc in ("KH", "TH") for item in region.items(f"keys.{cc}.holder") if isinstance(item, ShareIntroduced)]
    old = [item for item in shares if item.pair == "KH-TH"]
    assert len(old) == 2
    assert learned_anew(region, old) == {("KH-TH", "KH.holder"), ("KH-TH", "TH.holder")}
    region.tick(2)
    assert findings(region) == ()


def test_a_newcomer_joins_and_is_matched_and_those_who_were_there_go_on(region):
    region.publish("KH", person("R1"))
    region.publish("TH", person("R1"))
    region.tick(6)
    adopt(region, joining(region, "LA"), ("KH", "TH", "LA"))
    region.tick(2)
    region.publish("LA", person("R9"))
    region.publish("KH", person("R2", prs_IdentityNumber="X7700123"))
    region.publish("LA", person("R8", prs_IdentityNumber="X7700123", prs_FirstName="Other"))
    region.tick(8)
    assert ("R1", "TH") in told(region, "KH")
    assert ("R8", "KH") in told(region, "LA")
    assert refusals(region) == {}
    assert findings(region) == ()


def test_a_question_that_was_under_way_is_answered_once_and_convicts_nobody(region):
    """Asked and counted under version 1, answered under version 2: by each of the two holders on its own side of it."""
    region.publish("KH", person("R1"), c4=frozenset({"TH"}))
    region.nodes["KH"].step()
    region.clock.advance(60)
    for party in ("KH", "KH.holder", "KH.holder", "KH"):
        region.parties[party].step()
    assert region.items("evaluated.KH.KH")
    assert not region.items("evaluated.TH.KH")
    adopt(region, lambda draft: draft.model_copy(update={"quota_per_day": 99_999}), ("KH", "TH"))
    region.tick(4)
    assert region.tokens("KH", "R1")["TH"][0] == "published"
    told = [total for _, total in region.nodes["KH"]._post.directory.totals() if isinstance(total, EvaluatedTotal)]
    assert [total.count for total in told if total.country == "KH"] == [len(region.charter.slots)] * 2
    assert refusals(region) == {}


def test_a_member_leaves_and_what_was_said_of_its_pairs_is_no_offence(region):
    adopt(region, joining(region, "LA"), ("KH", "TH", "LA"))
    region.tick(2)
    region.publish("LA", person("R9"))
    region.publish("KH", person("R8"))
    region.tick(8)
    assert told(region, "KH") == [("R8", "LA")]
    adopt(region, lambda draft: drafts.without(draft, "LA"), ("KH", "TH"))
    assert region.charter.ended_pairs == ("KH-LA", "LA-TH")
    assert {pair for pair, _ in learned_anew(region, region.items("keys.KH.holder"))} == {"KH-TH"}
    region.tick(2)
    region.publish("TH", person("R7"))
    region.tick(8)
    assert ("R8", "TH") in told(region, "KH")
    assert refusals(region) == {}
    assert findings(region) == ()


def test_a_key_is_retired_and_followed_by_the_robbed_members_roots_alone(region):
    adopt(region, retiring(region, "TH"), ("TH",))
    region.tick(2)
    region.publish("TH", person("R7"))
    region.publish("KH", person("R8"))
    region.tick(8)
    assert region.ring("TH").primary("signing").id == "TH.signing.2"
    assert told(region, "KH") == [("R8", "TH")]
    assert findings(region) == ()


def test_a_successor_waits_in_the_ring_until_the_roots_have_introduced_it(region):
    change = retiring(region, "TH")  # its new key lies in the ring from now on
    region.kill("TH")
    region.start("TH")
    assert region.ring("TH").primary("signing").id == "TH.signing.1"
    region.tick(2)
    assert refusals(region) == {}
    adopt(region, change, ("TH",))
    assert region.ring("TH").primary("signing").id == "TH.signing.2"


def test_an_announcement_made_under_the_old_charter_after_the_new_ones_time_is_made_again(region):
    """TH goes on under version 1 while it is over; readers of version 2 refuse that, and hear it once TH has loaded it."""
    adopt(region, lambda draft: draft.model_copy(update={"quota_per_day": 99_999}), ("KH", "TH"), start=False)
    region.clock.advance(timedelta(days=7).total_seconds())  # TH's sealing key is followed by another
    for party in [p for p in list(region.parties) if p != "TH"]:
        region.kill(party)
        region.start(party)
    region.parties["TH"].step()
    region.parties["TH"].step()
    for party in ("matcher", "KH"):
        region.parties[party].step()
    assert region.matcher._post.directory.sealing_key("TH", region.clock.now()) is None
    assert region.matcher.status().refused["old_charter"] > 0
    assert {f.code for f in findings(region)} >= {"old_charter"}
    region.kill("TH")
    region.start("TH")
    region.tick(3)
    assert region.matcher._post.directory.sealing_key("TH", region.clock.now()) is not None
    assert "want_without_sense" not in {reason for refused in refusals(region).values() for reason in refused}
    assert "old_charter" not in {f.code for f in findings(region)}
    region.publish("TH", person("R7"))
    region.publish("KH", person("R8"))
    region.tick(8)
    assert told(region, "KH") == [("R8", "TH")]


# ---- when a version counts


def test_a_version_to_come_lies_ready_and_counts_from_its_time_on():
    charter = founded("KH", "TH")
    both = signed(following(charter, lambda d: d.model_copy(update={"quota_per_day": 400})), charter, ("KH", "TH"))
    later = START + timedelta(days=1)
    assert (in_force(both, START)[0].version, in_force(both, START)[1]) == (1, later)
    assert (in_force(both, later)[0].version, in_force(both, later)[1]) == (2, None)
    with pytest.raises(CharterInvalid, match="counts from 2026-03-01 08:00:00 UTC on"):
        in_force(both, START - timedelta(seconds=1))


def test_a_process_seals_nothing_under_a_charter_whose_time_is_over(region):
    node, until = region.nodes["KH"], region.clock.now() + timedelta(seconds=60)
    step = _looped(node, region.clock, until)
    step()
    region.clock.advance(60)
    with pytest.raises(CharterOver, match="start again"):
        step()
    assert _looped(node, region.clock, None)()


def test_a_ring_makes_only_a_key_that_is_there_the_one_to_sign_with(region):
    ring = region.ring("KH")
    ring.add("signing", "next", b"n" * 32, valid_from=datetime(2026, 3, 2, tzinfo=UTC))
    ring.make_primary("signing", "next")
    assert [v.id for v in region.ring("KH").versions("signing") if v.state == "primary"] == ["next"]
    ring.destroy("signing", "KH.signing.1")
    with pytest.raises(UnknownKey):
        ring.make_primary("signing", "KH.signing.1")
