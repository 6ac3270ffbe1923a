"""`samaki selftest`: what it prints, and how it ends."""

import json

import commands
import pytest

from keys import group, sign
from keys.errors import BackendMissing
from keys.vectors import selftest as vectors
from services.runtime.errors import InputInvalid, SelftestFailed
from services.runtime.selftest import selftest


def test_the_counts_of_every_suite_are_printed(capsys):
    assert selftest(None, as_json=False)
    said = capsys.readouterr().out
    assert [known.title for known in vectors.KNOWN if known.title not in said] == []
    assert f"All 2,148 vectors pass. The group's backend is {group.backend_name()}." in said


def test_a_suite_that_fails_is_named_with_its_vectors(monkeypatch, capsys):
    monkeypatch.setattr(sign, "sign", lambda *_: bytes(64))
    assert not selftest(None, as_json=False)
    said = capsys.readouterr().out
    assert "RFC 8032 Ed25519, signing: 3 of 3 vectors fail, numbers 1, 2, 3" in said
    assert "3 of 2,148 vectors fail." in said


def test_a_person_is_told_the_first_five_of_many_vectors_that_fail(monkeypatch, capsys):
    monkeypatch.setattr(sign, "is_valid", lambda *_: False)
    assert not selftest(None, as_json=False)
    assert "CCTV Ed25519 edge cases: 43 of 914 vectors fail, numbers " in (said := capsys.readouterr().out)
    assert said.split("43 of 914 vectors fail, numbers ")[1].splitlines()[0].count(",") == 5


def test_programs_get_one_object(monkeypatch, capsys):
    monkeypatch.setattr(sign, "sign", lambda *_: bytes(64))
    assert not selftest(None, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["backend"], said["run"], said["passed"]) == (False, group.backend_name(), 2148, 2145)
    assert said["suites"][5] == {
        "suite": "rfc8032", "title": "RFC 8032 Ed25519, signing", "source": "built in", "run": 3, "passed": 0,
        "failed": [1, 2, 3],
    }  # fmt: skip
    assert (said["ignored"], said["missing"]) == ([], [])


def test_what_a_folder_has_too_much_and_too_little_is_said(tmp_path, capsys):
    (tmp_path / "sealed.json").write_bytes((vectors.HERE / "sealed.json").read_bytes())
    (tmp_path / "[notes].txt").write_text("")
    assert selftest(tmp_path, as_json=False)
    said = capsys.readouterr().out
    assert "Ignored, no vectors of what Samaki uses: [notes].txt" in said
    assert "Not run, since the folder lacks their files: expand_message_xmd_SHA512_38.json, " in said


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputInvalid, match="no folder"):
        selftest(tmp_path / "nowhere", as_json=False)


def test_without_a_library_for_the_group_nothing_is_shown(monkeypatch, capsys):
    def missing():
        raise BackendMissing("No libsodium.")

    monkeypatch.setattr(group, "backend_name", missing)
    with pytest.raises(SelftestFailed, match="No libsodium"):
        selftest(None, as_json=False)
    assert capsys.readouterr().out == ""


def test_the_command_ends_with_0_where_all_holds(tmp_path):
    run = commands.run("selftest", "--json", folder=tmp_path)
    assert (run.returncode, json.loads(run.stdout)["ok"], run.stderr) == (0, True, "")


def test_the_command_ends_with_1_where_a_vector_fails(tmp_path):
    content = json.loads((vectors.HERE / "rfc8032.json").read_bytes())
    content["vectors"][0][3] = "00" * 64
    (tmp_path / "rfc8032.json").write_text(json.dumps(content))
    run = commands.run("selftest", "--vectors", tmp_path, folder=tmp_path)
    assert run.returncode == 1
    assert "1 of 3 vectors fail, numbers 1" in run.stdout


def test_the_command_ends_with_3_and_one_sentence_where_a_file_cannot_be_read(tmp_path):
    (tmp_path / "ed25519_test.json").write_text('{"numberOfTests": 151, "test')
    run = commands.run("selftest", "--vectors", tmp_path, folder=tmp_path)
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr.startswith("samaki: ")
    assert run.stderr.count("\n") == 1
    assert "ed25519_test.json cannot be read as Wycheproof Ed25519: Unterminated string" in run.stderr
