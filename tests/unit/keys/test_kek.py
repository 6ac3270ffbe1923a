"""Where a ring's key-encryption key comes from, and what is refused."""

import errno
import getpass
import json
import os
import struct
from datetime import UTC, datetime

import pytest
from parts import lack

from keys import kek
from keys.errors import AlreadyThere, RingDamaged, SourceInvalid, TokenUnavailable
from keys.hsm import TokenAddress
from keys.kek import Argon2id, FileSource, PassphraseSource, TokenMac, TokenSource, source
from keys.ring import KeyRing, create_ring, open_ring

START = datetime(2024, 3, 1, tzinfo=UTC)
WORDS = b"seven words that nobody else would choose"
URI = "pkcs11:token=Samaki%20KH;object=kek?module-path=/usr/lib/hsm.so&pin-source=file:/etc/samaki/pin"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ring.json"


def passphrase(words=WORDS, **more):
    """Argon2id at its cheapest: what it costs is libsodium's affair."""
    return PassphraseSource(lambda: words, ops=1, memory=8 << 10, **more)


def ring_under(path, under):
    create_ring(path, under).add("signing", "a", b"s" * 32, valid_from=START)


def private(path, content):
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_the_key_encryption_key_is_made_once_and_read_back(tmp_path):
    path = tmp_path / "kek"
    made = kek.new_kek(path)
    assert len(made) == 32
    assert kek.load_kek(path) == made
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(AlreadyThere):
        kek.new_kek(path)
    assert kek.load_kek(path) == made


def test_a_key_encryption_key_of_another_size_is_refused(tmp_path):
    path = private(tmp_path / "kek", b"short")
    with pytest.raises(RingDamaged, match="5 bytes"):
        kek.load_kek(path)
    with pytest.raises(RingDamaged, match="none"):
        kek.load_kek(tmp_path / "none")


def test_a_ring_is_founded_and_opened_under_a_file(path, tmp_path):
    under = FileSource(tmp_path / "kek")
    ring_under(path, under)
    ring, key = open_ring(path, under)
    assert ring.secret("signing", "a") == b"s" * 32
    assert key == (tmp_path / "kek").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kek", "ring.json"]


def test_a_file_of_another_ring_is_never_taken_for_a_new_one(path, tmp_path):
    other = kek.new_kek(tmp_path / "kek")
    with pytest.raises(AlreadyThere):
        create_ring(path, FileSource(tmp_path / "kek"))
    assert kek.load_kek(tmp_path / "kek") == other
    assert not path.exists()


def test_a_ring_opens_under_its_passphrase_and_under_no_other(path):
    ring_under(path, passphrase())
    assert open_ring(path, passphrase(WORDS + b"\n"))[0].secret("signing", "a") == b"s" * 32
    with pytest.raises(RingDamaged, match="another one"):
        open_ring(path, passphrase(WORDS + b"?"))


def test_salt_and_parameters_stay_with_the_ring_whoever_writes_it_next(path):
    ring_under(path, passphrase())
    before = json.loads(path.read_text())["kek"]
    assert before["kind"] == "argon2id"
    ring, key = open_ring(path, passphrase())
    ring.add("signing", "b", b"t" * 32, valid_from=START)
    KeyRing.open(path, key).add("signing", "c", b"u" * 32, valid_from=START)
    assert json.loads(path.read_text())["kek"] == before
    assert open_ring(path, passphrase())[0].secret("signing", "c") == b"u" * 32


def test_each_ring_under_a_passphrase_has_a_salt_and_a_key_of_its_own(tmp_path):
    ring_under(tmp_path / "a.json", passphrase())
    ring_under(tmp_path / "b.json", passphrase())
    assert open_ring(tmp_path / "a.json", passphrase())[1] != open_ring(tmp_path / "b.json", passphrase())[1]


def test_a_passphrase_gives_the_key_that_argon2id_gives():
    """And so does the reference implementation: argon2-cffi 23.1.0, hash_secret_raw, version 19, one lane."""
    derivation = Argon2id(salt=bytes(range(16)), ops=3, memory=64 << 10)
    (key,) = passphrase().find(derivation)
    assert key.hex() == "826b115c0c66a4f97fecde551b328459701ccb10dde4440ea4dfcd0127ec18e0"


def test_the_default_cost_is_three_passes_over_256_mebibytes():
    """OWASP and RFC 9106 ask for at least 46 or 64 MiB. Weaken this and a stolen ring is guessed the faster."""
    assert PassphraseSource(lambda: WORDS)._cost == (3, 256 << 20)


@pytest.mark.parametrize("change", [{"ops": 2}, {"memory": 16 << 10}, {"salt": "00" * 16}])
def test_an_altered_derivation_opens_nothing(path, change):
    ring_under(path, passphrase())
    content = json.loads(path.read_text())
    content["kek"] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(RingDamaged):
        open_ring(path, passphrase())


def test_a_derivation_put_into_a_ring_that_has_none_is_noticed(path, tmp_path):
    under = FileSource(tmp_path / "kek")
    ring_under(path, under)
    content = json.loads(path.read_text())
    content["kek"] = {"kind": "argon2id", "salt": "00" * 16, "ops": 1, "memory": 8192}
    path.write_text(json.dumps(content))
    with pytest.raises(RingDamaged, match="another one"):
        KeyRing.open(path, (tmp_path / "kek").read_bytes())


def test_an_altered_ring_cannot_demand_all_memory(path):
    ring_under(path, passphrase())
    content = json.loads(path.read_text())
    content["kek"]["memory"] = 1 << 40
    path.write_text(json.dumps(content))
    with pytest.raises(RingDamaged, match="no key ring"):
        open_ring(path, passphrase())


def test_a_setting_that_names_another_kind_of_source_says_which_it_is(path, tmp_path):
    token = TokenSource(TokenAddress.of(URI))
    ring_under(path, passphrase())
    with pytest.raises(RingDamaged, match="comes from a passphrase, the setting names a file"):
        open_ring(path, FileSource(tmp_path / "kek"))
    with pytest.raises(RingDamaged, match="comes from a passphrase, the setting names a token"):
        open_ring(path, token)
    with pytest.raises(RingDamaged, match="comes from a token, the setting names a passphrase"):
        passphrase().find(TokenMac(salt=bytes(32)))
    with pytest.raises(RingDamaged, match="comes from a file, the setting names a token"):
        token.find(None)


def test_a_short_passphrase_is_refused_and_not_repeated(path):
    with pytest.raises(RingDamaged, match="at least 16") as refused:
        create_ring(path, passphrase(b"correct horse"))
    assert "horse" not in str(refused.value)
    assert not path.exists()


def test_a_passphrase_comes_from_a_file_of_its_owner_alone(path, tmp_path):
    file = private(tmp_path / "words", WORDS + b"\n")
    (key,) = source(f"passphrase:{file}").find(Argon2id(salt=bytes(16), ops=1, memory=8192))
    assert [key] == passphrase().find(Argon2id(salt=bytes(16), ops=1, memory=8192))
    file.chmod(0o640)
    with pytest.raises(RingDamaged, match="chmod 600"):
        source(f"passphrase:{file}").find(Argon2id(salt=bytes(16), ops=1, memory=8192))


OWNER, NAMED, GROUP, NAMED_GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
NOBODY = 0xFFFFFFFF


def listed(path, *more):
    """Give a file an access list: its owner, what is named, a mask that lets it read, nobody else."""
    entries = [(OWNER, 6, NOBODY), *more, (MASK, 4, NOBODY), (OTHER, 0, NOBODY)]
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(entries))
    try:
        os.setxattr(path, "system.posix_acl_access", packed)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        lack("This file system keeps no access lists.")
    assert path.stat().st_mode & 0o777 == 0o640
    return path


def test_a_credential_that_systemd_lends_to_us_alone_is_read(tmp_path):
    file = listed(private(tmp_path / "words", WORDS), (NAMED, 4, os.geteuid()), (GROUP, 0, NOBODY))
    assert source(f"passphrase:{file}").find(Argon2id(salt=bytes(16), ops=1, memory=8192))


@pytest.mark.parametrize(
    "more",
    [
        [(NAMED, 4, 4711), (GROUP, 0, NOBODY)],
        [(GROUP, 4, NOBODY)],
        [(GROUP, 0, NOBODY), (NAMED_GROUP, 4, 4711)],
    ],
)
def test_a_credential_that_another_may_read_too_is_refused(tmp_path, more):
    file = listed(private(tmp_path / "words", WORDS), *more)
    with pytest.raises(RingDamaged, match="open to group or others"):
        source(f"passphrase:{file}").find(Argon2id(salt=bytes(16), ops=1, memory=8192))


def test_a_passphrase_comes_from_a_descriptor_once(path):
    reading, writing = os.pipe()
    os.write(writing, WORDS + b"\n")
    os.close(writing)
    under = source(f"passphrase:fd:{reading}")
    derivation = Argon2id(salt=bytes(16), ops=1, memory=8192)
    assert under.find(derivation) == under.find(derivation) == passphrase().find(derivation)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)
    with pytest.raises(RingDamaged, match=f"descriptor {reading}"):
        source(f"passphrase:fd:{reading}").find(derivation)


def test_a_typed_passphrase_is_asked_for_twice_before_anything_stands_under_it(path, monkeypatch):
    answers = iter([WORDS.decode(), "some other words altogether", WORDS.decode(), WORDS.decode(), WORDS.decode()])
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(answers))
    with pytest.raises(RingDamaged, match="differ"):
        create_ring(path, source("passphrase:prompt"))
    assert not path.exists()
    create_ring(path, source("passphrase:prompt"))
    assert open_ring(path, source("passphrase:prompt"))
    assert next(answers, None) is None


def test_without_a_terminal_nobody_is_asked(monkeypatch):
    def no_terminal(_prompt):
        getpass.warnings.warn("Can not control echo", getpass.GetPassWarning, stacklevel=1)

    monkeypatch.setattr(getpass, "getpass", no_terminal)
    with pytest.raises(RingDamaged, match="no terminal"):
        source("passphrase:prompt").find(Argon2id(salt=bytes(16), ops=1, memory=8192))


def test_a_token_is_named_by_a_pkcs11_uri():
    found = source(URI)
    assert isinstance(found, TokenSource)
    assert (found.address.token, found.address.object) == ("Samaki KH", "kek")
    assert (str(found.address.module), str(found.address.pin)) == ("/usr/lib/hsm.so", "/etc/samaki/pin")


@pytest.mark.parametrize(
    "text",
    [
        "", "kek", "file:kek", "passphrase:words", "passphrase:fd:", "passphrase:fd:x", "passphrase:fd:1",
        "env:SECRET", "pkcs11:token=T;object=O", "pkcs11:token=T?module-path=/m&pin-source=/p",
        "pkcs11:token=T;object=O?module-path=m&pin-source=/p", "pkcs11:token=T;object=?module-path=/m&pin-source=/p",
        "pkcs11:token=T;object=O;serial=1?module-path=/m&pin-source=/p",
    ],
)  # fmt: skip
def test_what_names_no_source_is_refused(text):
    with pytest.raises(SourceInvalid):
        source(text)


def test_a_pin_in_a_setting_is_refused_and_not_repeated():
    with pytest.raises(SourceInvalid, match="stands in a file") as refused:
        source("pkcs11:token=T;object=O?module-path=/m&pin-value=20250317")
    assert "2025" not in str(refused.value)


def test_a_machine_without_the_library_of_tokens_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pkcs11", None)
    with pytest.raises(TokenUnavailable, match=r"samaki\[hsm\]"):
        TokenAddress.of(URI).open()


def test_no_source_prints_what_it_gives(tmp_path):
    file = FileSource(tmp_path / "kek").fresh()
    words = passphrase().fresh()
    for kek_ in (file, words):
        assert kek_.key.hex() not in repr(kek_)
        assert repr(kek_.key)[2:-1] not in repr(kek_)
    assert "words" not in repr(passphrase())
