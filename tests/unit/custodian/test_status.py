"""`samaki keys status`, at home and from outside, and the page that shows the same."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from regions import LiveRegion, person
from rich.console import Console
from starlette.testclient import TestClient

from services.auditor import command
from services.auditor.command import audit_of
from services.custodian import status
from services.demo.region import found_region
from services.keyholder import main
from services.keyholder.settings import KeyHolderSettings
from services.runtime.errors import InputInvalid, SettingsInvalid
from services.runtime.logs import silent
from services.runtime.loop import Pump

NOBODY = (None, None, None)


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """KH has published one person towards TH. Nobody works here afterwards."""
    with LiveRegion(tmp_path_factory.mktemp("status") / "region", ("KH", "TH")) as live:
        live.meet()
        live.publish("KH", person("A"))
        live.settle()
        live.tick(2)
        yield live


def printed(capsys, home=None, charter=None, bootstrap=None) -> dict:
    status.status(home, charter, bootstrap, tls=NOBODY, as_json=True)
    return json.loads(capsys.readouterr().out)


def keys_of(report: dict, party: str) -> dict[str, dict]:
    return {f"{row['purpose']} {row['id']}": row for row in report["keys"] if row["party"] == party}


def test_a_key_holder_at_home_sees_its_shares_their_age_and_the_use_of_its_quotas(region, capsys):
    report = printed(capsys, region.region.home("TH.holder"), region.region.charter_file)
    own = keys_of(report, "TH.holder")
    assert {"signing TH.holder.signing.1", "share KH-TH/1/0", "pair key KH-TH/1", "store TH.holder.store.1"} <= set(own)
    share = own["share KH-TH/1/0"]
    assert (share["authorised_by"], share["known_from"]) == ("signing key TH.holder.signing.1", "keys.*, ring")
    assert share["period_days"] == 30
    assert own["signing TH.holder.signing.1"]["counted"] == "envelopes"
    assert own["key-encryption kek"]["known_from"] == "file"
    used = {(q["holder"], q["country"]): q for q in report["quotas"]}
    assert used["TH.holder", "KH"]["total"] == 5
    assert used["TH.holder", "KH"]["spent_today"] is not None
    assert "secret" not in json.dumps(report)


def test_a_country_at_home_sees_how_much_stands_under_its_keys(region, capsys):
    report = printed(capsys, region.region.home("KH"), region.region.charter_file)
    own = keys_of(report, "KH")
    assert own["store KH.store.1"]["counted"] == "events"
    with region.databases["KH"].reading() as tx:
        events = tx.execute("SELECT COUNT(*) FROM stored_events")[0][0]
    assert own["store KH.store.1"]["under"] == events > 0
    assert own["store outbox"]["counted"] == "unconfirmed bodies"
    assert keys_of(report, "TH.holder")["share KH-TH/1/0"]["known_from"] == "keys.*"
    assert {q["holder"] for q in report["quotas"]} == {"KH.holder", "TH.holder"}


def test_the_matcher_at_home_sees_how_many_indices_stand_behind_each_pepper(region, capsys):
    own = keys_of(printed(capsys, region.region.home("matcher"), region.region.charter_file), "matcher")
    assert (own["pepper matcher/pepper/KH-TH/1"]["under"], own["pepper matcher/pepper/KH-TH/1"]["counted"]) == (5, "indices")


@pytest.mark.parametrize("party", ["KH", "TH.holder"])
def test_a_running_party_shows_the_same_as_the_command_at_its_home(region, capsys, party):
    service = region.parties[party].keys()
    home = printed(capsys, region.region.home(party), region.region.charter_file)
    shown = {(row.party, row.purpose, row.id, row.under) for row in service.keys}
    listed = {(row["party"], row["purpose"], row["id"], row["under"]) for row in home["keys"]}
    assert shown == {row for row in listed if row[1] != "key-encryption"}
    assert len(service.quotas) == len(home["quotas"])


def test_it_changes_nothing_at_home(region, capsys):
    home = region.region.home("TH.holder")
    before = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    printed(capsys, home, region.region.charter_file)
    assert {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()} == before


def test_a_party_that_was_never_started_shows_its_ring_and_the_charter_and_gets_no_store(tmp_path, region, capsys):
    new = found_region(tmp_path / "new", ("KH", "TH"), now=region.charter.issued)
    report = printed(capsys, new.home("KH"), new.charter_file)
    assert keys_of(report, "KH")["store KH.store.1"]["state"] == "primary"
    assert not (new.home("KH") / "store.db").exists()


def test_from_outside_the_streams_tell_all_that_is_public(region, monkeypatch, capsys):
    report = audit_of(region.stream, region.charter, region.digest, region.clock)
    monkeypatch.setattr(status, "read_region", lambda *_, **__: (region.charter, report))
    found = printed(capsys, charter=region.region.charter_file, bootstrap="127.0.0.1:1")
    assert found["party"] is None
    assert {row["party"] for row in found["keys"]} == {p.id for p in region.charter.parties}
    holder = keys_of(found, "TH.holder")
    assert holder["signing TH.holder.signing.1"]["under"] > 0
    assert holder["share KH-TH/1/0"]["authorised_by"] == "its signing key, on keys.*"
    assert holder["pair key KH-TH/1"]["under"] == 5
    assert not [row for row in found["keys"] if row["purpose"] == "store"]
    assert {(q["holder"], q["total"]) for q in found["quotas"]} == {("KH.holder", 5), ("TH.holder", 5)}


def test_for_people_it_ends_with_what_is_due(region):
    out = StringIO()
    found = status.at_home(region.region.home("TH.holder"), region.region.charter_file)
    status.show(Console(file=out, width=250), found)
    lines = out.getvalue().splitlines()
    assert lines[-2].startswith("Due: ")
    assert lines[-1].startswith("Overdue: ")
    assert "TH.holder" in out.getvalue()


def test_without_a_charter_or_a_place_to_look_it_says_what_to_give(region, tmp_path):
    with pytest.raises(SettingsInvalid):
        status.status(None, region.region.charter_file, None, tls=NOBODY, as_json=True)
    with pytest.raises(SettingsInvalid):
        status.status(region.region.home("KH"), None, None, tls=NOBODY, as_json=True)
    with pytest.raises(InputInvalid):
        status.status(tmp_path / "nobody", region.region.charter_file, None, tls=NOBODY, as_json=True)
    assert command.tls_of(None, None, None) is None


# ---- the page


@pytest.fixture
def client(region):
    holder = region.holders["TH"]
    settings = KeyHolderSettings(home=region.region.home("TH.holder"), charter=region.region.charter_file)
    app = main.create(holder, settings, silent(), Pump(holder.step, silent()))
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


def test_the_holders_page_shows_the_timeline_to_reviewers_and_operators_alone(region, client):
    for staff, code in (("reviewer", 200), ("operator", 200), ("custodian", 403)):
        bearer = {"Authorization": f"Bearer {region.region.token('TH.holder', staff)}"}
        page = client.get("/keys", headers={**bearer, "Accept": "text/html"})
        assert page.status_code == code
        assert ("<svg" in page.text) == (code == 200)
        assert client.get("/api/keys", headers=bearer).status_code == code
    assert client.get("/api/keys").status_code == 401


def test_the_page_says_what_is_overdue(region, client):
    bearer = {"Authorization": f"Bearer {region.region.token('TH.holder', 'reviewer')}", "Accept": "text/html"}
    assert "A key is overdue" not in client.get("/keys", headers=bearer).text
    region.clock.advance(timedelta(days=31).total_seconds())
    try:
        assert "A key is overdue" in client.get("/keys", headers=bearer).text
    finally:
        region.clock.advance(-timedelta(days=31).total_seconds())
