from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keys import files
from keys.errors import AlreadyThere, KeyInUse, RingDamaged, UnknownKey
from keys.kek import Kek
from keys.ring import KeyRing

KEK = b"k" * 32
START = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ring.json"


@pytest.fixture
def keys(path):
    return KeyRing.create(path, KEK)


def add(keys, key_id, secret=b"s" * 32, purpose="signing", **more):
    return keys.add(purpose, key_id, secret, valid_from=START, **more)


def test_what_was_added_is_there_after_opening_again(keys, path):
    added = add(keys, "a", b"\0secret\xff", public=b"p" * 32, valid_until=START + timedelta(days=365), primary=True)
    add(keys, "b", purpose="share")
    again = KeyRing.open(path, KEK)
    assert again.versions("signing") == (added,)
    assert again.secret("signing", "a") == b"\0secret\xff"
    assert again.primary("signing") == added
    assert [v.id for v in again.versions("share")] == ["b"]
    assert added.algorithm == "Ed25519"


def test_the_same_id_may_stand_under_two_purposes(keys):
    add(keys, "1", b"one", purpose="store")
    add(keys, "1", b"two", purpose="pepper")
    assert (keys.secret("store", "1"), keys.secret("pepper", "1")) == (b"one", b"two")


def test_there_is_one_primary_a_purpose_and_the_former_stays_active(keys, path):
    add(keys, "a", primary=True)
    add(keys, "x", purpose="sealing", primary=True)
    add(keys, "b", primary=True)
    for found in (keys, KeyRing.open(path, KEK)):
        assert {v.id: v.state for v in found.versions("signing")} == {"a": "active", "b": "primary"}
        assert found.primary("signing").id == "b"
        assert found.primary("sealing").id == "x"


def test_without_a_primary_one_is_told_so(keys):
    add(keys, "a")
    with pytest.raises(UnknownKey, match="no primary signing key"):
        keys.primary("signing")


def test_an_unknown_key_is_named(keys):
    with pytest.raises(UnknownKey, match="'nobody'"):
        keys.secret("signing", "nobody")


def test_an_id_names_one_key_for_ever(keys):
    add(keys, "a", b"first")
    keys.destroy("signing", "a")
    with pytest.raises(AlreadyThere):
        add(keys, "a", b"second")


def test_destroying_leaves_a_tombstone_with_the_public_part(keys, path):
    add(keys, "a", b"the very secret", public=b"public")
    keys.destroy("signing", "a")
    keys.destroy("signing", "a")
    for found in (keys, KeyRing.open(path, KEK)):
        (tomb,) = found.versions("signing")
        assert (tomb.state, tomb.secret, tomb.public) == ("destroyed", None, b"public")
        with pytest.raises(UnknownKey, match="destroyed"):
            found.secret("signing", "a")
        with pytest.raises(UnknownKey):
            found.primary("signing")


def test_a_key_is_not_destroyed_while_anything_stands_under_it_nor_while_it_is_in_use(keys, path):
    add(keys, "a")
    add(keys, "b", primary=True)
    for refused in ({"key_id": "a", "standing": 1}, {"key_id": "b"}):
        with pytest.raises(KeyInUse):
            keys.destroy("signing", **refused)
    for found in (keys, KeyRing.open(path, KEK)):
        assert [v.state for v in found.versions("signing")] == ["active", "primary"]
        assert found.secret("signing", "a") == found.secret("signing", "b") == b"s" * 32


def test_a_wrapped_secret_is_gone_from_the_file_once_destroyed(keys, path):
    add(keys, "a", b"the very secret")
    add(keys, "b", b"another")
    assert path.read_text().count('"wrapped":"') + path.read_text().count('"wrapped": "') == 2
    keys.destroy("signing", "a")
    assert path.read_text().count('"wrapped":"') + path.read_text().count('"wrapped": "') == 1


def test_secrets_stand_nowhere_in_clear(keys, path):
    secret = b"the very secret of this key 1234"
    version = add(keys, "a", secret)
    content = path.read_bytes()
    for form in (secret, secret.hex().encode(), KEK, KEK.hex().encode()):
        assert form not in content
    for text in (repr(version), str(version), repr(keys)):
        assert "very secret" not in text
        assert secret.hex() not in text


def test_the_file_is_its_owners(keys, path):
    assert path.stat().st_mode & 0o777 == 0o600
    add(keys, "a")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_ring_is_never_created_over_another(keys, path):
    add(keys, "a")
    with pytest.raises(AlreadyThere):
        KeyRing.create(path, KEK)
    assert KeyRing.open(path, KEK).secret("signing", "a")


def test_a_missing_ring_is_told_by_path(path):
    with pytest.raises(RingDamaged, match=str(path)):
        KeyRing.open(path, KEK)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_changes_neither_file_nor_memory(keys, path, monkeypatch, step):
    add(keys, "a", primary=True)

    def full(*_args):
        raise OSError(28, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(files.os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RingDamaged, match="No space left"):
        add(keys, "b", primary=True)
    monkeypatch.undo()
    for found in (keys, KeyRing.open(path, KEK)):
        assert [v.id for v in found.versions("signing")] == ["a"]
    add(keys, "b", primary=True)
    assert KeyRing.open(path, KEK).primary("signing").id == "b"


def test_what_a_crash_left_beside_the_ring_is_neither_read_nor_in_the_way(keys, path):
    add(keys, "a")
    path.with_name("ring.json.new").write_bytes(b"{half")
    path.with_name("ring.json.new").chmod(0o644)
    add(KeyRing.open(path, KEK), "b")
    assert len(KeyRing.open(path, KEK).versions("signing")) == 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_rewrapped_ring_opens_under_the_new_key_alone_and_says_the_same(keys, path):
    add(keys, "a", b"first", public=b"p", primary=True)
    add(keys, "b", b"second")
    keys.destroy("signing", "b")
    before = keys.versions("signing")
    keys.rewrap(Kek(b"n" * 32))
    assert KeyRing.open(path, b"n" * 32).versions("signing") == before == keys.versions("signing")
    with pytest.raises(RingDamaged, match="another one"):
        KeyRing.open(path, KEK)
    add(keys, "c", b"third")
    assert KeyRing.open(path, b"n" * 32).secret("signing", "c") == b"third"


def test_a_rewrap_that_fails_leaves_the_ring_under_the_old_key(keys, path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RingDamaged, match="No space left"):
        keys.rewrap(Kek(b"n" * 32))
    monkeypatch.undo()
    add(keys, "a")
    assert KeyRing.open(path, KEK).secret("signing", "a")
