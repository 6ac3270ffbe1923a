import pytest

from matching.normalise import names


@pytest.mark.parametrize("written, letters", [
    ("Somsak", "somsak"),
    ("SOMSAK", "somsak"),
    ("ສົມສັກ", "somsak"),
    ("Nguyễn", "nguyen"),
    ("Nguye\u0302\u0303n", "nguyen"),
    ("Ｓｏｍｓａｋ", "somsak"),
    ("Som\u200bsak", "somsak"),
    ("陈", "chen"),
    ("Đức", "duc"),
    ("42", ""),
    ("", ""),
    ("\ud800", ""),
])
def test_a_name_of_any_script_becomes_letters(written, letters):
    assert names.romanise(written) == letters


@pytest.mark.parametrize(
    "written", ["Keo Bounmy", "Keo-Bounmy", "Keo\u2011Bounmy", "Keo·Bounmy", " Keo,  Bounmy ", "Keo\u3000Bounmy"]
)
def test_a_name_breaks_at_spaces_hyphens_and_dots(written):
    assert names.parts(written) == ("keo", "bounmy")


def test_a_mark_of_a_script_breaks_no_name():
    assert len(names.parts("สมศักดิ์")) == 1
    assert len(names.parts("ពិសិដ្ឋ")) == 1


def test_what_forms_say_for_no_name_is_no_name():
    assert names.form("Unknown", "UNKNOWN") == ()


def test_a_title_goes_as_long_as_two_parts_stay():
    assert names.form("Daw", "Hla Myint") == ("hla", "myint")
    assert names.form("นางสาว", "วิภา รักไทย") == names.form("วิภา", "รักไทย")
    assert names.form("Ma", "Hla") == ("ma", "hla")
    assert names.form("U", "") == ("u",)


@pytest.mark.parametrize("one, other", [
    ("kham", "kam"), ("somporn", "somphorn"), ("wilai", "vilay"), ("bounmy", "boonmi"), ("thongdee", "tongdi"),
    ("ratana", "rattana"),
])
def test_spellings_of_one_sound_fold_together(one, other):
    assert names.spelling(one) == names.spelling(other)


def test_names_that_sound_otherwise_stay_apart():
    folded = [names.spelling(n) for n in ("somsak", "somchai", "sompong", "sommai", "sokha", "sophea", "channa")]
    assert len(set(folded)) == len(folded)


def test_the_letters_know_no_order_and_no_borders():
    expected = names.letters(("keo", "bounmy", "vilay"))
    for written in [("Keo", "Bounmy Vilay"), ("Bounmy", "Keo Vilay"), ("KeoBounmy", "Vilay"), ("Vilay-Keo-Bounmy", "")]:
        assert names.letters(names.form(*written)) == expected


def test_the_consonants_are_the_letters_without_vowels():
    assert names.consonants(("keo", "bounmy")) == "bkmn"


@pytest.mark.parametrize("name, can", [
    (("li", "na"), True), (("ha", "ly"), True), (("somsak",), True),
    (("ma",), False), (("li", "u"), False), (("xxxx", "xxxx"), False), (("abab",), False), ((), False),
])
def test_a_name_needs_enough_letters_to_tell_people_apart(name, can):
    assert names.has_substance(name) is can
