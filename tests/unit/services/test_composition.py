"""Settings in, a service out; a home that is another party's is refused before anything is written."""

from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from keys import group, sign
from keys.errors import BackendMissing, RingDamaged
from keys.kek import FileSource, PassphraseSource, load_kek
from keys.persons import PersonKeys
from keys.rotation import rotate_kek
from services.country import main as country
from services.country.settings import CountrySettings
from services.demo.region import found_region
from services.keyholder import main as keyholder
from services.keyholder.settings import KeyHolderSettings
from services.matcher import main as matcher
from services.matcher.settings import MatcherSettings
from services.runtime.errors import InputInvalid, SelftestFailed


@pytest.fixture
def founded(tmp_path):
    return found_region(tmp_path / "region", ("KH", "TH"), now=datetime(2026, 3, 1, tzinfo=UTC), cover=False)


def test_a_key_holder_is_built_from_its_home(founded):
    built = keyholder.build(KeyHolderSettings(home=founded.home("KH.holder"), charter=founded.charter_file))
    assert built.me == "KH.holder"


def test_the_matcher_is_built_from_its_home(founded):
    built = matcher.build(MatcherSettings(home=founded.home("matcher"), charter=founded.charter_file))
    assert built.me == "matcher"


def test_a_key_holder_refuses_the_home_of_a_country(founded):
    with pytest.raises(InputInvalid, match="no key holder"):
        keyholder.build(KeyHolderSettings(home=founded.home("KH"), charter=founded.charter_file))


def test_a_home_that_is_not_there_is_refused(founded, tmp_path):
    with pytest.raises(InputInvalid):
        matcher.build(MatcherSettings(home=tmp_path / "nowhere", charter=founded.charter_file))


BUILDS = [
    (country.build, CountrySettings, "KH"),
    (keyholder.build, KeyHolderSettings, "KH.holder"),
    (matcher.build, MatcherSettings, "matcher"),
]
every_party = pytest.mark.parametrize("build, kind, party", BUILDS, ids=lambda value: value if isinstance(value, str) else "")


@every_party
def test_a_node_whose_cryptography_errs_refuses_to_start_and_says_where(founded, monkeypatch, build, kind, party):
    monkeypatch.setattr(sign, "is_valid", lambda *_: True)
    before = sorted(founded.home(party).iterdir())
    with pytest.raises(SelftestFailed, match=r"Refused to start: .*Wycheproof Ed25519: 63 of 151 vectors fail, numbers "):
        build(kind(home=founded.home(party), charter=founded.charter_file))
    assert sorted(founded.home(party).iterdir()) == before


@every_party
def test_a_node_without_a_library_for_the_group_refuses_to_start(founded, monkeypatch, build, kind, party):
    def missing():
        raise BackendMissing("No libsodium.")

    monkeypatch.setattr(group, "backend_name", missing)
    with pytest.raises(SelftestFailed, match="No libsodium"):
        build(kind(home=founded.home(party), charter=founded.charter_file))


def test_a_node_opens_its_keys_by_the_passphrase_that_its_settings_name(founded, tmp_path):
    home, words = founded.home("KH"), tmp_path / "words"
    words.touch(mode=0o600)
    words.write_text("seven words that nobody else would choose\n")
    cheap = PassphraseSource(words.read_bytes, ops=1, memory=8 << 10)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    rotate_kek(home / "ring.json", home / "persons.db", FileSource(home / "kek"), cheap, at=at)
    settings = CountrySettings(home=home, charter=founded.charter_file, kek=f"passphrase:{words}")
    assert country.build(settings).country == "KH"
    with pytest.raises(InputInvalid, match="comes from a passphrase, the setting names a file"):
        country.build(CountrySettings(home=home, charter=founded.charter_file))


def test_a_node_moves_persons_keys_that_stand_under_the_key_encryption_key_itself(founded):
    home, person = founded.home("KH"), uuid4()
    kek = load_kek(home / "kek")
    with closing(PersonKeys(home / "persons.db", kek)) as older:
        older.create([person])
    country.build(CountrySettings(home=home, charter=founded.charter_file))
    with pytest.raises(RingDamaged, match="another one"):
        PersonKeys(home / "persons.db", kek)


def test_a_node_whose_persons_keys_stand_under_a_key_that_its_ring_lacks_says_what_to_do(founded):
    home = founded.home("KH")
    PersonKeys(home / "persons.db", b"l" * 32).close()
    with pytest.raises(InputInvalid, match="newest backup"):
        country.build(CountrySettings(home=home, charter=founded.charter_file))
