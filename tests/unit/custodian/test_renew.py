"""`samaki keys renew`: asks the own key holder, shows each step, and ends when the former shares are gone."""

import json
from contextlib import ExitStack

import pytest
from custodians import HOLDER, at_holder, command, patient
from regions import people, regions_in

URL = ("--url", "http://127.0.0.1:8001")


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("custodian")) as make:
        region = make("KH", "TH", "VN")
        region.publish("KH", *people(2))
        region.tick(2)
        yield region


@pytest.fixture
def region(founded, tmp_path):
    with ExitStack() as made:
        yield made.enter_context(founded.copied(tmp_path / "region"))


@pytest.fixture
def samaki(region, monkeypatch, capsys):
    """Run the command as `staff`; at each pause of it a tick passes, and other custodians do as they do."""
    given, asking = command(region, monkeypatch, capsys, "keys", "renew"), []

    def ask(number):
        for country in asking if number == 2 else ():
            region.holders[country].renewals.ask(None, "compromise", "custodian")

    at_holder(region, monkeypatch, pause=patient(region, ask))

    def run(*arguments, staff="custodian", others=()):
        asking[:] = others
        return given(*arguments, staff=staff)

    return run


def test_one_pair_is_renewed_and_the_command_ends_when_the_former_shares_are_gone(region, samaki):
    code, out, err = samaki("--pair", "KH-TH", "--reason", "compromise", *URL, others=["TH"])
    assert code == 0
    assert out.startswith("KH-TH: epoch 2 is in force; the former shares are destroyed.")
    assert "KH-TH" in err
    shares = region.holders["KH"].shares
    assert (shares.epochs("KH-TH"), shares.epochs("KH-VN")) == ({2}, {1})


def test_all_pairs_of_the_holder_in_the_home_folder_as_json(region, samaki):
    code, out, _ = samaki("--home", region.region.home(HOLDER), "--json", others=["TH", "VN"])
    rows = json.loads(out)["renewals"]
    assert code == 0
    assert [(r["pair"], r["epoch"], r["state"], r["done"]) for r in rows] == [("KH-TH", 2, "rest", 3), ("KH-VN", 2, "rest", 3)]
    assert rows[0]["before"] == rows[0]["evaluated"] == 2 * len(region.charter.slots)


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        ([], 2, "--home or its --url"),
        ([*URL, "--pair", "LA-TH"], 3, "no share of that pair"),
        ([*URL, "--reason", "boredom"], 3, "reason"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(samaki, arguments, code, words):
    found, out, err = samaki(*arguments)
    assert (found, out) == (code, "")
    assert words in err


def test_an_operator_may_not(region, samaki):
    code, _, err = samaki(*URL, staff="operator")
    assert (code, "key custodian" in err) == (3, True)
    assert {one.state for one in region.holders["KH"].renewals.progress()} == {"rest"}


def test_who_asked_and_why_is_kept_and_the_reason_is_public(region, samaki):
    samaki("--pair", "KH-TH", "--reason", "compromise", *URL, others=["TH"])
    with region.databases[HOLDER].reading() as tx:
        assert tx.execute("SELECT pair, epoch, reason, staff FROM holder_renewals") == [
            ("KH-TH", 2, "compromise", f"{HOLDER}-custodian")
        ]
    with region.databases["TH"].reading() as tx:
        said = tx.execute("SELECT reason FROM directory_shares WHERE pair = 'KH-TH' AND epoch = 2 AND holder = ?", (HOLDER,))
    assert said == [("compromise",)]
