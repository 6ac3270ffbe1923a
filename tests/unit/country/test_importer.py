"""A file of people: good rows become cases, bad ones rejects that say where and why, nothing is half-written."""

import pytest
from regions import csv_of, person

from events.base import Act, Actor, Purpose, Role
from events.errors import Refused
from services.country import importer
from services.country.importer import Stated

ALL = Stated(c2=True, c4=frozenset({"LA", "TH"}), c9=True, guardian="Guardian")


@pytest.fixture
def take(region):
    """Import at KH, as a case worker of an organisation."""

    def make(data: bytes, stated: Stated = ALL, organisation: str = "welfare-office", role: Role = Role.CASE_WORKER):
        by = Actor(staff=f"{organisation}-worker", organisation=organisation, role=role)
        act = Act(at=region.clock.now(), by=by, purpose=Purpose.PROTECTION)
        return region.nodes["KH"].importer.take(act, data, stated)

    return make


@pytest.fixture
def count(region):
    def make(table: str) -> int:
        with region.databases["KH"].reading() as tx:
            return tx.execute(f"SELECT COUNT(*) FROM {table}")[0][0]

    return make


def rejects(report) -> list[tuple[int, str]]:
    return [(r.row, r.column) for r in report.rejects]


def test_each_good_row_becomes_a_case_with_who_she_is_and_what_she_allows(region, take):
    row = person("B", prs_IdentityNumber="", x_LatinFirstName="Som", x_Aliases="Noy; Lek")
    report = take(csv_of([person("A"), row]))
    assert (report.cases, report.with_identifiers, report.asked, report.rejects) == (2, 2, 4, ())
    region.settle()
    file = region.file("KH", "B")
    assert [(n.kind, n.first, n.second) for n in file.person.names] == [
        ("native", "Somsak", "Vongphachan"), ("latin", "Som", ""), ("alias", "Noy", ""), ("alias", "Lek", "")
    ]
    assert (file.person.birth_date, file.person.documents, file.case.age_status) == ("1991-04-23", (), "adult")
    assert file.consents.allowed_countries(region.clock.now()) == {"LA", "TH"}
    assert region.tokens("KH", "B") == {"LA": ("asked", ""), "TH": ("asked", "")}


BAD = {
    "gender": ("prs_Gender", person("X", prs_Gender="Woman")),
    "country": ("prs_Citizenship", person("X", prs_Citizenship="Laos")),
    "date": ("prs_Birthdate", person("X", prs_Birthdate="1991-13-01")),
    "date without its zeros": ("prs_Birthdate", person("X", prs_Birthdate="1991-4-3")),
    "no id": ("record_id", person("")),
    "10 MB": ("prs_FirstName", person("X", prs_FirstName="a" * 10_000_000)),
    "a name too long to keep": ("prs_SecondName", person("X", prs_SecondName="a" * 250)),
    "a number too long to keep": ("prs_IdentityNumber", person("X", prs_IdentityNumber="9" * 250)),
    "an alias too long to keep": ("x_Aliases", person("X", x_Aliases="Noy;" + "a" * 250)),
    "an answer that is none": ("x_consent_C2", person("X", x_consent_C2="yes")),
    "a C4 that names no country": ("x_consent_C4", person("X", x_consent_C4="given")),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_row_is_named_by_number_column_and_reason_and_the_others_are_taken(region, take, fault):
    column, row = BAD[fault]
    report = take(csv_of([person("A"), row, person("B", prs_IdentityNumber="K2")]))
    assert rejects(report) == [(3, column)]
    assert report.cases == 2
    assert len(report.rejects[0].reason) < 200
    assert {region.file("KH", name).case.reference for name in "AB"} == {"A", "B"}


def test_a_byte_that_is_no_utf_8_refuses_its_row_alone(take):
    data = csv_of([person("A"), person("X", prs_FirstName="S?msak"), person("B")]).replace(b"S?m", b"S\xffm")
    report = take(data)
    assert rejects(report) == [(3, "prs_FirstName")]
    assert report.cases == 2


def test_a_missing_column_refuses_the_file_and_names_it(take, count):
    report = take(csv_of([person("A")]).replace(b"prs_Gender", b"Sex"))
    assert rejects(report) == [(1, "prs_Gender")]
    assert count("cases") == count("stored_events") == 0


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\x00", b"\xff\xfe\x00", b"\x89PNG\r\n\x1a\n", b'"'])
def test_what_is_no_csv_is_a_reject_and_no_crash(take, data):
    report = take(data)
    assert report.cases == 0
    assert report.rejects


def test_reasons_repeat_nothing_of_the_rows(take):
    rows = [
        person("A", prs_FirstName="Zaphod", prs_Birthdate="Zaphod"),
        person("B", prs_Gender="Zaphod"),
        person("C", x_consent_C9="Zaphod"),
        person("D", prs_SecondName="Zaphod" * 40),
        person("E", prs_Citizenship="Zaphod"),
        person("F", prs_Birthdate="2012-01-01", prs_FirstName="Zaphod"),
    ]
    report = take(csv_of(rows), ALL.model_copy(update={"guardian": None}))
    assert len(report.rejects) == 6
    assert not any("Zaphod" in f"{r.column} {r.reason}" for r in report.rejects)


# ---- consents


def test_what_a_row_says_of_consents_counts_more_than_what_is_stated_for_all(region, take):
    rows = [
        person("nothing said"),
        person("refuses all", x_consent_C4="refused"),
        person("refuses TH", x_consent_C4="LA"),
        person("no keeping", x_consent_C2="refused"),
    ]
    report = take(csv_of(rows))
    assert (report.cases, report.with_identifiers, report.asked) == (4, 3, 3)
    assert region.tokens("KH", "refuses all") == dict.fromkeys(("LA", "TH"), ("none", "matching_not_consented"))
    assert region.tokens("KH", "refuses TH") == {"LA": ("asked", ""), "TH": ("none", "country_not_allowed")}
    assert region.tokens("KH", "no keeping") == dict.fromkeys(("LA", "TH"), ("none", "no_identifiers"))
    assert region.file("KH", "no keeping").person.names == ()


def test_what_nobody_stated_is_not_asked_for(region, take):
    report = take(csv_of([person("A")]), Stated())
    assert (report.cases, report.with_identifiers, report.asked) == (1, 0, 0)
    assert region.file("KH", "A").consents.entries == {}


def test_an_import_may_leave_the_asking_to_people(region, take):
    assert take(csv_of([person("A")]), ALL.model_copy(update={"ask": False})).asked == 0
    assert region.tokens("KH", "A") == dict.fromkeys(("LA", "TH"), ("none", "not_asked"))


def test_a_country_outside_the_region_is_recorded_as_she_said_it_and_nothing_is_asked_for_it(region, take):
    report = take(csv_of([person("A", x_consent_C4="US;TH;KH"), person("B", x_consent_C4="US")]))
    assert (report.cases, report.asked, report.rejects) == (2, 1, ())
    assert region.file("KH", "A").consents.allowed_countries(region.clock.now()) == {"US", "TH"}


# ---- children


@pytest.mark.parametrize("born", ["2012-04-23", "2012", "", "2008-03-03", "2008"])
def test_whoever_may_be_a_child_is_taken_with_a_guardian_only(region, take, born):
    row = csv_of([person("A", prs_Birthdate=born)])
    report = take(row, ALL.model_copy(update={"guardian": None}))
    assert (report.cases, rejects(report)) == (0, [(2, "(row)")])
    assert "guardian" in report.rejects[0].reason
    assert take(row).cases == 1
    assert region.file("KH", "A").case.age_status in {"child", "unknown"}


def test_a_child_who_refuses_everything_needs_no_guardian(region, take):
    row = person("A", prs_Birthdate="2012", x_consent_C2="refused", x_consent_C4="refused", x_consent_C9="refused")
    assert take(csv_of([row]), Stated()).cases == 1


@pytest.mark.parametrize("born", ["1991", "2008-03-02", "2551-03-02", "2007"])
def test_an_adult_is_one_whatever_the_day_of_her_birth(region, take, born):
    assert take(csv_of([person("A", prs_Birthdate=born)]), ALL.model_copy(update={"guardian": None})).cases == 1
    assert region.file("KH", "A").case.age_status == "adult"


# ---- twice, and cut short


def test_a_file_that_is_sent_again_opens_no_case_twice(take, count):
    data = csv_of([person("A"), person("B", prs_IdentityNumber="K2")])
    take(data)
    before = count("stored_events")
    report = take(data)
    assert rejects(report) == [(2, "record_id"), (3, "record_id")]
    assert report.rejects[0].reason == "this record was imported before"
    assert (report.cases, count("cases"), count("stored_events")) == (0, 2, before)


def test_the_same_number_in_another_organisations_file_is_another_person(take, count):
    take(csv_of([person("A")]))
    assert take(csv_of([person("A")]), organisation="police").cases == 1
    assert count("cases") == 2


def test_a_row_twice_in_one_file_is_taken_once(take):
    assert rejects(take(csv_of([person("A"), person("A")]))) == [(3, "record_id")]


def test_a_refused_row_can_be_mended_and_sent_again(take):
    assert take(csv_of([person("A", prs_Birthdate="1991-13-01")])).cases == 0
    assert take(csv_of([person("A", prs_Birthdate="")])).cases == 1


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", range(7))
def test_an_import_that_is_killed_anywhere_leaves_whole_cases_and_goes_on_when_sent_again(
    region, take, count, monkeypatch, at
):
    """Seven people, two a transaction; the process dies at the nth of them, after her case was written."""
    monkeypatch.setattr(importer, "CHUNK", 2)
    data = csv_of([person(f"R{i}", prs_IdentityNumber=f"K{i}") for i in range(7)])
    person_of, passed = importer.Importer._person, []

    def dies(self, tx, act, row, *more):
        passed.append(row)
        if len(passed) == at + 1:
            raise Killed
        return person_of(self, tx, act, row, *more)

    monkeypatch.setattr(importer.Importer, "_person", dies)
    with pytest.raises(Killed):
        take(data)
    region.kill("KH")
    monkeypatch.setattr(importer.Importer, "_person", person_of)
    region.start("KH")
    whole = at // 2 * 2
    assert (count("cases"), count("case_references"), count("awaiting")) == (whole, whole, 2 * whole)
    report = take(data)
    assert (report.cases, len(report.rejects)) == (7 - whole, whole)
    assert (count("cases"), count("awaiting")) == (7, 14)


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.CASE_WORKER])
def test_only_a_case_worker_imports(take, count, role):
    with pytest.raises(Refused, check=lambda error: error.code == "role_may_not"):
        take(csv_of([person("A")]), role=role)
    assert count("cases") == 0
