"""What a key holder shows: that it is alive to anyone, how its quotas are used to those who watch them."""

import re

import pytest
from starlette.testclient import TestClient

from events.base import Role
from services.keyholder import main
from services.keyholder.settings import KeyHolderSettings
from services.runtime.logs import silent
from services.runtime.loop import Pump
from services.runtime.staff import Entry, Register, digest_of


@pytest.fixture
def asked(new_region, tmp_path, open_holder, fake_country, settle, elements):
    """A holder of which KH has asked 7 of its 10 evaluations."""
    region = new_region(tmp_path, quota_per_day=10)
    asker, holder = fake_country(region, "KH"), open_holder(region, "TH.holder")
    settle(asker, holder)
    asker.asks("TH.holder", elements(7))
    settle(asker, holder)
    return holder


@pytest.fixture
def client(asked, tmp_path):
    staff = {"rex": Role.SECURITY_REVIEWER, "cus": Role.KEY_CUSTODIAN}
    Register([
        Entry(staff=name, organisation="review", roles=(role,), token_sha256=digest_of(name))
        for name, role in staff.items()
    ]).save(tmp_path / "staff.json")  # fmt: skip
    settings = KeyHolderSettings(home=tmp_path, charter=tmp_path / "charter.json")
    app = main.create(asked, settings, silent(), Pump(asked.step, silent()))
    return TestClient(app, base_url="http://127.0.0.1:8001", follow_redirects=False)


def of(staff: str, **more) -> dict[str, str]:
    return {"Authorization": f"Bearer {staff}", **more}


def test_a_reviewer_reads_each_countrys_use_of_each_share(client):
    rows = client.get("/api/quotas", headers=of("rex")).json()
    assert [(r["pair"], r["country"], r["spent_today"], r["limit_today"], r["total"]) for r in rows] == [
        ("KH-TH", "KH", 7, 10, 7),
        ("KH-TH", "TH", 0, 10, 0),
    ]


def test_yesterdays_use_is_not_todays(asked, client):
    asked.clock.advance(86400)
    rows = client.get("/api/quotas", headers=of("rex")).json()
    assert [(r["spent_today"], r["most_in_a_day"], r["total"]) for r in rows] == [(0, 7, 7), (0, 0, 0)]


@pytest.mark.parametrize("path", ["/quotas", "/"])
def test_the_pages_show_a_reviewer_todays_use(client, path):
    page = client.get(path, headers=of("rex", Accept="text/html")).text
    assert ">7<" in page


def test_anyone_sees_that_it_is_alive_and_not_who_has_asked(client):
    page = client.get("/", headers={"Accept": "text/html"}).text
    assert "The key holder is running" in page
    assert "Evaluations today" not in page
    assert "Last envelopes" not in page  # their numbers move when somebody is published
    metrics = client.get("/metrics").text
    assert "samaki_ticks_behind" in metrics
    assert "applied" not in metrics  # it moves when somebody is published


def test_a_reviewer_sees_the_last_envelopes_of_its_streams(asked, client):
    page = client.get("/", headers=of("rex", Accept="text/html")).text
    table = page.split("Last envelopes")[1]
    assert re.search(r">evaluate\.KH\.TH/0<.*?>read<", table)
    assert re.search(r">evaluated\.TH\.KH/0<.*?>written<", table)
    assert f"{asked.clock.now():%Y-%m-%d %H:%M} UTC</time>" in table


@pytest.mark.parametrize("path", ["/quotas", "/api/quotas", "/api/status"])
def test_quotas_are_for_those_who_watch_them(client, path):
    assert client.get(path).status_code == 401
    assert client.get(path, headers=of("cus")).status_code == 403
    assert client.get(path, headers=of("rex")).status_code == 200
