"""How a register writes a name: every habit and slip, one at a time."""

from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.demo.names import LANGUAGE_OF, Name, Part, honorifics, new_generator
from services.demo.spelling import (
    Written,
    another_spelling,
    in_latin,
    in_script,
    mistyped,
    pick_spelling,
    with_habit,
    write_birth,
)

SOMSAK = Part(native={"lo": "ສົມສັກ", "th": "สมศักดิ์"}, role="g", latin=("Somsack", "Somsak"))
KEO = Part(native={"lo": "ແກ້ວ"}, role="b", latin=("Keo", "Kaew"))
LAO = Name("lo", (SOMSAK,), (KEO,))
BURMESE = Name("my", tuple(Part(native={"my": m}, role="g", latin=(m,)) for m in ("Thin", "Zar", "Oo")), ())


def habits(written, name=LAO, sex="Female"):
    return {with_habit(written, name, sex, Random(seed)) for seed in range(400)}


def test_a_name_is_written_in_its_own_script():
    assert in_script(LAO, "lo") == Written("ສົມສັກ", "ແກ້ວ", latin=False)


def test_a_neighbours_script_writes_a_name_only_if_it_has_all_of_it():
    assert in_script(LAO, "th") is None
    assert in_script(Name("lo", (SOMSAK,), (SOMSAK,)), "th") == Written("สมศักดิ์", "สมศักดิ์", latin=False)


def test_a_burmese_name_has_no_family_and_fills_both_columns():
    assert in_latin(BURMESE, ("Thin", "Zar", "Oo")) == Written("Thin", "Zar Oo", latin=True)


def test_a_spelling_by_ear_differs_in_at_least_one_part():
    for seed in range(50):
        assert another_spelling(LAO, ("Keo", "Somsack"), Random(seed)) != ("Keo", "Somsack")


def test_a_part_with_one_spelling_keeps_it():
    assert another_spelling(BURMESE, ("Thin", "Zar", "Oo"), Random(1)) == ("Thin", "Zar", "Oo")


@pytest.mark.parametrize(
    "expected",
    [
        Written("Somsack", "Keophila", True),
        Written("Keophila", "Somsack", True),
        Written("Nang Somsack", "Keophila", True),
        Written("Somsack Keophila", "", True),
        Written("Somsack", "Keop hila", True),
    ],
)
def test_a_habit_exchanges_adds_an_honorific_joins_or_splits_or_does_nothing(expected):
    assert expected in habits(Written("Somsack", "Keophila", latin=True))


def test_some_are_mistyped_but_never_in_a_script_of_their_own():
    typed = habits(Written("Somsack", "Keophila", latin=True))
    assert any(w.first[0] == "S" and w.first != "Somsack" and "Keo" in w.second for w in typed)
    assert habits(Written("ສົມສັກ", "ແກ້ວ", latin=False)) == {
        Written("ສົມສັກ", "ແກ້ວ", False), Written("ແກ້ວ", "ສົມສັກ", False),
        Written("ນາງສົມສັກ", "ແກ້ວ", False), Written("ສົມສັກແກ້ວ", "", False),
    }  # fmt: skip


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20), st.integers(0, 1000))
def test_a_slip_changes_the_name_by_at_most_two_letters_and_never_the_first(text, seed):
    typed = mistyped(text, Random(seed))
    assert typed != text
    assert typed[0] == text[0]
    assert abs(len(typed) - len(text)) <= 1


def test_a_birth_date_is_written_in_every_way_registers_do():
    forms = {write_birth(date(1975, 3, 9), "TH", Random(seed)) for seed in range(2000)}
    assert forms == {
        "1975-03-09", "2518-03-09", "1975-09-03", "1975", "1975-01-01", "1974-03-09", "1976-03-09", "",
    }  # fmt: skip


@pytest.mark.parametrize("born", [date(1975, 3, 25), date(1975, 3, 9), date(1980, 2, 29)])
def test_nine_in_ten_birth_dates_are_right_in_a_register_of_the_common_era(born):
    right = sum(write_birth(born, "VN", Random(seed)) == born.isoformat() for seed in range(1000))
    assert 830 < right < 930


def test_every_language_has_names_enough_to_differ():
    faker = new_generator(1)
    for language in LANGUAGE_OF.values():
        names = {tuple(p.latin[0] for p in faker.mekong_name(language).parts) for _ in range(200)}
        assert len(names) > 150


def test_every_part_can_be_written_in_latin_letters_and_its_own_script():
    faker = new_generator(2)
    for language in LANGUAGE_OF.values():
        for _ in range(100):
            name = faker.mekong_name(language)
            assert in_script(name, language).first
            assert in_latin(name, pick_spelling(name, Random(1))).first


def test_honorifics_go_with_the_sex_and_some_languages_have_none():
    assert ("ນາງ", "Nang") in honorifics("lo", "Female")
    assert ("ທ້າວ", "Thao") in honorifics("lo", "Male")
    assert honorifics("zh", "Male") == ()
