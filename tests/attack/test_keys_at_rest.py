"""Who can touch a node's files of keys, but has not the key-encryption key, gains nothing and is noticed."""

import json
import sqlite3
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from keys import kek, persons, ring, rotation, seal
from keys.errors import RingDamaged, SealBroken
from keys.kek import FileSource
from keys.persons import PersonKeys, open_persons
from keys.ring import KeyRing, create_ring, open_ring

KEK = b"k" * 32
START = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ring.json"
    keys = KeyRing.create(path, KEK)
    keys.add("signing", "a", b"a" * 32, public=b"A" * 32, valid_from=START, valid_until=START, primary=True)
    keys.add("signing", "b", b"b" * 32, public=b"B" * 32, valid_from=START)
    keys.add("share", "a", b"c" * 32, valid_from=START)
    keys.add("sealing", "old", b"d" * 32, valid_from=START)
    keys.destroy("sealing", "old")
    return path


def altered(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def refused(path, kek=KEK):
    with pytest.raises(RingDamaged):
        KeyRing.open(path, kek)
    return True


def test_the_ring_opens_as_it_was_left(path):
    assert KeyRing.open(path, KEK).primary("signing").id == "a"


def test_another_key_encryption_key_opens_nothing(path):
    assert refused(path, b"l" * 32)


def test_even_an_empty_ring_refuses_another_key_encryption_key(tmp_path):
    KeyRing.create(tmp_path / "empty.json", KEK)
    assert refused(tmp_path / "empty.json", b"l" * 32)


@pytest.mark.parametrize("one, other", [(0, 1), (0, 2)])
def test_swapped_secrets_are_noticed(path, one, other):
    def swap(content):
        first, second = content["keys"][one], content["keys"][other]
        first["wrapped"], second["wrapped"] = second["wrapped"], first["wrapped"]

    altered(path, swap)
    assert refused(path)


def test_a_wrapped_secret_is_bound_to_its_place_by_itself(path):
    """Not only by the seal over the whole: an entry of a backup does not open under another id."""
    content = json.loads(path.read_text())["keys"]
    with pytest.raises(ring.SealBroken):
        ring._unwrapped(ring._Entry.model_validate_json(json.dumps({**content[0], "id": "b"})), KEK)


@pytest.mark.parametrize(
    "field, value",
    [
        ("state", "active"),
        ("valid_until", None),
        ("valid_from", "2020-01-01T00:00:00Z"),
        ("public", "00" * 32),
        ("id", "c"),
        ("purpose", "store"),
        ("algorithm", "none"),
        ("wrapped", None),
    ],
)
def test_no_field_of_an_entry_can_be_altered(path, field, value):
    altered(path, lambda content: content["keys"][0].update({field: value}))
    assert refused(path)


def test_no_entry_can_be_removed_doubled_or_moved(path):
    original = path.read_text()
    for change in (
        lambda c: c["keys"].pop(),
        lambda c: c["keys"].clear(),
        lambda c: c["keys"].append(c["keys"][0]),
        lambda c: c["keys"].reverse(),
    ):
        path.write_text(original)
        altered(path, change)
        assert refused(path)


def test_a_tombstone_cannot_be_brought_back_from_an_older_copy_of_its_entry(tmp_path):
    path = tmp_path / "r.json"
    keys = KeyRing.create(path, KEK)
    keys.add("share", "a", b"a" * 32, valid_from=START)
    older = json.loads(path.read_text())["keys"][0]
    keys.destroy("share", "a")
    altered(path, lambda content: content["keys"].__setitem__(0, older))
    assert refused(path)


def test_a_ring_cut_anywhere_is_refused(path):
    content = path.read_bytes()
    for size in range(0, len(content) - 1, 7):
        path.write_bytes(content[:size])
        assert refused(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_files_that_others_can_open_are_refused(path, tmp_path, mode):
    path.chmod(mode)
    assert refused(path)
    file = tmp_path / "kek"
    kek.new_kek(file)
    file.chmod(mode)
    with pytest.raises(RingDamaged, match="chmod 600"):
        kek.load_kek(file)
    store = tmp_path / "persons.db"
    PersonKeys(store, KEK).close()
    store.chmod(mode)
    with pytest.raises(RingDamaged, match="chmod 600"):
        PersonKeys(store, KEK)


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "persons.db"
    keys = PersonKeys(path, KEK)
    people = [uuid4(), uuid4()]
    keys.create(people)
    keys.close()
    return path, people


def test_persons_keys_under_another_key_encryption_key_are_refused_at_the_start(store):
    with pytest.raises(RingDamaged):
        PersonKeys(store[0], b"l" * 32)


def test_a_persons_key_moved_to_another_person_does_not_open(store):
    path, (one, other) = store
    database = sqlite3.connect(path)
    with database:
        database.execute(
            "UPDATE person_key SET wrapped = (SELECT wrapped FROM person_key WHERE person_id = ?) WHERE person_id = ?",
            (one.bytes, other.bytes),
        )
    database.close()
    keys = PersonKeys(path, KEK)
    assert keys.get(one) is not None
    with pytest.raises(RingDamaged):
        keys.get(other)
    keys.close()


@pytest.fixture
def home(tmp_path):
    """A node's folder, ring and persons' keys, and the two people who have one."""
    home = tmp_path / "home"
    home.mkdir()
    source = FileSource(home / "kek")
    ring = create_ring(home / "ring.json", source)
    keys = open_persons(home / "persons.db", ring, kek=kek.load_kek(home / "kek"), at=START)
    her, him = uuid4(), uuid4()
    keys.create([her, him])
    yield home, ring, keys, her, him
    keys.close()


def windows(home, size):
    """Every stretch of this size in every file of a home."""
    for path in home.iterdir():
        content = path.read_bytes()
        yield from (content[start : start + size] for start in range(len(content) - size + 1))


def opens(key, box, aad):
    try:
        seal.unseal(key, box, aad)
    except SealBroken:
        return False
    return True


def test_after_a_destruction_nothing_on_the_machine_opens_an_old_copy_of_her_history(home):
    folder, keyring, keys, her, him = home
    # as any store, snapshot, view or topic may have a copy of it
    history = {person: seal.seal(keys.get(person), b"what happened", b"row 1") for person in (her, him)}

    def found(person):
        """The keys to this history among all that the machine's own keys open, in whatever place of whatever file."""
        own = [v.secret for purpose in ring.ALGORITHMS for v in keyring.versions(purpose) if v.secret]
        own.append(kek.load_kek(folder / "kek"))
        place, boxes = persons._place(person), set(windows(folder, seal.OVERHEAD + seal.KEY))
        unwrapped = [seal.unseal(key, box, place) for key in own for box in boxes if opens(key, box, place)]
        return [key for key in own + unwrapped if opens(key, history[person], b"row 1")]

    assert found(her)
    keys.destroy(her)
    assert found(her) == []
    assert found(him)
    assert keys.get(her) is None


def test_an_older_copy_of_the_persons_keys_is_closed_once_the_key_that_wraps_them_is_changed(home):
    folder, keyring, keys, her, _ = home
    older = folder / "older.db"
    older.write_bytes((folder / "persons.db").read_bytes())
    older.chmod(0o600)
    keys.destroy(her)
    rotation.rotate_data(keyring, keys, at=START)
    with pytest.raises(RingDamaged, match="newest backup"):
        open_persons(older, keyring, kek=kek.load_kek(folder / "kek"), at=START)


def test_after_a_change_of_the_key_encryption_key_the_old_one_opens_only_what_was_copied_before(home):
    folder, _, keys, _, _ = home
    keys.close()
    stolen, copied = kek.load_kek(folder / "kek"), folder / "copied.json"
    copied.write_bytes((folder / "ring.json").read_bytes())
    copied.chmod(0o600)
    source = FileSource(folder / "kek")
    rotation.rotate_kek(folder / "ring.json", folder / "persons.db", source, source, at=START)
    assert refused(folder / "ring.json", stolen)
    assert refused(copied, open_ring(folder / "ring.json", source)[1])
    with pytest.raises(RingDamaged):
        PersonKeys(folder / "persons.db", stolen)


def test_a_tombstone_says_nothing_but_that_there_was_somebody(home):
    folder, _, keys, her, _ = home
    keys.destroy(her)
    rows = sqlite3.connect(folder / "persons.db")
    assert rows.execute("SELECT * FROM person_key WHERE person_id = ?", (her.bytes,)).fetchall() == [(her.bytes, None)]
    rows.close()
