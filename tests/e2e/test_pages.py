"""The pages in a real browser: alive for anyone, the rest after signing in, on a phone too, without asking anybody else."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import MISSING, PROGRAM, Browser
from commands import until
from regions import csv_of, person

from services.demo.officers import Officers
from services.demo.running import Running, running_region

pytestmark = pytest.mark.long
COUNTRIES = ("KH", "LA", "TH")
SHARED = 14
"""People whom KH and LA both know: enough for an analyst to see a number. KH and TH share two: too few."""
LOOKS = {"light": {"width": 1200}, "dark": {"width": 1200, "dark": True}, "phone": {"width": 390}}


@dataclass
class Seen:
    """A region, and a browser to look at it with."""

    running: Running
    officers: Officers
    browser: Browser

    def address(self, party: str) -> str:
        return self.officers.address(party)

    def sign_in(self, party: str, staff: str) -> None:
        """Through the form, as anybody would."""
        self.browser.open(f"{self.address(party)}/sign-in")
        self.browser.type("#token", self.running.region.token(party, staff))
        self.browser.click("main form button")

    def sign_out(self) -> None:
        self.browser.click(".who button")
        assert self.browser.address.endswith("/sign-in")

    def go(self, link: str) -> None:
        self.browser.click("nav a", containing=link)


def people_of(country: str) -> list[dict[str, str]]:
    def known(name: str, number: int, first_name: str) -> dict[str, str]:
        birth, document = f"1990-03-{number + 1:02}", f"P66{name.upper()}{number:02}4"
        return person(f"{country}-{name}{number}", prs_FirstName=first_name, prs_Birthdate=birth, prs_IdentityNumber=document)

    shared = [known("s", number, "Dara") for number in range(SHARED)]
    few = [known("f", number, "Bopha") for number in range(2)]
    waits = [person(f"{country}-waits", prs_FirstName="Chann", prs_IdentityNumber=f"{country}7001")]
    return {"KH": [*shared, *few, *waits], "LA": shared, "TH": few}[country]


@pytest.fixture(scope="module")
def region():
    with running_region(COUNTRIES, 40) as running:
        officers = running.officers
        for country in COUNTRIES:
            publish(officers, country)
        told, all_told = officers.matches, [SHARED + 2, SHARED, 2]
        until(lambda: [len(told(country)) for country in COUNTRIES] == all_told, f"{all_told} matches", 90)
        analyst = officers.client("matcher", "analyst")
        until(lambda: str(SHARED) in str(analyst.get("/api/matches")), "the analysts' numbers", 60)
        yield running


def publish(officers: Officers, country: str) -> None:
    """Tokens of everybody towards all others, but of one person, who waits for the focal point."""
    others = sorted(set(COUNTRIES) - {country})
    stated = {"c2": True, "c4": others, "c9": True}
    officers.client(country, "worker", "case_worker").import_csv(csv_of(people_of(country)), stated)
    focal = officers.client(country, "focal")
    waiting = [one["id"] for one in focal.get("/api/awaiting") if one["reference"] != f"{country}-waits"]
    focal.post("/api/signatures", {"signed": [{"id": name, "grant": "tell"} for name in waiting]})


@pytest.fixture
def seen(region, tmp_path):
    if PROGRAM is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    browser = Browser(tmp_path / "profile")
    try:
        yield Seen(region, region.officers, browser)
        assert browser.problems == []
        asked = {address for address in browser.asked if not address.startswith(("http://127.0.0.1:", "about:"))}
        assert asked == set()
    finally:
        browser.close()


def check_looks(browser: Browser, folder: Path, name: str) -> None:
    """The page as it is shown, in light, in dark and on a phone; pictures for whoever wants to look."""
    for look, how in LOOKS.items():
        browser.look(**how)
        browser.picture(folder / f"{name}-{look}.png")
        assert browser.too_wide == [], (name, look)
        assert browser.ask("getComputedStyle(document.querySelector('main')).maxWidth") != "none"  # the style has come
    browser.look()


@pytest.mark.parametrize(("party", "heading"), [
    ("KH", "The node is running"), ("KH.holder", "The key holder is running"), ("matcher", "The matcher is running"),
])  # fmt: skip
def test_a_home_page_shows_anyone_that_the_service_is_alive_and_nothing_of_a_match(seen, tmp_path, party, heading):
    seen.browser.open(seen.address(party))
    assert heading in seen.browser.text
    assert "Sign in" in seen.browser.text
    assert not re.search(r"Dara|P66|matches|both sides", seen.browser.text)
    check_looks(seen.browser, tmp_path, party)


@pytest.mark.parametrize(("party", "staff", "words"), [
    ("KH", "operator", "What it has done"), ("KH.holder", "reviewer", "Evaluations today"),
    ("matcher", "reviewer", "At every tick"),
])  # fmt: skip
def test_whoever_watches_a_service_sees_what_it_has_done(seen, tmp_path, party, staff, words):
    seen.sign_in(party, staff)
    assert words in seen.browser.text
    assert "Last envelopes" in seen.browser.text
    assert re.search(r"/0\W+written\W+\d+\W+20\d\d-", seen.browser.text)
    check_looks(seen.browser, tmp_path, f"{party}-{staff}")


def test_a_token_that_is_none_signs_nobody_in(seen, tmp_path):
    seen.browser.open(f"{seen.address('KH')}/matches")
    assert seen.browser.address.endswith("/sign-in")
    seen.browser.type("#token", "B" * 43)
    seen.browser.click("main form button")
    assert "That is no valid token" in seen.browser.text
    assert "B" * 43 not in seen.browser.ask("document.documentElement.outerHTML")
    check_looks(seen.browser, tmp_path, "sign-in")
    seen.browser.problems.clear()  # it says that the answer was 401


def test_a_focal_point_reads_the_matches_and_holds_one_and_signs_out(seen, tmp_path):
    seen.sign_in("LA", "focal")
    assert "LA-focal" in seen.browser.text
    seen.go("Matches")
    assert f"{SHARED} matches" in seen.browser.text
    check_looks(seen.browser, tmp_path, "matches")
    seen.browser.click("tbody a")
    assert "document" in seen.browser.text
    check_looks(seen.browser, tmp_path, "match")
    seen.browser.click("main button", containing="Hold")
    assert re.search(r"Our grant\s+hold", seen.browser.text)
    assert seen.browser.ask("document.cookie") == ""  # no script could read the session
    seen.sign_out()
    seen.browser.open(f"{seen.address('LA')}/matches")
    assert seen.browser.address.endswith("/sign-in")


def test_a_focal_point_signs_what_waits(seen, tmp_path):
    seen.sign_in("KH", "focal")
    seen.go("To sign")
    check_looks(seen.browser, tmp_path, "awaiting")
    seen.browser.click("main tr button", containing="Decline")
    seen.browser.click("main tr button", containing="Approve, hold")
    assert "Nothing waits." in seen.browser.text


def test_a_case_worker_reads_a_case_of_the_own_organisation_and_no_match(seen, tmp_path):
    seen.sign_in("TH", "worker")
    seen.go("Cases")
    check_looks(seen.browser, tmp_path, "cases")
    seen.browser.click("tbody a")
    assert "Bopha" in seen.browser.text
    assert "published" in seen.browser.text
    check_looks(seen.browser, tmp_path, "case")
    seen.go("Matches")
    assert "role" in seen.browser.text
    check_looks(seen.browser, tmp_path, "refused")
    seen.browser.problems.clear()  # it says that the answer was 403


def test_an_analyst_sees_numbers_from_eleven_on_and_that_others_are_too_small(seen, tmp_path):
    seen.sign_in("matcher", "analyst")
    check_looks(seen.browser, tmp_path, "matcher-analyst")
    seen.go("Matches")
    assert re.search(rf"KH-LA\s+document\s+\S+\s+{SHARED}", seen.browser.text)
    assert "KH-TH\tdocument" not in seen.browser.text
    assert seen.browser.ask("document.querySelector('svg').textContent.includes('< 11')")
    check_looks(seen.browser, tmp_path, "analyst")
    seen.browser.choose("#pair", "KH-TH")
    seen.browser.click("main form button")
    assert "Nothing that may be shown." in seen.browser.text
    seen.go("Cases")
    check_looks(seen.browser, tmp_path, "outlines")


@pytest.mark.parametrize(("party", "staff", "link"), [
    ("matcher", "reviewer", "Questions asked"), ("matcher", "operator", "Operation"), ("KH.holder", "reviewer", "Quotas"),
])  # fmt: skip
def test_those_who_watch_the_watchers_have_their_pages(seen, tmp_path, party, staff, link):
    seen.sign_in(party, staff)
    seen.go(link)
    assert seen.browser.ask("document.querySelector('h1').textContent") == link
    check_looks(seen.browser, tmp_path, link.split()[0])
