"""What people do with `samaki` at a node that runs: import a file, look at matches, say who may be told, audit."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from commands import run, until
from regions import csv_of, person

from services.demo.officers import Officers
from services.demo.region import found_region
from services.demo.running import Running, running_region

KNOWN = {"both": "P7700415", "held": "P8800526", "turned": "P9900637"}
"""Three people whom both countries know, with their documents; KH holds back all but the first."""


@dataclass
class Office:
    """A region of two countries, and the command as its officers use it."""

    running: Running
    officers: Officers
    folder: Path

    def samaki(self, *words: object, country: str, staff: str) -> CompletedProcess[str]:
        token = self.running.region.token_file(country, staff)
        return run(*words, "--node", self.officers.address(country), "--token-file", token, folder=self.folder)

    def matches(self, country: str) -> dict[str, dict]:
        """By the own record."""
        listed = self.samaki("matches", "list", "--json", country=country, staff="focal")
        assert listed.returncode == 0, listed.stderr
        return {match["reference"]: match for match in json.loads(listed.stdout)["matches"]}

    def publish(self, country: str, other: str, grants: dict[str, str]) -> None:
        """Import a file by the command, then sign for each person as the focal point; `tell` unless said otherwise."""
        file = self.folder / f"{country}.csv"
        file.write_bytes(csv_of(
            person(f"{country}-{name}", prs_FirstName=f"Malee{name}", prs_IdentityNumber=document)
            for name, document in KNOWN.items()
        ))  # fmt: skip
        consents = ("--consent", "C2", "--consent", f"C4={other}", "--consent", "C9")
        done = self.samaki("case", "import", file, *consents, country=country, staff="worker")
        assert done.returncode == 0, done.stderr
        assert "3 cases opened, 3 with identifiers; 3 publications wait for a focal point" in done.stderr
        focal = self.officers.client(country, "focal")
        waiting = [(one["id"], one["reference"].partition("-")[2]) for one in focal.get("/api/awaiting")]
        signed = [{"id": name, "grant": grants.get(who, "tell")} for name, who in waiting]
        focal.post("/api/signatures", {"signed": signed})


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("office")
    with running_region(("KH", "LA"), 20) as running:
        office = Office(running, running.officers, folder)
        office.publish("KH", "LA", {"held": "hold", "turned": "hold"})
        office.publish("LA", "KH", {})
        told = office.officers.matches
        until(lambda: [len(told("KH")), len(told("LA"))] == [3, 1], "both countries to be told", 60)
        yield office


def test_a_focal_point_lists_what_this_side_was_told(office):
    ours = office.matches("KH")
    assert (ours["KH-both"]["state"], ours["KH-held"]["state"]) == ("BOTH_TOLD", "TOLD")
    theirs = office.matches("LA")
    assert theirs["LA-both"]["state"] == "BOTH_TOLD"
    assert "LA-held" not in theirs
    table = office.samaki("matches", "list", country="LA", staff="focal").stdout
    assert re.search(r"LA-both.*KH.*both_told.*document", table)


def test_a_focal_point_looks_at_one_match(office):
    match = office.matches("LA")["LA-both"]
    shown = office.samaki("matches", "show", match["match_ref"], "--json", country="LA", staff="focal")
    assert json.loads(shown.stdout) == match
    assert match["band"] == "document"
    table = office.samaki("matches", "show", match["match_ref"], country="LA", staff="focal").stdout
    assert "other country" in table
    missing = office.samaki("matches", "show", "none-such", country="LA", staff="focal")
    assert (missing.returncode, missing.stdout) == (3, "")
    assert "told of no match" in missing.stderr


def test_a_hold_becomes_a_tell_by_two_people_and_then_the_other_side_is_told(office):
    ref = office.matches("KH")["KH-turned"]["match_ref"]
    asked = office.samaki("matches", "grant", ref, "tell", country="KH", staff="focal")
    assert (asked.returncode, asked.stdout) == (0, "A second person must sign; it waits on their list.\n")
    deputy = office.officers.client("KH", "deputy")
    (waiting,) = deputy.get("/api/awaiting")
    assert "LA-turned" not in office.matches("LA")
    deputy.post("/api/signatures", {"signed": [{"id": waiting["id"], "grant": "tell"}]})
    until(lambda: office.matches("LA").get("LA-turned", {}).get("state") == "BOTH_TOLD", "the other side to be told", 60)


def test_a_hold_is_set_at_once(office):
    ref = office.matches("LA")["LA-both"]["match_ref"]
    done = office.samaki("matches", "grant", ref, "hold", country="LA", staff="focal")
    assert (done.returncode, done.stdout) == (0, "The grant is set.\n")
    assert office.matches("LA")["LA-both"]["own_grant"] == "hold"


def test_bad_rows_of_a_file_are_named_and_the_good_ones_taken(office):
    before = office.officers.status("LA")["cases"]
    good = [person("LA-good-1", prs_IdentityNumber="X1"), person("LA-good-2", prs_IdentityNumber="X2")]
    bad = {
        "prs_Gender": person("LA-bad-1", prs_Gender="Maybe"),
        "prs_Birthdate": person("LA-bad-2", prs_Birthdate="1991-02-30"),
        "prs_Citizenship": person("LA-bad-3", prs_Citizenship="Laos"),
        "prs_SecondName": person("LA-bad-4", prs_SecondName="Broken"),
        "prs_FirstName": person("LA-bad-5", prs_FirstName="A" * 10_000_000),
    }
    file = office.folder / "mixed.csv"
    file.write_bytes(csv_of([good[0], *bad.values(), good[1]]).replace(b"Broken", b"Vong\xff"))
    done = office.samaki("case", "import", file, "--consent", "C2", country="LA", staff="worker")
    assert done.returncode == 3
    said = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in said[:-1]] == [f"row {n}, {c}" for n, c in enumerate(bad, start=3)]
    assert said[-1].startswith("2 cases opened, 2 with identifiers; 0 publications")
    assert "5 rows refused, listed in rejected.csv" in said[-1]
    rejected = list(csv.DictReader((office.folder / "rejected.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["row"], row["column"]) for row in rejected] == [(str(n), c) for n, c in enumerate(bad, start=3)]
    assert all(row["reason"] and "AAAA" not in row["reason"] for row in rejected)
    assert office.officers.status("LA")["cases"] == before + 2


def test_a_file_without_a_column_is_refused_as_a_whole(office):
    before = office.officers.status("LA")["cases"]
    (office.folder / "short.csv").write_text("record_id,prs_FirstName\nLA-9,Keo\n")
    done = office.samaki("case", "import", "short.csv", country="LA", staff="worker")
    assert done.returncode == 3
    assert "row 1, prs_SecondName: this column is missing" in done.stderr
    assert office.officers.status("LA")["cases"] == before


def test_a_token_that_the_node_does_not_know_is_refused_with_what_to_do(office):
    strange = office.folder / "strange"
    strange.write_text("B" * 43)
    for token in (strange, office.running.region.token_file("KH", "focal")):
        words = ("matches", "list", "--node", office.officers.address("LA"), "--token-file", token)
        done = run(*words, folder=office.folder)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("samaki: The node does not know this token. Is it the one for this node")


def test_a_token_of_somebody_without_the_role_is_refused_and_the_role_named(office):
    done = office.samaki("matches", "list", country="LA", staff="worker")
    assert (done.returncode, done.stdout) == (3, "")
    assert "role" in done.stderr


def test_the_audit_finds_that_an_honest_region_keeps_all_its_promises(office):
    where = ("--charter", office.running.region.charter_file, "--bootstrap", office.running.bootstrap)
    done = run("audit", "streams", "--json", *where, folder=office.folder)
    report = json.loads(done.stdout)
    assert report["findings"] == []
    assert (done.returncode, report["ok"]) == (0, True)
    assert {writer["writer"] for writer in report["writers"]} == {"KH", "LA", "KH.holder", "LA.holder", "matcher"}
    assert all(writer["heard"] for writer in report["writers"])
    assert "KH.holder" in run("audit", "streams", *where, folder=office.folder).stdout


def test_the_audit_refuses_another_regions_charter_and_a_broker_that_is_not_there(office, tmp_path):
    other = found_region(tmp_path / "other", ("KH", "LA"), now=office.running.region.charter.issued)
    bootstrap = ("--bootstrap", office.running.bootstrap)
    strange = run("audit", "streams", "--charter", other.charter_file, *bootstrap, folder=office.folder)
    assert (strange.returncode, strange.stdout) == (3, "")
    assert strange.stderr.startswith("samaki: ")
    known = ("--charter", office.running.region.charter_file)
    silent = run("audit", "streams", *known, "--bootstrap", "127.0.0.1:1", folder=office.folder)
    assert (silent.returncode, silent.stdout) == (4, "")
    assert silent.stderr.startswith("samaki: ")
