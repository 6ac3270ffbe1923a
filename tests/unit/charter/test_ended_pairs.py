"""A pair that ended, by a holder's word or by the charter, and the charters that follow: nothing revives it unasked."""

import pytest
from charters import ROOTS, adopt, first_draft, following, founded, offer
from ending import PAIR, ask_end, left_at_matcher, said, shares_alive
from regions import LiveRegion, person

from events.charter import AgreedAgain, ThirdShare
from events.errors import CharterInvalid
from events.succession import check_step, parse_charter
from services.auditor import reading
from services.auditor.streams import audit
from services.charter import drafts

MEMBERS = ("KH", "TH")


@pytest.fixture
def region(tmp_path):
    with LiveRegion(tmp_path / "region", MEMBERS, roots=ROOTS) as region:
        region.meet()
        region.publish("KH", person("K1"))
        region.publish("TH", person("T1"))
        region.tick(4)
        yield region


def report(region):
    ends = reading.ends_of(region.stream, region.charter)
    records = list(reading.records(region.stream, ends))
    return audit(region.charter, region.digest, records, now=region.clock.now(), ends=ends)


def is_over(region) -> bool:
    gone = not shares_alive(region, "KH.holder") and not shares_alive(region, "TH.holder")
    return gone and left_at_matcher(region) == {} and region.tokens("KH", "K1")["TH"][0] == "revoked"


def keep(draft):
    return draft.model_copy(update={"quota_per_day": draft.quota_per_day + 1})


def end(draft):
    return drafts.without(draft, PAIR)


def again(draft):
    return drafts.with_pairs(draft.model_copy(update={"matching_epoch": draft.matching_epoch + 1}), [PAIR])


def test_a_pair_that_the_charter_ends_ends_as_by_a_holders_word(region):
    adopt(region, end, MEMBERS)
    region.tick(3)
    assert [(i.holder, i.reason, i.custodians) for i in said(region, "agreement_ended")] == [
        ("KH.holder", "charter", ()), ("TH.holder", "charter", ())
    ]
    assert not shares_alive(region, "KH.holder")
    assert not shares_alive(region, "TH.holder")
    assert left_at_matcher(region) == {}
    assert [(e.said_by, e.is_done) for e in region.nodes["TH"].status().ended] == [("", True)]
    assert report(region).findings == ()
    assert [(row.reason, row.in_charter) for row in report(region).ended] == [("charter", False)]


def test_a_charter_that_goes_on_naming_an_ended_pair_revives_nothing(region):
    ask_end(region, "TH")
    region.tick(3)
    assert is_over(region)
    adopt(region, keep, MEMBERS)
    region.publish("KH", person("K9", prs_IdentityNumber="K9", prs_FirstName="Lek"))
    region.tick(4)
    assert is_over(region)
    assert [row.in_charter for row in report(region).ended] == [True]
    assert report(region).findings == ()
    adopt(region, lambda draft: draft.model_copy(update={"matching_epoch": 2}), MEMBERS)  # for other pairs' sake
    region.tick(4)
    assert is_over(region)
    assert len(said(region, "agreement_ended")) == 2


def test_taken_up_again_in_a_new_epoch_a_pair_has_new_shares_and_matches_whom_people_publish_again(region):
    ask_end(region, "KH")
    region.tick(3)
    old = [i.public for i in said(region, "share_introduced")]
    adopt(region, end, MEMBERS)
    region.tick(2)
    adopt(region, again, MEMBERS)
    region.tick(2)
    assert region.charter.agreed_again == (AgreedAgain(pair=PAIR, epoch=2),)
    assert region.tokens("KH", "K1")["TH"][0] == "revoked"  # nobody is published again unasked
    region.publish("KH", person("K2", prs_IdentityNumber="K2", prs_FirstName="Lek"))
    region.publish("TH", person("T2", prs_IdentityNumber="K2", prs_FirstName="Lek"))
    region.tick(6)
    assert ("K2", "TH", "BOTH_TOLD") in [row[:3] for row in region.matches("KH")]
    assert [v for v in shares_alive(region, "KH.holder") if not v.startswith(f"{PAIR}/2/")] == []
    assert not {i.public for i in said(region, "share_introduced") if i.epoch == 2} & set(old)
    assert all(not party._post.status().refused for party in region.parties.values())
    assert report(region).findings == ()
    ask_end(region, "TH", reason="other")
    region.tick(3)
    assert shares_alive(region, "KH.holder") == []
    assert left_at_matcher(region) == {}


def step(change, before=None):
    """The next version after one in which KH and TH had agreed, or had ended."""
    signed = before or founded(*MEMBERS)
    charter = parse_charter(following(signed, change))
    check_step(signed.verified(), signed.digest, charter)
    return charter


@pytest.mark.parametrize("change, why", [
    (lambda d: d.model_copy(update={"agreed_again": (AgreedAgain(pair=PAIR, epoch=2),), "matching_epoch": 2}),
     "agrees again from matching epoch 1"),
    (lambda d: drafts.with_third_share(drafts.with_key(d, offer("Witness.holder")), PAIR, "Witness.holder"), "a third share of KH-TH"),
])
def test_a_version_may_not_call_a_pair_new_that_never_ended_nor_change_its_shares_within_an_epoch(change, why):
    with pytest.raises(CharterInvalid, match=why):
        step(change)


def test_with_a_new_epoch_a_third_share_may_come():
    charter = step(lambda d: drafts.with_third_share(drafts.with_key(
        d.model_copy(update={"matching_epoch": 2}), offer("Witness.holder")), PAIR, "Witness.holder"))
    assert charter.third_shares == (ThirdShare(pair=PAIR, holder="Witness.holder"),)
    assert charter.holders_of(PAIR) == ("KH.holder", "TH.holder", "Witness.holder")


def test_a_draft_takes_an_ended_pair_up_only_under_a_new_epoch():
    draft = drafts.without(first_draft(*MEMBERS).model_copy(update={"version": 2}), PAIR)
    with pytest.raises(CharterInvalid, match="raise matching_epoch"):
        drafts.with_pairs(draft, [PAIR])
