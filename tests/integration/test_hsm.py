"""Keys that stay in a PKCS#11 token, on SoftHSM2."""

import hmac
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from keys import hsm, labels
from keys.errors import AlreadyThere, RingDamaged, TokenUnavailable
from keys.hsm import TokenAddress
from keys.kek import FileSource, source
from keys.pepper import SecretPepper
from keys.ring import create_ring, open_ring
from keys.rotation import rotate_kek

START = datetime(2026, 3, 1, tzinfo=UTC)
MESSAGE = b"i" * 32


@pytest.fixture
def named(softhsm, request):
    """The address of a key of this test's own; `named("other")` of another one."""
    return lambda name="key": softhsm.address(f"{request.node.name} {name}")


@pytest.fixture
def made(named):
    address = TokenAddress.of(named())
    address.make()
    return address


def in_token(address, secret, **attributes):
    """Put a known secret into the token, as a careless operator may."""
    import pkcs11

    hsm._session(address).create_object(
        {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.GENERIC_SECRET,
            pkcs11.Attribute.VALUE: secret, pkcs11.Attribute.LABEL: address.object, pkcs11.Attribute.TOKEN: True,
            pkcs11.Attribute.PRIVATE: True, pkcs11.Attribute.SIGN: True, pkcs11.Attribute.SENSITIVE: True,
            pkcs11.Attribute.EXTRACTABLE: False,
        }
        | {pkcs11.Attribute[name]: value for name, value in attributes.items()}
    )  # fmt: skip


# ---- a pepper: one contract, two kinds


@pytest.fixture(params=["in memory", "in a token"])
def pepper(request, named):
    if request.param == "in memory":
        return SecretPepper(b"p" * 32)
    address = TokenAddress.of(named())
    in_token(address, b"p" * 32)
    return address.open()


def test_a_pepper_is_hmac_sha256_wherever_it_stands(pepper):
    for message in (MESSAGE, b"", b"\0" * 500):
        assert pepper.mac(message) == hmac.digest(b"p" * 32, message, "sha256")


def test_a_pepper_is_used_by_many_threads_at_once(pepper):
    messages = [number.to_bytes(32, "big") for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(pepper.mac, messages))
    assert found == [hmac.digest(b"p" * 32, message, "sha256") for message in messages]


def test_a_pepper_does_not_print_itself(pepper):
    assert "pppp" not in repr(pepper)
    assert (b"p" * 32).hex() not in repr(pepper)


# ---- a key in the token


def test_a_key_is_made_once_and_found_again(made):
    found = made.open().mac(MESSAGE)
    with pytest.raises(AlreadyThere):
        made.make()
    assert made.open().mac(MESSAGE) == found
    assert len(found) == 32


def test_a_key_made_here_never_leaves_the_token(made):
    import pkcs11

    key = made.open()._key
    assert key[pkcs11.Attribute.NEVER_EXTRACTABLE]
    assert key[pkcs11.Attribute.ALWAYS_SENSITIVE]
    assert key[pkcs11.Attribute.PRIVATE]
    assert not key[pkcs11.Attribute.WRAP]
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        key[pkcs11.Attribute.VALUE]


@pytest.mark.parametrize("attributes", [{"EXTRACTABLE": True}, {"SENSITIVE": False, "EXTRACTABLE": True}])
def test_a_key_that_the_token_would_hand_out_is_refused(named, attributes):
    address = TokenAddress.of(named())
    in_token(address, b"p" * 32, **attributes)
    with pytest.raises(TokenUnavailable, match="hand out"):
        address.open()


def test_two_keys_of_one_name_are_refused(named):
    address = TokenAddress.of(named())
    in_token(address, b"p" * 32)
    in_token(address, b"q" * 32)
    with pytest.raises(TokenUnavailable, match="exactly one key"):
        address.open()


def test_what_is_missing_is_named(softhsm, named, tmp_path):
    pin = tmp_path / "pin"
    for uri, said in (
        (named("nothing"), "has not exactly one key"),
        (softhsm.address("x", token="nowhere"), "no token nowhere"),
        (softhsm.address("x", **{"module-path": "/nowhere.so"}), "/nowhere.so"),
    ):
        with pytest.raises(TokenUnavailable, match=said):
            TokenAddress.of(uri).open()
    assert f"RingDamaged: {pin} cannot be read" in elsewhere(softhsm.address("x", **{"pin-source": str(pin)}))


def elsewhere(uri, code="TokenAddress.of({uri!r}).open()", **environment):
    """What another process says that opens a token: this one is logged in already."""
    program = f"from keys.hsm import TokenAddress\nfrom keys.errors import *\n{code.format(uri=uri)}"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    return ran.stdout + ran.stderr


def test_a_wrong_pin_is_told_and_not_repeated(softhsm, tmp_path):
    pin = tmp_path / "pin"
    pin.touch(mode=0o600)
    pin.write_text("000000")
    said = elsewhere(softhsm.address("x", **{"pin-source": str(pin)}))
    assert "refuses the PIN" in said
    assert "lock" in said
    assert "000000" not in said


def test_a_pin_that_others_can_read_is_refused(softhsm, tmp_path):
    pin = tmp_path / "pin"
    pin.write_text("482913")
    pin.chmod(0o644)
    assert "chmod 600" in elsewhere(softhsm.address("x", **{"pin-source": str(pin)}))


def test_another_process_finds_the_same_key(made, named):
    code = "print(TokenAddress.of({uri!r}).open().mac(b'i' * 32).hex())"
    assert elsewhere(named(), code).strip() == made.open().mac(MESSAGE).hex()


# ---- a ring under a token


@pytest.fixture
def ring(made, named, tmp_path):
    path = tmp_path / "ring.json"
    create_ring(path, source(named())).add("signing", "a", b"s" * 32, valid_from=START)
    return path


def test_a_ring_opens_where_its_token_is(ring, named):
    assert open_ring(ring, source(named()))[0].secret("signing", "a") == b"s" * 32
    assert json.loads(ring.read_text())["kek"]["kind"] == "token-hmac-sha256"


def test_its_key_is_the_tokens_mac_of_label_and_salt(ring, named, made):
    salt = bytes.fromhex(json.loads(ring.read_text())["kek"]["salt"])
    assert open_ring(ring, source(named()))[1] == made.open().mac(labels.framed(labels.TOKEN_KEK, salt))


def test_a_ring_under_another_key_of_the_token_does_not_open(ring, named):
    TokenAddress.of(named("other")).make()
    with pytest.raises(RingDamaged, match="another one"):
        open_ring(ring, source(named("other")))


def test_a_thief_of_the_disk_without_the_token_opens_nothing(ring, named, tmp_path):
    (tmp_path / "conf").write_text(f"directories.tokendir = {tmp_path}\nobjectstore.backend = file\n")
    code = f"from keys.kek import source; from keys.ring import open_ring; from pathlib import Path\nopen_ring(Path({str(ring)!r}), source({{uri!r}}))"
    said = elsewhere(named(), code, SOFTHSM2_CONF=str(tmp_path / "conf"))
    assert "TokenUnavailable" in said
    assert "has no token" in said


def test_a_ring_goes_from_a_file_into_a_token_to_a_fresh_salt_and_back(named, tmp_path):
    TokenAddress.of(named()).make()
    path, persons, file, token = tmp_path / "ring.json", tmp_path / "persons.db", FileSource(tmp_path / "kek"), source(named())
    create_ring(path, file).add("signing", "a", b"s" * 32, valid_from=START)
    seen = [open_ring(path, file)[1]]
    for under, to in ((file, token), (token, token), (token, FileSource(tmp_path / "back"))):
        rotate_kek(path, persons, under, to, at=START)
        opened, key = open_ring(path, to)
        assert opened.secret("signing", "a") == b"s" * 32
        seen.append(key)
    assert len(set(seen)) == 4
