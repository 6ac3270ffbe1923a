"""A planted identifier is found, in whatever form it leaves; chance text is not taken for one."""

import base64
import hashlib
import secrets

import pytest

from services.demo.leaks import Needles

ROW = {
    "prs_FirstName": "สมศักดิ์", "prs_SecondName": "Vongphachan", "x_LatinFirstName": "Somsak", "x_LatinSecondName": "Wongpachan",
    "x_Aliases": "Noi", "prs_Birthdate": "2534-04-23", "prs_Citizenship": "LA", "prs_IdentityNumber": "k-729 0415",
}
NEEDLES = Needles.of_people([ROW])


@pytest.mark.parametrize(
    "planted",
    [
        b"Vongphachan",
        b"vongphachan",
        "สมศักดิ์".encode(),
        b"2534-04-23",
        b"1991-04-23",
        b"1991/04/23",
        b"23041991",
        b"K7290415",
        b"k-729 0415",
        b"somsakwongpachan",
        b"wongpachan|somsak",
        base64.b64encode(b"Vongphachan"),
        base64.b64encode(b"xyVongphachan"),
        base64.urlsafe_b64encode('{"name": "สมศักดิ์"}'.encode()),
        base64.b64encode(base64.b64encode(b"Vongphachan")),
        b"Vongphachan".hex().encode(),
        hashlib.sha256(b"Vongphachan").digest(),
        hashlib.sha256(b"vongphachan").hexdigest().encode(),
        base64.b64encode(hashlib.blake2b(b"1991-04-23").digest()),
        hashlib.blake2b(b"K7290415", digest_size=32).hexdigest().encode(),
    ],
)
def test_a_planted_identifier_is_found(planted: bytes):
    noise = secrets.token_bytes(500)
    assert NEEDLES.find("here", noise + b'"' + planted + b'"' + noise)


@pytest.mark.parametrize("harmless", [b"Noise", b"noisy", b"ab23041991cd", b"2026-04-23", b"1991", b""])
def test_chance_text_is_not_taken_for_an_identifier(harmless: bytes):
    assert not NEEDLES.find("here", b'{"x": "' + harmless + b'"}')


def test_random_bytes_hold_nothing():
    assert not NEEDLES.find("here", secrets.token_bytes(300_000) + base64.b64encode(secrets.token_bytes(300_000)))


def test_a_leak_says_where_and_what_kind_but_not_what():
    (leak, *_) = NEEDLES.find("linkage.KH", b"--Vongphachan--")
    assert (leak.where, leak.kind) == ("linkage.KH", "name")
    assert "ongphachan" not in repr(leak)
