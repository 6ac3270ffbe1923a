"""What the matcher shows to whom: nothing of a match that is not known to both, and of those no small number."""

import json
import re

import pytest
from starlette.testclient import TestClient

from events.base import Role
from events.messages import MatchEnded, Outline
from services.matcher import main
from services.matcher.settings import MatcherSettings
from services.runtime.logs import silent
from services.runtime.loop import Pump
from services.runtime.staff import Entry, Register, digest_of

STAFF = {"ana": Role.ANALYST, "rex": Role.SECURITY_REVIEWER, "opal": Role.NODE_OPERATOR}
API = ("/api/matches", "/api/outlines", "/api/queries", "/api/status")
PAGES = ("/matches", "/outlines", "/queries", "/operation")


@pytest.fixture
def batch(new_region, tmp_path):
    """A region whose batches last an hour and whose cells are shown from 3 on."""
    return new_region(
        tmp_path, analyst_batch_seconds=3600, small_cell=3, intake_per_day=10_000, slots=["DOC", "FULL", "BYX"]
    )


@pytest.fixture
def world(batch, fake_country, open_matcher, pass_ticks):
    kh, th, matcher = fake_country(batch, "KH"), fake_country(batch, "TH"), open_matcher(batch)

    def run(ticks: int = 1) -> None:
        pass_ticks(batch, kh, th, matcher, ticks=ticks)

    run(2)
    return kh, th, matcher, run


@pytest.fixture
def client_of(batch):
    def make(matcher) -> TestClient:
        entries = [
            Entry(staff=staff, organisation="secretariat", roles=(role,), token_sha256=digest_of(staff))
            for staff, role in STAFF.items()
        ]
        Register(entries).save(batch.folder / "staff.json")
        settings = MatcherSettings(home=batch.folder, charter=batch.folder / "charter.json")
        app = main.create(matcher, settings, silent(), Pump(matcher.step, silent()))
        return TestClient(app, base_url="http://127.0.0.1:8001", follow_redirects=False)

    return make


def of(staff: str, **more) -> dict[str, str]:
    return {"Authorization": f"Bearer {staff}", **more}


def met(kh, th, n: int, grants: str = "tell tell", **same) -> None:
    """So many people in both countries."""
    name = json.dumps([grants, same])
    for i in range(n):
        for country, grant in zip((kh, th), grants.split(), strict=True):
            country.submits(f"{name}{i}", grant, **{k: f"{v}{name}{i}" for k, v in (same or {"doc": ""}).items()})


def shown(client, path: str = "/api/matches") -> list:
    answer = client.get(path, headers=of("ana"))
    assert answer.status_code == 200
    return [tuple(cell.values()) for cell in answer.json()["cells"]]


def test_counts_of_what_both_know_by_pair_band_and_month_once_the_batch_is_over(batch, world, client_of):
    kh, th, matcher, ticks = world
    client = client_of(matcher)
    met(kh, th, 4)
    met(kh, th, 3, full="")
    met(kh, th, 5, full="", byx="")
    met(kh, th, 9, "hold tell")
    met(kh, th, 2, "hold hold")
    ticks(3)
    assert shown(client) == []
    batch.clock.advance(3600)
    assert shown(client) == [
        ("KH-TH", "document", "2026-03", 4),
        ("KH-TH", "possible", "2026-03", 3),
        ("KH-TH", "strong", "2026-03", 5),
    ]
    assert shown(client, "/api/matches?band=strong") == [("KH-TH", "strong", "2026-03", 5)]
    assert shown(client, "/api/matches?pair=KH-TH&month=2026-04") == []


def test_a_match_that_is_over_and_told_again_counts_once(batch, world, client_of):
    kh, th, matcher, ticks = world
    met(kh, th, 3)
    ticks(3)
    kh.tells_matcher(*(MatchEnded(match_ref=n.match_ref, handle=n.handle) for n in kh.notices))
    ticks(2)
    met(kh, th, 3)  # the same rows again
    ticks(3)
    assert kh.told() == ["both"] * 3 + ["over"] * 3 + ["both"] * 3
    batch.clock.advance(3600)
    assert shown(client_of(matcher)) == [("KH-TH", "document", "2026-03", 3)]


def every_answer(client) -> list[str]:
    """All that an analyst can get, whatever is asked."""
    filters = [
        f"pair={p}&band={b}&month={m}"
        for p in ("", "KH-TH")
        for b in ("", "document", "strong", "possible")
        for m in ("", "2026-03")
    ]
    asked = [f"{path}?{f}" for path in ("/api/matches", "/matches") for f in filters]
    return [client.get(path, headers=of("ana")).text for path in asked]


@pytest.mark.parametrize("grants", ["tell tell", "hold tell", "tell hold", "hold hold"])
def test_one_match_more_in_a_small_cell_changes_no_answer_that_an_analyst_can_get(
    new_region, tmp_path, fake_country, open_matcher, pass_ticks, client_of, batch, grants
):
    """The differencing attack, against API, page and picture: two worlds, apart by one match of a small cell."""
    answers = []
    for extra in (0, 1):
        folder = tmp_path / str(extra)
        folder.mkdir()
        region = new_region(folder, analyst_batch_seconds=3600, small_cell=3, slots=["DOC", "FULL", "BYX"])
        kh, th, matcher = fake_country(region, "KH"), fake_country(region, "TH"), open_matcher(region)
        pass_ticks(region, kh, th, matcher, ticks=2)
        met(kh, th, 5, full="", byx="")
        met(kh, th, 1)
        met(kh, th, extra, grants, doc="more")
        pass_ticks(region, kh, th, matcher, ticks=3)
        region.clock.advance(3600)
        answers.append(every_answer(client_of(matcher)))
    assert answers[0] == answers[1]
    assert any("5" in answer for answer in answers[0])


def test_the_picture_shows_the_sum_of_what_is_shown(batch, world, client_of):
    kh, th, matcher, ticks = world
    met(kh, th, 4)
    met(kh, th, 5, full="", byx="")
    met(kh, th, 2, full="")
    ticks(3)
    batch.clock.advance(3600)
    page = client_of(matcher).get("/matches", headers=of("ana", Accept="text/html")).text
    assert '<svg class="chart"' in page
    assert ">9<" in page
    assert ">11<" not in page


def test_a_pair_with_nothing_to_show_says_so_in_the_picture(world, client_of):
    _, _, matcher, _ = world
    page = client_of(matcher).get("/matches", headers=of("ana", Accept="text/html")).text
    assert "&lt; 3" in page
    assert "Nothing that may be shown." in page


def test_each_question_is_on_record_before_its_answer_for_the_security_reviewer(world, client_of, monkeypatch):
    _, _, matcher, _ = world
    client = client_of(matcher)
    client.get("/api/matches?pair=KH-TH&band=strong", headers=of("ana"))
    client.get("/outlines?month=2026-03", headers=of("ana"))

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr("services.matcher.statistics.told_cells", fail)
    assert client.get("/api/matches", headers=of("ana")).status_code == 500
    asked = client.get("/api/queries", headers=of("rex")).json()
    assert [(q["officer"], q["role"], q["what"], q["filters"]) for q in asked] == [
        ("ana", "analyst", "matches", {}),
        ("ana", "analyst", "outlines", {"month": "2026-03"}),
        ("ana", "analyst", "matches", {"pair": "KH-TH", "band": "strong"}),
    ]
    page = client.get("/queries", headers=of("rex", Accept="text/html")).text
    assert "pair KH-TH, band strong" in page


@pytest.mark.parametrize("path", [*API, *PAGES])
def test_nobody_sees_counts_or_questions_without_signing_in(world, client_of, path):
    client = client_of(world[2])
    assert client.get(path).status_code == 401
    assert client.get(path, headers={"Accept": "text/html"}).headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    "staff, path",
    [(s, p) for s, ps in {
        "ana": ("/api/queries", "/api/status", "/queries", "/operation"),
        "rex": ("/api/matches", "/api/outlines", "/matches", "/outlines"),
        "opal": ("/api/matches", "/api/outlines", "/api/queries", "/matches", "/outlines", "/queries"),
    }.items() for p in ps],
)  # fmt: skip
def test_each_role_sees_its_own_part_only(world, client_of, staff, path):
    assert client_of(world[2]).get(path, headers=of(staff)).status_code == 403


@pytest.mark.parametrize("path", ["/", *PAGES])
def test_every_page_opens_for_whom_it_is(world, client_of, path):
    staff = {"/matches": "ana", "/outlines": "ana", "/queries": "rex", "/operation": "opal", "/": "ana"}[path]
    answer = client_of(world[2]).get(path, headers=of(staff, Accept="text/html"))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/matches?pair=KH-VN", "/api/matches?pair=x", "/api/matches?band=sure", "/api/matches?month=2026-13",
        "/api/outlines?event=MatchTold", "/api/outlines?month=March", "/matches?month=<b>",
    ],
)
def test_a_filter_that_is_none_is_refused_and_not_repeated(world, client_of, path):
    answer = client_of(world[2]).get(path, headers=of("ana"))
    assert answer.status_code == 422
    assert path.rpartition("=")[2] not in answer.text.split()


def test_outlines_are_counted_by_kind_and_month(batch, world, client_of):
    kh, th, matcher, ticks = world
    for country, n in ((kh, 2), (th, 2)):
        country.says(
            f"cases.{country.me}",
            *(Outline(pseudonym=f"{i:032x}", event=e, fields={}) for i in range(n) for e in ("CaseReported",)),
        )
    kh.says("cases.KH", Outline(pseudonym="0" * 32, event="CaseClosed", fields={}))
    ticks(1)
    batch.clock.advance(3600)
    client = client_of(matcher)
    assert shown(client, "/api/outlines") == [("CaseReported", "2026-03", 4)]
    assert shown(client, "/api/outlines?event=CaseClosed") == []


def test_the_first_page_says_to_anybody_how_far_it_has_read(batch, world, client_of):
    *_, matcher, ticks = world
    ticks(1)
    page = client_of(matcher).get("/").text
    assert "The matcher is running" in page
    assert "Behind in reading" in page


@pytest.mark.parametrize("staff, sees", [("opal", True), ("rex", True), ("ana", False)])
def test_the_first_page_shows_the_last_envelopes_to_those_who_watch_it(batch, world, client_of, staff, sees):
    *_, matcher, ticks = world
    ticks(2)
    page = client_of(matcher).get("/", headers=of(staff)).text
    assert ("Last envelopes" in page) == sees
    assert sees == bool(re.search(r">notices\.KH/0<.*?>written<.*?class=\"num\">\d+<.*? UTC</time>", page))
    assert "Last envelopes" not in client_of(matcher).get("/").text


@pytest.mark.parametrize("grants", ["tell hold", "hold hold"])
def test_neither_first_page_nor_operation_nor_health_shows_that_there_is_a_match(
    new_region, tmp_path, fake_country, open_matcher, pass_ticks, client_of, batch, grants
):
    seen = []
    for same in ("one", "another"):
        folder = tmp_path / same
        folder.mkdir()
        region = new_region(folder)
        kh, th, matcher = fake_country(region, "KH"), fake_country(region, "TH"), open_matcher(region)
        pass_ticks(region, kh, th, matcher, ticks=2)
        kh.submits("k", grants.split()[0], doc="one")
        th.submits("t", grants.split()[1], doc=same)
        pass_ticks(region, kh, th, matcher, ticks=4)
        client = client_of(matcher)
        paths = [("/", "ana"), *((path, "opal") for path in ("/", "/operation", "/api/status", "/health", "/metrics"))]
        seen.append([client.get(path, headers=of(staff)).text for path, staff in paths])
    assert seen[0] == seen[1]
    assert "notices.TH/0" in seen[0][1]
