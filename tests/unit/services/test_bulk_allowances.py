"""A bulk allowance: asked for, approved by two custodians, announced, and counted once by everybody who counts."""

from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from events.base import Actor, Role
from events.database import open_database
from events.errors import Refused
from events.messages import AllowanceGranted, Evaluated
from services.keyholder import main, views
from services.keyholder.allowances import PATIENCE, Wish
from services.keyholder.settings import KeyHolderSettings
from services.runtime.logs import silent
from services.runtime.loop import Pump
from services.runtime.staff import Entry, Register, digest_of

HOLDER = "TH.holder"
DAY = 86_400


@pytest.fixture
def small(new_region, tmp_path):
    return new_region(tmp_path, quota_per_day=10, batch_limit=64)


@pytest.fixture
def asker(small, fake_country):
    return fake_country(small, "KH")


@pytest.fixture
def holder(small, open_holder, asker, settle):
    holder = open_holder(small, HOLDER)
    settle(asker, holder)
    return holder


def custodian(name: str, role: Role = Role.KEY_CUSTODIAN) -> Actor:
    return Actor(staff=name, organisation="key-custody", role=role)


def wish(region, **changes) -> Wish:
    now = region.clock.now()
    fields = {
        "country": "KH", "pair": "KH-TH", "count": 20, "valid_from": now, "valid_until": now + timedelta(days=5),
        "reason": "a shelter hands over its register",
    }
    return Wish(**{**fields, **changes})


def approved(region, holder, **changes):
    name = holder.allowances.ask(custodian("ann"), wish(region, **changes))
    holder.allowances.approve(custodian("ann"), name)
    holder.allowances.approve(custodian("ben"), name)
    return name


def states(holder) -> list[str]:
    return [request.state for request in holder.allowances.listed()]


def test_two_custodians_raise_a_countrys_limit_and_everybody_hears_of_it(small, asker, holder, settle):
    name = approved(small, holder)
    assert holder.limit("KH", "KH-TH") == 10  # not before it is announced
    settle(holder, asker)
    assert holder.limit("KH", "KH-TH") == 30
    assert holder.limit("TH", "KH-TH") == 10
    (heard,) = asker.post.directory.allowances(HOLDER, "KH", "KH-TH", small.clock.now())
    assert (heard.count, heard.reason) == (20, "a shelter hands over its register")
    (said,) = [i for i in asker.post.directory.said_by(HOLDER, small.clock.now()) if isinstance(i, AllowanceGranted)]
    assert (said.id, said.custodians) == (name, ("ann", "ben"))


def test_what_one_has_approved_waits_for_another(small, holder, settle):
    name = holder.allowances.ask(custodian("ann"), wish(small))
    holder.allowances.approve(custodian("ann"), name)
    settle(holder)
    assert (states(holder), holder.limit("KH", "KH-TH")) == (["asked"], 10)
    holder.allowances.approve(custodian("ben"), name)
    settle(holder)
    assert (states(holder), holder.limit("KH", "KH-TH")) == (["granted"], 30)


def test_it_is_drawn_once_over_its_span_and_not_anew_each_day(small, asker, holder, settle, elements):
    approved(small, holder)
    settle(holder, asker)
    bulk = asker.asks(HOLDER, elements(25))
    settle(asker, holder)
    assert isinstance(asker.answers_to(bulk.batch)[0], Evaluated)
    assert holder.limit("KH", "KH-TH") == 30
    small.clock.advance(DAY)
    settle(asker, holder)
    assert holder.limit("KH", "KH-TH") == 15
    small.clock.advance(DAY * 5)
    assert holder.limit("KH", "KH-TH") == 10


def test_it_begins_when_it_is_granted_whatever_was_asked(small, holder, settle):
    asked_at = small.clock.now()
    approved(small, holder, valid_from=asked_at - timedelta(days=300))
    small.clock.advance(3600)
    settle(holder)
    (request,) = holder.allowances.listed()
    assert request.wish.valid_from == asked_at + timedelta(hours=1)


def test_one_for_a_later_time_stands_then(small, asker, holder, settle):
    approved(small, holder, valid_from=small.clock.now() + timedelta(days=2))
    settle(holder, asker)
    assert (states(holder), holder.limit("KH", "KH-TH")) == (["granted"], 10)
    small.clock.advance(DAY * 2)
    assert holder.limit("KH", "KH-TH") == 30
    assert asker.post.directory.allowances(HOLDER, "KH", "KH-TH", small.clock.now()) != ()


def test_what_nobody_approves_in_a_week_lapses(small, holder, settle):
    name = holder.allowances.ask(custodian("ann"), wish(small, valid_until=small.clock.now() + timedelta(days=100)))
    holder.allowances.approve(custodian("ann"), name)
    small.clock.advance(PATIENCE.total_seconds())
    with pytest.raises(Refused) as refused:
        holder.allowances.approve(custodian("ben"), name)
    assert refused.value.code == "too_late"
    settle(holder)
    assert (states(holder), holder.limit("KH", "KH-TH")) == (["lapsed"], 10)


def test_one_whose_time_went_by_before_it_was_announced_lapses(small, holder, settle):
    approved(small, holder, valid_until=small.clock.now() + timedelta(hours=1))
    small.clock.advance(3600)
    settle(holder)
    assert (states(holder), holder.limit("KH", "KH-TH")) == (["lapsed"], 10)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"pair": "KH-LA"}, "not_your_pair"), ({"country": "LA"}, "not_of_the_pair"),
        ({"valid_until": timedelta(0)}, "bad_span"), ({"valid_until": timedelta(days=367)}, "bad_span"),
    ],
)
def test_what_cannot_be_granted_cannot_be_asked(small, holder, changes, code):
    if isinstance(changes.get("valid_until"), timedelta):
        changes = {"valid_until": small.clock.now() + changes["valid_until"]}
    with pytest.raises(Refused) as refused:
        holder.allowances.ask(custodian("ann"), wish(small, **changes))
    assert refused.value.code == code


def test_it_is_granted_after_a_restart_if_the_second_approval_came_last(small, open_holder, holder, settle):
    approved(small, holder)
    holder.database.close()
    again = open_holder(small, HOLDER)
    settle(again)
    assert again.limit("KH", "KH-TH") == 30


@pytest.mark.parametrize("done", [False, True], ids=["before it is done", "after it was done"])
def test_killed_at_any_point_a_holder_grants_it_once(
    new_region, tmp_path, mortal, killed, open_holder, fake_country, settle, done
):
    for at in range(1, 8):
        folder = tmp_path / str(at)
        folder.mkdir()
        region = new_region(folder, quota_per_day=10)
        asker, first = fake_country(region, "KH"), open_holder(region, HOLDER)
        settle(asker, first)
        approved(region, first)
        first.database.close()
        inner = open_database(f"sqlite:///{folder}/{HOLDER}.db")
        database, stream = mortal(inner, region.stream, at, done=done)
        with suppress(killed):
            settle(asker, open_holder(region, HOLDER, database=database, stream=stream))
        inner.close()
        holder = open_holder(region, HOLDER)
        settle(asker, holder)
        assert (states(holder), holder.limit("KH", "KH-TH")) == (["granted"], 30)
        assert len(asker.post.directory.allowances(HOLDER, "KH", "KH-TH", region.clock.now())) == 1
        assert asker.post.status().refused == {}


def test_a_stream_of_keys_that_begins_anew_says_it_again(small, asker, holder, settle):
    approved(small, holder)
    settle(holder, asker)
    with holder.database.transaction() as tx:
        holder._post.open_epoch(tx, small.topic(f"keys.{HOLDER}"))
    settle(holder, asker)
    newcomer = small.seat("matcher", database=open_database("sqlite:///:memory:"))
    newcomer.post.receive(dict.fromkeys(("linkage", "cases"), lambda *_: None))
    assert len(newcomer.post.directory.allowances(HOLDER, "KH", "KH-TH", small.clock.now())) == 1


def test_the_matcher_takes_in_what_both_holders_allow_and_no_more(
    new_region, tmp_path, open_holder, open_matcher, fake_country, pass_ticks
):
    region = new_region(tmp_path, quota_per_day=2, intake_per_day=2)
    kh, th = fake_country(region, "KH"), fake_country(region, "TH")
    holders, matcher = [open_holder(region, f"{cc}.holder") for cc in ("KH", "TH")], open_matcher(region)

    def waits() -> int:
        with matcher.database.reading() as tx:
            return int(tx.execute("SELECT COUNT(*) FROM matcher_deferred")[0][0])

    pass_ticks(region, kh, th, *holders, matcher, ticks=2)
    for name in ("a", "b", "c"):  # two slots a row: one row a day
        kh.submits(name)
    pass_ticks(region, kh, th, *holders, matcher, ticks=2)
    assert waits() == 2
    approved(region, holders[0], count=2)
    pass_ticks(region, kh, th, *holders, matcher, ticks=2)
    assert waits() == 2  # a token takes an answer of both
    approved(region, holders[1], count=2)
    pass_ticks(region, kh, th, *holders, matcher, ticks=2)
    assert waits() == 1


# ---- over HTTP


@pytest.fixture
def client(holder, tmp_path):
    staff = {
        "ann": (Role.KEY_CUSTODIAN,), "ben": (Role.KEY_CUSTODIAN, Role.NODE_OPERATOR), "ope": (Role.NODE_OPERATOR,),
        "rex": (Role.SECURITY_REVIEWER,), "foc": (Role.TRM_FOCAL_POINT,),
    }
    Register([
        Entry(staff=name, organisation="review", roles=roles, token_sha256=digest_of(name))
        for name, roles in staff.items()
    ]).save(tmp_path / "staff.json")  # fmt: skip
    settings = KeyHolderSettings(home=tmp_path, charter=tmp_path / "charter.json")
    app = main.create(holder, settings, silent(), Pump(holder.step, silent()))
    return TestClient(app, base_url="http://127.0.0.1:8001", follow_redirects=False)


def of(staff: str, **more) -> dict[str, str]:
    return {"Authorization": f"Bearer {staff}", **more}


def test_each_custodian_approves_with_a_sign_in_of_their_own(small, client, holder, settle):
    asked = client.post("/api/allowances", headers=of("ope"), json=wish(small).model_dump(mode="json"))
    assert asked.status_code == 201
    path = f"/api/allowances/{asked.json()['id']}/approval"
    assert client.post(path, headers=of("ann")).json()["state"] == "asked"
    assert client.post(path, headers=of("ben")).json()["custodians"] == ["ann", "ben"]
    settle(holder)
    (row,) = client.get("/api/allowances", headers=of("rex")).json()
    assert (row["state"], row["asked_by"]) == ("granted", "ope")
    page = client.get("/quotas", headers=of("rex", Accept="text/html")).text
    assert "ann, ben" in page
    assert [(q["country"], q["limit_today"]) for q in client.get("/api/quotas", headers=of("rex")).json()] == [
        ("KH", 30), ("TH", 10)
    ]


def test_asking_reading_and_approving_are_for_their_roles(small, client):
    form = wish(small).model_dump(mode="json")
    approval = f"/api/allowances/{uuid4()}/approval"
    for method, path, body, may in (
        ("POST", "/api/allowances", form, {"ann": 201, "ben": 201, "ope": 201}),
        ("GET", "/api/allowances", None, {"ann": 200, "ben": 200, "ope": 200, "rex": 200}),
        ("POST", approval, None, {"ann": 404, "ben": 404}),
        ("GET", "/api/alarms", None, {"ben": 200, "ope": 200, "rex": 200}),
    ):
        assert client.request(method, path, json=body).status_code == 401
        for staff in ("ann", "ben", "ope", "rex", "foc"):
            answer = client.request(method, path, json=body, headers=of(staff))
            assert answer.status_code == may.get(staff, 403), (method, path, staff)


@pytest.mark.parametrize("changes", [
    {"count": 0}, {"count": -5}, {"count": 2**53}, {"reason": ""}, {"reason": "x" * 201}, {"country": "kh"},
    {"valid_until": "2026-03-05T00:00:00"}, {"more": 1},
], ids=str)  # fmt: skip
def test_a_request_that_is_not_in_order_is_refused(small, client, changes):
    form = {**wish(small).model_dump(mode="json"), **changes}
    assert client.post("/api/allowances", headers=of("ann"), json=form).status_code == 422


# ---- alarms


def alarms(holder) -> list[tuple[str, str, int, int]]:
    return [(a.country, a.pair, a.spent, a.limit) for a in views.alarms_today(holder)]


def test_at_four_fifths_of_the_quota_an_alarm_is_raised_once_a_country_pair_and_day(
    small, asker, holder, settle, elements
):
    with capture_logs() as logs:
        asker.asks(HOLDER, elements(7))
        settle(asker, holder)
        assert alarms(holder) == []
        for _ in range(3):
            asker.asks(HOLDER, elements(1))
            settle(asker, holder)
        assert alarms(holder) == [("KH", "KH-TH", 8, 10)]
        small.clock.advance(DAY)
        settle(asker, holder)
        assert alarms(holder) == []
        asker.asks(HOLDER, elements(9))
        settle(asker, holder)
        assert alarms(holder) == [("KH", "KH-TH", 9, 10)]
    told = [line for line in logs if line["event"] == "quota.alarm"]
    assert [(line["holder"], line["country"], line["pair"], line["spent"]) for line in told] == [
        (HOLDER, "KH", "KH-TH", 8), (HOLDER, "KH", "KH-TH", 9)
    ]


def test_who_asks_for_more_than_is_left_raises_it_too_whatever_was_spent(asker, holder, settle, elements):
    asker.asks(HOLDER, elements(7))
    asker.asks(HOLDER, elements(4))
    settle(asker, holder)
    assert alarms(holder) == [("KH", "KH-TH", 7, 10)]


def test_it_is_of_the_limit_with_its_allowances(small, asker, holder, settle, elements):
    approved(small, holder)
    settle(holder, asker)
    asker.asks(HOLDER, elements(23))
    settle(asker, holder)
    assert alarms(holder) == []
    asker.asks(HOLDER, elements(1))
    settle(asker, holder)
    assert alarms(holder) == [("KH", "KH-TH", 24, 30)]


def test_pages_api_and_metrics_show_an_alarm_and_metrics_not_whose(small, asker, holder, client, settle, elements):
    assert "samaki_quota_alarms_today 0" in client.get("/metrics").text
    asker.asks(HOLDER, elements(8))
    settle(asker, holder)
    assert "samaki_quota_alarms_today 1" in client.get("/metrics").text
    assert "KH" not in client.get("/metrics").text
    (row,) = client.get("/api/alarms", headers=of("rex")).json()
    assert (row["country"], row["pair"], row["spent"], row["limit"]) == ("KH", "KH-TH", 8, 10)
    for path in ("/", "/quotas"):
        assert "A quota is nearly used up" in client.get(path, headers=of("rex", Accept="text/html")).text
    assert "nearly used up" not in client.get("/", headers={"Accept": "text/html"}).text


def test_an_alarm_that_the_log_was_not_told_before_a_crash_is_told_afterwards(
    small, asker, holder, open_holder, settle, elements, monkeypatch
):
    monkeypatch.setattr(type(holder), "_tell_alarms", lambda _self: 0)
    asker.asks(HOLDER, elements(8))
    settle(asker, holder)
    monkeypatch.undo()
    holder.database.close()
    with capture_logs() as logs:
        settle(open_holder(small, HOLDER))
    assert [line["event"] for line in logs if line["event"] == "quota.alarm"] == ["quota.alarm"]
