"""Worlds on disk: read as they are, written as they were."""

import pytest

from services.demo.people import invent
from services.demo.world import Pair, read_world, write_csv
from services.runtime.errors import InputInvalid

HEADER = "record_id,prs_FirstName,prs_SecondName,prs_Birthdate,prs_Gender,prs_Citizenship,prs_IdentityNumber,x_more"
ROW = "{},Somsack,Keo,1975-03-09,Male,LA,PA123456, as it is "


@pytest.fixture
def folder(tmp_path):
    for country in ("LA", "TH"):
        (tmp_path / f"{country}.csv").write_text(f"{HEADER}\n{ROW.format(country + '-1')}\n", encoding="utf-8")
    return tmp_path


def write_truth(folder, *rows):
    (folder / "truth.csv").write_text("country_a,record_a,country_b,record_b\n" + "".join(f"{r}\n" for r in rows))


def test_what_was_written_is_read_again(tmp_path):
    world = invent(("LA", "TH", "VN"), 40, 0.1, 3)
    write_csv(world, tmp_path / "new")
    again = read_world(tmp_path / "new")
    assert again.truth == world.truth
    assert {c: [r.values for r in rows] for c, rows in again.rows.items()} == {
        c: [r.values for r in rows] for c, rows in world.rows.items()
    }
    assert not again.invented


def test_people_from_files_consent_to_everything_and_nobody_is_held(folder):
    world = read_world(folder)
    (row,) = world.rows["LA"]
    assert row.allowed == {"TH"}
    assert row.hold == frozenset()
    assert row.values["x_consent_C2"] == row.values["x_consent_C9"] == "given"


def test_a_refusal_that_a_file_states_stands(folder):
    (folder / "LA.csv").write_text(f"{HEADER},x_consent_C4\n{ROW.format('LA-1')},refused\n")
    (row,) = read_world(folder).rows["LA"]
    assert row.allowed == frozenset()


def test_columns_stay_as_they_are_also_unknown_ones(folder):
    (row,) = read_world(folder).rows["LA"]
    assert row.values["x_more"] == " as it is "


def test_bytes_that_are_not_utf8_are_handed_on_for_the_importer_to_judge(folder, tmp_path):
    raw = f"{HEADER}\n{ROW.format('LA-1')}\n".encode().replace(b"Somsack", b"Soms\xffck")
    (folder / "LA.csv").write_bytes(raw)
    write_csv(read_world(folder), tmp_path / "out")
    assert b"Soms\xffck" in (tmp_path / "out" / "LA.csv").read_bytes()


def test_a_byte_order_mark_is_no_part_of_the_first_column(folder):
    path = folder / "LA.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_world(folder).rows["LA"][0].record_id == "LA-1"


def test_the_truth_is_optional(folder):
    assert read_world(folder).truth is None


def test_the_truth_is_read_once_a_pair_in_the_order_of_the_countries(folder):
    write_truth(folder, "TH,TH-1,LA,LA-1", "LA,LA-1,TH,TH-1")
    assert read_world(folder).truth == (Pair("LA", "LA-1", "TH", "TH-1"),)


def test_a_truth_about_a_record_that_is_not_there_is_refused_by_its_row(folder):
    write_truth(folder, "LA,LA-1,TH,TH-1", "LA,LA-2,TH,TH-1")
    with pytest.raises(InputInvalid, match="row 3"):
        read_world(folder)


def test_a_missing_column_is_named(folder):
    (folder / "TH.csv").write_text("record_id,prs_FirstName\nTH-1,x\n")
    with pytest.raises(InputInvalid, match=r"TH\.csv lacks the column prs_SecondName, prs_Birthdate"):
        read_world(folder)


def test_a_row_with_too_few_cells_is_refused_by_its_line_without_its_content(folder):
    (folder / "TH.csv").write_text(f"{HEADER}\n{ROW.format('TH-1')}\nTH-2,Secretname\n")
    with pytest.raises(InputInvalid, match="line 3: 2 cells where the header has 8") as refused:
        read_world(folder)
    assert "Secretname" not in str(refused.value)


def test_a_folder_with_fewer_than_two_countries_is_refused(tmp_path):
    (tmp_path / "LA.csv").write_text(HEADER)
    (tmp_path / "notes.csv").write_text("x")
    with pytest.raises(InputInvalid, match="1 files named after a country"):
        read_world(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputInvalid, match="0 files"):
        read_world(tmp_path / "nowhere")


def test_an_empty_country_is_written_and_read(folder, tmp_path):
    (folder / "TH.csv").write_text(f"{HEADER}\n")
    world = read_world(folder)
    write_csv(world, tmp_path / "out")
    assert read_world(tmp_path / "out").rows["TH"] == ()


def test_a_pair_is_the_same_from_either_side():
    assert Pair.of(("TH", "1"), ("LA", "9")) == Pair.of(("LA", "9"), ("TH", "1")) == Pair("LA", "9", "TH", "1")
