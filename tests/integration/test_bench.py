"""Every bench runs on this machine, in small, and its figures are what they say."""

import json
import sys

import pytest
from typer.testing import CliRunner

from services.bench import (
    batch,
    memory,
    pair_keys,
    peers,
    run,
    store,
    streams,
    token_country,
    token_holder,
    token_matcher,
    token_pair,
    workers,
)
from services.cli import app
from services.runtime.errors import PeerUnreachable, SettingsInvalid

PEER = """
class DataStructure: RAW = "raw"
class Party:
    CreateWithNewKey = classmethod(lambda cls, _reveal: cls())
    CreateSetupMessage = lambda _self, _rate, _count, items, _structure: items
    CreateRequest = ProcessRequest = lambda _self, items: items
    GetIntersection = lambda _self, setup, response: sorted(set(setup) & set(response))[SKIPPED:]
client = server = Party
"""
"""What psi_worker.py calls of OpenMined PSI, with sets in the open."""


@pytest.fixture(autouse=True)
def in_small(monkeypatch):
    for module in (token_country, token_holder, token_pair, token_matcher, peers, workers, pair_keys, store, streams):
        monkeypatch.setattr(module, "ROUNDS", 1)
    monkeypatch.setattr(batch, "SIZE", 15)
    monkeypatch.setattr(batch, "PEOPLE", 3)
    monkeypatch.setattr(token_pair, "LARGE", 15)
    monkeypatch.setattr(peers, "ITEMS", 100)
    monkeypatch.setattr(workers, "TOKENS", 15)
    monkeypatch.setattr(pair_keys, "COUNTRIES", ("LA", "TH"))
    monkeypatch.setattr(token_matcher, "BEFORE", 100)
    monkeypatch.setattr(store, "PEOPLE", 60)
    monkeypatch.setattr(streams, "ENVELOPES", 20)
    monkeypatch.setattr(memory, "COUNTRIES", ("LA", "TH"))
    monkeypatch.setattr(memory, "PEOPLE", 40)


def measured(*arguments):
    result = CliRunner().invoke(app, ["bench", "--json", *arguments])
    assert result.exit_code == 0, result.exception
    benches = json.loads(result.stdout)["benches"]
    assert all(b["ours"] > 0 and b["baseline"] > 0 and b["n"] > 0 for b in benches)
    return {b["name"]: b for b in benches}


@pytest.mark.parametrize("name", ["token-country", "token-holder", "token-pair"])
def test_tokens_are_measured_on_each_backend(name):
    assert all(found.startswith(f"{name}/") and b["ratio"] < 10 for found, b in measured("--only", name).items())


def test_the_matchers_index_is_measured():
    assert list(measured("--only", "token-matcher")) == ["token-matcher"]


@pytest.fixture
def python_with_peer(tmp_path):
    """A Python in which another's private set intersection stands; given how many common items it does not find."""

    def make(skipped=0):
        package = tmp_path / "private_set_intersection"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "python.py").write_text(PEER.replace("SKIPPED", str(skipped)))
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        return str(python)

    return make


def test_a_peer_is_measured_beside_a_token_in_a_python_of_its_own(python_with_peer):
    found = measured("--only", "peers", "--psi", python_with_peer())
    assert list(found)
    assert all(name.startswith("peers/") for name in found)


def test_a_peer_that_finds_less_than_what_is_common_has_not_been_measured(python_with_peer, capfd):
    with pytest.raises(PeerUnreachable, match="make bench-peers"):
        run.run("peers", as_json=True, psi=python_with_peer(skipped=1))
    assert "did not find what is common" in capfd.readouterr().err


def test_a_python_without_the_peer_is_refused_with_what_to_do(capfd):
    with pytest.raises(PeerUnreachable, match="make bench-peers"):
        run.run("peers", as_json=True, psi=sys.executable)
    assert "private_set_intersection" in capfd.readouterr().err


def test_peers_alone_are_refused_where_no_python_has_them():
    with pytest.raises(SettingsInvalid, match="make bench-peers"):
        run.run("peers", as_json=True)


def test_among_all_benches_peers_are_left_out_where_no_python_has_them(monkeypatch, capsys):
    monkeypatch.setattr(run, "BENCHES", {"peers": run.BENCHES["peers"]})
    run.run(None, as_json=True)
    assert json.loads(capsys.readouterr().out)["benches"] == []


def test_two_workers_are_measured_beside_one():
    (found,) = measured("--only", "workers").values()
    assert found["name"].startswith("workers/")
    assert found["n"] == 15


def test_pairs_keys_are_introduced_and_refreshed_over_the_embedded_broker(monkeypatch):
    reached = []

    def watched(measure):
        def run(services, *of):
            seconds = measure(services, *of)
            reached.append([{p.generation for p in holder.refreshes.progress()} for holder in services._holders])
            return seconds

        return run

    for name in ("introduce", "refresh"):
        monkeypatch.setattr(pair_keys.Services, name, watched(getattr(pair_keys.Services, name)))
    found = measured("--only", "keys")
    assert reached == [[{0}, {0}], [{1}, {1}]]
    assert list(found) == ["keys-introduced/embedded", "keys-refreshed/embedded"]
    assert {b["n"] for b in found.values()} == {1}


def test_the_store_is_measured_on_sqlite():
    found = measured("--only", "store")
    assert list(found) == ["store-imported/sqlite", "store-single/sqlite", "store-replayed/sqlite"]
    assert found["store-imported/sqlite"]["n"] == 250


@pytest.mark.postgres
def test_the_store_is_measured_on_postgres_and_leaves_no_schema(postgres_dsn):
    import psycopg

    found = measured("--only", "store", "--postgres", postgres_dsn)
    assert {"store-imported/postgres", "store-single/postgres", "store-replayed/postgres"} <= set(found)
    with psycopg.connect(postgres_dsn) as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'samaki_bench%'").fetchall()
    assert rows == []


def test_streams_are_measured_through_the_embedded_broker():
    found = measured("--only", "streams")
    assert list(found) == ["streams/embedded", "streams-out/embedded", "streams-in/embedded"]
    assert found["streams/embedded"]["n"] == 20


@pytest.mark.kafka
def test_streams_are_measured_through_apache_kafka_and_leave_no_topic(kafka_bootstrap, monkeypatch):
    from kafka import KafkaAdminClient

    monkeypatch.setenv("KAFKA_BOOTSTRAP", kafka_bootstrap)
    assert "streams-out/kafka" in measured("--only", "streams", "--broker", "kafka")
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    assert not [topic for topic in admin.list_topics() if topic.startswith("bench-")]
    admin.close()


@pytest.mark.long
def test_every_kind_of_service_stays_below_its_limit():
    found = measured("--only", "memory")
    assert {name.partition("/")[2] for name in found} == {"country", "keyholder", "matcher"}
    assert max(b["ours"] for b in found.values()) < 150


def test_every_bench_has_its_test_here():
    assert set(run.BENCHES) == {
        "token-country", "token-holder", "token-pair", "token-matcher", "workers", "peers", "keys", "store", "streams", "memory",
    }
