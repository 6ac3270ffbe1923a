"""The pages say what is there: files, tests, settings, commands, fields, labels. What is renamed must be renamed here too."""

import re
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

import pytest
import typer

from events.charter import Charter
from events.messages import ITEMS_OF
from keys import labels
from services.cli import app
from services.country.settings import CountrySettings
from services.demo.region import furnish
from services.keyholder.settings import KeyHolderSettings
from services.matcher.settings import MatcherSettings

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md", "infra/runbook.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
FOLDERS = ("keys", "events", "matching", "services", "infra", "tests", "docs")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def quoted(page):
    """What stands between backticks, fenced blocks left out."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL))


def files(page):
    """(path, test or None) of every file of ours that a page names."""
    for name in quoted(page):
        path, _, test = name.partition("::")
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", path) and "/" in path and path.split("/")[0] in FOLDERS:
            yield path, test or None


def headings(page):
    """GitHub's anchors of a page's headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@every_page
def test_every_file_that_a_page_names_exists(page):
    missing = [path for path, _ in files(page) if not (ROOT / path).exists()]
    assert missing == []


@every_page
def test_every_test_that_a_page_names_exists(page):
    tests = [(path, test) for path, test in files(page) if test]
    missing = [f"{path}::{test}" for path, test in tests if f"def {test}(" not in text(path)]
    assert missing == []


@every_page
def test_every_link_leads_to_a_file_and_a_heading(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), target
        assert not anchor or anchor in headings(other), target


def test_every_row_of_the_threat_model_names_its_test_or_says_not_yet():
    rows = [line for line in text("docs/threat-model.md").splitlines() if line.startswith("| ")]
    table = [row for row in rows if row.count("|") == 6][1:]
    assert len(table) > 20
    assert [row for row in table if "::test_" not in row and "not yet" not in row] == []


def test_the_readme_lists_exactly_the_settings_there_are():
    kinds = (CountrySettings, KeyHolderSettings, MatcherSettings)
    there = {f"SAMAKI_{name.upper()}" for kind in kinds for name in kind.model_fields}
    listed = re.findall(r"^\| `(SAMAKI_\w+)` \|", text("README.md"), flags=re.MULTILINE)
    assert sorted(listed) == sorted(there)


def test_the_protocol_page_lists_exactly_the_fields_of_the_charter_with_their_defaults():
    part = text("docs/protocol.md").split("## The charter")[1].split("\n## ")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\|", part, flags=re.MULTILINE))
    shown = {"True": "true", "()": "none", "None": "none"}
    there = {
        name: "" if field.is_required() else shown.get(str(field.default), str(field.default).removesuffix(".0"))
        for name, field in Charter.model_fields.items()
    }
    assert listed == there


def test_the_protocol_page_lists_exactly_what_each_topic_carries():
    rows = re.findall(r"^\| `(\w+)\.<\w+>[^|]*\|[^|]*\|[^|]*\| ([^|]*) \|", text("docs/protocol.md"), flags=re.MULTILINE)
    listed = {family: set(re.findall(r"`(\w+)`", items)) for family, items in rows}
    assert listed == {
        family: {item.model_fields["kind"].default for item in items} for family, items in ITEMS_OF.items()
    }


def test_the_labels_that_the_protocol_page_writes_are_those_that_are_hashed():
    there = {value.decode() for name, value in vars(labels).items() if name.isupper() and isinstance(value, bytes)}
    written = set(re.findall(r"SAMAKI-v1 [a-z ]+", text("docs/protocol.md")))
    assert written <= there
    hashed = (labels.DIGEST, labels.CONTEXT, labels.SEED, labels.WEIGHT, labels.CHALLENGE, labels.KNOWLEDGE)
    assert {label.decode() for label in (*hashed, labels.ANSWER, labels.REFUSAL, labels.INDEX, labels.SEAL_TO)} <= written


def commands(page):
    """Every command line of a page, quoted or in a block, without its prompt."""
    lines = page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    blocks = [line.removeprefix("$ ") for line in lines]
    return [line for line in (*blocks, *quoted(page)) if re.match(r"(samaki|make) [a-z]", line)]


@every_page
def test_every_make_target_that_a_page_names_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), flags=re.MULTILINE))
    named = {line.split()[1] for line in commands(page) if line.startswith("make ")}
    assert named <= targets


@every_page
def test_every_command_and_option_that_a_page_names_exists(page):
    for line in commands(page):
        handed_on = re.match(r'make (\w+) ARGS="([^"]*)"', line)
        if line.startswith("samaki "):
            check_command(line.replace("...", "").split()[1:])
        elif handed_on:
            check_command([handed_on[1], *handed_on[2].split()])


def test_every_option_that_the_readme_names_alone_is_one_of_some_command():
    def options(command):
        own = {option for param in command.params for option in param.opts}
        return own.union(*map(options, getattr(command, "commands", {}).values()))

    scripts = set(re.findall(r'"(--[a-z]+)"', text("infra/acl/acls.py") + text("infra/found.py")))
    named = {name.split()[0] for name in quoted(ROOT / "README.md") if name.startswith("--")}
    assert len(named) > 5
    assert named <= options(typer.main.get_command(app)) | scripts


@every_page
def test_every_address_that_a_page_says_to_ask_is_served(page):
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "services").rglob("*.py")]
    served = [found for source in sources for found in re.findall(r'@app\.(get|post)\("([^"]+)"', source)]
    assert len(served) > 40
    patterns = [rf"{method.upper()} {re.sub(r'{[a-z_]+}', '[^/ ]+', path)}" for method, path in served]
    asked = [name for name in quoted(page) if re.match("(GET|POST) /", name)]
    assert [name for name in asked if not any(re.fullmatch(pattern, name) for pattern in patterns)] == []


def check_command(words):
    command = typer.main.get_command(app)
    for word in takewhile(lambda word: re.fullmatch(r"[a-z][a-z-]*", word), list(words)):
        if not hasattr(command, "commands"):
            break
        assert word in command.commands, words
        command = command.commands[word]
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)} | {"--help"}
    used = {word for word in words if word.startswith("--")}
    assert used <= known, words


def test_the_runbooks_python_runs(tmp_path, capsys):
    blocks = re.findall(r"```python\n(.*?)```", text("infra/runbook.md"), flags=re.DOTALL)
    furnish(tmp_path / "KH", "KH", datetime(2026, 3, 1, tzinfo=UTC))
    for block in (*blocks, blocks[-1].replace("KH-focal-1", "KH-focal-2")):
        exec(compile(block.replace("/srv/samaki", str(tmp_path)), "runbook", "exec"), {})  # noqa: S102  our own page
    token, _ = capsys.readouterr().out.splitlines()
    assert token not in (tmp_path / "KH" / "staff.json").read_text()


@every_page
def test_a_page_speaks_only_of_the_project(page):
    """No path of the machine that it was written on, and nothing left to do."""
    content = page.read_text(encoding="utf-8")
    absolute = set(re.findall(r"(?<![\w.:/<>~-])/[a-z]\w+(?:/[\w.-]+)*", content))
    served = r"/(api|cases|awaiting|matches|quotas|keys|outlines|queries|operation|health|metrics|sign-in)(/.*)?"
    assert [path for path in absolute if not re.fullmatch(rf"{served}|/srv/samaki(/.*)?", path)] == []
    assert re.findall(r"TODO|FIXME|XXX|\bissue #?\d", content) == []
