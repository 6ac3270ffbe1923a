"""Backups of persons' keys: dated, sealed, refused after 30 days, and no way round an erasure."""

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from keys import backup, files
from keys.errors import AlreadyThere, BackupRefused, RingDamaged
from keys.kek import FileSource, load_kek
from keys.persons import open_persons
from keys.ring import create_ring, open_ring
from keys.rotation import rotate_data

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HER, HIM, LATER = (UUID(int=n) for n in (1, 2, 3))


class Home:
    """A country's ring and persons' keys, and a folder for backups."""

    def __init__(self, folder):
        self.folder, self.persons, self.backups = folder, folder / "persons.db", folder / "apart"
        self.backups.mkdir()
        create_ring(folder / "ring.json", FileSource(folder / "kek"))
        self.change(lambda persons, _ring: persons.create([HER, HIM]))

    def change(self, act):
        ring, kek = open_ring(self.folder / "ring.json", FileSource(self.folder / "kek"))
        with closing(open_persons(self.persons, ring, kek=kek, at=START)) as persons:
            return act(persons, ring)

    def back_up(self, at=START):
        """While another has the file open, as a node has."""
        return self.change(lambda _persons, ring: backup.back_up(self.persons, ring, self.backups, at=at))

    def restore(self, path, at=START):
        ring, kek = open_ring(self.folder / "ring.json", FileSource(self.folder / "kek"))
        return backup.restore(path, self.persons, ring, kek=kek, at=at)

    def keys(self, *who):
        return self.change(lambda persons, _ring: [persons.get(person) for person in who])


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def test_a_lost_file_of_persons_keys_comes_back_from_its_backup(home):
    before, path = home.keys(HER, HIM), home.back_up()
    home.persons.unlink()
    assert home.restore(path, START + 30 * DAY) == 2
    assert home.keys(HER, HIM) == before
    assert home.restore(path) == 0


def test_a_backup_is_its_owners_and_shows_neither_persons_nor_keys(home):
    path = home.back_up()
    content = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.name == "20260301T000000Z.persons-backup"
    for hidden in (*home.keys(HER, HIM), str(HER).encode(), HER.bytes, load_kek(home.folder / "kek")):
        assert hidden not in content
        assert hidden.hex().encode() not in content


def test_who_was_erased_after_the_backup_stays_erased(home):
    path, his = home.back_up(), home.keys(HIM)
    home.change(lambda persons, _ring: persons.destroy(HER))
    assert home.restore(path) == 0
    assert [home.keys(HER), home.keys(HIM)] == [[None], his]
    home.change(lambda persons, _ring: persons.create([HER]))
    assert home.keys(HER) == [None]


def test_who_was_erased_before_the_backup_is_erased_again_where_an_older_file_was_put_back(home):
    older = home.persons.read_bytes()
    home.change(lambda persons, _ring: persons.destroy(HER))
    path = home.back_up()
    home.persons.write_bytes(older)
    assert home.keys(HER) != [None]
    home.restore(path)
    assert home.keys(HER) == [None]


def test_what_came_after_the_backup_stays(home):
    path = home.back_up()
    home.change(lambda persons, _ring: persons.create([LATER]))
    before = home.keys(HER, HIM, LATER)
    home.restore(path)
    assert home.keys(HER, HIM, LATER) == before


@pytest.mark.parametrize("age, said", [(30 * DAY + timedelta(seconds=1), "30 days"), (-DAY, "not come")])
def test_a_backup_that_is_too_old_or_from_the_future_brings_nobody_back(home, age, said):
    path = home.back_up()
    home.persons.unlink()
    with pytest.raises(BackupRefused, match=said):
        home.restore(path, START + age)
    assert not home.persons.exists()


def test_a_backup_that_was_made_to_look_younger_does_not_open(home):
    path = home.back_up()
    path.write_bytes(path.read_bytes().replace(b"2026-03-01", b"2026-04-01", 1))
    with pytest.raises(BackupRefused, match="altered"):
        home.restore(path, START + 31 * DAY)


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_a_backup_that_was_cut_brings_nobody_back(home, cut):
    path = home.back_up()
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(BackupRefused):
        home.restore(path)


def test_a_backup_from_before_a_change_of_the_data_key_does_not_open(home):
    path = home.back_up()
    home.change(lambda persons, ring: rotate_data(ring, persons, at=START))
    with pytest.raises(BackupRefused, match="changed after it"):
        home.restore(path)


def test_a_backup_that_others_can_read_is_refused(home):
    path = home.back_up()
    path.chmod(0o644)
    with pytest.raises(RingDamaged, match="chmod 600"):
        home.restore(path)


def test_no_backup_is_made_of_keys_that_stand_under_another_key_than_the_rings(home):
    older = home.persons.read_bytes()
    home.change(lambda persons, ring: rotate_data(ring, persons, at=START))
    home.persons.write_bytes(older)
    ring, _ = open_ring(home.folder / "ring.json", FileSource(home.folder / "kek"))
    with pytest.raises(RingDamaged, match="another one"):
        backup.back_up(home.persons, ring, home.backups, at=START)
    assert list(home.backups.iterdir()) == []


def test_a_backup_is_never_written_over_another(home):
    home.back_up()
    with pytest.raises(AlreadyThere):
        home.back_up()


def test_a_backup_is_whole_or_not_there(home, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RingDamaged, match="No space left"):
        home.back_up()
    monkeypatch.undo()
    assert [path.suffix for path in home.backups.iterdir()] in ([], [".new"])
    assert home.back_up().exists()


def test_only_backups_over_30_days_are_deleted_and_no_other_file(home):
    old, young = home.back_up(START), home.back_up(START + DAY)
    other = home.backups / "ring.json"
    other.touch()
    os.utime(other, (0, 0))
    false = home.backups / "x.persons-backup"
    false.touch(0o600)
    assert backup.delete_old(home.backups, at=START + 30 * DAY + timedelta(seconds=1)) == [old]
    assert sorted(home.backups.iterdir()) == sorted([young, other, false])
