"""`samaki keys end`: two custodians of one holder say it, and it is done for good."""

import io
import json
import sys

import pytest
from ending import PAIR, shares_alive
from regions import regions_in
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from services import cli
from services.country import client
from services.custodian import ending
from services.keyholder import main
from services.keyholder.settings import KeyHolderSettings
from services.runtime.logs import silent
from services.runtime.loop import Pump

HOLDER = "KH.holder"


@pytest.fixture
def region(tmp_path):
    with regions_in(tmp_path) as make:
        yield make("KH", "TH", "VN")


@pytest.fixture
def samaki(region, monkeypatch, capsys):
    """Run `samaki keys end` as `staff`; at each pause of it a tick passes. Returns exit code and outputs."""
    holder, home = region.holders["KH"], region.region.home(HOLDER)
    settings = KeyHolderSettings(home=home, charter=region.region.charter_file)
    (home / "port").write_text("8001")

    def connect(*, base_url, headers, timeout, trust_env):
        app = main.create(holder, settings, silent(), Pump(holder.step, silent()))
        return TestClient(app, base_url="http://127.0.0.1", headers=headers)

    monkeypatch.setattr(client.httpx, "Client", connect)
    monkeypatch.setattr(ending.time, "sleep", lambda _seconds: region.tick())

    def run(*arguments, staff="custodian"):
        words = ("--home", home, "--pair", PAIR, "--reason", "law", *arguments)
        token = region.region.token_file(HOLDER, staff)
        monkeypatch.setattr(sys, "argv", ["samaki", "keys", "end", *map(str, words), "--token-file", str(token)])
        capsys.readouterr()
        with capture_logs(), pytest.raises(SystemExit) as ended:  # the region steps in the command's own process
            cli.main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_the_second_custodian_sees_it_done(region, samaki):
    code, out, _ = samaki("--yes")
    assert (code, out) == (
        0, f"{PAIR}: said by KH.holder-custodian. It takes a second custodian, within a week, who says the same.\n"
    )
    assert shares_alive(region, HOLDER)
    code, out, _ = samaki("--yes", "--json", staff="second-custodian")
    row = json.loads(out)
    assert code == 0
    assert (row["state"], row["custodians"]) == ("ended", ["KH.holder-custodian", "KH.holder-second-custodian"])
    assert shares_alive(region, HOLDER) == []


def test_nothing_is_said_before_one_is_sure_nor_by_others_than_custodians_nor_twice(region, samaki, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    code, _, err = samaki()
    assert code == 1
    assert "It cannot be taken back" in err
    for staff in ("operator", "reviewer"):
        assert samaki("--yes", staff=staff)[0] == 3
    assert samaki("--yes")[0] == 0
    code, _, err = samaki("--yes")
    assert code == 3
    assert "it takes a second custodian" in err
    code, _, err = samaki("--yes", "--reason", "compromise", staff="second-custodian")
    assert code == 3
    assert "another reason: law" in err
    assert shares_alive(region, HOLDER)


def test_a_pair_of_others_cannot_be_ended(samaki):
    code, _, err = samaki("--yes", "--pair", "TH-VN")
    assert code == 3
    assert "no share of that pair" in err
