"""`samaki audit streams`: what it prints, and how it ends."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from audited import World
from rich.console import Console

from events.clock import ManualClock
from events.errors import StreamUnavailable
from events.messages import SealingKeyIntroduced
from events.stream import MemoryStream
from keys import seal
from services import cli
from services.auditor import command, tables
from services.auditor.streams import audit
from services.demo.region import found_region
from services.runtime.errors import InputInvalid, PeerUnreachable, SettingsInvalid


@pytest.fixture
def world(region):
    return World(region)


@pytest.fixture
def charter_file(tmp_path):
    return found_region(tmp_path / "founded", ("KH", "TH"), now=datetime(2026, 3, 1, tzinfo=UTC)).charter_file


@pytest.fixture
def carried(world, monkeypatch):
    """The command finds this world instead of a broker and a charter file."""
    monkeypatch.setattr(command, "load_charter", lambda path: (world.region.charter, world.region.digest))
    monkeypatch.setattr(command, "KafkaStream", lambda *_, **__: world.region.stream)
    monkeypatch.setattr(command, "SystemClock", lambda: world.region.clock)
    return world


def printed(report) -> str:
    console = Console(file=StringIO(), width=200)
    tables.show(console, report)
    return console.file.getvalue()


def test_json_is_one_object_that_names_everything(carried, capsys, tmp_path):
    carried.tells("KH.holder", 5)
    del carried.log("linkage.KH")[2]
    capsys.readouterr()
    assert command.audit_streams(tmp_path, "localhost:9092", as_json=True) is False
    told = json.loads(capsys.readouterr().out)
    assert {"ok", "writers", "findings", "totals", "shares"} <= set(told)
    (finding,) = told["findings"]
    assert set(finding) == {"code", "writer", "topic", "partition", "epoch", "seq", "sentence"}
    assert (finding["code"], finding["writer"], finding["topic"], finding["partition"], finding["seq"]) == (
        "gap", "KH", "linkage.KH", 0, 2,
    )  # fmt: skip
    assert told["writers"][0]["signed_under"] == {"KH-1": 20}


def test_it_ends_with_0_only_if_all_holds(carried, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["samaki", "audit", "streams", "--charter", "c", "--bootstrap", "b:1", "--json"])

    def code() -> int:
        with pytest.raises(SystemExit) as ended:
            cli.main()
        capsys.readouterr()
        return ended.value.code

    assert code() == 0
    del carried.log("linkage.KH")[2]
    assert code() == 1


def test_people_see_a_table_a_writer_with_the_findings_as_sentences(carried, capsys, tmp_path):
    del carried.log("linkage.KH")[2]
    command.audit_streams(tmp_path, "localhost:9092", as_json=False)
    out = capsys.readouterr().out
    assert "KH: 20 envelopes" in out
    assert "missing and not sent again: 2." in out
    assert "1 thing is amiss" in out


def test_a_whole_region_is_said_to_hold_and_by_whom_it_is_heard(world):
    out = printed(world.report())
    assert "All holds up to 2026-03-01 12:04:00 UTC." in out
    assert "never heard" not in out


def test_a_chain_cut_by_retention_is_said_to_begin_later(world):
    records, ends = world.records()
    kept = [r for r in records if r.topic != "linkage.KH" or r.offset >= 2]
    report = audit(world.region.charter, world.region.digest, kept, now=world.region.clock.now(), ends=ends)
    assert report.ok
    assert "whole, from number 2" in printed(report)


def test_a_key_id_cannot_write_on_the_reviewers_terminal(world):
    now = world.region.clock.now()
    public = seal.new_sealing_pair()[1].hex()
    evil = "\x1b[2J[bold]all holds"
    world.say("KH", SealingKeyIntroduced(key_id=evil, public=public, valid_from=now, valid_until=now))
    out = printed(world.report())
    assert "\x1b" not in out
    assert "?[2J[bold]all holds" in out


def test_a_wrong_charter_is_a_wrong_input(tmp_path):
    (tmp_path / "charter.json").write_text("{}")
    for path in (tmp_path / "charter.json", tmp_path / "none.json"):
        with pytest.raises(InputInvalid):
            command.audit_streams(path, "localhost:9092", as_json=True)


@pytest.mark.parametrize("signature", ["abc", "%%%", "YWJj", ""])
def test_a_charter_with_a_damaged_signature_is_a_wrong_input(charter_file, signature):
    signed = json.loads(charter_file.read_text())
    signed["signatures"][0]["signature"] = signature
    charter_file.write_text(json.dumps(signed))
    with pytest.raises(InputInvalid, match="bears 1 valid root signatures"):
        command.audit_streams(charter_file, "localhost:9092", as_json=True)


def test_a_carrier_that_cannot_be_reached_is_an_unreachable_peer(charter_file, monkeypatch):
    class Gone(MemoryStream):
        def end(self, topic, partition):
            raise StreamUnavailable("The brokers did not do it.")

    monkeypatch.setattr(command, "KafkaStream", lambda *_, **__: Gone())
    with pytest.raises(PeerUnreachable) as error:
        command.audit_streams(charter_file, "localhost:9092", as_json=True)
    assert error.value.exit_code == 4


def test_a_carrier_without_this_region_is_a_wrong_input(region):
    with pytest.raises(InputInvalid, match="no topic of the region 'test'"):
        command.audit_of(MemoryStream(), region.charter, region.digest, ManualClock(region.clock.now()))


def test_brokers_elsewhere_need_the_files_of_tls(charter_file, tmp_path):
    with pytest.raises(SettingsInvalid, match="TLS"):
        command.audit_streams(charter_file, "broker.example:9092", as_json=True)
    with pytest.raises(SettingsInvalid, match="three files"):
        command.audit_streams(charter_file, "broker.example:9092", as_json=True, kafka_ca=tmp_path / "ca.pem")
    files = {name: tmp_path / name for name in ("kafka_ca", "kafka_certificate", "kafka_key")}
    with pytest.raises(InputInvalid, match="is not there"):
        command.audit_streams(charter_file, "broker.example:9092", as_json=True, **files)
