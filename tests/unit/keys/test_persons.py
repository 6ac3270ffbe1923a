import sqlite3
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from keys import persons
from keys.errors import RingDamaged
from keys.persons import PersonKeys

KEK = b"k" * 32


@pytest.fixture
def path(tmp_path):
    return tmp_path / "persons.db"


@pytest.fixture
def opened(path):
    made = []

    def open_again():
        made.append(PersonKeys(path, KEK))
        return made[-1]

    yield open_again
    for keys in made:
        keys.close()


def test_each_person_has_a_key_of_her_own_which_stays(opened):
    keys, people = opened(), [uuid4() for _ in range(50)]
    keys.create(people)
    found = [keys.get(person) for person in people]
    assert len(set(found)) == 50
    assert all(len(key) == 32 for key in found)
    keys.create(people)
    assert [keys.get(person) for person in people] == found
    keys.close()
    assert [opened().get(person) for person in people] == found


def test_a_person_never_seen_has_no_key(opened):
    assert opened().get(uuid4()) is None


def test_a_destroyed_key_is_gone_from_memory_and_for_ever(opened):
    keys, person, other = opened(), uuid4(), uuid4()
    keys.create([person, other])
    assert keys.get(person) is not None
    keys.destroy(person)
    keys.destroy(person)
    assert keys.get(person) is None
    assert opened().get(person) is None
    assert keys.get(other) is not None


def test_an_erased_person_is_never_given_a_new_key(opened):
    keys, person, unseen = opened(), uuid4(), uuid4()
    keys.create([person])
    keys.destroy(person)
    keys.destroy(unseen)
    keys.create([person, unseen])
    assert keys.get(person) is None
    assert keys.get(unseen) is None


def test_a_destroyed_key_leaves_no_bytes_in_the_file(opened, path):
    keys, people = opened(), [uuid4() for _ in range(200)]
    keys.create(people)
    with sqlite3.connect(path) as reader:
        wrapped = dict(reader.execute("SELECT person_id, wrapped FROM person_key").fetchall())
    reader.close()
    for person in people[::3]:
        assert wrapped[person.bytes] in path.read_bytes()
        keys.destroy(person)
        left = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert wrapped[person.bytes][:16] not in left
        assert wrapped[person.bytes][-16:] not in left


def test_the_file_is_its_owners_and_holds_no_key_in_clear(opened, path):
    keys, person = opened(), uuid4()
    keys.create([person])
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.get(person) not in path.read_bytes()
    assert keys.get(person).hex() not in repr(keys)


def test_the_cache_is_bounded_and_forgets_the_longest_unused(opened, monkeypatch):
    monkeypatch.setattr(persons, "_CACHED", 3)
    keys, people = opened(), [uuid4() for _ in range(5)]
    keys.create(people)
    found = [keys.get(person) for person in people]
    assert list(keys._cache) == people[2:]
    keys.get(people[2])
    keys.get(people[0])
    assert list(keys._cache) == [people[4], people[2], people[0]]
    assert [keys.get(person) for person in people] == found


def test_a_cached_key_needs_no_file(opened, path):
    keys, person = opened(), uuid4()
    keys.create([person])
    key = keys.get(person)
    keys._database.close()
    assert keys.get(person) == key


def test_many_threads_share_one_store(opened):
    keys, people = opened(), [uuid4() for _ in range(40)]

    def work(person):
        keys.create([person, people[0]])
        first = keys.get(person)
        if person in people[1::2]:
            keys.destroy(person)
        return first is not None

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, people))
    assert [keys.get(person) is None for person in people] == [i % 2 == 1 for i in range(40)]


def test_nothing_of_a_batch_that_fails_is_kept(opened):
    keys, people = opened(), [uuid4(), uuid4()]
    keys._database.execute("PRAGMA query_only = ON")
    with pytest.raises(RingDamaged):
        keys.create(people)
    keys._database.execute("PRAGMA query_only = OFF")
    assert [keys.get(person) for person in people] == [None, None]


def test_what_is_no_store_of_ours_is_refused(path, opened):
    path.write_bytes(b"this is no database, and long enough to be looked at as one" * 20)
    path.chmod(0o600)
    with pytest.raises(RingDamaged):
        opened()


def test_a_missing_folder_is_told_by_path(tmp_path):
    with pytest.raises(RingDamaged, match="nowhere"):
        PersonKeys(tmp_path / "nowhere" / "persons.db", KEK)


def test_who_has_a_key_is_counted_from_within_and_from_another_process_and_the_erased_are_not(opened, path):
    keys, ids = opened(), [uuid4() for _ in range(3)]
    keys.create(ids)
    keys.destroy(ids[0])
    assert (keys.living(), persons.living_in(path)) == (2, 2)
    assert persons.living_in(path.with_name("none")) is None
    assert not path.with_name("none").exists()
