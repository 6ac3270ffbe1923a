"""A row of a file is taken whole or refused whole, with its number, the column and the reason."""

from datetime import date

import pytest

from events.htcds.rows import PersonRow, Reject, read_rows

TODAY = date(2026, 3, 2)
HEADER = "record_id,prs_FirstName,prs_SecondName,prs_Birthdate,prs_Gender,prs_Citizenship,prs_IdentityNumber"
GOOD = "A-1,Somsak,Keo,1991-04-23,Female,LA,K7290415"


def read(*lines: str | bytes, header: str = HEADER) -> tuple[list[PersonRow], list[Reject]]:
    raw = [header.encode(), *(line if isinstance(line, bytes) else line.encode() for line in lines)]
    return read_rows(b"\n".join(raw), TODAY)


def test_a_good_row_is_taken_as_written():
    (row,), rejects = read(GOOD)
    assert (row.number, row.reference, row.first_name, row.second_name) == (2, "A-1", "Somsak", "Keo")
    assert (row.birth_date, row.gender, row.citizenships, row.document_number) == ("1991-04-23", "Feminine", ("LA",), "K7290415")
    assert not rejects


def test_a_missing_column_refuses_the_file_and_names_the_column():
    rows, rejects = read("A-1,Somsak", header="record_id,prs_FirstName")
    assert not rows
    assert [(r.row, r.column) for r in rejects] == [
        (1, "prs_SecondName"), (1, "prs_Birthdate"), (1, "prs_Gender"), (1, "prs_Citizenship")
    ]


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ("A-2,Som,Keo,1991-13-23,Female,LA,", "prs_Birthdate"),
        ("A-2,Som,Keo,1991-02-30,Female,LA,", "prs_Birthdate"),
        ("A-2,Som,Keo,23/04/1991,Female,LA,", "prs_Birthdate"),
        ("A-2,Som,Keo,2027-04-23,Female,LA,", "prs_Birthdate"),
        ("A-2,Som,Keo,1091-04-23,Female,LA,", "prs_Birthdate"),
        ("A-2,Som,Keo,1991-04-23,Woman,LA,", "prs_Gender"),
        ("A-2,Som,Keo,1991-04-23,Female,Laos,", "prs_Citizenship"),
        ("A-2,Som,Keo,1991-04-23,Female,XX,", "prs_Citizenship"),
        (",Som,Keo,1991-04-23,Female,LA,", "record_id"),
        ("A-2,Som\x00ek,Keo,1991-04-23,Female,LA,", "prs_FirstName"),
        ("A-2,Som,Keo,1991-04-23,Female", "(row)"),
        ("A-1,Som,Keo,1991-04-23,Female,LA,", "record_id"),
    ],
)
def test_a_bad_cell_refuses_its_row_and_no_other(cells: str, column: str):
    rows, rejects = read(GOOD, cells, GOOD.replace("A-1", "A-3"))
    assert [r.reference for r in rows] == ["A-1", "A-3"]
    assert [(r.row, r.column) for r in rejects] == [(3, column)]


def test_a_byte_that_is_no_utf_8_refuses_its_row():
    rows, rejects = read(b"A-2,Som\xff,Keo,1991-04-23,Female,LA,", GOOD)
    assert len(rows) == 1
    assert [(r.row, r.column) for r in rejects] == [(2, "prs_FirstName")]


def test_a_cell_of_ten_megabytes_refuses_its_row():
    rows, rejects = read(f"A-2,{'a' * 10_000_000},Keo,1991-04-23,Female,LA,", GOOD)
    assert len(rows) == 1
    assert [(r.row, r.column) for r in rejects] == [(2, "prs_FirstName")]


def test_a_reason_never_repeats_what_was_refused():
    _, rejects = read("A-2,Som,Keo,1991-13-23,Trafficked,Laos,K1", b"A-3,Khamla\xff,Keo,1991-04-23,Female,LA,")
    said = " ".join(f"{r.column} {r.reason}" for r in rejects)
    assert not any(word in said for word in ("1991-13-23", "Trafficked", "Laos", "Khamla"))


@pytest.mark.parametrize("written", ["", "1991", "1991-04-23", "2534-04-23", "1991-01-01"])
def test_dates_are_taken_as_registers_write_them(written: str):
    (row,), _ = read(f"A-1,Somsak,Keo,{written},Female,LA,")
    assert row.birth_date == written


def test_consents_count_only_where_the_row_states_them():
    header = HEADER + ",x_consent_C2,x_consent_C4,x_consent_C9"
    rows, rejects = read(GOOD + ",given,TH;VN,refused", GOOD.replace("A-1", "A-2") + ",,refused,",
                         GOOD.replace("A-1", "A-3") + ",,,", GOOD.replace("A-1", "A-4") + ",yes,,", header=header)
    assert [dict(r.given) for r in rows] == [{"C2": True, "C4": True, "C9": False}, {"C4": False}, {}]
    assert rows[0].allowed_countries == {"TH", "VN"}
    assert [(r.row, r.column) for r in rejects] == [(5, "x_consent_C2")]


def test_a_row_prints_no_identifier():
    (row,), _ = read(GOOD)
    assert "Somsak" not in repr(row)
    assert "K7290415" not in repr(row)
