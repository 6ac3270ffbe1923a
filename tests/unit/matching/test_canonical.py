import pytest

from matching.normalise.canonical import Identifiers, canonical
from matching.normalise.documents import Document


def test_the_latin_form_stands_first_and_equal_forms_stand_once():
    record = canonical(Identifiers(names=(("ບຸນມີ", "ວິໄລ"), ("Bounmy", "Vilay"))))
    assert record.forms[0] == ("bounmy", "vilay")
    assert len(record.forms) == 2
    assert canonical(Identifiers(names=(("Bounmy", "Vilay"), ("BOUNMY", "vilay")))).forms == (("bounmy", "vilay"),)


def test_an_alias_stands_in_for_the_first_name_after_all_written_names():
    record = canonical(Identifiers(names=(("Bounmy", "Vilay"),), aliases=("Noy",)))
    assert record.forms == (("bounmy", "vilay"), ("noy", "vilay"))


def test_a_name_without_substance_is_left_out():
    assert canonical(Identifiers(names=(("Ma", ""), ("Unknown", "")))).forms == ()


@pytest.mark.parametrize("gender, sex", [
    ("Female", "F"), ("Feminine", "F"), ("Male", "M"), ("Masculine", "M"), ("male ", "M"),
    ("TransgenderFeminine", ""), ("NonConforming", ""), ("NonSpecifiedUnknown", ""), ("", ""),
])
def test_a_code_that_other_registers_would_write_otherwise_says_no_sex(gender, sex):
    assert canonical(Identifiers(names=(), gender=gender)).sex == sex


def test_documents_are_sorted_once_each_and_without_junk():
    documents = (("N 77 40 812", "LA"), ("E5540812", "CN"), ("N7740812", "LA"), ("0000000", "LA"), ("N7740812", ""))
    assert canonical(Identifiers(names=(), documents=documents)).documents == (
        Document("CN", "E5540812"), Document("LA", "N7740812"),
    )


def test_neither_prints_what_it_holds():
    person = Identifiers((("Bounmy", "Vilay"),), ("Noy",), "1990-05-17", "Female", ("LA",), (("N7740812", "LA"),))
    printed = f"{person!r} {person} {canonical(person)!r} {canonical(person)} {[canonical(person)]}"
    assert not any(word in printed.lower() for word in ("bounmy", "vilay", "noy", "1990", "7740812", "female"))
