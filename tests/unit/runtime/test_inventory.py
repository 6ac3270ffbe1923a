"""What is due of keys, from the charter, what was told, and a ring; and how it is drawn."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from posts import Posts

from events.introductions import Introduction
from keys.ring import KeyVersion
from services.runtime.custody import KeyReport, picture
from services.runtime.inventory import (
    MOST_EVALUATIONS,
    Evaluations,
    Home,
    SealingKeyKnown,
    Told,
    inventory,
    overdue,
)

START = Posts.START
HOLDER = "TH.holder"


NOTHING = Told()
FIRST = {"KH-TH": 1}


def days(number: float) -> timedelta:
    return timedelta(days=number)


@pytest.fixture(scope="module")
def charter(tmp_path_factory):
    """Its signing keys live from a day before START to a year after."""
    return Posts(Path(tmp_path_factory.mktemp("posts"))).charter


def introduced(generation=0, at=START, epoch=1) -> Introduction:
    return Introduction("KH-TH", epoch, generation, HOLDER, at, "TH.holder-1")


def version(purpose="store", key_id="store.1", state="primary", since=START, until=None) -> KeyVersion:
    secret = None if state == "destroyed" else bytes(32)
    return KeyVersion(key_id, purpose, "any", state, secret, None, since, until)


def rows(charter, *, at=START, told=NOTHING, versions=(), counts=None, party=HOLDER):
    home = Home(party, versions, counts or {}) if versions else None
    return {(r.party, r.purpose, r.id): r for r in inventory(charter, told, home, at)}


def test_every_party_of_the_charter_has_its_signing_keys_there_authorised_by_its_roots(charter):
    found = rows(charter)
    assert {party for party, *_ in found} == {"KH", "TH", "KH.holder", "TH.holder", "matcher"}
    row = found[HOLDER, "signing", "TH.holder-1"]
    assert (row.version, row.state, row.age_days, row.period_days) == (1, "active", 1, 366)
    assert row.authorised_by == "the roots of TH, in charter 1"
    assert found["matcher", "signing", "matcher-1"].authorised_by == "the roots of all members, in charter 1"


@pytest.mark.parametrize(
    ("after", "condition", "state"),
    [(0, "ok", "active"), (327, "ok", "active"), (329, "due", "active"), (365, "overdue", "expired")],
)
def test_a_signing_key_is_due_in_the_last_tenth_of_its_period_and_then_overdue(charter, after, condition, state):
    row = rows(charter, at=START + days(after))[HOLDER, "signing", "TH.holder-1"]
    assert (row.condition, row.state) == (condition, state)


def test_an_older_signing_key_and_a_retired_one_want_nothing_more(charter):
    keys = charter.party(HOLDER).signing
    second = keys[0].model_copy(update={"id": "TH.holder-2", "public": "ab" * 32, "valid_until": START + days(900)})
    parties = tuple(
        p.model_copy(update={"signing": (keys[0].model_copy(update={"last": ()}), second)}) if p.id == HOLDER else p
        for p in charter.parties
    )
    newer = charter.model_copy(update={"parties": parties})
    found = rows(newer, at=START + days(500))
    assert found[HOLDER, "signing", "TH.holder-1"].condition == "over"
    assert found[HOLDER, "signing", "TH.holder-1"].state == "retired"
    assert (found[HOLDER, "signing", "TH.holder-2"].version, found[HOLDER, "signing", "TH.holder-2"].condition) == (2, "ok")


@pytest.mark.parametrize(("after", "condition"), [(26, "ok"), (28, "due"), (30, "overdue")])
def test_a_share_is_to_be_refreshed_each_month(charter, after, condition):
    told = Told(introductions=[introduced()], in_force=FIRST)
    row = rows(charter, at=START + days(after), told=told)[HOLDER, "share", "KH-TH/1/0"]
    assert (row.condition, row.period_days, row.authorised_by) == (condition, 30, "signing key TH.holder-1")


def test_a_refreshed_share_is_over_and_the_pairs_key_keeps_its_age(charter):
    told = Told(introductions=[introduced(), introduced(1, START + days(30))])
    found = rows(charter, at=START + days(50), told=told)
    assert found[HOLDER, "share", "KH-TH/1/0"].condition == "over"
    assert (found[HOLDER, "share", "KH-TH/1/1"].version, found[HOLDER, "share", "KH-TH/1/1"].condition) == (1, "ok")
    assert found[HOLDER, "pair key", "KH-TH/1"].age_days == 50


def test_a_share_whose_refresh_is_not_finished_is_to_come_and_the_former_one_stays_active_and_falls_due(charter):
    told = Told(introductions=[introduced(), introduced(1, START + days(27))], active={("KH-TH", 1): 0}, in_force=FIRST)
    found = rows(charter, at=START + days(28), told=told)
    assert (found[HOLDER, "share", "KH-TH/1/0"].state, found[HOLDER, "share", "KH-TH/1/0"].condition) == ("active", "due")
    assert found[HOLDER, "share", "KH-TH/1/1"].state == "to come"


def test_a_share_lives_as_long_as_the_charter_says(charter):
    told, sooner = Told(introductions=[introduced()], in_force=FIRST), charter.model_copy(update={"refresh_days": 10})
    assert rows(sooner, at=START + days(11), told=told)[HOLDER, "share", "KH-TH/1/0"].condition == "overdue"


@pytest.mark.parametrize(
    ("after", "count", "condition"),
    [
        (10, 5, "ok"), (330, 5, "due"), (365, 5, "overdue"),
        (10, MOST_EVALUATIONS * 9 // 10 + 1, "due"), (10, MOST_EVALUATIONS, "overdue"),
    ],
)
def test_an_epoch_ends_after_a_year_or_so_many_evaluations(charter, after, count, condition):
    told = Told(introductions=[introduced()], in_force=FIRST, evaluations=[Evaluations(HOLDER, "KH-TH", 1, count)])
    row = rows(charter, at=START + days(after), told=told)[HOLDER, "pair key", "KH-TH/1"]
    assert (row.condition, row.under, row.counted) == (condition, count, "evaluations")


def test_a_sealing_key_renews_itself_and_is_overdue_only_where_it_was_not_destroyed_in_time(charter):
    told = Told(sealing=[SealingKeyKnown(HOLDER, "s1", START, START + days(7))])
    kept = [version("sealing", "s1", "active", until=START + days(7))]
    place = (HOLDER, "sealing", "s1")
    for after, state in ((1, "active"), (8, "accepted"), (30, "over")):
        row = rows(charter, at=START + days(after), told=told)[place]
        assert (row.state, row.condition) == (state, "ok" if state == "active" else "over")
    assert rows(charter, at=START + days(20), told=told, versions=kept)[place].condition == "over"
    assert rows(charter, at=START + days(21), told=told, versions=kept)[place].condition == "overdue"
    gone = [version("sealing", "s1", "destroyed", until=START + days(7))]
    assert rows(charter, at=START + days(21), told=told, versions=gone)[place].condition == "over"


def test_what_stands_in_the_ring_alone_is_this_partys_own(charter):
    found = rows(charter, at=START + days(360), versions=[version(), version("search", "search.1")])
    assert (found[HOLDER, "store", "store.1"].condition, found[HOLDER, "store", "store.1"].known_from) == ("due", "ring")
    assert (found[HOLDER, "search", "search.1"].period_days, found[HOLDER, "search", "search.1"].condition) == (None, "ok")


def test_a_key_without_a_primary_beside_it_is_the_one_in_use(charter):
    found = rows(charter, at=START + days(400), versions=[version("pepper", "p1", "active")])
    assert found[HOLDER, "pepper", "p1"].condition == "overdue"
    older = [version("pepper", "p1", "active"), version("pepper", "p2", "primary", START + days(300))]
    found = rows(charter, at=START + days(400), versions=older)
    assert (found[HOLDER, "pepper", "p1"].condition, found[HOLDER, "pepper", "p2"].condition) == ("ok", "ok")


def test_objects_are_counted_under_their_key_or_under_one_that_is_alone_and_under_none_of_several(charter):
    counts = {("data", None): (7, "persons"), ("store", "store.0"): (3, "events")}
    alone = [version("data", "d1"), version("data", "d0", "destroyed")]
    assert rows(charter, versions=alone, counts=counts)[HOLDER, "data", "d1"].under == 7
    several = [version("data", "d1"), version("data", "d0", "active"), version(), version("store", "store.0", "active")]
    found = rows(charter, versions=several, counts=counts)
    assert (found[HOLDER, "data", "d1"].under, found[HOLDER, "data", "d0"].under) == (None, None)
    assert (found[HOLDER, "store", "store.0"].under, found[HOLDER, "store", "store.1"].under) == (3, None)


def test_a_key_with_a_use_of_its_own_is_due_beside_the_primary_one(charter):
    found = rows(charter, at=START + days(360), versions=[version(since=START + days(100)), version(key_id="outbox", state="active")])
    assert [found[HOLDER, "store", name].condition for name in ("store.1", "outbox")] == ["ok", "due"]


def test_a_key_that_is_known_and_kept_is_one_row(charter):
    told = Told(introductions=[introduced()], in_force=FIRST)
    found = rows(charter, told=told, versions=[version("share", "KH-TH/1/0", "active")])
    row = found[HOLDER, "share", "KH-TH/1/0"]
    assert (row.known_from, row.authorised_by) == ("keys.*, ring", "signing key TH.holder-1")


def test_no_secret_stands_in_a_row(charter):
    secret = replace(version(), secret=b"S" * 32)
    assert "SSSS" not in repr(rows(charter, versions=[secret]))


def test_the_timeline_has_a_bar_for_each_own_key_and_marks_what_is_due(charter):
    at = START + days(400)
    keys = inventory(charter, Told(introductions=[introduced()], in_force=FIRST), Home(HOLDER, [version()]), at)
    drawn = str(picture(KeyReport(HOLDER, "test", 1, at, keys, ())))
    chart = ET.fromstring(drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314  our own
    svg = "{http://www.w3.org/2000/svg}"
    mine = [row for row in keys if row.party == HOLDER]
    bars = [r for r in chart.iter(f"{svg}rect") if r.get("class") == "chart-bar"]
    assert len(bars) == len(mine) == 4
    assert [t.text for t in chart.iter(f"{svg}text")] == ["pair key KH-TH/1", "share KH-TH/1/0", "signing 1", "store 1"]
    frames = [r for r in chart.iter(f"{svg}rect") if r.get("class") == "chart-frame"]
    assert len(frames) == len([row for row in mine if row.due_at])
    assert all(float(r.get("x")) + float(r.get("width")) <= 720 for r in bars)
    assert f"{len(overdue(mine))} are overdue" in chart.find(f"{svg}svg/{svg}desc").text
    assert "style=" not in drawn
