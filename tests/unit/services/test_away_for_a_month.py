"""A party that was away for a month loses nothing, though every sealing key of then is destroyed."""

import pytest
from changes import BOTH, PEOPLE
from regions import regions_in


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("month")) as make:
        yield make("KH", "TH", batch_limit=5)


@pytest.fixture
def region(founded, tmp_path):
    with founded.copied(tmp_path / "region") as region:
        yield region


def a_month(region, away):
    """The others work on; whoever is away reads nothing. What is sealed to it in the first two ticks
    it will never open.
    """
    region.kill(away)
    region.tick(2)
    for _ in range(11):
        region.sleep(days=3)
        region.tick()


@pytest.mark.parametrize("away", ["TH", "matcher"])
def test_what_was_said_to_it_while_it_was_away_reaches_it_and_each_match_is_told_once(region, away):
    region.publish("TH", *PEOPLE)
    region.tick(2)
    before = {party: region.ring(party).primary("sealing").id for party in ("TH", "matcher")}
    region.publish("KH", PEOPLE[0])
    region.settle()
    a_month(region, away)
    region.publish("KH", *PEOPLE[1:])
    region.tick(2)
    region.start(away)
    for _ in range(6):
        region.tick()
    assert {cc: region.matches(cc) for cc in BOTH} == BOTH
    for party, key in before.items():
        assert region.ring(party).version("sealing", key).state == "destroyed"
    told = [i for cc in BOTH for i in region.nodes[cc].desk.matches(region.act(cc, "focal"))]
    assert len(told) == 2 * len(PEOPLE)
    assert [p._post.status().paused for p in region.parties.values()] == [{}] * 5
