"""The node's pages, as a browser gets them: signed in by form, acting by form, without a script."""

import re
from html import unescape

import pytest
from markup import Tags
from regions import person
from starlette.testclient import TestClient

from services.country import forms, pages
from services.country.publications import WHY

HOME = "http://127.0.0.1"
OURS = {"Origin": HOME, "Accept": "text/html"}


class Browser:
    """One member of staff, signed in."""

    def __init__(self, app, token: str | None = None) -> None:
        self.client = TestClient(app, base_url=HOME, headers=OURS, follow_redirects=False)
        if token:
            answer = self.client.post("/sign-in", data={"token": token})
            assert (answer.status_code, answer.headers["location"]) == (303, "/")

    def page(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"].startswith("text/html")
        check(answer.text)
        return answer.text

    def send(self, path: str, **fields: str):
        return self.client.post(path, data=fields)


def check(page: str) -> None:
    """Whole, without scripts, and of one origin."""
    tags = Tags(page)
    assert tags.open == []
    for tag, attributes in tags.seen:
        assert tag not in {"script", "style"}
        assert not any(name == "style" or name.startswith("on") for name in attributes)
        for name in ("src", "href", "action"):
            assert attributes.get(name, "/").startswith(("/", "#"))


@pytest.fixture
def browser(region, app_of):
    """Staff of KH, each in a browser of their own."""

    def make(staff: str | None = None) -> Browser:
        return Browser(app_of(region, "KH"), region.region.token("KH", staff) if staff else None)

    return make


def request_ids(page: str) -> list[str]:
    return re.findall(r'name="request_id" value="([0-9a-f-]{36})"', page)


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


# ---- the home page


def test_anyone_sees_that_the_node_is_alive_and_nothing_of_its_work(region, browser):
    region.publish("KH", person("A"))
    region.tick(2)
    page = browser().page("/")
    assert "The node is running" in page
    assert "Cambodia" in page
    assert "What it has done" not in page
    assert "Cases" not in text_of(page.split("<main", 1)[-1])


def test_an_operator_sees_what_the_node_has_done_and_what_it_waits_for(region, browser):
    region.kill("TH.holder")
    region.publish("KH", person("A"))
    region.tick(2)
    text = text_of(browser("operator").page("/"))
    assert "What it has done" in text
    assert "KH-TH: TH.holder has not answered since" in text


def test_an_operator_sees_the_last_envelopes_that_were_read_and_written_the_newest_first(region, browser):
    region.publish("KH", person("A"))
    region.tick(2)
    page = browser("operator").page("/")
    table = page.split("<caption>Last envelopes</caption>")[1].split("</table>")[0]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.split("</tr>")[1:-1]]
    assert 3 < len(rows) <= 10
    assert {way for _, way, *_ in rows} == {"read", "written"}
    times = [re.search(r'datetime="([^"]+)"', time)[1] for *_, time in rows]
    assert times == sorted(times, reverse=True)
    assert all(time.endswith("+00:00") for time in times)


def test_a_case_worker_sees_no_operators_figures(browser):
    assert "Last envelopes" not in browser("worker").page("/") + browser().page("/")
    assert "What it has done" not in browser("worker").page("/")


def test_what_is_missing_of_a_stream_is_shown_to_anyone(region, browser):
    region.kill("KH")
    region.tick()
    region.stream._logs["notices.KH", 0].pop()
    region.tick()
    region.start("KH")
    region.nodes["KH"].step()
    assert "notices.KH/0 has a gap; it has been asked for again." in browser().page("/")
    region.tick(2)
    assert "has a gap" not in browser().page("/")


# ---- who sees which page


@pytest.mark.parametrize("path", ["/cases", "/awaiting", "/matches"])
def test_whoever_is_not_signed_in_is_sent_to_the_form(browser, path):
    answer = browser().client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


@pytest.mark.parametrize(
    "staff, paths", [("worker", ["/awaiting", "/matches"]), ("focal", ["/cases"]), ("operator", ["/cases", "/matches"])]
)
def test_a_page_of_another_role_is_refused_in_words(browser, staff, paths):
    for path in paths:
        assert "This needs the role" in browser(staff).page(path, 403)


def test_an_error_page_shows_who_is_signed_in_and_how_to_sign_out(browser):
    worker = browser("worker")
    refused = [
        worker.page("/matches", 403),
        worker.page("/nowhere", 404),
        worker.page("/cases/1", 422),
        worker.client.post("/awaiting", headers={"Origin": "http://evil.example"}).text,
        worker.client.post("/awaiting", headers={"Content-Length": "x"}).text,
    ]
    for page in refused:
        assert 'action="/sign-out"' in page, text_of(page)
        assert "KH-worker case worker, welfare-office" in text_of(page)
    assert 'action="/sign-out"' not in browser().page("/nowhere", 404)


def test_a_form_from_another_site_does_nothing(region, browser):
    region.import_rows("KH", [person("A")])
    focal = browser("focal")
    (request, _) = request_ids(focal.page("/awaiting"))
    for origin in ("http://evil.example", "null"):
        answer = focal.client.post("/awaiting", data={"request_id": request, "answer": "tell"}, headers={"Origin": origin})
        assert answer.status_code == 403
    assert len(request_ids(focal.page("/awaiting"))) == 2


# ---- cases


def test_a_case_worker_reads_her_case_and_why_there_are_no_tokens(region, browser):
    region.import_rows("KH", [person("A", x_consent_C4="TH", x_LatinFirstName="Som")])
    worker = browser("worker")
    page = worker.page("/cases")
    case_id = str(region.case_id("KH", "A"))
    assert f'href="/cases/{case_id}"' in page
    assert "Somsak" not in page
    text = text_of(worker.page(f"/cases/{case_id}"))
    assert "Somsak Vongphachan" in text
    assert "1991-04-23" in text
    assert f"LA : no tokens. {WHY['country_not_allowed']}" in text
    assert "TH : waits for a focal point" in text


def test_a_case_without_identifiers_says_that_it_lives_under_a_pseudonym(region, browser):
    region.import_rows("KH", [person("A")], c2=False, c4=None)
    text = text_of(browser("worker").page(f"/cases/{region.case_id('KH', 'A')}"))
    assert "the case lives under a pseudonym" in text
    assert f"TH : no tokens. {WHY['no_identifiers']}" in text


def test_what_people_wrote_is_escaped(region, browser):
    evil = "<script>alert(1)</script><b onclick=x>"
    region.import_rows("KH", [person("<i>A</i>", prs_FirstName=evil, prs_IdentityNumber="<b>1</b>")])
    page = browser("supervisor").page(f"/cases/{region.case_id('KH', '<i>A</i>')}")
    assert "&lt;script&gt;" in page
    assert "<i>A</i>" not in page


def test_every_state_and_every_reason_has_words(region):
    assert set(WHY) <= set(pages.REASONS)
    said = {"not_asked", "declined", "not_signed_in_time", "consent_over", "correction", "expired"}
    assert said <= set(pages.REASONS)
    assert all(words.endswith(".") for words in pages.REASONS.values())
    assert set(pages.STATES) == {"asked", "approved", "working", "published", "refused", "revoked", "none"}


# ---- signing


def test_a_focal_point_signs_by_form_with_the_grant_of_the_button(region, browser):
    region.import_rows("KH", [person("A"), person("B", prs_IdentityNumber="K2")])
    focal = browser("focal")
    page = focal.page("/awaiting")
    ids = request_ids(page)
    assert len(ids) == 4
    assert "Somsak" not in page
    for request, answer in zip(ids, ("hold", "tell", "decline", "hold"), strict=True):
        assert focal.send("/awaiting", request_id=request, answer="nonsense").status_code == 422
        sent = focal.send("/awaiting", request_id=request, answer=answer)
        assert (sent.status_code, sent.headers["location"]) == (303, "/awaiting")
    assert "Nothing waits" in focal.page("/awaiting")
    region.settle()
    grants = sorted(linkage.grant for name in "AB" for linkage in region.file("KH", name).person.live)
    assert grants == ["hold", "hold", "tell"]
    assert sum(state == ("refused", "declined") for n in "AB" for state in region.tokens("KH", n).values()) == 1


def test_what_was_signed_meanwhile_is_said_in_words(region, browser):
    region.import_rows("KH", [person("A")])
    focal, deputy = browser("focal"), browser("deputy")
    (request, _) = request_ids(focal.page("/awaiting"))
    deputy.send("/awaiting", request_id=request, answer="hold")
    answer = focal.send("/awaiting", request_id=request, answer="tell")
    assert answer.status_code == 404
    assert "it was signed, declined or dropped" in answer.text
    check(answer.text)


def test_a_form_that_lacks_something_is_refused_in_words(browser):
    answer = browser("focal").send("/awaiting", answer="tell")
    assert answer.status_code == 422
    check(answer.text)


def test_a_long_list_shows_its_oldest_hundred_and_says_so(region, browser):
    region.import_rows("KH", [person(f"R{i}", prs_IdentityNumber=f"K{i}") for i in range(51)])
    page = browser("focal").page("/awaiting")
    assert len(request_ids(page)) == 100
    assert "The oldest 100 of 102." in text_of(page)


# ---- matches


@pytest.fixture
def told(region):
    """KH was told alone: TH tells, KH holds."""
    region.publish("KH", person("A"), grant="hold")
    region.publish("TH", person("B"))
    region.tick(4)
    ((_, _, state, _),) = region.matches("KH")
    assert state == "TOLD"
    (row,) = region.nodes["KH"].desk.matches(region.act("KH", "focal"))
    return row.match.match_ref


def test_a_match_told_to_this_side_alone_says_that_the_other_does_not_know(told, browser):
    focal = browser("focal")
    assert f'href="/matches/{told}"' in focal.page("/matches")
    text = text_of(focal.page(f"/matches/{told}"))
    assert "The other side does not know" in text
    assert "Other country TH" in text
    assert "Our grant hold" in text
    assert "B" not in text.split()


def test_telling_them_takes_a_second_signature(region, told, browser):
    focal, deputy = browser("focal"), browser("deputy")
    sent = focal.send(f"/matches/{told}", answer="tell")
    assert (sent.status_code, sent.headers["location"]) == (303, f"/matches/{told}")
    (request,) = request_ids(focal.page("/awaiting"))
    own = focal.send("/awaiting", request_id=request, answer="tell")
    assert own.status_code == 409
    assert "Nobody is their own second person" in own.text
    deputy.send("/awaiting", request_id=request, answer="tell")
    region.tick(4)
    assert "both sides" in text_of(focal.page(f"/matches/{told}"))


def test_a_hold_by_form_is_a_hold_at_once(region, told, browser):
    browser("focal").send(f"/matches/{told}", answer="hold")
    assert request_ids(browser("deputy").page("/awaiting")) == []
    region.tick(4)
    assert region.matches("TH") == []


def test_a_match_that_is_over_offers_no_form(region, told, browser):
    region.nodes["KH"].desk.close_match(region.act("KH", "focal"), told, "referred")
    page = browser("focal").page(f"/matches/{told}")
    assert f'action="/matches/{told}"' not in page


def test_a_match_that_was_not_told_is_not_there(browser):
    assert "no match of this reference" in browser("focal").page("/matches/M-1", 404)


def test_forms_are_closed_models():
    models = [m for m in vars(forms).values() if isinstance(m, type) and issubclass(m, forms.Value)]
    assert len(models) > 10
    assert all(m.model_config.get("extra") == "forbid" and m.model_config.get("frozen") for m in models)


# ---- erasures


def test_an_officer_asks_for_an_erasure_and_a_custodian_sees_an_id_and_why_and_signs(region, browser):
    region.publish("KH", person("A"))
    case_id = str(region.file("KH", "A").case.case_id)
    officer, custodian = browser("officer"), browser("custodian")
    assert officer.send("/erasures", case_id=case_id, basis="person_asked").status_code == 303
    seen = custodian.page("/erasures")
    assert case_id in seen
    assert "she asked" in text_of(seen)
    (name,) = request_ids(seen)
    assert request_ids(officer.page("/erasures")) == []  # who asks has no button to sign with
    assert officer.send("/erasures/answer", request_id=name, answer="erase").status_code == 403
    assert custodian.send("/erasures/answer", request_id=name, answer="erase").status_code == 303
    assert "Nothing waits" in text_of(custodian.page("/erasures"))
    assert "This person was erased" in text_of(browser("worker").page(f"/cases/{case_id}"))


def test_a_custodian_who_declines_leaves_her_as_she_is(region, browser):
    region.publish("KH", person("A"))
    case_id = str(region.file("KH", "A").case.case_id)
    browser("officer").send("/erasures", case_id=case_id, basis="retention")
    custodian = browser("custodian")
    (name,) = request_ids(custodian.page("/erasures"))
    assert custodian.send("/erasures/answer", request_id=name, answer="decline").status_code == 303
    assert region.file("KH", "A").person.names
