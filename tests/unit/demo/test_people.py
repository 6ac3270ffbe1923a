"""The invented people: deterministic, distinct, and as messy as registers are."""

import csv
from collections import Counter, defaultdict
from datetime import date
from io import StringIO

import pytest
from anyascii import anyascii

from events.htcds.rows import read_rows
from services.demo import names
from services.demo.people import invent
from services.demo.truth import has_common_document, is_agreed
from services.demo.world import COLUMNS, CONSENTS
from services.runtime.errors import SettingsInvalid

SIX = ("KH", "CN", "LA", "MM", "TH", "VN")


@pytest.fixture(scope="module")
def world():
    return invent(SIX, 300, 0.05, 7)


@pytest.fixture(scope="module")
def rows(world):
    return world.by_record()


def owners(world):
    """A person's number for each record."""
    owner = {record: i for i, record in enumerate(world.by_record())}
    for pair in world.truth:
        owner[pair[2:]] = owner[pair[:2]]
    return owner


def test_the_same_seed_makes_the_same_world(world):
    again = invent(SIX, 300, 0.05, 7)
    assert again == world


def test_another_seed_makes_other_people(world):
    other = invent(SIX, 300, 0.05, 8)
    assert set(world.truth) != set(other.truth)
    assert world.rows["LA"] != other.rows["LA"]


def test_every_country_has_as_many_records_as_asked_for(world):
    assert {country: len(rows) for country, rows in world.rows.items()} == dict.fromkeys(SIX, 300)
    assert world.people == 1800


def test_every_pair_of_countries_has_the_people_in_common_that_overlap_says(world):
    shared = Counter((p.country_a, p.country_b) for p in world.truth)
    assert set(shared.values()) == {15}
    assert len(shared) == 15


def test_a_record_id_stands_once_and_does_not_tell_who_is_shared(world):
    for country, rows in world.rows.items():
        assert [row.record_id for row in rows] == [f"{country}-{i:06}" for i in range(1, 301)]
    shared = [int(p.record_a[3:]) for p in world.truth if p.country_a == "KH"]
    assert min(shared) < 100 < 200 < max(shared)


def test_rows_have_the_columns_of_a_file_and_the_importer_takes_them_all(world):
    for country, rows in world.rows.items():
        assert all(tuple(row.values) == (*COLUMNS, *CONSENTS) for row in rows)
        text = StringIO()
        writer = csv.DictWriter(text, rows[0].values)
        writer.writeheader()
        writer.writerows(row.values for row in rows)
        taken, rejected = read_rows(text.getvalue().encode(), date(2026, 1, 1))
        assert (len(taken), rejected) == (300, []), country


@pytest.fixture
def crowded(monkeypatch):
    """A world so small that chance would mistake people for each other."""
    monkeypatch.setattr(names, "_DOCUMENT_FORMS", {"LA": "P##", "TH": "P##"})
    monkeypatch.setattr(names, "_BIRTH_DAYS", 30)
    every_part = names._parts
    monkeypatch.setattr(names, "_parts", lambda language, roles: every_part(language, roles)[:3])
    return invent(("LA", "TH"), 60, 0.2, 1)


def test_a_document_number_belongs_to_one_person(crowded):
    world, rows = crowded, crowded.by_record()
    owner, holders = owners(world), defaultdict(set)
    for record, row in rows.items():
        number = "".join(filter(str.isalnum, row.values["prs_IdentityNumber"])).upper()
        if number:
            holders[number].add(owner[record])
    assert all(len(people) == 1 for people in holders.values())


def test_no_two_people_share_a_whole_name_and_a_whole_birth_date(crowded):
    world, rows = crowded, crowded.by_record()
    owner, alike = owners(world), defaultdict(set)
    for record, row in rows.items():
        v = row.values
        for first, second in (("prs_FirstName", "prs_SecondName"), ("x_LatinFirstName", "x_LatinSecondName")):
            letters = "".join(sorted(filter(str.isalpha, anyascii(v[first] + v[second]).lower())))
            if letters and len(v["prs_Birthdate"]) == 10:
                alike[letters, v["prs_Birthdate"]].add(owner[record])
    assert all(len(people) == 1 for people in alike.values())


def test_a_quarter_to_a_third_of_those_in_common_have_one_document(world, rows):
    share = sum(has_common_document(rows, pair) for pair in world.truth) / len(world.truth)
    assert 0.22 < share < 0.36


def test_of_the_others_some_lack_a_document_on_one_side_and_some_have_a_renewed_one(world, rows):
    kinds = Counter()
    for pair in world.truth:
        if not has_common_document(rows, pair):
            sides = [bool(rows[r].values["prs_IdentityNumber"]) for r in (pair[:2], pair[2:])]
            kinds[sum(sides)] += 1
    assert min(kinds[0], kinds[1], kinds[2]) > 15


def test_every_kind_of_birth_date_occurs(world, rows):
    dates = [row.values["prs_Birthdate"] for row in rows.values()]
    assert any(not d for d in dates)
    assert any(len(d) == 4 for d in dates)
    assert any(d.endswith("-01-01") for d in dates)
    assert any(d > "2400" for d in dates)
    exchanged = 0
    for pair in world.truth:
        one, other = (rows[r].values["prs_Birthdate"] for r in (pair[:2], pair[2:]))
        exchanged += len(one) == len(other) == 10 and one != other and one[:4] == other[:4] and one[5:7] == other[8:]
    assert exchanged > 0


def test_a_country_writes_its_own_people_in_its_own_script(rows):
    scripts = {"KH": "\u1780-\u17ff", "CN": "\u4e00-\u9fff", "LA": "\u0e80-\u0eff", "MM": "\u1000-\u109f"}
    for country, span in scripts.items():
        low, high = span.split("-")
        own = [r.values for (cc, _), r in rows.items() if cc == country == r.values["prs_Citizenship"]]
        assert all(low <= v["prs_FirstName"][0] <= high for v in own)
        assert 0.6 < sum(bool(v["x_LatinFirstName"]) for v in own) / len(own) < 0.9


def test_neighbours_scripts_are_used_where_they_write_the_name(rows):
    lao_in_thai = [
        r for (cc, _), r in rows.items()
        if cc == "TH" and r.values["prs_Citizenship"] == "LA" and "\u0e00" <= r.values["prs_FirstName"][0] <= "\u0e7f"
    ]  # fmt: skip
    assert lao_in_thai


def test_the_same_person_is_mostly_written_differently(world, rows):
    name = ("prs_FirstName", "prs_SecondName")
    same = sum(all(rows[p[:2]].values[n] == rows[p[2:]].values[n] for n in name) for p in world.truth)
    assert same / len(world.truth) < 0.15


def test_some_refuse_a_country_a_few_refuse_all_and_some_are_held(rows):
    answers = [row.values["x_consent_C4"] for row in rows.values()]
    assert 10 < sum(a == "refused" for a in answers) < 90
    assert sum(a != "refused" and len(a.split(";")) < 5 for a in answers) > 50
    assert sum(bool(row.hold) for row in rows.values()) > 50
    assert {row.values["x_consent_C2"] for row in rows.values()} == {"given"}
    assert {row.values["x_consent_C9"] for row in rows.values()} == {"given", "refused"}


def test_only_countries_that_the_person_allowed_are_held_and_never_her_own_register(rows):
    for (country, _), row in rows.items():
        assert row.hold <= row.allowed
        assert country not in row.allowed


def test_most_of_those_in_common_agree_but_not_all(world, rows):
    agreed = sum(is_agreed(rows, pair) for pair in world.truth)
    assert 0.7 < agreed / len(world.truth) < 0.97


def test_names_do_not_show_in_a_printed_world(world, rows):
    row = world.rows["LA"][0]
    assert row.values["prs_FirstName"] not in repr(world)


def test_a_country_without_names_is_refused():
    with pytest.raises(SettingsInvalid, match="XX"):
        invent(("LA", "XX"), 10, 0.1, 1)


def test_a_country_named_twice_is_refused():
    with pytest.raises(SettingsInvalid, match="twice"):
        invent(("LA", "TH", "LA"), 10, 0.1, 1)


def test_an_overlap_that_leaves_no_room_is_refused_with_the_most_there_is():
    with pytest.raises(SettingsInvalid, match=r"at most 0\.5,"):
        invent(("LA", "TH", "KH"), 10, 0.6, 1)
    assert len(invent(("LA", "TH", "KH"), 10, 0.5, 1).truth) == 15


def test_nobody_in_common_is_possible():
    assert invent(("LA", "TH"), 5, 0.0, 1).truth == ()
