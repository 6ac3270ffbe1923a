import pytest

from keys import labels
from matching import recipes
from matching.errors import UnknownRecipe, UnknownSchema
from matching.normalise.canonical import Identifiers, canonical

SLOTS = ("DOC", "FULL", "FULL", "BYX", "BYX")
BOTH_FORMS = Identifiers(
    names=(("สมศักดิ์", "ทองดี"), ("Somsak", "Thongdee")), birth_date="1990-05-17", gender="Male",
    documents=(("N7740812", "TH"),),
)


def row(person, slots=SLOTS):
    return recipes.inputs(canonical(person), slots)


def test_a_row_has_one_input_a_slot():
    assert len(row(BOTH_FORMS)) == 5
    assert None not in row(BOTH_FORMS)


def test_an_input_is_framed_from_schema_recipe_and_parts():
    assert row(BOTH_FORMS)[0] == labels.framed(labels.MATCH_INPUT, b"1", b"DOC", b"TH", b"N7740812")


def test_both_forms_of_a_name_have_a_slot_in_sorted_order():
    _, *full, _, _ = row(BOTH_FORMS)
    assert full == sorted(full)
    assert len(set(full)) == 2
    turned = Identifiers(tuple(reversed(BOTH_FORMS.names)), birth_date="1990-05-17", gender="Male")
    assert row(turned)[1:] == row(BOTH_FORMS)[1:]


def test_slots_of_one_recipe_may_stand_anywhere():
    mixed = row(BOTH_FORMS, ("BYX", "FULL", "DOC", "FULL", "BYX"))
    doc, full, full_too, bag, bag_too = row(BOTH_FORMS)
    assert mixed == [bag, full, doc, full_too, bag_too]


def test_what_is_missing_leaves_its_slot_empty():
    assert row(Identifiers(names=())) == [None] * 5
    latin_only = Identifiers((("Somsak", "Thongdee"),), birth_date="1990-05-17", gender="Male")
    assert [one is None for one in row(latin_only)] == [True, False, True, False, True]


def test_a_name_without_a_full_date_makes_no_full_token():
    for date in ("1990", "1990-05", "1990-01-01", ""):
        assert row(Identifiers((("Somsak", "Thongdee"),), birth_date=date))[1:3] == [None, None]


def test_a_name_without_a_year_makes_no_bag():
    assert row(Identifiers((("Somsak", "Thongdee"),), gender="Male"))[3:] == [None, None]


def test_an_unknown_sex_meets_both():
    name, date = (("Somsak", "Thongdee"),), "1990"
    unknown = set(row(Identifiers(name, birth_date=date))[3:])
    known = {row(Identifiers(name, birth_date=date, gender=sex))[3] for sex in ("Male", "Female")}
    assert unknown == known


def test_surplus_values_are_dropped_the_written_names_stay():
    one = row(BOTH_FORMS)
    with_alias = Identifiers(BOTH_FORMS.names, ("Aai", "Zaw"), "1990-05-17", "Male", (), (("N7740812", "TH"),))
    assert row(with_alias) == one


def test_a_name_without_substance_makes_no_token():
    assert row(Identifiers((("Ma", "U"),), birth_date="1990-05-17", gender="Female")) == [None] * 5
    assert row(Identifiers((("Xx", "Xxx"),), birth_date="1990-05-17", gender="Female")) == [None] * 5


def test_a_name_of_vowels_makes_no_bag():
    assert row(Identifiers((("Aiea", "Ou"),), birth_date="1990-05-17", gender="Female"))[3:] == [None, None]


def test_a_recipe_that_is_not_made_is_refused_by_name():
    with pytest.raises(UnknownRecipe, match="SD"):
        row(BOTH_FORMS, ("DOC", "SD"))


def test_a_schema_that_is_not_made_is_refused():
    with pytest.raises(UnknownSchema, match="2"):
        recipes.inputs(canonical(BOTH_FORMS), SLOTS, 2)
