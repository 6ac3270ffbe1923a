import pytest

from matching.normalise.dates import BirthDate, birth_date


@pytest.mark.parametrize("written, date", [
    ("1990-05-17", ("1990", "05", "17")),
    (" 1990-05-17 ", ("1990", "05", "17")),
    ("19900517", ("1990", "05", "17")),
    ("1990/05/17", ("1990", "05", "17")),
    ("2533-05-17", ("1990", "05", "17")),
    ("2539-02-29", ("1996", "02", "29")),
    ("2533", ("1990", "", "")),
    ("1990", ("1990", "", "")),
    ("1990-05", ("1990", "05", "")),
    ("1990-05-00", ("1990", "05", "")),
    ("1990-01-01", ("1990", "", "")),
    ("1990-01-02", ("1990", "01", "02")),
    ("1990-02-01", ("1990", "02", "01")),
    ("1990-00-00", ("1990", "", "")),
])
def test_a_date_is_read_as_far_as_it_is_known(written, date):
    assert birth_date(written) == BirthDate(*date)


@pytest.mark.parametrize("written", ["1990-13-05", "1990-02-30", "1991-02-29", "1990-05-32"])
def test_what_no_calendar_has_leaves_the_year_alone(written):
    assert birth_date(written) == BirthDate(written[:4])


@pytest.mark.parametrize("written", [
    "", "unknown", "17-05-1990", "0000-05-17", "9999-05-17", "2300-05-17", "1990-5", "１９９０",
])
def test_what_is_no_date_is_unknown(written):
    assert birth_date(written) == BirthDate()


@pytest.mark.parametrize("written, full", [
    ("1990-05-17", "19900517"), ("1990-05", ""), ("1990", ""), ("1990-01-01", ""), ("", ""),
])
def test_only_a_date_known_to_the_day_is_full(written, full):
    assert birth_date(written).full == full


def test_a_date_does_not_print_itself():
    assert "1990" not in f"{birth_date('1990-05-17')!r}"
