"""Ends, corrections and streams that begin anew: both sides know the same, and nobody is lost on the way."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from regions import LiveRegion, person

from events.person import Document, Name


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., LiveRegion]]:
    made: list[LiveRegion] = []

    def founded(**rules: Any) -> LiveRegion:
        made.append(LiveRegion(tmp_path / f"r{len(made)}", ("LA", "TH"), **rules))
        made[-1].tick(2)
        return made[-1]

    yield founded
    for live in made:
        live.close()


def states(region: LiveRegion) -> list[list[str]]:
    return [[match[2] for match in region.matches(country)] for country in ("LA", "TH")]


def says_tell(region: LiveRegion, country: str, other: str) -> None:
    desk, focal = region.nodes[country].desk, region.act(country, "focal")
    desk.set_grant(focal, region.case_id(country, country), other, "tell", "review")
    deputy = region.act(country, "deputy")
    desk.sign(deputy, [(w.id, "tell") for w, _ in desk.awaiting(deputy)])


def ends(region: LiveRegion, country: str) -> None:
    with region.databases[country].reading() as tx:
        ((match_ref,),) = tx.execute("SELECT match_ref FROM matches")
    region.nodes[country].desk.close_match(region.act(country, "focal"), match_ref, "referred")


def refused(region: LiveRegion) -> int:
    """Notices that a node refused: as many as it was sent and made no event of."""
    sent = [i for c in ("LA", "TH") for i in region.items(f"notices.{c}") if i.kind == "match_notice"]
    taken = 0
    for country in ("LA", "TH"):
        log = region.nodes[country]._store.log(0, 10_000)
        taken += sum(type(event).__name__ == "MatchTold" for _, event in log)
    return len(sent) - taken


@pytest.fixture
def alone(make) -> LiveRegion:
    """LA holds and TH tells: LA alone was told."""
    region = make()
    region.publish("LA", person("LA"), grant="hold")
    region.publish("TH", person("TH"))
    region.tick(5)
    assert states(region) == [["TOLD"], []]
    return region


def test_a_match_ended_by_the_side_that_alone_knew_is_not_told_both_to_the_other(alone):
    says_tell(alone, "LA", "TH")
    ends(alone, "LA")
    alone.tick(4)
    assert states(alone) == [["CLOSED"], []]
    says_tell(alone, "LA", "TH")
    alone.tick(3)
    assert states(alone) == [["BOTH_TOLD"], ["BOTH_TOLD"]]
    assert refused(alone) == 0


def corrects(region: LiveRegion) -> None:
    """LA records her name anew, which revokes her tokens; two people let them be made again."""
    desk, worker, case_id = region.nodes["LA"].desk, region.act("LA", "worker"), region.case_id("LA", "LA")
    desk.record_identifiers(
        worker, case_id, birth_date="1991-04-23",
        names=(Name(first="Somsak", second="Vongphachan"), Name(first="Noi", kind="alias")),
        documents=(Document(number="K7290415", issuer="LA"),), gender="Feminine", citizenships=frozenset({"LA"}),
    )


def publishes_again(region: LiveRegion) -> None:
    desk = region.nodes["LA"].desk
    desk.ask_publication(region.act("LA", "worker"), region.case_id("LA", "LA"), ["TH"])
    region.approve("LA", "tell")


def begins_anew(region: LiveRegion) -> None:
    """LA's stream to the matcher, as where the matcher lost a key or its place."""
    linkage = next(t for t in region.charter.written_by("LA") if t.family == "linkage")
    with region.databases["LA"].transaction() as tx:
        region.nodes["LA"]._post.open_epoch(tx, linkage)


def test_a_person_corrected_while_the_stream_begins_anew_is_found_again(make):
    region = make()
    region.publish("LA", person("LA", prs_IdentityNumber="K0000001", prs_FirstName="Another"))
    region.publish("TH", person("TH"))
    region.tick(5)
    assert states(region) == [[], []]
    corrects(region)
    region.tick()  # the matcher hears that the old tokens are revoked
    publishes_again(region)
    region.settle()  # made, and not sent
    begins_anew(region)
    region.tick(5)
    assert states(region) == [["BOTH_TOLD"], ["BOTH_TOLD"]]


def test_a_match_whose_revocation_the_old_epoch_lost_is_over_on_both_sides(make, monkeypatch):
    region = make()
    region.publish("LA", person("LA"))
    region.publish("TH", person("TH"))
    region.tick(5)
    assert states(region) == [["BOTH_TOLD"], ["BOTH_TOLD"]]
    corrects(region)
    region.clock.advance(60)
    with monkeypatch.context() as lost:
        lost.setattr(region.nodes["LA"]._post, "send", lambda: 0)
        region.nodes["LA"].step()
    publishes_again(region)
    region.settle()
    begins_anew(region)
    region.tick(4)
    assert states(region) == [["CLOSED"], ["CLOSED"]]
    says_tell(region, "TH", "LA")
    region.tick(3)
    assert states(region) == [["BOTH_TOLD"], ["BOTH_TOLD"]]
    assert refused(region) == 0


def test_accepted_totals_never_exceed_evaluated_ones_in_what_is_published(make):
    """Whoever steps first: here the matcher, at every turn of a span, before the holders have told theirs."""
    region = make(totals_seconds=600.0)
    compared = 0
    for turn in range(4):
        for i in range(3):
            region.publish("LA", person(f"{turn}{i}", prs_IdentityNumber=f"K{turn}{i}"))
            region.tick(3)
        for _ in range(4):
            region.clock.advance(60)
            for _ in range(12):
                for party in reversed(region.parties.values()):
                    party.step()
                    compared += totals_compare(region)
    assert compared > 0


def totals_compare(region: LiveRegion) -> bool:
    """Whether there was anything to compare in what anyone can read now."""
    last: dict[str, int] = {}
    for party in ("matcher", "LA.holder", "TH.holder"):
        for envelope in region.envelopes(f"keys.{party}"):
            for item in region._opened(envelope).items:
                if item.kind in {"accepted_total", "evaluated_total"} and item.country == "LA":
                    last[party] = item.count
    accepted = last.get("matcher", 0)
    assert accepted <= min(last.get("LA.holder", 0), last.get("TH.holder", 0))
    return accepted > 0


def test_a_side_that_ended_what_it_alone_knew_is_told_nothing_anew_against_a_hold(alone):
    """Else a country could ask, as often as it likes, whether the other's record still lives."""
    la, th = alone.nodes["LA"].desk, alone.nodes["TH"].desk
    la.revoke(alone.act("LA", "worker"), alone.case_id("LA", "LA"), "TH")
    alone.tick(2)
    th.set_grant(alone.act("TH", "focal"), alone.case_id("TH", "TH"), "LA", "hold", "unsafe_country")
    alone.tick(2)
    alone.sleep(hours=24)
    before = alone.matches("LA")
    la.ask_publication(alone.act("LA", "worker"), alone.case_id("LA", "LA"), ["TH"])
    alone.approve("LA")
    alone.tick(5)
    assert alone.matches("LA") == before
    assert states(alone) == [["CLOSED"], ["TOLD"]]  # TH is told: LA tells
