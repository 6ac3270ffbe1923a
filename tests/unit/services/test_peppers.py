"""A pepper is changed within an epoch: every row stands behind both for a while, and none behind the old one at its end."""

import pytest
from changes import BOTH, PEOPLE, accepted, ask, both_told, states
from regions import regions_in


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("peppers")) as make:
        region = make("KH", "TH", batch_limit=5)
        region.publish("KH", *PEOPLE)
        region.tick(2)
        region.publish("TH", PEOPLE[0])
        region.tick(3)
        yield region


@pytest.fixture
def region(founded, tmp_path):
    with founded.copied(tmp_path / "region") as region:
        yield region


def stored(region):
    """Every value behind a pepper in the matcher's store."""
    with region.databases["matcher"].reading() as tx:
        return {
            bytes(value)
            for table, column in (("slots", "peppered"), ("slots", "next"), ("grounds", "peppered"), ("hot_values", "peppered"),
                                  ("matcher_taken", "digest"), ("matcher_taken", "next"))
            for (value,) in tx.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
        }  # fmt: skip


def away(region, country, act):
    """A country is not there while something is done."""
    region.kill(country)
    act()
    region.start(country)


def test_nothing_in_the_store_stands_behind_the_old_pepper_any_more(region):
    before = stored(region)
    ask(region)
    region.tick(3)
    after = stored(region)
    assert len(after) == len(before)
    assert not before & after
    assert states(region) == {"matcher/pepper/KH-TH/1": "destroyed", "matcher/pepper/KH-TH/1.2": "current, kept"}


def test_what_both_know_stays_and_is_told_once_and_no_intake_is_charged(region):
    before = accepted(region), both_told(region)
    ask(region)
    region.tick(4)
    assert (accepted(region), both_told(region)) == before
    assert region.matches("KH") == BOTH["KH"][:1]


def test_each_country_begins_its_stream_anew_once(region):
    def epochs():
        return [region.nodes[cc]._post.places(f"linkage.{cc}")[0].epoch for cc in ("KH", "TH")]

    before = epochs()
    ask(region)
    region.tick(6)
    assert epochs() == [epoch + 1 for epoch in before]


def test_a_row_of_before_and_one_of_after_find_each_other(region):
    ask(region)
    region.tick(4)
    region.publish("TH", *PEOPLE[1:])
    region.tick(3)
    assert {cc: region.matches(cc) for cc in BOTH} == BOTH


def test_while_a_country_is_away_the_old_pepper_stands_and_matches_are_found_behind_it(region):
    ask(region)
    away(region, "KH", lambda: (region.tick(3), region.publish("TH", PEOPLE[1]), region.tick(3)))
    assert states(region) == {"matcher/pepper/KH-TH/1": "current, kept", "matcher/pepper/KH-TH/1.2": "next, kept"}
    region.tick(6)
    assert region.matches("TH") == BOTH["TH"][:2]
    assert states(region)["matcher/pepper/KH-TH/1"] == "destroyed"


def test_asked_twice_it_is_done_once(region):
    ask(region)
    away(region, "KH", lambda: (region.tick(1), ask(region), region.tick(1)))
    region.tick(4)
    assert set(states(region)) == {"matcher/pepper/KH-TH/1", "matcher/pepper/KH-TH/1.2"}


def test_again_and_again_each_has_a_name_of_its_own_and_no_intake_is_charged(region):
    before = accepted(region)
    for _ in range(2):
        ask(region)
        region.tick(4)
    assert accepted(region) == before
    assert states(region) == {
        "matcher/pepper/KH-TH/1": "destroyed", "matcher/pepper/KH-TH/1.2": "destroyed", "matcher/pepper/KH-TH/1.3": "current, kept",
    }  # fmt: skip


def test_a_row_that_goes_while_the_pepper_changes_is_gone_for_both(region):
    ask(region)
    away(region, "KH", lambda: region.tick(2))
    region.nodes["TH"].desk.revoke(region.act("TH", "worker"), region.case_id("TH", "R0"), "KH")
    region.tick(6)
    assert states(region)["matcher/pepper/KH-TH/1"] == "destroyed"
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT COUNT(DISTINCT handle) FROM slots WHERE country = 'TH'") == [(0,)]
    assert [state for *_, state, _ in region.matches("KH")] == ["CLOSED"]


def test_a_pepper_is_not_changed_while_a_row_stands_behind_the_old_one_alone(region):
    ask(region)
    away(region, "KH", lambda: region.tick(2))
    matcher, before = region.matcher, stored(region)
    with matcher.database.transaction() as tx:
        assert not matcher._intake.turn(tx, "KH-TH", 1)
    assert stored(region) == before


def test_nor_while_a_changed_value_waits_to_be_looked_at(region, monkeypatch):
    monkeypatch.setattr(region.matcher, "_look", lambda: False)
    ask(region)
    region.tick(4)
    assert states(region)["matcher/pepper/KH-TH/1"] == "current, kept"
    monkeypatch.undo()
    region.tick(1)
    assert states(region)["matcher/pepper/KH-TH/1"] == "destroyed"
    assert region.matches("KH") == BOTH["KH"][:1]
