"""`samaki keys refresh`: asks the own key holder, shows each step, and ends when the former share is gone."""

import json

import httpx
import pytest
from custodians import HOLDER, at_holder, command, patient
from regions import regions_in

from keys import refresh as part
from services.country import client

CLIENT = httpx.Client


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("custodian")) as make:
        yield make("KH", "TH", "VN")


@pytest.fixture
def region(founded, tmp_path):
    with founded.copied(tmp_path / "region") as copy:
        yield copy


@pytest.fixture
def samaki(region, monkeypatch, capsys):
    """Run the command as `staff`; at each pause of it a tick passes."""
    at_holder(region, monkeypatch, pause=patient(region))
    return command(region, monkeypatch, capsys, "keys", "refresh")


def test_one_pair_is_refreshed_and_the_command_ends_when_the_former_share_is_gone(region, samaki):
    code, out, err = samaki("--pair", "KH-TH", "--url", "http://127.0.0.1:8001")
    assert (code, out) == (0, "KH-TH: generation 1 is in force; the former share is destroyed.\n")
    assert "KH-TH" in err
    assert region.holders["KH"].shares.generations("KH-TH", 1) == {1}
    assert region.holders["KH"].shares.generations("KH-VN", 1) == {0}


def test_all_pairs_of_the_holder_in_the_home_folder_as_json(region, samaki):
    code, out, _ = samaki("--home", region.region.home(HOLDER), "--json")
    rows = json.loads(out)["refreshes"]
    assert code == 0
    assert [(r["pair"], r["generation"], r["state"]) for r in rows] == [("KH-TH", 1, "rest"), ("KH-VN", 1, "rest")]


def test_a_refresh_that_is_given_up_says_why_and_ends_with_1(region, samaki, monkeypatch):
    honest = part.reveal
    monkeypatch.setattr(part, "reveal", lambda p, place, to: honest(p if place.holder == HOLDER else part.draw(), place, to))
    code, out, _ = samaki("--pair", "KH-TH", "--url", "http://127.0.0.1:8001")
    assert code == 1
    assert out.startswith("KH-TH: given up, generation 0 stays in force. TH.holder revealed another part")


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        ([], 2, "--home or its --url"),
        (["--home", "/nowhere"], 3, "names no port"),
        (["--url", "http://127.0.0.1:8001", "--pair", "LA-TH"], 3, "no share of that pair"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(samaki, arguments, code, words):
    found, out, err = samaki(*arguments)
    assert (found, out) == (code, "")
    assert words in err


def test_an_operator_may_not(samaki):
    code, _, err = samaki("--url", "http://127.0.0.1:8001", staff="operator")
    assert (code, "key custodian" in err) == (3, True)


def test_a_holder_that_does_not_answer_is_named_as_one(samaki, monkeypatch):
    def refuse(_request):
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(
        client.httpx, "Client", lambda **given: CLIENT(transport=httpx.MockTransport(refuse), base_url=given["base_url"])
    )
    code, _, err = samaki("--url", "http://127.0.0.1:8001")
    assert code == 4
    assert "The key holder does not answer. Is --url its address" in err
