"""An official of KH files a false case, older than the true one, on a woman whom TH protects under `hold`, and waits.

Whole regions, with cover on. Run with the true case, with somebody else's in its place, and with none, everything at
his node, its pages and API, its database and log, his country's key holder, and everything that Kafka shows anyone are
equal in kind, number and size. (What the matcher alone sends him, without cover: test_false_case_at_the_matcher.)

Left over: the monthly totals are public, so with none in her place he could count one record more of TH's, of anybody.
"""

import json
import re
import shutil
import sqlite3
from functools import cache

import pytest
from markup import Tags
from regions import LiveRegion, person
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from events.linkage import TokensPublished
from events.person import Document, Name
from services.country import main
from services.country.settings import CountrySettings
from services.demo.region import COUNTRY_STAFF
from services.runtime.logs import silent
from services.runtime.loop import Pump

SHE = person("TRUE", x_consent_C9="refused")
ANOTHER = person(
    "TRUE", prs_FirstName="Nok", prs_SecondName="", prs_Birthdate="1969", prs_IdentityNumber="", x_consent_C9="refused"
)
WORLDS = {"she": SHE, "another": ANOTHER, "nobody": None}
FALSE = person("FALSE")
COMMON = person("COMMON", prs_FirstName="Chan", prs_SecondName="Sok", prs_IdentityNumber="N7209418")
"""Somebody whom both countries protect and tell of: notices come, whatever becomes of her."""
RULES = {"cover": True, "cover_evaluations": 10, "cover_submissions": 4, "outline_seconds": 300.0}
PATHS = (
    "/", "/cases", "/awaiting", "/matches", "/health", "/api/cases", "/api/awaiting", "/api/matches", "/api/status",
    "/api/evidence", "/cases/{case}", "/api/cases/{case}", "/matches/M-0", "/api/matches/M-0",
)


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    """A region in which nothing has happened yet."""
    region = LiveRegion(tmp_path_factory.mktemp("false") / "founded", ("KH", "TH"), **RULES)
    region.settle()
    region.tick()
    yield region
    region.close()


@pytest.fixture(scope="module")
def what_he_sees(founded, tmp_path_factory):
    """Let a world run its course, once; everything that he can get in it."""

    @cache
    def run(who: str, her_grant: str = "hold", false_grant: str = "tell", *, totals: bool = True):
        root = tmp_path_factory.mktemp("world") / "region"
        region = founded.copied(root)
        try:
            return Course(region).run(WORLDS[who], her_grant, false_grant, totals=totals)
        finally:
            region.close()
            shutil.rmtree(root)

    return run


class Course:
    """One world, in which all but the true case is the same."""

    def __init__(self, region: LiveRegion) -> None:
        self.region, self.logs = region, []
        node = region.nodes["KH"]
        step = node.step

        def logged() -> bool:
            with capture_logs() as lines:
                done = step()
            self.logs += lines
            return done

        node.step = logged

    def run(self, true_case, her_grant: str, false_grant: str, *, totals: bool):
        """totals: until the month's totals are published"""
        region = self.region
        region.publish("KH", COMMON)
        region.publish("TH", COMMON)
        region.publish("KH", FALSE, grant=false_grant)
        region.tick(5)
        if true_case:
            region.publish("TH", true_case, grant=her_grant)
        region.tick(5)
        self.fish(false_grant)
        region.tick(7)
        if totals:
            for days in (6, 1.5):
                region.sleep(days=days)
                region.tick(2)
        return {
            "matches": region.matches("KH"),
            "topics": self.topics(),
            "opened": self.opened(),
            "answers": self.answers(),
            "log": [(line["event"], line.get("count")) for line in self.logs],
            "node": rows(region.region.home("KH")),
            "holder": rows(region.region.home("KH.holder")),
        }

    def fish(self, false_grant: str) -> None:
        """He sets his grants anew, and corrects and publishes his case again, with the same document."""
        region, desk = self.region, self.region.nodes["KH"].desk
        case_id, focal, worker = region.case_id("KH", "FALSE"), region.act("KH", "focal"), region.act("KH", "worker")
        desk.set_grant(focal, case_id, "TH", "hold" if false_grant == "tell" else "tell", "review")
        desk.sign(region.act("KH", "deputy"), [(w.id, "tell") for w, _ in desk.awaiting(focal)])
        region.tick(2)
        desk.record_identifiers(
            worker, case_id, names=(Name(first="Anybody"),), birth_date="1991-04-23",
            documents=(Document(number="K7290415", issuer="LA"),), gender="Feminine", citizenships=frozenset({"LA"}),
        )
        desk.ask_publication(worker, case_id, ["TH"])
        region.approve("KH", "tell")

    # ---- what he gets

    def topics(self) -> list[tuple]:
        """What Kafka shows anyone of every topic: writer, numbers, times, sizes."""
        names = [t.name for t in self.region.charter.topics]
        return [
            (e.header.writer, name, e.header.partition, e.header.seq, e.header.sealed_at, len(e.wire))
            for name in names for e in self.region.envelopes(name)
        ]

    def opened(self) -> list:
        """What is addressed to him and his holder, or to all, opened."""
        mine = [t.name for t in self.region.charter.topics if t.reader in {"KH", "KH.holder", None}]
        return [(name, masked(body.model_dump_json())) for name in mine for body in self.region.bodies(name)]

    def answers(self) -> list[tuple]:
        """Every page and every answer of his node, to each of its staff."""
        settings = CountrySettings(home=self.region.region.home("KH"), charter=self.region.region.charter_file)
        node = self.region.nodes["KH"]
        client = TestClient(
            main.create(node, settings, silent(), Pump(node.step, silent())), base_url="http://127.0.0.1",
            follow_redirects=False,
        )
        case_id = str(self.region.case_id("KH", "FALSE"))
        asked = [(staff, path.format(case=case_id)) for staff in COUNTRY_STAFF for path in PATHS]
        out = []
        for staff, path in asked:
            headers = {"Authorization": f"Bearer {self.region.region.token('KH', staff)}"}
            answer = client.get(path, headers=headers)
            form = [tag for tag, _ in Tags(answer.text).seen] if path[:4] != "/api" else sorted(re.findall(r'"\w+":', answer.text))
            out.append((staff, path.replace(case_id, "#"), answer.status_code, len(answer.content), form))
        return out


def masked(text: str) -> str:
    """Without what is drawn at random: ids, keys, hashes, signatures, elements."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "#", text)
    text = re.sub(r"(\.seal\.\d{8})\.[0-9a-f]{8}", r"\1", text)
    text = re.sub(r"[0-9a-f]{32,}", lambda m: f"<{len(m[0])}>", text)
    text = re.sub(r"M-[0-9a-z]{12}", "M-#", text)
    return re.sub(r'"[A-Za-z0-9+/=]{40,}"', lambda m: f"<{len(m[0])}>", text)


def rows(home) -> dict[str, list]:
    """Every row of a party's databases: numbers and words as they are, ids masked, of all else the size."""
    out = {"ring": (home / "ring.json").stat().st_size}
    for file in sorted(home.glob("*.db")):
        with sqlite3.connect(file) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found = connection.execute(f'SELECT * FROM "{table}"').fetchall()
                out[f"{file.name} {table}"] = sorted((tuple(map(cell, row)) for row in found), key=repr)
        connection.close()
    return out


def cell(value: object) -> object:
    if isinstance(value, bytes):
        return len(value)
    return masked(value) if isinstance(value, str) else value


def differences(one: dict, other: dict) -> list[str]:
    """Which of the things that he sees differ."""
    return [name for name in one if one[name] != other[name]]


# ---- the attack


@pytest.mark.parametrize("false_grant", ["tell", "hold"])
def test_whether_she_is_there_changes_nothing_that_he_gets(what_he_sees, false_grant):
    there, other = (what_he_sees(who, false_grant=false_grant) for who in ("she", "another"))
    assert differences(there, other) == []
    assert there["matches"] == [("COMMON", "TH", "BOTH_TOLD", "document")]
    assert len(there["topics"]) > 400
    assert {status for _, _, status, _, _ in there["answers"]} == {200, 403, 404}


def test_between_two_totals_it_changes_nothing_whether_there_is_anybody(what_he_sees):
    there, nobody = (what_he_sees(who, totals=False) for who in ("she", "nobody"))
    assert differences(there, nobody) == []


def test_the_totals_count_records_and_say_not_whose(what_he_sees, founded):
    """What is left over, pinned: the public count of a country's records, once a month."""
    said = [text for topic, text in what_he_sees("she")["opened"] if topic == "keys.matcher" and "accepted" in text]
    accepted = [(item["country"], item["count"]) for text in said for item in json.loads(text)["items"]]
    slots = len(founded.charter.slots)
    assert accepted == [("KH", 3 * slots), ("TH", 2 * slots)]


def test_the_same_eyes_see_it_when_her_side_says_tell(what_he_sees):
    """So the tests above can fail."""
    held, told = what_he_sees("she"), what_he_sees("she", her_grant="tell")
    assert [reference for reference, *_ in told["matches"]] == ["COMMON", "FALSE"]
    assert {"matches", "opened", "answers", "node"} <= set(differences(held, told))


def test_what_he_does_leaves_a_trace_with_the_names_of_both_who_signed(founded, tmp_path):
    region = founded.copied(tmp_path / "trace")
    region.publish("KH", FALSE)
    region.tick(3)
    log = [event for _, event in region.nodes["KH"]._store.log(0, 1000)]
    published = [e for e in log if isinstance(e, TokensPublished)]
    assert [(e.by.staff, e.second_by.staff) for e in published] == [("KH-focal", "KH-worker")]
    region.close()
