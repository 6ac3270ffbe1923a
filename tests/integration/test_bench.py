"""Every bench runs on this machine, in small, and its figures are what they say."""

import json

import pytest
from typer.testing import CliRunner

from services.bench import batch, memory, run, store, streams, token_country, token_holder, token_matcher, token_pair
from services.cli import app


@pytest.fixture(autouse=True)
def in_small(monkeypatch):
    for module in (token_country, token_holder, token_pair, token_matcher, store, streams):
        monkeypatch.setattr(module, "ROUNDS", 1)
    monkeypatch.setattr(batch, "SIZE", 15)
    monkeypatch.setattr(batch, "PEOPLE", 3)
    monkeypatch.setattr(token_pair, "LARGE", 15)
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
    assert set(run.BENCHES) == {"token-country", "token-holder", "token-pair", "token-matcher", "store", "streams", "memory"}
