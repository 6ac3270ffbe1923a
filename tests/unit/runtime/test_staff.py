"""The register of staff: tokens kept as digests, in a file nobody else may write."""

import hmac
import stat

import pytest

from events.base import Role
from services.runtime.errors import StaffInvalid
from services.runtime.staff import Entry, Officer, Register, digest_of, new_token


def entry(staff="noy", shown="t", roles=(Role.CASE_WORKER,)):
    return Entry(staff=staff, organisation="mlsw", roles=roles, token_sha256=digest_of(shown))


def test_a_token_has_256_bits_and_is_never_the_same_twice():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}


def test_the_officer_of_a_token_is_found_and_nobody_for_another(register):
    assert register.authenticate("noys-token") == Officer("noy", "mlsw", (Role.CASE_WORKER,))
    assert register.authenticate("noys-token ") is None
    assert register.authenticate("") is None


def test_a_digest_is_no_token(register):
    assert register.authenticate(digest_of("noys-token")) is None


def test_every_entry_is_compared_whichever_fits(register, monkeypatch):
    compared = []

    def compare(a, b):
        compared.append(a)
        return a == b

    monkeypatch.setattr(hmac, "compare_digest", compare)
    register.authenticate("noys-token")
    assert compared == [e.token_sha256 for e in register.entries]


def test_a_register_is_saved_for_the_owner_alone_and_holds_no_token(tmp_path, register):
    path = tmp_path / "staff.json"
    path.write_text("old")
    register.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "noys-token" not in path.read_text()
    assert Register.load(path).entries == register.entries
    assert [p.name for p in tmp_path.iterdir()] == ["staff.json"]


def test_a_register_that_others_may_write_is_refused(tmp_path, register):
    path = tmp_path / "staff.json"
    register.save(path)
    path.chmod(0o620)
    with pytest.raises(StaffInvalid, match="chmod 600"):
        Register.load(path)


@pytest.mark.parametrize("content", ["", "[]", '{"staff": [{"staff": "noy"}]}', '{"staff": [], "more": 1}'])
def test_a_malformed_register_is_refused(tmp_path, content):
    path = tmp_path / "staff.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(StaffInvalid, match="no staff register"):
        Register.load(path)


def test_a_missing_register_is_refused(tmp_path):
    with pytest.raises(StaffInvalid, match="cannot be read"):
        Register.load(tmp_path / "staff.json")


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([entry(), entry(shown="u")], "staff id twice"),
        ([entry(), entry(staff="keo")], "token twice"),
        ([entry(roles=())], "without a role"),
        ([entry(roles=(Role.NODE,))], "role of a machine"),
    ],
)
def test_a_register_that_confuses_people_is_refused(entries, why):
    with pytest.raises(StaffInvalid, match=why):
        Register(entries)
