"""`samaki keys` as a process of its own."""

import json
from datetime import UTC, datetime

import pytest
from commands import run, started, until
from regions import LiveRegion, person

from keys import group, shares
from services.demo.region import found_region


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """TH's holder lies to KH."""
    honest = shares.evaluate
    with LiveRegion(tmp_path_factory.mktemp("keys") / "region", ("KH", "TH")) as live:
        live.meet()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                shares, "evaluate",
                lambda s, b: group.multiply(b, group.random_scalars(1)[0]) if s.holder == "TH.holder" else honest(s, b),
            )
            live.publish("KH", person("A"))
            live.settle()
        yield live


def test_evidence_is_judged_by_exit_code_from_the_charter_and_the_file_alone(region, tmp_path):
    (record,) = region.nodes["KH"].evaluations.evidence()
    (tmp_path / "true.json").write_text(json.dumps(record))
    (tmp_path / "false.json").write_text(json.dumps({**record, "holder": "KH.holder"}))
    charter = ("--charter", region.region.charter_file)
    done = run("keys", "verify-evidence", "true.json", *charter, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Convicts. TH.holder signed an answer to KH")
    done = run("keys", "verify-evidence", "false.json", *charter, "--json", folder=tmp_path)
    assert done.returncode == 1
    assert [row["convicts"] for row in json.loads(done.stdout)["verdicts"]] == [False]
    done = run("keys", "verify-evidence", "none.json", folder=tmp_path, SAMAKI_CHARTER=str(region.region.charter_file))
    assert (done.returncode, done.stdout) == (3, "")
    done = run("keys", "verify-evidence", "true.json", folder=tmp_path)
    assert done.returncode == 2


def test_the_state_of_every_key_at_home_is_one_object_or_a_table(region, tmp_path):
    where = ("--home", region.region.home("TH.holder"), "--charter", region.region.charter_file)
    report = json.loads(run("keys", "status", *where, "--json", folder=tmp_path).stdout)
    assert report["party"] == "TH.holder"
    assert {row["purpose"] for row in report["keys"]} >= {"signing", "sealing", "share", "pair key", "key-encryption"}
    table = run("keys", "status", *where, folder=tmp_path, COLUMNS="250")
    assert (table.returncode, table.stderr) == (0, "")
    assert "Overdue: " in table.stdout
    nowhere = run("keys", "status", "--charter", region.region.charter_file, folder=tmp_path)
    assert nowhere.returncode == 2
    assert nowhere.stderr.startswith("samaki: Give --charter, and --home")


def test_an_allowance_is_asked_for_and_approved_by_two_custodians_each_with_their_own_token(tmp_path):
    region = found_region(tmp_path / "region", ("KH", "TH"), now=datetime.now(UTC))
    home = region.home("TH.holder")
    words = ("keyholder", "serve", "--home", home, "--charter", region.charter_file, "--bootstrap", "127.0.0.1:1")
    with started(*words, folder=tmp_path) as service:
        until((home / "port").exists, "its port", 60, lambda: service.said)
        holder = f"http://127.0.0.1:{(home / 'port').read_text().strip()}"

        def samaki(staff, *arguments):
            token = region.token_file("TH.holder", staff)
            return run("keys", *arguments, "--token-file", token, folder=tmp_path, SAMAKI_HOLDER=holder)

        wish = ("--country", "KH", "--pair", "KH-TH", "--count", 500, "--to", f"{datetime.now(UTC).year + 1}-01-01")
        refused = samaki("reviewer", "allow", *wish, "--reason", "a file")
        assert refused.returncode == 3
        asked = samaki("operator", "allow", *wish, "--reason", "a file", "--json")
        name = json.loads(asked.stdout)["id"]
        shown = samaki("custodian", "approve", name)  # nobody is there to say yes
        assert shown.returncode == 1
        assert "KH may ask 500 evaluations of KH-TH beyond its daily quota" in shown.stderr
        first = samaki("custodian", "approve", name, "--yes")
        assert (first.returncode, first.stdout) == (0, "Approved by TH.holder-custodian. It takes 2.\n")
        assert samaki("custodian", "approve", name, "--yes").returncode == 3
        second = samaki("second-custodian", "approve", name, "--yes")
        assert "it stands as soon as the holder has announced it" in second.stdout
        (row,) = json.loads(samaki("reviewer", "allowances", "--json").stdout)["allowances"]
        assert row["custodians"] == ["TH.holder-custodian", "TH.holder-second-custodian"]
        assert row["state"] in {"approved", "granted"}
