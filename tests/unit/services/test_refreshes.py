"""A key holder's refreshes, step by step: who begins, who waits for whom, what is given up, and what is destroyed when."""

import pytest
from mortal import Fuse, Killed, MortalDatabase, MortalRing, MortalStream
from refreshing import HOLDERS, PAIR
from starlette.testclient import TestClient

from events.base import Role
from events.database import open_database
from events.envelope import read_body, unpack
from events.errors import Refused
from events.messages import Evaluated, EvaluationRefused, GenerationClosed, RefreshOffered, RefreshRevealed
from keys import refresh
from keys.errors import UnknownKey
from keys.ring import KeyRing
from services.keyholder import main
from services.keyholder.holder import KeyHolder
from services.keyholder.settings import KeyHolderSettings
from services.runtime.logs import silent
from services.runtime.loop import Pump
from services.runtime.staff import Entry, Register, digest_of

KH, TH = HOLDERS
DAY = 86400


@pytest.fixture
def small(new_region, tmp_path):
    return new_region(tmp_path, quota_per_day=100)


@pytest.fixture
def kh(small, open_holder):
    return open_holder(small, KH)


@pytest.fixture
def th(small, open_holder):
    return open_holder(small, TH)


@pytest.fixture
def countries(small, fake_country):
    return [fake_country(small, country) for country in ("KH", "TH")]


@pytest.fixture
def met(settle, kh, th, countries):
    def rest():
        settle(kh, th, *countries)

    rest()
    return rest


def state(holder):
    (one,) = holder.refreshes.progress()
    return one.state, one.generation


def alive(holder, purpose):
    return [v.id for v in holder._ring.versions(purpose) if v.state != "destroyed"]


def close(countries, generation=1):
    for country in countries:
        for holder in HOLDERS:
            country.says(
                f"evaluate.{country.me}.{holder[:2]}", GenerationClosed(pair=PAIR, epoch=1, generation=generation)
            )


def test_a_refresh_leaves_new_shares_no_parts_and_once_both_countries_are_ready_no_old_shares(kh, th, countries, met):
    (asked,) = kh.refreshes.ask(None, "cus")
    assert (asked.state, asked.target, asked.done) == ("asked", 1, 0)
    met()
    for holder in (kh, th):
        assert state(holder) == ("closing", 1)
        assert alive(holder, "share") == ["KH-TH/1/0", "KH-TH/1/1"]
        assert alive(holder, "refresh") == []
    close(countries[:1])
    met()
    assert state(kh) == ("closing", 1)
    close(countries[1:])
    met()
    for holder in (kh, th):
        assert state(holder) == ("rest", 1)
        assert alive(holder, "share") == ["KH-TH/1/1"]
        assert [v.id for v in holder._ring.versions("share")] == ["KH-TH/1/0", "KH-TH/1/1"]  # its tombstone stays


def test_either_holder_may_begin_both_at_once_too(kh, th, countries, met):
    th.refreshes.ask(PAIR, "cus")
    met()
    assert state(kh) == state(th) == ("closing", 1)
    kh.refreshes.ask(PAIR, "cus")
    th.refreshes.ask(PAIR, "cus")
    met()
    assert state(kh) == state(th) == ("closing", 2)
    close(countries, 2)
    met()
    assert alive(kh, "share") == ["KH-TH/1/2"]


def test_asked_again_while_it_is_under_way_it_is_one_refresh(kh, th, met):
    for _ in range(3):
        assert kh.refreshes.ask(PAIR, "cus")[0].target == 1
    kh.step()
    assert kh.refreshes.ask(PAIR, "cus")[0].target == 1
    met()
    assert state(kh) == ("closing", 1)


def test_a_holder_that_does_not_answer_leaves_the_old_generation_in_force_and_may_come_back(
    small, kh, countries, settle, open_holder, elements, met
):
    asker = countries[0]
    kh.refreshes.ask(PAIR, "cus")
    small.clock.advance(20 * DAY)
    settle(kh, *countries)
    assert state(kh) == ("offered", 0)
    asked = asker.asks(KH, elements(1))
    settle(kh, *countries)
    assert isinstance(asker.answers_to(asked.batch)[0], Evaluated)
    settle(kh, open_holder(small, TH), *countries)
    assert state(kh) == ("closing", 1)


def test_until_the_old_share_is_destroyed_both_generations_are_answered_and_then_the_new_one_alone(
    kh, th, countries, met, elements
):
    asker = countries[0]

    def answered(generation):
        asked = asker.asks(TH, elements(2), generation=generation)
        met()
        return asker.answers_to(asked.batch)[-1]

    kh.refreshes.ask(PAIR, "cus")
    met()
    assert [answered(generation).generation for generation in (0, 1)] == [0, 1]
    close(countries)
    met()
    refusal = answered(0)
    assert isinstance(refusal, EvaluationRefused)
    assert (refusal.reason, refusal.retry_at) == ("unknown_generation", None)
    assert isinstance(answered(1), Evaluated)


def test_a_country_that_never_says_so_holds_the_old_share_up_for_the_charters_overlap_and_no_longer(
    small, kh, th, countries, met
):
    kh.refreshes.ask(PAIR, "cus")
    met()
    close(countries[:1])
    small.clock.advance(7 * DAY - 60)
    met()
    assert state(kh) == ("closing", 1)
    small.clock.advance(120)
    met()
    assert state(kh) == state(th) == ("rest", 1)


def test_a_country_speaks_for_itself_and_its_own_pairs(kh, countries, met):
    kh.refreshes.ask(PAIR, "cus")
    met()
    countries[0].says("evaluate.KH.KH", GenerationClosed(pair="TH-VN", epoch=1, generation=1))
    countries[0].says("evaluate.KH.KH", GenerationClosed(pair=PAIR, epoch=1, generation=1))
    countries[0].says("evaluate.KH.KH", GenerationClosed(pair=PAIR, epoch=1, generation=0))  # it takes nothing back
    met()
    with kh.database.reading() as tx:
        assert tx.execute("SELECT country, pair, generation FROM holder_closed") == [("KH", PAIR, 1)]


def test_the_first_holder_begins_by_itself_when_the_cryptoperiod_is_over(small, kh, th, countries, met):
    for days, generation in ((29, 0), (2, 1), (29, 1), (2, 2)):
        small.clock.advance(days * DAY)
        met()
        assert [state(h)[1] for h in (kh, th)] == [generation] * 2
    offered = [item.reason for _, item in said(small, RefreshOffered)]
    assert sorted(offered) == ["cryptoperiod", "cryptoperiod", "joined", "joined"]


def test_the_second_holder_does_not_begin_by_itself(small, th, settle):
    settle(th)
    small.clock.advance(40 * DAY)
    settle(th)
    assert state(th) == ("rest", None)
    assert said(small, RefreshOffered) == []


def said(region, kind):
    """(writer, item) of everything of a kind on the topics of keys."""
    out = []
    for holder in HOLDERS:
        for wire in region.stream._logs.get((f"keys.{holder}", 0), []):
            envelope = unpack(wire)
            out += [(holder, item) for item in read_body("keys", envelope.box).items if isinstance(item, kind)]
    return out


def test_a_part_that_is_not_what_was_offered_is_given_up_the_old_generation_stays_and_a_custodian_begins_anew(
    small, kh, th, countries, met, monkeypatch
):
    honest = refresh.reveal
    monkeypatch.setattr(
        refresh, "reveal",
        lambda part, place, to: honest(refresh.draw() if place.holder == TH else part, place, to),
    )
    kh.refreshes.ask(PAIR, "cus")
    met()
    assert state(kh) == ("failed", 0)
    (progress,) = kh.refreshes.progress()
    assert "TH.holder revealed another part than it offered" in progress.reason
    assert alive(kh, "refresh") == []
    assert alive(kh, "share") == ["KH-TH/1/0"]
    small.clock.advance(40 * DAY)
    met()
    assert state(kh) == ("failed", 0)  # nobody tries for ever
    monkeypatch.setattr(refresh, "reveal", honest)
    assert kh.refreshes.ask(PAIR, "cus")[0].target == 2
    met()
    assert state(kh) == state(th) == ("closing", 2)
    close(countries, 2)
    met()
    assert alive(th, "share") == ["KH-TH/1/2"]  # what it had introduced to the one that failed is gone too


def test_a_holder_that_repeats_the_others_offer_moves_nothing_and_learns_no_part(small, kh, th, met, monkeypatch):
    def copied(pair, epoch, generation):
        part, others = refresh.draw(), kh.refreshes._kept_part(pair, epoch, generation)
        return refresh.Part(part.delta, part.opener, others.public, part.seal_to)

    monkeypatch.setattr(th.refreshes, "_new_part", copied)
    kh.refreshes.ask(PAIR, "cus")
    met()
    assert state(kh) == ("failed", 0)
    assert not [writer for writer, _ in said(small, RefreshRevealed) if writer == KH]


def test_parts_are_revealed_only_when_both_offers_stand(small, kh, countries, settle, met):
    kh.refreshes.ask(PAIR, "cus")
    settle(kh, *countries)
    assert [writer for writer, _ in said(small, RefreshOffered)] == [KH]
    assert said(small, RefreshRevealed) == []


def test_what_is_revealed_opens_with_nothing_that_is_left_after_the_refresh(small, kh, th, met):
    kh.refreshes.ask(PAIR, "cus")
    met()
    boxes = [item.box for _, item in said(small, RefreshRevealed)]
    assert len(boxes) == 2
    for holder in (kh, th):
        for version in holder._ring.versions("refresh"):
            assert (version.state, version.secret) == ("destroyed", None)
        with pytest.raises(UnknownKey):
            holder._ring.secret("refresh", "KH-TH/1/1")


def test_a_holder_started_again_after_a_refresh_has_the_new_share_and_misses_no_destroyed_one(
    small, kh, countries, met, open_holder, settle, elements
):
    kh.refreshes.ask(PAIR, "cus")
    met()
    close(countries)
    met()
    again = open_holder(small, KH)
    assert again.shares.generations(PAIR, 1) == {1}
    asked = countries[0].asks(KH, elements(1), generation=1)
    settle(again, *countries)
    assert isinstance(countries[0].answers_to(asked.batch)[-1], Evaluated)


def test_a_holder_whose_refreshed_share_has_lost_its_secret_stops(small, kh, met, open_holder):
    before = (small.folder / f"{KH}.ring").read_bytes()
    kh.refreshes.ask(PAIR, "cus")
    met()
    (small.folder / f"{KH}.ring").write_bytes(before)
    with pytest.raises(UnknownKey):
        open_holder(small, KH)


def test_all_generations_of_an_epoch_used_up_people_are_told_and_the_clockwork_rests(small, kh, th, met, monkeypatch):
    monkeypatch.setattr("events.generations.MOST", 2)
    kh.refreshes.ask(PAIR, "cus")
    met()
    with pytest.raises(Refused) as refused:
        kh.refreshes.ask(PAIR, "cus")
    assert refused.value.code == "no_more_generations"
    small.clock.advance(40 * DAY)
    met()
    assert state(kh)[1] == 1


def test_a_pair_of_others_is_refused(kh, met):
    with pytest.raises(Refused) as refused:
        kh.refreshes.ask("LA-TH", "cus")
    assert refused.value.code == "no_such_pair"


# ---- SIGKILL


@pytest.mark.parametrize("done", [False, True], ids=["before it is done", "after it was done"])
@pytest.mark.parametrize("victim", HOLDERS)
def test_killed_at_every_step_a_holder_goes_on_and_ends_with_one_new_share(
    new_region, tmp_path, open_holder, fake_country, settle, victim, done
):
    at, deaths = 0, 1
    while deaths:
        at, deaths = at + 1, 0
        folder = tmp_path / str(at)
        folder.mkdir()
        region = new_region(folder)
        countries = [fake_country(region, country) for country in ("KH", "TH")]
        holders = {holder: open_holder(region, holder) for holder in HOLDERS}
        settle(*holders.values(), *countries)
        mortal = mortal_holder(region, victim, Fuse(at, done=done))
        holders[victim] = mortal
        try:
            mortal.refreshes.ask(PAIR, "cus")
            settle(*holders.values(), *countries)
            close(countries)
            settle(*holders.values(), *countries)
        except Killed:
            deaths += 1
            holders[victim] = open_holder(region, victim)
            if state(holders[victim]) == ("rest", 0):
                holders[victim].refreshes.ask(PAIR, "cus")
            settle(*holders.values(), *countries)
            close(countries)
            settle(*holders.values(), *countries)
        for holder in holders.values():
            assert state(holder) == ("rest", 1), f"killed at {at}"
            assert alive(holder, "share") == ["KH-TH/1/1"]
            assert alive(holder, "refresh") == []
            assert holder._post.status().refused == {}
    assert at > 15


def mortal_holder(region, me, fuse):
    ring = MortalRing(KeyRing.open(region.folder / f"{me}.ring", bytes(32)), fuse)
    database = MortalDatabase(open_database(f"sqlite:///{region.folder}/{me}.db"), fuse)
    armed, fuse.at = fuse.at, 0
    holder = KeyHolder(
        me, charter=region.charter, digest=region.digest, clock=region.clock, ring=ring, database=database,
        stream=MortalStream(region.stream, fuse),
    )
    holder.open()
    fuse.passed, fuse.at = 0, armed
    return holder


# ---- over HTTP


@pytest.fixture
def client(kh, met, tmp_path):
    staff = {"rex": Role.SECURITY_REVIEWER, "cus": Role.KEY_CUSTODIAN, "ana": Role.ANALYST}
    Register([
        Entry(staff=name, organisation="review", roles=(role,), token_sha256=digest_of(name))
        for name, role in staff.items()
    ]).save(tmp_path / "staff.json")  # fmt: skip
    settings = KeyHolderSettings(home=tmp_path, charter=tmp_path / "charter.json")
    app = main.create(kh, settings, silent(), Pump(kh.step, silent()))
    return TestClient(app, base_url="http://127.0.0.1:8001", follow_redirects=False)


def of(staff):
    return {"Authorization": f"Bearer {staff}"}


def test_a_custodian_alone_begins_a_refresh_and_the_request_says_who(kh, client):
    assert client.post("/api/refreshes", json={}).status_code == 401
    for staff in ("rex", "ana"):
        assert client.post("/api/refreshes", json={}, headers=of(staff)).status_code == 403
    assert kh.refreshes.progress()[0].state == "rest"
    answer = client.post("/api/refreshes", json={"pair": PAIR}, headers=of("cus"))
    assert (answer.status_code, answer.json()[0]["target"]) == (202, 1)
    with kh.database.reading() as tx:
        assert tx.execute("SELECT reason, staff FROM holder_refreshes") == [("custodian", "cus")]


def test_custodians_reviewers_and_operators_see_how_far_it_is_and_nobody_else(client):
    assert client.get("/api/refreshes").status_code == 401
    assert client.get("/api/refreshes", headers=of("ana")).status_code == 403
    for staff in ("rex", "cus"):
        (row,) = client.get("/api/refreshes", headers=of(staff)).json()
        assert (row["pair"], row["state"], row["generation"]) == (PAIR, "rest", 0)


def test_another_pair_is_refused_in_a_sentence(client):
    answer = client.post("/api/refreshes", json={"pair": "LA-VN"}, headers=of("cus"))
    assert answer.status_code == 404
    assert "no share of that pair" in answer.json()["detail"]
