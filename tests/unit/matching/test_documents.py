import pytest

from matching.normalise.documents import Document, document


@pytest.mark.parametrize("written", [
    "N1234087", "n1234087", "N 123-4087", " N.1234087 ", "Ｎ１２３４０８７", "N๑๒๓๔๐๘๗", "N1234O87", "NI234087",
])
def test_one_number_is_written_in_many_ways(written):
    assert document(written, "KH") == Document("KH", "N1234087")


def test_the_issuer_is_part_of_the_document():
    assert document("N1234087", "KH") != document("N1234087", "LA")
    assert document("N1234087", " kh ") == document("N1234087", "KH")


@pytest.mark.parametrize("issuer", ["", "K", "KHM", "K1", "កម"])
def test_a_number_without_a_country_is_no_document(issuer):
    assert document("N1234087", issuer) is None


@pytest.mark.parametrize("number", [
    "", "N123", "1234", "UNKNOWN", "PASSPORT12", "0000000", "N0000000", "9999999999", "123456789", "A123456", "0123456",
    "987654321", "-----", "OOOOOOO",
])
def test_junk_is_no_document(number):
    assert document(number, "KH") is None


def test_a_short_but_real_number_is_a_document():
    assert document("40817", "KH") == Document("KH", "40817")


def test_a_document_does_not_print_itself():
    assert "1234087" not in f"{document('N1234087', 'KH')!r} {document('N1234087', 'KH')}"
