"""`samaki keys rotate`, `backup` and `restore` as processes of their own, beside a party that runs and one that does not."""

import json
from datetime import UTC, datetime

import pytest
from commands import run, started, until

from services.demo.region import found_region


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    return found_region(tmp_path_factory.mktemp("rotate") / "region", ("KH", "TH"), now=datetime.now(UTC))


def serve(region):
    home = ("--home", region.home("KH"), "--charter", region.charter_file)
    return ("country", "serve", *home, "--bootstrap", "127.0.0.1:1", "--port", 0)


@pytest.mark.long
def test_keys_are_rotated_beside_a_node_that_runs_only_where_that_may_be_and_all_where_it_is_stopped(region, tmp_path):
    home, apart = region.home("KH"), tmp_path / "apart"
    apart.mkdir()

    def keys(*words):
        return run("keys", *words, "--home", home, "--json", folder=tmp_path)

    with started(*serve(region), folder=tmp_path) as node:
        until((home / "port").exists, "its port", 60, lambda: node.said)
        for purpose in ("kek", "data", "signing"):
            refused = keys("rotate", "--purpose", purpose, "--charter", region.charter_file)
            assert refused.returncode == 1
            assert refused.stderr.splitlines()[-1].endswith("is in use by a process that runs: stop it first.")
        assert keys("backup", "--to", apart).returncode == 0
        second = run(*serve(region), folder=tmp_path)
        assert (second.returncode, second.stderr.splitlines()[-1][:7]) == (1, "samaki:")
    (backup,) = apart.iterdir()
    restored = keys("restore", backup)
    assert json.loads(restored.stdout) == {"restored": 0}
    for purpose in ("kek", "data", "sealing"):
        done = keys("rotate", "--purpose", purpose)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["state"] == ("noted" if purpose == "sealing" else "done")
    assert keys("restore", backup).returncode == 3  # made under the former data key
    drawn = keys("rotate", "--purpose", "signing", "--charter", region.charter_file)
    assert json.loads(drawn.stdout)["file"] == str(home / "KH.signing.2.json")
    assert keys("rotate", "--purpose", "signing").returncode == 2
    assert keys("rotate", "--purpose", "pepper").returncode == 3
    with started(*serve(region), folder=tmp_path) as node:  # with a ring that was changed all over
        until((home / "port").exists, "its port", 60, lambda: node.said)
