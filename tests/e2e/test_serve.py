"""A party's process by itself: it shows that it lives before any broker answers, ends when told, and says what it lacks."""

import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest
from commands import SOON, run, started, until
from regions import csv_of, person

from services.country.client import NodeClient
from services.country.importer import CHUNK
from services.demo.region import Region, found_region
from services.runtime.errors import PeerUnreachable

KINDS = {"KH": "country", "KH.holder": "keyholder", "matcher": "matcher"}
NO_BROKER = "127.0.0.1:1"
STAFF = ("worker", "operator")


@pytest.fixture(scope="module")
def region(tmp_path_factory) -> Region:
    return found_region(tmp_path_factory.mktemp("region") / "region", ("KH", "TH"), now=datetime.now(UTC))


def words(region: Region, party: str) -> tuple[object, ...]:
    where = {"home": region.home(party), "charter": region.charter_file, "bootstrap": NO_BROKER, "port": 0}
    return (KINDS[party], "serve", *(word for name, value in where.items() for word in (f"--{name}", value)))


@pytest.mark.parametrize("party", KINDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_party_without_a_broker_shows_its_pages_and_ends_when_told(region, tmp_path, party, number):
    port = region.home(party) / "port"
    with started(*words(region, party), folder=tmp_path) as service:
        until(port.exists, "its port", 60, lambda: service.said)
        address = f"http://127.0.0.1:{port.read_text().strip()}"
        with httpx.Client(base_url=address, trust_env=False) as client:
            assert client.get("/health").status_code == 200
            assert "is running" in client.get("/").text
            token = region.token(party, "operator")
            status = client.get("/api/status", headers={"Authorization": f"Bearer {token}"})
            assert status.status_code == 200
        service.wait_for("stream.unavailable")
        service.signal(number)
        assert service.code(SOON) == 0
        assert not port.exists()
        assert "http.failed" not in service.said


@pytest.mark.parametrize("missing", ["kek", "ring.json", "staff.json"])
def test_a_party_that_lacks_a_file_of_its_own_says_which(region, tmp_path, missing):
    home = region.home("TH")
    hidden = (home / missing).rename(tmp_path / missing)
    try:
        done = run("country", "serve", "--home", home, "--charter", region.charter_file, folder=tmp_path)
    finally:
        hidden.rename(home / missing)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert missing in done.stderr.strip().splitlines()[-1]


def test_a_party_on_an_address_that_is_taken_says_so(region, tmp_path):
    with started(*words(region, "matcher"), folder=tmp_path) as first:
        port = region.home("matcher") / "port"
        until(port.exists, "its port", 60, lambda: first.said)
        taken = port.read_text().strip()
        done = run(*words(region, "KH.holder")[:-1], taken, folder=tmp_path)
        assert done.returncode == 1
        assert f"Cannot listen on 127.0.0.1:{taken}" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.long
def test_a_node_that_is_told_to_end_while_it_imports_does_not_wait_for_the_rest_of_the_file(tmp_path):
    region = found_region(tmp_path / "region", ("KH", "TH"), now=datetime.now(UTC))
    port = region.home("KH") / "port"
    rows = csv_of(person(f"KH-{number}", prs_IdentityNumber=f"P{number:07}") for number in range(20_000))
    with started(*words(region, "KH"), folder=tmp_path) as node, ThreadPoolExecutor(1) as pool:
        until(port.exists, "its port", 60, lambda: node.said)
        clients = [NodeClient(f"http://127.0.0.1:{port.read_text().strip()}", region.token("KH", staff)) for staff in STAFF]
        importing = pool.submit(clients[0].import_csv, rows, {"c2": True})
        until(lambda: clients[1].get("/api/status")["cases"] > 0, "the first cases", 60)
        node.signal(signal.SIGTERM)
        assert node.code(12) == 0
        assert isinstance(importing.exception(), PeerUnreachable)
        for client in clients:
            client.close()
    with started(*words(region, "KH"), folder=tmp_path) as node:
        until(port.exists, "its port", 60, lambda: node.said)
        client = NodeClient(f"http://127.0.0.1:{port.read_text().strip()}", region.token("KH", "operator"))
        cases = client.get("/api/status")["cases"]
        client.close()
    assert 0 < cases < 20_000
    assert cases % CHUNK == 0  # whole rows, whole transactions
