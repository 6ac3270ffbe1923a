"""The main job by its command: what it prints, what it keeps, and what it leaves behind."""

import csv
import json
import re

import pytest
from commands import run, started

COUNTRIES = "KH,LA,TH"
KEYS = {
    "people", "cases", "tokens", "true_pairs", "agreed_pairs", "found_pairs", "document_pairs", "document_pairs_found",
    "precision", "recall", "seconds", "broker", "wire_leaks",
}  # fmt: skip
STAGES = {"start", "import", "approve", "tokens", "match", "search", "total"}


def check_result(result: dict) -> None:
    """All that the main job promises, of invented people in three countries."""
    assert result.keys() >= KEYS
    assert result["seconds"].keys() >= STAGES
    assert all(isinstance(seconds, float) for seconds in result["seconds"].values())
    assert (result["people"], result["cases"]) == (180, 180)
    assert result["tokens"] > 5 * result["people"]
    assert result["found_pairs"] > 0
    assert result["precision"] == 1.0
    assert result["document_pairs"] == result["document_pairs_found"] > 0
    assert result["unagreed_pairs"] == 0
    assert result["true_pairs"] > result["agreed_pairs"] == result["document_pairs"] + result["other_pairs"]
    assert result["wire_leaks"] == 0


@pytest.mark.long
def test_the_demo_finds_whom_countries_have_in_common_and_leaves_nothing_behind(tmp_path):
    wishes = ("--countries", COUNTRIES, "--people", 60, "--pairs-out", "pairs.csv")
    with started("demo", "--once", "--json", *wishes, folder=tmp_path) as demo:
        assert demo.code(240) == 0, demo.said
        result = json.loads(demo.said.splitlines()[-1])
        check_result(result)
        assert result["broker"] == "embedded"
        assert demo.processes == {}
        assert demo.left_behind == []
    pairs = list(csv.DictReader((tmp_path / "pairs.csv").read_text(encoding="utf-8").splitlines()))
    assert len(pairs) == result["found_pairs"]
    assert all(pair["record_a"] and pair["record_b"] for pair in pairs)
    assert {pair["band"] for pair in pairs} <= {"document", "strong", "possible"}


@pytest.mark.long
@pytest.mark.kafka
@pytest.mark.parametrize("whose", ["its own", "given"])
def test_the_demo_does_the_same_on_apache_kafka(tmp_path, kafka_bootstrap, monkeypatch, whose):
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    given = {} if whose == "its own" else {"KAFKA_BOOTSTRAP": kafka_bootstrap}
    arguments = ("--broker", "kafka", "--countries", COUNTRIES, "--people", 60)
    with started("demo", "--once", "--json", *arguments, folder=tmp_path, **given) as demo:
        assert demo.code(240) == 0, demo.said
        result = json.loads(demo.said.splitlines()[-1])
        check_result(result)
        assert result["broker"] == "kafka"
        assert demo.processes == {}
        assert demo.left_behind == []


@pytest.mark.long
def test_people_from_files_are_all_matched_as_their_truth_says(tmp_path):
    people = tmp_path / "people"
    people.mkdir()
    header = "record_id,prs_FirstName,prs_SecondName,prs_Birthdate,prs_Gender,prs_Citizenship,prs_IdentityNumber"
    for country, names in (("LA", ("Somsak", "Keo")), ("TH", ("Somsack", "Nok"))):
        rows = [f"{country}-{n},{name},Vong,199{n}-04-2{n},Female,LA,P77{n}415" for n, name in enumerate(names)]
        rows[1] = rows[1].replace("P771415", f"{country}99415")
        (people / f"{country}.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    (people / "truth.csv").write_text("country_a,record_a,country_b,record_b\nLA,LA-0,TH,TH-0\n", encoding="utf-8")
    done = run("demo", "--once", "--from", people, "--pairs-out", "pairs.csv", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    said = re.sub(r"\s+", " ", done.stdout)
    assert "officers consented for everybody and granted tell everywhere" in said
    assert "with a common document, found │ 1, 1" in said
    assert (tmp_path / "pairs.csv").read_text().splitlines() == ["record_a,record_b,band", "LA-0,TH-0,document"]
