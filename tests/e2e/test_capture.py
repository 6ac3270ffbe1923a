"""What left a country, kept by `--capture`: whether it is all there, and whether it tells who anybody is.

Searched twice: by services.demo.leaks, and by a plain search of this file's own that shares nothing with it. The sealed
bodies are opened too, with the keys of a region that still runs.
"""

import base64
import hashlib
import json
import shutil
import signal
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from commands import started

from events.envelope import unpack
from events.stream import Delivered
from events.succession import load_charter
from services.demo import capture
from services.demo.leaks import Needles
from services.demo.people import invent
from services.demo.region import Region

pytestmark = pytest.mark.long
COUNTRIES = ("KH", "LA", "TH")
PEOPLE, OVERLAP, SEED = 40, 0.2, 11
COLUMNS = (
    "prs_FirstName", "prs_SecondName", "prs_Birthdate", "prs_IdentityNumber", "x_LatinFirstName", "x_LatinSecondName",
)  # fmt: skip


@dataclass
class Captured:
    """What one demo kept, with what only its world and its keys can say of it."""

    folder: Path
    result: dict
    people: list[dict[str, str]]
    opened: list[tuple[str, bytes]]

    @property
    def heaps(self) -> dict[str, bytes]:
        return heaps(self.folder)


@pytest.fixture(scope="module")
def captured(tmp_path_factory) -> Captured:
    folder = tmp_path_factory.mktemp("captured")
    wishes = {"countries": ",".join(COUNTRIES), "people": PEOPLE, "overlap": OVERLAP, "seed": SEED, "capture": "kept"}
    options = [word for name, value in wishes.items() for word in (f"--{name}", value)]
    with started("demo", "--json", *options, folder=folder) as demo:
        demo.wait_for("Everything goes on running until Ctrl-C", 240)
        result = next(json.loads(line) for line in demo.said.splitlines() if line.startswith("{"))
        root = demo.region()
        region = Region(root, load_charter(root / "charter.json")[0])
        opened = list(capture.opened_bodies(region, records(folder / "kept")))
        demo.signal(signal.SIGINT)
        assert demo.code() == 0
    world = invent(COUNTRIES, PEOPLE, OVERLAP, SEED)
    people = [dict(row.values) for rows in world.rows.values() for row in rows]
    return Captured(folder / "kept", result, people, opened)


def heaps(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def records(folder: Path) -> list[Delivered]:
    """Every record of every topic: each stands after its length in four bytes."""
    found = []
    for path in sorted((folder / "topics").glob("*.bin")):
        topic, _, partition = path.stem.rpartition("-")
        data, at = path.read_bytes(), 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            found.append(Delivered(topic, int(partition), at, data[at + 4 : at + 4 + length]))
            at += 4 + length
    return found


def plainly_found(people: list[dict[str, str]], data: bytes) -> set[str]:
    """Identifiers of eight letters or more that stand in these bytes, as written, in other forms, or hashed."""
    found = set()
    for person in people:
        for column in COLUMNS:
            value = person.get(column, "")
            if len(value.encode()) >= 8 and any(form in data for form in forms(value)):
                found.add(value)
    return found


def forms(value: str) -> list[bytes]:
    clear = {value.encode(), value.lower().encode(), value.upper().encode()}
    written = {base64.b64encode(raw).rstrip(b"=") for raw in clear} | {raw.hex().encode() for raw in clear}
    digests = {hashlib.sha256(raw).digest() for raw in clear} | {hashlib.blake2b(raw).digest() for raw in clear}
    return [*clear, *written, *digests, *(digest.hex().encode() for digest in digests)]


def test_all_that_left_a_country_is_kept(captured):
    charter, _ = load_charter(captured.folder / "charter.json")
    kept = captured.heaps
    assert {r.topic for r in records(captured.folder)} == {topic.name for topic in charter.topics}
    assert {name for name in kept if name.startswith("logs/")} == {
        f"logs/{name}.log" for name in ("broker", *(party.id for party in charter.parties))
    }
    with sqlite3.connect(captured.folder / "matcher" / "store.db") as database:
        assert database.execute("SELECT COUNT(*) FROM handles").fetchone()[0] == captured.result["tokens"] / 5
    database.close()


def test_the_records_are_the_signed_envelopes_without_a_gap(captured):
    for topic in {record.topic for record in records(captured.folder)}:
        headers = [unpack(r.value).header for r in records(captured.folder) if r.topic == topic]
        for partition in {header.partition for header in headers}:
            numbers = [header.seq for header in headers if header.partition == partition]
            assert numbers == list(range(len(numbers)))


def test_neither_search_finds_anybody_in_what_left(captured):
    assert captured.result["wire_leaks"] == 0
    needles = Needles.of_people(captured.people)
    for where, data in captured.heaps.items():
        assert needles.find(where, data) == []
        assert plainly_found(captured.people, data) == set()


def test_neither_search_finds_anybody_in_the_sealed_bodies_once_opened(captured):
    needles = Needles.of_people(captured.people)
    for topic, body in captured.opened:
        assert needles.find(topic, body) == []
        assert plainly_found(captured.people, body) == set()


def test_the_bodies_are_really_opened_and_were_really_sealed(captured):
    told = [body for topic, body in captured.opened if topic.startswith("linkage.")]
    handles = {item["handle"] for body in told for item in json.loads(body)["items"] if "indices" in item}
    assert len(handles) == captured.result["tokens"] / 5
    raw = b"".join(data for name, data in captured.heaps.items() if name.startswith("topics/"))
    assert not any(handle.encode() in raw or bytes.fromhex(handle) in raw for handle in handles)
    sealed = [record for record in records(captured.folder) if unpack(record.value).header.sealing_key]
    assert len(captured.opened) == len(sealed)


@pytest.mark.parametrize("form", ["clear", "base64", "hex", "sha256"])
@pytest.mark.parametrize("heap", ["topics/linkage.LA-0.bin", "matcher/store.db", "logs/matcher.log"])
def test_a_planted_identifier_is_found_by_both_searches(captured, tmp_path, heap, form):
    name = max((p["x_LatinSecondName"] for p in captured.people), key=len)
    raw = name.encode()
    planted = {
        "clear": raw, "base64": base64.b64encode(raw), "hex": raw.hex().encode(), "sha256": hashlib.sha256(raw).digest(),
    }[form]  # fmt: skip
    shutil.copytree(captured.folder, tmp_path / "copy")
    path = tmp_path / "copy" / heap
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b" " + planted + b" " + data[len(data) // 2 :])
    needles = Needles.of_people(captured.people)
    found = {where for where, data in heaps(tmp_path / "copy").items() if needles.find(where, data)}
    assert found == {heap}
    assert name in plainly_found(captured.people, path.read_bytes())
