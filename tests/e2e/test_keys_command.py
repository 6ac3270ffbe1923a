"""`samaki keys` as a process of its own."""

import json

import pytest
from commands import run
from regions import LiveRegion, person

from keys import group, shares


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
