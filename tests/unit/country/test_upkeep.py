"""What time does by itself: it ends consents, grants, tokens, requests and matches, and never tells anybody anything."""

from datetime import timedelta
from uuid import UUID

import pytest
from regions import person

from events.base import Role
from events.consent import ConsentLapsed, consents_stream
from events.linkage import GrantSet, TokensRevoked
from events.match import MatchClosed, match_stream
from events.messages import GrantChanged, Revocation
from events.person import person_stream
from events.publication import decide_expire_grants

DAY = 86400


@pytest.fixture
def history(region):
    """The events of a kind that the node knows of a person."""

    def make(kind: type, reference: str = "A") -> list:
        person_id = region.file("KH", reference).case.person_id
        streams = [person_stream(person_id), consents_stream(person_id)]
        with region.databases["KH"].reading() as tx:
            streams += [match_stream(UUID(row[0])) for row in tx.execute("SELECT match_id FROM matches")]
        return [e for stream in streams for e in region.nodes["KH"]._store.history(stream) if isinstance(e, kind)]

    return make


def consent_until(region, days: int, reference: str = "A") -> None:
    """She is asked again, for a time."""
    act = region.act("KH", "worker")
    region.nodes["KH"].desk.record_consent(
        act, region.case_id("KH", reference), purpose="C4", answer="given", scope="for a time", language="km",
        capacity="adult", allowed_countries=frozenset({"LA", "TH"}), expires_on=act.today + timedelta(days=days),
    )


def test_a_grant_that_is_over_is_a_hold_and_the_matcher_hears_of_it(region, history):
    region.publish("KH", person("A", x_consent_C4="TH"))
    region.tick(2)
    until = region.file("KH", "A").person.live[0].grant_until
    region.clock.advance((until - region.clock.now()).total_seconds() - 1)
    region.settle()
    assert history(GrantSet) == []
    region.clock.advance(1)
    region.tick(2)
    (event,) = history(GrantSet)
    assert (event.grant, event.reason, event.by.role) == ("hold", "expired", Role.NODE)
    assert [i.grant for i in region.items("linkage.KH") if isinstance(i, GrantChanged)] == ["hold"]
    region.publish("TH", person("B"))
    region.tick(4)
    assert region.matches("TH") == []
    assert region.matches("KH") == [("A", "TH", "TOLD", "document")]


def test_a_hold_that_is_over_stays_a_hold_and_says_nothing_new(region, history):
    region.publish("KH", person("A"), grant="hold")
    region.tick(2)
    region.sleep(days=91)
    assert history(GrantSet) == []


def test_a_grant_that_was_set_anew_counts_from_then_on(region, node, history):
    region.publish("KH", person("A", x_consent_C4="TH"))
    region.tick(2)
    region.sleep(days=60)
    node.desk.set_grant(region.act("KH", "focal"), region.case_id("KH", "A"), "TH", "tell", "review")
    node.desk.sign(region.act("KH", "deputy"), [(w.id, "tell") for w, _ in node.desk.awaiting(region.act("KH", "focal"))])
    region.sleep(days=40)
    assert [e.reason for e in history(GrantSet)] == ["review"]
    region.sleep(days=51)
    assert [e.reason for e in history(GrantSet)] == ["review", "expired"]


def test_a_consent_whose_last_day_has_passed_ends_tokens_and_match(region, history):
    region.import_rows("KH", [person("A")])
    consent_until(region, 30)
    region.approve("KH")
    region.publish("TH", person("B"))
    region.tick(4)
    assert region.matches("KH") == [("A", "TH", "BOTH_TOLD", "document")]
    region.sleep(days=30, hours=15)
    assert region.tokens("KH", "A")["TH"] == ("published", "")  # the last day counts
    region.sleep(hours=1)
    assert [e.reason for e in history(ConsentLapsed)] == ["replaced", "expired"]
    assert {e.reason for e in history(TokensRevoked)} == {"consent_over"}
    assert region.tokens("KH", "A") == dict.fromkeys(("LA", "TH"), ("revoked", "consent_over"))
    assert [e.reason for e in history(MatchClosed)] == ["withdrawal"]
    region.tick(2)
    assert sum(isinstance(i, Revocation) for i in region.items("linkage.KH")) == 2


def test_a_consent_that_is_over_before_the_signature_leaves_nothing_to_sign(region, node):
    region.import_rows("KH", [person("A")])
    consent_until(region, 2)
    region.sleep(days=3)
    assert node.desk.awaiting(region.act("KH", "focal")) == []
    assert region.tokens("KH", "A")["TH"] == ("refused", "consent_over")


def test_a_match_that_nobody_decided_in_time_is_over(region, history):
    region.publish("KH", person("A"))
    region.publish("TH", person("B"))
    region.tick(4)
    region.sleep(days=89)
    assert region.matches("KH") == [("A", "TH", "BOTH_TOLD", "document")]
    region.sleep(days=2)
    assert region.matches("KH") == [("A", "TH", "CLOSED", "document")]
    assert [e.reason for e in history(MatchClosed)] == ["expiry"]
    region.tick(3)
    assert region.matches("TH") == [("B", "KH", "CLOSED", "document")]


def test_what_was_looked_at_is_looked_at_once(region, node):
    region.publish("KH", person("A"))
    region.tick(2)
    region.sleep(days=360)  # as long as the signing keys last
    region.tick(2)
    last = node._store.last()
    assert node._upkeep.run() == 0
    region.tick(2)
    assert node._store.last() == last
    with region.databases["KH"].reading() as tx:
        assert tx.execute("SELECT COUNT(*) FROM due WHERE at <= ?", (region.clock.now().isoformat(),)) == [(0,)]


class Killed(BaseException):
    """The process ends here."""


def test_a_node_that_is_killed_while_it_looks_looks_again_and_does_nothing_twice(region, node, history, monkeypatch):
    region.publish("KH", person("A"), person("B", prs_IdentityNumber="K2"))
    region.tick(2)
    seen = []

    def dies(person, act):
        seen.append(person)
        if len(seen) == 2:
            raise Killed
        return decide_expire_grants(person, act)

    monkeypatch.setattr("services.country.upkeep.decide_expire_grants", dies)
    region.clock.advance(91 * DAY)
    with pytest.raises(Killed):
        region.settle()
    region.kill("KH")
    region.start("KH")
    region.tick(2)
    assert {len(history(GrantSet, name)) for name in "AB"} == {2}


def test_many_people_are_looked_at_a_hundred_at_a_time(region, node, monkeypatch):
    region.publish("KH", *(person(f"R{i}", prs_IdentityNumber=f"K{i}") for i in range(5)))
    region.tick(2)
    region.clock.advance(91 * DAY)
    assert [node._upkeep.run(limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_time_alone_never_lets_anybody_be_told(region, history):
    region.publish("KH", person("A"), grant="hold")
    region.publish("TH", person("B"), grant="hold")
    for _ in range(5):
        region.sleep(days=30)
        region.tick(3)
    assert region.matches("KH") == region.matches("TH") == []
    assert history(GrantSet) == []
