"""The demo's result: what its names mean, and that the README shows what the same people give."""

import io
import json
import re
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from services.cli import app
from services.demo.people import invent
from services.demo.report import as_json, show
from services.demo.run import Outcome
from services.demo.truth import score

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def world():
    """The people whom `make demo` invents, by the defaults of the command."""
    demo = typer.main.get_command(app).commands["demo"]
    given = {param.name: param.default for param in demo.params}
    assert (given["people"], given["seed"], given["overlap"]) == (300, 7, 0.05)
    return invent(tuple(given["countries"].split(",")), given["people"], given["overlap"], given["seed"])


def outcome(world, told):
    return Outcome(
        world, score(world, told), tokens=1, cases=2, told_alone=3, mended=0, wire_leaks=0, broker="embedded",
        seconds={"start": 1.5},
    )  # fmt: skip


@pytest.fixture(scope="module")
def block():
    """The README's output, as a table: name -> numbers."""
    shown = README.split("<!-- demo-output")[1].split("<!-- end of demo-output -->")[0]
    rows = re.findall(r"^│ (.+?) +│ (.+?) +│$", shown, flags=re.MULTILINE)
    return {name: [float(n.replace(",", "")) for n in re.findall(r"[\d,.]*\d", numbers)] for name, numbers in rows}


def test_true_pairs_are_all_of_them_and_recall_is_of_those_that_both_sides_allow_and_tell(world):
    agreed = score(world, world.truth)
    some = world.truth[: len(world.truth) // 2]
    result = json.loads(json.dumps(as_json(outcome(world, some))))
    assert result["true_pairs"] == len(world.truth) > result["agreed_pairs"] == agreed.agreed_pairs
    found = result["document_pairs_found"] + result["other_pairs_found"]
    assert 0 < found < len(some)
    assert result["recall"] == found / result["agreed_pairs"]
    assert result["precision"] == 1.0


def test_the_readme_shows_the_pairs_that_these_people_have(world, block):
    result = score(world, [])
    assert block["True pairs, of which both sides allow and tell"] == [result.true_pairs, result.agreed_pairs]
    assert (block["... with a common document, found"][0], block["... without one, found"][0]) == (
        result.document_pairs, result.other_pairs,
    )  # fmt: skip
    assert (result.true_pairs, result.agreed_pairs, result.document_pairs, result.other_pairs) == (225, 184, 58, 126)
    assert block["People, cases, tokens"][0] == result.people == 1800
    assert "make demo" in README.split("<!-- demo-output")[1].splitlines()[2]


def test_the_readmes_shares_are_those_of_its_own_counts(block):
    told, documents, others = (
        block[name] for name in ("Told to both sides", "... with a common document, found", "... without one, found")
    )
    precision, recall = block["Precision, recall"]
    right = documents[1] + others[1]
    assert precision == round(right / told[0], 3)
    assert recall == round(right / block["True pairs, of which both sides allow and tell"][1], 3)
    assert f"Recall without a document is {others[1]:.0f} of {others[0]:.0f}" in README.replace("\n", " ")


def test_the_rows_of_the_readme_are_those_that_the_demo_prints(world, block):
    console = Console(file=io.StringIO(), width=100)
    show(console, outcome(world, world.truth), {"KH": 80.0})
    printed = re.findall(r"^│ (.+?) +│", console.file.getvalue(), flags=re.MULTILINE)
    assert printed == list(block)


def test_the_help_and_the_readme_say_what_recall_is_of():
    said = CliRunner().invoke(app, ["demo", "--help"], terminal_width=120).output
    assert "Recall is of the agreed_pairs" in re.sub(r"\W*\n\W*", " ", said)
    assert "`recall` is the share of `agreed_pairs`" in README.replace("\n", " ")
