"""The access rules of a charter: who may do what with which topic, and nobody anything else."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from regions import START

from events.succession import load_charter
from keys.kek import load_kek
from keys.ring import KeyRing
from services.country.settings import CountrySettings
from services.demo.region import found_region

INFRA = Path(__file__).parents[3] / "infra"
ACLS = runpy.run_path(str(INFRA / "acl" / "acls.py"))
SIX = ("KH", "CN", "LA", "MM", "TH", "VN")


@pytest.fixture(scope="module")
def charter(tmp_path_factory):
    region = found_region(tmp_path_factory.mktemp("acls") / "region", SIX, now=START)
    return load_charter(region.charter_file)[0]


def allowed(rules):
    return {(who, operation, topic) for who_all, operations, topics in rules for who in who_all for operation in
            operations for topic in topics}


def test_a_topic_is_made_and_written_by_its_writer_alone(charter):
    found = allowed(ACLS["rules"](charter, ["auditor"]))
    for operation in ("Create", "Write"):
        assert {(who, topic) for who, what, topic in found if what == operation} == {
            (t.writer, f"demo.{t.name}") for t in charter.topics
        }


def test_a_sealed_topic_is_read_by_its_reader_its_writer_and_the_auditors(charter):
    found = allowed(ACLS["rules"](charter, ["auditor"]))
    for topic in charter.topics:
        readers = {who for who, what, name in found if what == "Read" and name == f"demo.{topic.name}"}
        everybody = {party.id for party in charter.parties}
        assert readers == ({topic.reader, topic.writer} if topic.reader else everybody) | {"auditor"}


def test_an_auditor_only_reads(charter):
    found = allowed(ACLS["rules"](charter, ["auditor"]))
    assert {what for who, what, _ in found if who == "auditor"} == {"Read"}


def test_merged_rules_allow_the_same_in_fewer_commands(charter):
    rules = ACLS["rules"](charter, ["auditor"])
    merged = ACLS["merged"](rules)
    assert allowed(merged) == allowed(rules)
    assert len(merged) < len(rules) / 2


def test_a_command_names_all_and_needs_no_quotes(charter):
    rule = ACLS["rules"](charter, ["auditor"])[-1]
    line = ACLS["command"](rule, "kafka:9094", "admin.properties")
    assert re.fullmatch(r"[\w.:-]+( [\w.:-]+)*", line)
    assert all(f"User:{who}" in line.split() for who in rule.principals)
    assert "*" not in line


def test_the_compose_file_runs_every_party_with_settings_that_exist(charter):
    page = (INFRA / "compose.yaml").read_text(encoding="utf-8")
    homes = set(re.findall(r"\./trial/region/([A-Za-z.]+):/party", page))
    assert homes == {party.id for party in charter.parties}
    assert homes == set(re.findall(r"\./trial/pki/([A-Za-z.]+):/pki:ro", page))
    used = set(re.findall(r"SAMAKI_(\w+): ", page))
    assert used <= {name.upper() for name in CountrySettings.model_fields}
    ports = re.findall(r'"127\.0\.0\.1:(\d+):8000"', page)
    assert len(ports) == len(set(ports)) == len(homes)


@pytest.mark.usefixtures("openssl")
def test_a_trial_region_is_founded_with_all_that_its_parties_are_told(tmp_path):
    folder = tmp_path / "trial"
    done = subprocess.run(
        [sys.executable, INFRA / "found.py", folder, "--countries", "KH,TH"],
        capture_output=True, text=True, check=False, cwd=INFRA.parent,
    )
    assert done.returncode == 0, done.stderr
    charter, _ = load_charter(folder / "region" / "charter.json")
    for party in charter.parties:
        home, certificates = folder / "region" / party.id, folder / "pki" / party.id
        assert KeyRing.open(home / "ring.json", load_kek(home / "kek")).primary("signing").id == party.signing[0].id
        assert (home / "database").read_text().startswith("postgresql://")
        assert {path.name for path in certificates.iterdir()} == {"ca.pem", "certificate.pem", "key.pem"}
        secrets = [home / "database", certificates / "key.pem"]
        assert [oct(path.stat().st_mode & 0o777) for path in secrets] == ["0o600"] * 2
    assert not list(folder.rglob("ca.key"))
    mounted = set(re.findall(r"\./trial/(\S+?):/", (INFRA / "compose.yaml").read_text(encoding="utf-8")))
    assert all((folder / path).exists() for path in mounted if not re.search(r"/(CN|LA|MM|VN)", path))
    assert subprocess.run([sys.executable, INFRA / "found.py", folder], capture_output=True, check=False).returncode == 1
