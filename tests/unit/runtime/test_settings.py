"""Settings: read once, frozen, and never a secret in them."""

from pathlib import Path

import pytest

from keys.kek import FileSource, PassphraseSource
from services.runtime.errors import InputInvalid, SettingsInvalid
from services.runtime.settings import PartySettings


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch):
    for name in ("HOME", "CHARTER", "BOOTSTRAP", "HTTP_PORT", "HTTP_NAMES", "KAFKA_CA", "KEK"):
        monkeypatch.delenv(f"SAMAKI_{name}", raising=False)


def load(**more):
    return PartySettings.load(**{"home": Path("/h"), "charter": Path("/c.json"), **more})


def test_the_environment_fills_what_the_command_line_left_open(monkeypatch):
    monkeypatch.setenv("SAMAKI_BOOTSTRAP", "one:9092, two:9093")
    monkeypatch.setenv("SAMAKI_HTTP_PORT", "8001")
    settings = load(http_port=None)
    assert settings.bootstrap == ("one:9092", "two:9093")
    assert settings.http_port == 8001


def test_the_command_line_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("SAMAKI_HTTP_PORT", "8001")
    assert load(http_port=0).http_port == 0


def test_a_missing_setting_is_named_with_the_name_to_set():
    with pytest.raises(SettingsInvalid, match="SAMAKI_CHARTER"):
        PartySettings.load(home=Path("/h"))


@pytest.mark.parametrize("server", ["nohost", "broker9:", "broker9:99999999", "a b:1"])
def test_a_wrong_value_is_refused_without_being_repeated(server):
    with pytest.raises(SettingsInvalid) as refused:
        load(bootstrap=(server,))
    assert "SAMAKI_BOOTSTRAP" in str(refused.value)
    assert server not in str(refused.value)


def test_half_of_the_tls_files_are_refused():
    with pytest.raises(SettingsInvalid, match="together"):
        load(kafka_ca=Path("/ca.pem"))


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load().http_port = 1


def test_a_partys_files_stand_in_its_home():
    settings = load()
    assert settings.ring == Path("/h/ring.json")
    assert settings.database_url == "sqlite:////h/store.db"


def test_the_database_address_is_read_from_a_file_because_it_may_hold_a_password(tmp_path):
    file = tmp_path / "dsn"
    file.write_text("postgresql://node:secret@db/store\n")
    settings = load(database_file=file)
    assert settings.database_url == "postgresql://node:secret@db/store"
    assert "secret" not in repr(settings)


def test_a_database_file_that_is_missing_is_an_input_error():
    with pytest.raises(InputInvalid, match="cannot be read"):
        _ = load(database_file=Path("/nowhere/dsn")).database_url


def test_only_loopback_is_listened_on_unless_somebody_says_otherwise():
    settings = load()
    assert settings.http_host == "127.0.0.1"
    assert not settings.http_anywhere


def test_the_key_encryption_key_is_a_file_in_the_home_unless_the_settings_say_otherwise(monkeypatch):
    assert load().kek_source == FileSource(Path("/h/kek"))
    monkeypatch.setenv("SAMAKI_KEK", "file:/elsewhere/kek")
    assert load().kek_source == FileSource(Path("/elsewhere/kek"))
    monkeypatch.setenv("SAMAKI_KEK", "passphrase:fd:3")
    assert isinstance(load().kek_source, PassphraseSource)


@pytest.mark.parametrize("value", ["correct horse battery", "pkcs11:token=T;object=O?module-path=/m&pin-value=20250317"])
def test_a_secret_in_the_place_of_its_source_is_refused_and_not_repeated(value):
    with pytest.raises(SettingsInvalid, match="SAMAKI_KEK") as refused:
        load(kek=value)
    assert value[-8:] not in str(refused.value)
