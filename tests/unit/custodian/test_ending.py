"""`samaki keys end`: two custodians of one holder say it, and it is done for good."""

import io
import json
import sys

import pytest
from custodians import HOLDER, at_holder, command
from ending import PAIR, shares_alive
from regions import regions_in


@pytest.fixture
def region(tmp_path):
    with regions_in(tmp_path) as make:
        yield make("KH", "TH", "VN")


@pytest.fixture
def samaki(region, monkeypatch, capsys):
    """Run `samaki keys end` as `staff`; at each pause of it a tick passes."""
    at_holder(region, monkeypatch, pause=region.tick)
    home = region.region.home(HOLDER)
    return command(
        region, monkeypatch, capsys, "keys", "end", "--home", str(home), "--pair", PAIR, "--reason", "law"
    )


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
