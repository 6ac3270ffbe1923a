"""The command's side of a node: files in, sentences and exit codes out."""

import csv
import json
import sys

import httpx
import pytest
from regions import csv_of, person
from starlette.testclient import TestClient

from services import cli
from services.country import client
from services.country.client import NodeClient, stated
from services.runtime.errors import InputInvalid, PeerUnreachable, SettingsInvalid

NODE = "http://127.0.0.1:8001"
CLIENT = httpx.Client


@pytest.fixture
def at_node(region, app_of, monkeypatch):
    """Let the command's requests reach the node of KH, and no network."""

    def connect(*, base_url, headers, timeout, trust_env):
        assert not trust_env  # a proxy of the environment would see the token
        assert base_url == NODE
        return TestClient(app_of(region, "KH"), base_url="http://127.0.0.1", headers=headers)

    monkeypatch.setattr(client.httpx, "Client", connect)
    return region


@pytest.fixture
def answering(monkeypatch):
    """Let whatever is asked be answered by this function."""

    def make(answer) -> None:
        carrier = httpx.MockTransport(answer)
        monkeypatch.setattr(client.httpx, "Client", lambda **given: CLIENT(transport=carrier, base_url=given["base_url"]))

    return make


@pytest.fixture
def samaki(at_node, monkeypatch, capsys):
    """Run the command as `staff`. Returns exit code, standard output and standard error."""

    def run(*arguments: str, staff: str = "worker") -> tuple[int, str, str]:
        monkeypatch.setenv("SAMAKI_NODE", NODE)
        monkeypatch.setenv("SAMAKI_TOKEN_FILE", str(at_node.region.token_file("KH", staff)))
        monkeypatch.setattr(sys, "argv", ["samaki", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


# ---- samaki case import


def test_a_good_file_is_imported_and_counted(samaki, at_node, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_bytes(csv_of([person("A"), person("B", prs_IdentityNumber="K2")]))
    code, out, err = samaki("case", "import", "people.csv", "--consent", "C2", "--consent", "C4=TH,LA")
    assert (code, out) == (0, "")
    assert "2 cases opened, 2 with identifiers; 4 publications wait for a focal point; 0 rows refused." in err
    assert not (tmp_path / "rejected.csv").exists()
    assert at_node.tokens("KH", "A")["TH"] == ("asked", "")


def test_bad_rows_are_said_and_written_down_without_their_content_and_the_rest_is_imported(
    samaki, at_node, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rows = [
        person("A"), person("B", prs_Gender="Zaphod"), person("C", prs_Birthdate="Zaphod"),
        person("D", prs_FirstName="S?m"), person("E", prs_FirstName="Zaphod" * 2_000_000), person("F", prs_Birthdate="2012"),
    ]
    (tmp_path / "people.csv").write_bytes(csv_of(rows).replace(b"S?m", b"S\xffm"))
    code, _, err = samaki("case", "import", "people.csv", "--consent", "C2")
    assert code == 3
    with (tmp_path / "rejected.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == ["row", "column", "reason"]
    assert [(row, column) for row, column, _ in table[1:]] == [
        ("3", "prs_Gender"), ("4", "prs_Birthdate"), ("5", "prs_FirstName"), ("6", "prs_FirstName"), ("7", "(row)"),
    ]
    for row, column, reason in table[1:]:
        assert f"row {row}, {column}: {reason}" in err
    assert "1 cases opened" in err
    assert "5 rows refused, listed in rejected.csv." in err
    assert "Zaphod" not in err + (tmp_path / "rejected.csv").read_text()
    assert at_node.tokens("KH", "A") == dict.fromkeys(("LA", "TH"), ("none", "matching_not_consented"))


@pytest.mark.parametrize("place", ["", "nowhere/rejected.csv", "people.csv/rejected.csv", "full"])
def test_refused_rows_that_cannot_be_written_down_are_named_and_counted_and_the_rest_is_imported(
    samaki, at_node, tmp_path, place
):
    (tmp_path / "full").symlink_to("/dev/full")
    (tmp_path / "people.csv").write_bytes(csv_of([person("A"), person("B", prs_Gender="Zaphod")]))
    code, out, err = samaki(
        "case", "import", str(tmp_path / "people.csv"), "--consent", "C2", "--rejected", str(tmp_path / place)
    )
    assert (code, out) == (3, "")
    refused, counts, sentence = err.strip().splitlines()[-3:]
    assert refused.startswith("row 3, prs_Gender: ")
    assert counts.startswith("1 cases opened, 1 with identifiers;")
    assert counts.endswith(" 1 rows refused.")
    assert sentence.startswith(f"samaki: {tmp_path / place} cannot be written (")
    assert "import them in a file of their own" in sentence
    assert set(at_node.tokens("KH", "A")) == {"LA", "TH"}


def test_a_missing_column_is_named(samaki, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_bytes(b"record_id,prs_FirstName\nA,x\n")
    code, _, err = samaki("case", "import", "people.csv", "--rejected", "elsewhere.csv")
    assert code == 3
    assert "row 1, prs_Gender: this column is missing" in err
    assert (tmp_path / "elsewhere.csv").read_text().startswith("row,column,reason")


def test_guardian_and_asking_are_stated_for_the_whole_file(samaki, at_node, tmp_path):
    file = tmp_path / "people.csv"
    file.write_bytes(csv_of([person("A", prs_Birthdate="2012-04-23")]))
    arguments = ("case", "import", str(file), "--consent", "C2", "--consent", "C4=TH", "--guardian", "G", "--no-ask")
    code, _, err = samaki(*arguments)
    assert (code, "0 publications" in err) == (0, True)
    assert at_node.tokens("KH", "A")["TH"] == ("none", "not_asked")


@pytest.mark.parametrize("consent", ["C1", "C4", "C2=TH", "C5=TH", "TH", ""])
def test_a_consent_that_is_none_of_these_is_a_usage_error(samaki, tmp_path, consent):
    (tmp_path / "people.csv").write_bytes(b"")
    code, _, err = samaki("case", "import", str(tmp_path / "people.csv"), "--consent", consent)
    assert (code, "--consent is C2, C9, or C4=" in err) == (2, True)


def test_a_file_that_is_not_there_is_an_input_error(samaki, tmp_path):
    code, _, err = samaki("case", "import", str(tmp_path / "nowhere.csv"))
    assert (code, "cannot be read (No such file or directory)" in err) == (3, True)


def test_an_officer_of_another_role_is_told_so_in_one_sentence(samaki, tmp_path):
    (tmp_path / "people.csv").write_bytes(csv_of([person("A")]))
    code, _, err = samaki("case", "import", str(tmp_path / "people.csv"), staff="focal")
    assert code == 3
    assert err.strip().splitlines()[-1] == "samaki: This needs the role case worker; you do not act in it."


def test_what_is_stated_is_as_the_node_takes_it():
    assert stated(["C2", "C4=TH,VN", "C9"], ask=True) == {
        "ask": True, "guardian": None, "c2": True, "c4": ["TH", "VN"], "c9": True
    }
    with pytest.raises(SettingsInvalid):
        stated(["C3"], ask=True)


# ---- samaki matches


@pytest.fixture
def matched(at_node):
    at_node.publish("KH", person("A"), grant="hold")
    at_node.publish("TH", person("B"))
    at_node.tick(4)
    (row,) = at_node.nodes["KH"].desk.matches(at_node.act("KH", "focal"))
    return row.match.match_ref


def test_the_focal_point_lists_matches(samaki, matched):
    code, out, _ = samaki("matches", "list", staff="focal")
    assert code == 0
    assert matched in out
    assert "TH" in out
    code, out, _ = samaki("matches", "list", "--json", staff="focal")
    (listed,) = json.loads(out)["matches"]
    assert (listed["match_ref"], listed["reference"], listed["state"]) == (matched, "A", "TOLD")


def test_one_match_is_shown(samaki, matched):
    code, out, _ = samaki("matches", "show", matched, staff="focal")
    assert (code, "TOLD" in out) == (0, True)
    code, out, _ = samaki("matches", "show", matched, "--json", staff="focal")
    assert json.loads(out)["other_country"] == "TH"
    code, _, err = samaki("matches", "show", "M-1", staff="focal")
    assert (code, "no match of this reference" in err) == (3, True)


def test_a_grant_is_set_or_waits_for_a_second_person(samaki, matched):
    assert samaki("matches", "grant", matched, "hold", staff="focal")[:2] == (0, "The grant is set.\n")
    code, out, _ = samaki("matches", "grant", matched, "tell", "--reason", "person_asked", staff="focal")
    assert (code, out) == (0, "A second person must sign; it waits on their list.\n")
    assert samaki("matches", "grant", matched, "maybe", staff="focal")[0] == 2


# ---- nodes and tokens that are not there


def test_an_erasure_is_asked_for_listed_and_signed(samaki, at_node):
    at_node.publish("KH", person("A"))
    case_id = str(at_node.file("KH", "A").case.case_id)
    assert samaki("case", "erase", case_id, "--basis", "whim", staff="officer")[0] == SettingsInvalid.exit_code
    code, out, _ = samaki("case", "erase", case_id, "--basis", "person_asked", staff="officer")
    assert (code, out) == (0, "A key custodian must sign within seven days; it waits on their list.\n")
    ((row),) = json.loads(samaki("case", "erasures", "--json", staff="custodian")[1])["erasures"]
    assert (row["case_id"], row["basis"], row["reference"]) == (case_id, "person_asked", None)
    assert samaki("case", "erasures", "--sign", row["id"], staff="officer")[0] == InputInvalid.exit_code
    code, out, _ = samaki("case", "erasures", "--sign", row["id"], staff="custodian")
    assert (code, out) == (0, "Erased. No copy of this person's history can be read again.\n")
    assert "0 erasures wait" in samaki("case", "erasures", staff="custodian")[1]


def test_a_node_that_does_not_answer_is_an_unreachable_peer(samaki, answering):
    def refuse(_request):
        raise httpx.ConnectError("no route to Somsak")

    answering(refuse)
    code, _, err = samaki("matches", "list", staff="focal")
    assert (code, "The node does not answer" in err, "Somsak" in err) == (4, True, False)


def test_something_else_at_the_nodes_address_is_no_node_of_ours(samaki, answering, tmp_path):
    answering(lambda _request: httpx.Response(200, text="<html>It works!</html>"))
    (tmp_path / "people.csv").write_bytes(csv_of([person("A")]))
    code, _, err = samaki("case", "import", str(tmp_path / "people.csv"))
    assert (code, "is no node of ours" in err) == (4, True)


def test_an_error_without_words_is_told_by_its_number(answering):
    answering(lambda _request: httpx.Response(502, text="Bad gateway Somsak"))
    with pytest.raises(PeerUnreachable, match=r"^The node answered 502\.$"):
        NodeClient(NODE, "token").get("/api/matches")


def test_a_token_file_that_cannot_be_read_is_an_input_error(tmp_path):
    for content in (None, b"\xff\xfe"):
        file = tmp_path / "token"
        if content:
            file.write_bytes(content)
        with pytest.raises(InputInvalid, match="cannot be read"):
            NodeClient.from_file(NODE, file)


def test_an_address_that_is_none_is_said_to_be_none():
    for address in ("nonsense", "http://", "ftp://127.0.0.1", "http://127.0.0.1:port"):
        with pytest.raises((SettingsInvalid, PeerUnreachable)):
            NodeClient(address, "token").get("/api/matches")
