"""An agreement that one side alone has ended: nothing is left that a token could be made or tested with, at any party,
whoever is restored from a backup or was away, and nobody ends it in another's name.
"""

import shutil
from uuid import uuid4

import pytest
from ending import HOLDERS, PAIR, ask_end, custodian, left_at_matcher, said, shares_alive
from regions import LiveRegion, person, regions_in

from events.base import Role
from events.errors import Refused
from events.messages import AgreementEnded, EvaluationAsked
from keys import group, labels
from services.keyholder.endings import PATIENCE, Wish
from services.matcher.endings import commitment

COUNTRIES = ("KH", "LA", "TH")


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    """KH has a person in common with TH, and one with LA; KH and TH were told of theirs. TH has another, who holds."""
    with regions_in(tmp_path_factory.mktemp("ended")) as make:
        region = make(*COUNTRIES)
        region.publish("KH", person("K1"), person("K2", prs_IdentityNumber="K2", prs_FirstName="Lek"))
        region.publish("TH", person("T1"))
        region.publish("LA", person("L2", prs_IdentityNumber="K2", prs_FirstName="Lek"))
        region.tick(4)
        yield region


@pytest.fixture
def region(founded, tmp_path):
    with founded.copied(tmp_path / "copy") as copy:
        yield copy


def back_up(region: LiveRegion, party: str, to) -> None:
    region.kill(party)
    shutil.copytree(region.region.home(party), to)
    region.start(party)


def restore(region: LiveRegion, party: str, backup) -> None:
    home = region.region.home(party)
    shutil.rmtree(home)
    shutil.copytree(backup, home)
    region.start(party)


def notices(region: LiveRegion) -> list[int]:
    """How many notices of the pair's matches each side was ever sent."""
    both = (("KH", "TH"), ("TH", "KH"))
    return [sum(getattr(i, "other_country", other) == other for i in region.items(f"notices.{cc}")) for cc, other in both]


def end(region: LiveRegion, country: str = "KH") -> None:
    ask_end(region, country)
    region.tick(2)


def test_two_custodians_of_one_side_end_it_for_everybody_and_for_no_other_pair(region):
    assert region.matches("KH")
    assert left_at_matcher(region)
    end(region)
    assert [shares_alive(region, holder) for holder in HOLDERS] == [[], []]
    assert left_at_matcher(region) == {}
    assert [(i.holder, i.reason, i.custodians) for i in said(region, "agreement_ended")] == [
        ("KH.holder", "withdrawn", ("custodian-1", "custodian-2")), ("TH.holder", "other_side", ()),
    ]
    assert [i.pair for i in said(region, "agreement_dropped")] == [PAIR]
    for cc, own, other in (("KH", "K1", "TH"), ("TH", "T1", "KH")):
        assert region.tokens(cc, own)[other] == ("revoked", "agreement_ended")
        assert [(e.pair, e.said_by, e.reason, e.is_done) for e in region.nodes[cc].status().ended] == [
            (PAIR, "KH.holder", "withdrawn", True)
        ]
    peppers = {version.id: version.state for version in region.ring("matcher").versions("pepper")}
    assert (peppers["matcher/pepper/KH-TH/1"], peppers["matcher/pepper/KH-LA/1"]) == ("destroyed", "active")
    assert shares_alive(region, "KH.holder", "KH-LA")
    assert left_at_matcher(region, "KH-LA")
    assert region.tokens("KH", "K2")["LA"] == ("published", "")
    assert all(not party._post.status().refused for party in region.parties.values())


def test_what_was_told_stays_told_and_nothing_more_is(region):
    told = region.matches("KH")
    region.publish("TH", person("T2", prs_IdentityNumber="K2", prs_FirstName="Lek"))  # a match, and nobody knows yet
    before = notices(region)
    ask_end(region, "TH")
    region.tick(5)
    assert notices(region) == before
    assert [row[0] for row in region.matches("KH")] == [row[0] for row in told]
    assert not region.items("linkage.KH")[-1:] or region.items("linkage.KH")[-1].kind == "submission"


def test_one_custodian_alone_ends_nothing_nor_says_it_twice_nor_does_another_role(region):
    endings, wish = region.holders["KH"].endings, Wish(pair=PAIR, reason="withdrawn")
    endings.ask(custodian("custodian-1"), wish)
    for actor, code in (
        (custodian("custodian-1"), "same_person"), (custodian("operator", Role.NODE_OPERATOR), "role_may_not"),
    ):
        with pytest.raises(Refused) as refused:
            endings.ask(actor, wish)
        assert refused.value.code == code
    region.sleep(seconds=PATIENCE.total_seconds())
    assert [one.state for one in endings.listed()] == ["lapsed"]
    endings.ask(custodian("custodian-2"), wish)  # a week later: the first word counts no more
    region.tick(2)
    assert shares_alive(region, "KH.holder")
    assert left_at_matcher(region)
    assert not said(region, "agreement_ended")


def test_the_former_share_of_the_side_that_stopped_makes_and_opens_nothing(region):
    """TH's share stolen before the end: KH's is gone, so the thief has half a key for ever, and TH itself answers none."""
    stolen = region.ring("TH.holder").secret("share", f"{PAIR}/1/0")
    end(region, "KH")
    assert len(stolen) == 32
    assert shares_alive(region, "KH.holder") == []
    asked = [i for i in region.items("evaluated.KH.TH") if i.kind == "evaluated"]
    region.publish("TH", person("T9", prs_IdentityNumber="K9", prs_FirstName="Dao"))
    region.tick(3)
    assert [i for i in region.items("evaluated.KH.TH") if i.kind == "evaluated"] == asked
    assert region.tokens("TH", "T9")["KH"][1] == "pair_not_agreed"


@pytest.mark.parametrize("party", ["matcher", "KH.holder", "TH.holder", "TH"])
def test_a_party_restored_from_a_backup_of_before_the_end_ends_it_again(region, tmp_path, party):
    back_up(region, party, tmp_path / "backup")
    end(region)
    statements = [len(said(region, kind)) for kind in ("agreement_ended", "agreement_dropped")]
    region.kill(party)
    restore(region, party, tmp_path / "backup")
    told = notices(region)
    answers = len([i for i in region.items("evaluated.TH.KH") if i.kind == "evaluated"])
    region.tick(4)
    assert [shares_alive(region, holder) for holder in HOLDERS] == [[], []]
    assert left_at_matcher(region) == {}
    assert region.tokens("TH", "T1")["KH"] == ("revoked", "agreement_ended")
    assert notices(region) == told
    assert len([i for i in region.items("evaluated.TH.KH") if i.kind == "evaluated"]) == answers
    assert [len(said(region, kind)) for kind in ("agreement_ended", "agreement_dropped")] == statements


class Withholding:
    """A carrier that is late with some topics, until it is let go."""

    def __init__(self, inner) -> None:
        self.inner, self.topics = inner, set()

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def read(self, positions, *args):
        return self.inner.read({place: at for place, at in positions.items() if place[0] not in self.topics}, *args)


@pytest.fixture
def late(region, tmp_path):
    """(party, topics) -> the party restored from before the end, on a carrier that is late with these topics."""

    def make(party: str, *topics: str) -> Withholding:
        back_up(region, party, tmp_path / "backup")
        end(region)
        region.kill(party)
        carrier = Withholding(region.stream)  # at the start it gives back the end of what the party itself had written
        region.wrap = lambda _party, database, _stream: (database, carrier)
        restore(region, party, tmp_path / "backup")
        carrier.topics |= set(topics)
        return carrier

    return make


def keys_of(*parties: str) -> list[str]:
    return [f"keys.{party}" for party in parties]


def test_a_restored_matcher_tells_nobody_before_it_has_read_what_holders_had_said(region, late):
    told = notices(region)
    carrier = late("matcher", *keys_of(*HOLDERS))
    region.tick(3)
    assert left_at_matcher(region)
    assert notices(region) == told
    carrier.topics.clear()
    region.tick(2)
    assert left_at_matcher(region) == {}
    assert notices(region) == told


def test_a_restored_holder_answers_nothing_before_it_has_read_what_it_had_said_itself(region, late):
    carrier = late("KH.holder", *keys_of(*HOLDERS))
    holder = region.holders["KH"]
    (element,) = group.hash_to_group([b"a guess"], labels.TOKEN_TO_GROUP)
    asked = EvaluationAsked(batch=uuid4(), pair=PAIR, epoch=1, generation=0, purpose="match", n=1, blinded=element)
    with region.databases["KH.holder"].transaction() as tx:
        holder._take_request(tx, "TH", asked)
    region.tick(2)
    assert shares_alive(region, "KH.holder")
    assert not [i for i in region.items("evaluated.KH.TH") if i.batch == asked.batch]
    carrier.topics.clear()
    region.tick(2)
    assert shares_alive(region, "KH.holder") == []
    assert [i.reason for i in region.items("evaluated.KH.TH") if i.batch == asked.batch] == ["agreement_ended"]


@pytest.mark.parametrize("party, kind", [("KH.holder", "agreement_ended"), ("matcher", "agreement_dropped")])
def test_a_restored_party_says_nothing_twice_though_its_own_topic_comes_late(region, late, party, kind):
    carrier = late(party, *keys_of(party))
    before = said(region, kind)
    region.tick(3)
    assert left_at_matcher(region) == {}
    assert shares_alive(region, "KH.holder") == []
    assert said(region, kind) == before
    carrier.topics.clear()
    region.tick(2)
    assert said(region, kind) == before
    assert all(not service._post.status().refused for service in region.parties.values())


def test_a_restored_node_asks_nothing_before_it_has_read_what_holders_had_said(region, late):
    region.import_rows("TH", [person("T4", prs_IdentityNumber="K4", prs_FirstName="Ying")])
    carrier = late("TH", *keys_of(*HOLDERS))
    region.approve("TH")
    before = [i for i in region.items("evaluate.TH.TH") if getattr(i, "pair", "") == PAIR]
    region.tick(2)
    assert [i for i in region.items("evaluate.TH.TH") if getattr(i, "pair", "") == PAIR] == before
    carrier.topics.clear()
    region.tick(2)
    assert region.tokens("TH", "T4")["KH"] == ("refused", "agreement_ended")


def test_a_holder_that_starts_again_after_the_end_evaluates_for_the_pair_no_more(region):
    end(region)
    for party in HOLDERS:
        region.kill(party)
        region.start(party)
        assert PAIR not in region.parties[party].shares.pairs


def test_a_node_that_was_away_learns_of_the_end_before_it_asks_anything(region):
    region.import_rows("TH", [person("T3", prs_IdentityNumber="K3", prs_FirstName="Kaew")])
    region.approve("TH")
    region.kill("TH")
    end(region)
    region.start("TH")
    region.tick(3)
    assert not [i for i in region.items("evaluate.TH.KH") if i.kind == "evaluation_asked" and i.pair == PAIR][1:]
    assert region.tokens("TH", "T3")["KH"] == ("refused", "agreement_ended")


@pytest.mark.parametrize("writer, holder, code", [
    ("LA.holder", "LA.holder", "not_a_holder"), ("LA.holder", "KH.holder", "not_its_own"), ("KH", "KH", "not_a_holder"),
    ("matcher", "matcher", "not_a_holder"),
])
def test_nobody_ends_an_agreement_that_is_not_his_or_in_anothers_name(region, writer, holder, code):
    ended = AgreementEnded(
        pair=PAIR, epoch=1, holder=holder, at=region.clock.now(), reason="withdrawn", custodians=("a", "b")
    )
    post = region.parties[writer]._post
    with region.databases[writer].transaction() as tx:
        with pytest.raises(Refused) as refused:
            post.directory.learn(tx, writer, ended)
        post._put(tx, post._keys_topic, [ended], partition=0, tick=None, size=None, to=None)
    assert refused.value.code == code
    region.tick(3)
    assert all(shares_alive(region, h) for h in HOLDERS)
    assert left_at_matcher(region)
    assert region.nodes["KH"]._post.status().refused[code] == 1


def test_a_side_that_ends_it_names_two_of_its_custodians(region):
    ended = AgreementEnded(pair=PAIR, epoch=1, holder="KH.holder", at=region.clock.now(), reason="withdrawn",
                           custodians=("a", "a"))  # fmt: skip
    with region.databases["KH.holder"].transaction() as tx, pytest.raises(Refused) as refused:
        region.holders["KH"]._post.announce(tx, ended)
    assert refused.value.code == "not_approved"


def test_the_commitment_opens_to_the_rows_that_were_there_and_to_no_others(region):
    with region.databases["matcher"].reading() as tx:
        live = sorted(h for (h,) in tx.execute("SELECT handle FROM handles WHERE pair = ? AND state = 'live'", (PAIR,)))
    end(region)
    (dropped,) = said(region, "agreement_dropped")
    with region.databases["matcher"].reading() as tx:
        opening = region.matcher.endings.opening(tx, PAIR)
    salt = bytes.fromhex(opening["salt"])
    assert opening["handles"] == live
    assert commitment(salt, PAIR, live).hex() == dropped.commitment
    assert commitment(salt, PAIR, live[1:]).hex() != dropped.commitment
    assert commitment(bytes(32), PAIR, live).hex() != dropped.commitment


def test_rows_that_come_late_are_refused(region):
    sent = next(i for i in region.items("linkage.TH") if i.kind == "submission" and i.pair == PAIR)
    end(region)
    with region.databases["matcher"].transaction() as tx:
        region.matcher._intake.submit(tx, "TH", 1, sent)
        region.matcher._intake.submit(tx, "TH", 2, sent)
    assert left_at_matcher(region) == {}
