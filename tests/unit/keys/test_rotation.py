"""Changes of the keys that wrap others. What a kill leaves: test_killed.py."""

from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from uuid import uuid4

import pytest

from keys.errors import AlreadyThere, KeyInUse, RingDamaged
from keys.kek import FileSource, PassphraseSource, load_kek, new_kek
from keys.persons import PersonKeys, open_persons, rows_in
from keys.ring import create_ring, open_ring
from keys.rotation import rotate_data, rotate_kek

START = datetime(2024, 3, 1, tzinfo=UTC)


class Killed(BaseException):
    """SIGKILL."""


def killed(*_args):
    raise Killed


def words(text=b"seven words that nobody else would choose"):
    return PassphraseSource(lambda: text, ops=1, memory=8 << 10)


@pytest.fixture
def home(tmp_path):
    create_ring(tmp_path / "ring.json", file(tmp_path)).add("signing", "a", b"s" * 32, valid_from=START)
    return tmp_path


def file(home, name="kek"):
    return FileSource(home / name)


def rotate(home, under, to):
    rotate_kek(home / "ring.json", home / "persons.db", under, to, at=START)


def opened(home, source):
    ring, key = open_ring(home / "ring.json", source)
    assert ring.secret("signing", "a") == b"s" * 32
    return key


def test_the_key_encryption_key_goes_from_any_source_to_any_other(home):
    path = [file(home), file(home), words(), words(b"eight other words that nobody would choose"), file(home, "new")]
    keys = [opened(home, path[0])]
    for under, to in pairwise(path):
        rotate(home, under, to)
        keys.append(opened(home, to))
    assert len(set(keys)) == len(path)
    with pytest.raises(RingDamaged):
        open_ring(home / "ring.json", words())


def test_the_file_of_the_former_key_is_gone_and_no_other(home):
    other = new_kek(home / "other")
    rotate(home, file(home), words())
    assert sorted(path.name for path in home.iterdir()) == ["other", "ring.json"]
    rotate(home, file(home, "other"), words())  # given by mistake, when nothing is left to do
    assert load_kek(home / "other") == other


def test_a_file_that_another_ring_stands_under_is_not_removed_by_a_change_that_was_killed(home, monkeypatch):
    """Killed before the former file went, and asked again with the name of another file."""
    monkeypatch.setattr(FileSource, "forget", killed)
    with pytest.raises(Killed):
        rotate(home, file(home), words())
    monkeypatch.undo()
    other = new_kek(home / "other")
    rotate(home, file(home, "other"), words())
    assert load_kek(home / "other") == other


def test_the_same_passphrase_again_gives_another_key(home):
    rotate(home, file(home), words())
    before, same = opened(home, words()), words()
    rotate(home, same, same)
    assert opened(home, words()) != before


def test_a_home_without_persons_keys_gets_none(home):
    rotate(home, file(home), file(home))
    assert sorted(path.name for path in home.iterdir()) == ["kek", "ring.json"]
    assert open_ring(home / "ring.json", file(home))[0].versions("data") == ()


def test_a_file_that_exists_is_not_taken_for_the_new_key(home):
    others = new_kek(home / "other")
    before = opened(home, file(home))
    with pytest.raises(AlreadyThere):
        rotate(home, file(home), file(home, "other"))
    assert load_kek(home / "other") == others
    assert opened(home, file(home)) == before


def test_a_change_that_was_made_already_is_made_once(home):
    rotate(home, file(home), words())
    before = opened(home, words())
    rotate(home, file(home), words())
    assert opened(home, words()) == before


def test_a_ring_that_neither_source_opens_is_left_alone(home):
    content = (home / "ring.json").read_bytes()
    new_kek(home / "wrong")
    with pytest.raises(RingDamaged):
        rotate(home, file(home, "wrong"), words())
    assert (home / "ring.json").read_bytes() == content


def test_persons_keys_under_the_key_encryption_key_itself_are_moved_before_it_goes(home):
    person, kek = uuid4(), load_kek(home / "kek")
    with closing(PersonKeys(home / "persons.db", kek)) as persons:
        persons.create([person])
        key = persons.get(person)
    rotate(home, file(home), file(home))
    ring, _ = open_ring(home / "ring.json", file(home))
    with closing(open_persons(home / "persons.db", ring, kek=b"another" + bytes(25), at=START)) as persons:
        assert persons.get(person) == key
    with pytest.raises(RingDamaged):
        PersonKeys(home / "persons.db", kek)


def test_persons_keys_are_the_same_under_a_fresh_key_and_the_old_one_is_destroyed(home):
    ring, kek = open_ring(home / "ring.json", file(home))
    person, gone = uuid4(), uuid4()
    with closing(open_persons(home / "persons.db", ring, kek=kek, at=START)) as persons:
        persons.create([person, gone])
        persons.destroy(gone)
        key = persons.get(person)
        rotate_data(ring, persons, at=START)
        later = uuid4()
        persons.create([later])
        assert (persons.get(person), persons.get(gone)) == (key, None)
    assert [(v.id, v.state) for v in ring.versions("data")] == [("data.1", "destroyed"), ("data.2", "primary")]
    with closing(open_persons(home / "persons.db", ring, kek=kek, at=START)) as persons:
        assert persons.get(person) == key
        assert persons.get(later)
        assert persons.get(gone) is None


def test_the_key_of_persons_keys_is_not_destroyed_while_one_stands_under_it(home):
    """Whatever put it there: an error of ours, or a hand."""
    ring, kek = open_ring(home / "ring.json", file(home))
    one, other = uuid4(), uuid4()
    with closing(open_persons(home / "persons.db", ring, kek=kek, at=START)) as persons:
        persons.create([one, other])
        under_the_old = rows_in(home / "persons.db", ring.secret("data", "data.1"))[one]
        monkeyed = persons.rewrap

        def rewrap(key):
            monkeyed(key)
            with persons._database:
                persons._database.execute(
                    "UPDATE person_key SET wrapped = ? WHERE person_id = ?", (under_the_old, one.bytes)
                )

        persons.rewrap = rewrap
        with pytest.raises(KeyInUse, match="1 objects stand under it"):
            rotate_data(ring, persons, at=START)
    assert [v.state for v in ring.versions("data")] == ["active", "primary"]
    with pytest.raises(KeyInUse):
        open_persons(home / "persons.db", ring, kek=kek, at=START)


def test_an_altered_row_stops_the_change_of_the_key_that_wraps_it_before_it_is_made(home):
    ring, kek = open_ring(home / "ring.json", file(home))
    one, other = uuid4(), uuid4()
    with closing(open_persons(home / "persons.db", ring, kek=kek, at=START)) as persons:
        persons.create([one, other])
        with persons._database:
            persons._database.execute("UPDATE person_key SET wrapped = zeroblob(72) WHERE person_id = ?", (one.bytes,))
        with pytest.raises(RingDamaged, match="altered"):
            rotate_data(ring, persons, at=START)
        assert persons.get(other)
        assert [v.state for v in ring.versions("data")] == ["active", "primary"]
