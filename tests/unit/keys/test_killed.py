"""Kill -9 at every step of every change of a file of keys: afterwards it is the old one or the new one, never between.

This file is also the program that is killed: `python test_killed.py OPERATION FOLDER` plays the operation again and
again on fresh copies of FOLDER/start, each time killed one step later, until it comes through. A step is a call to the
system that changes something, before it and after it (a write: half of it), or a statement of SQLite.
"""

import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from keys import files, rotation
from keys.errors import RingDamaged
from keys.kek import FileSource, PassphraseSource, load_kek
from keys.persons import PersonKeys, open_persons
from keys.ring import create_ring, open_ring

ROOT = Path(files.__file__).parents[1]
START = datetime(2024, 3, 1, tzinfo=UTC)
PEOPLE = tuple(UUID(int=number) for number in range(1, 6))
ERASED = UUID(int=99)


def words():
    return PassphraseSource(lambda: b"seven words that nobody else would choose", ops=1, memory=8 << 10)


def under(home):
    return FileSource(home / "kek")


def add(home):
    ring, _ = open_ring(home / "ring.json", under(home))
    if not any(v.id == "b" for v in ring.versions("signing")):
        ring.add("signing", "b", b"t" * 32, valid_from=START, primary=True)


def to_the_same_file(home):
    rotation.rotate_kek(home / "ring.json", home / "persons.db", under(home), under(home), at=START)


def to_another_file(home):
    rotation.rotate_kek(home / "ring.json", home / "persons.db", under(home), FileSource(home / "other"), at=START)


def to_a_passphrase(home):
    rotation.rotate_kek(home / "ring.json", home / "persons.db", under(home), words(), at=START)


def data(home):
    ring, kek = open_ring(home / "ring.json", under(home))
    with closing(open_persons(home / "persons.db", ring, kek=kek, at=START)) as persons:
        rotation.rotate_data(ring, persons, at=START)


OPERATIONS = {f.__name__: f for f in (add, to_the_same_file, to_another_file, to_a_passphrase, data)}


# ---- the program that is killed


class Steps:
    """Counts steps, and kills this process at the one that was asked for."""

    def __init__(self, left):
        self.left = left

    def passed(self):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def around(self, call):
        def stepped(*args, **more):
            self.passed()
            done = call(*args, **more)
            self.passed()
            return done

        return stepped


def watched(steps):
    for name in ("open", "fsync", "replace", "unlink"):
        setattr(os, name, steps.around(getattr(os, name)))

    class Half(io.FileIO):
        def write(self, content):
            super().write(content[: len(content) // 2])
            steps.passed()
            super().write(content[len(content) // 2 :])
            steps.passed()
            return len(content)

    os.fdopen = lambda fd, mode: io.BufferedWriter(Half(fd, mode))
    connect = sqlite3.connect

    def traced(*args, **more):
        database = connect(*args, **more)
        database.set_trace_callback(lambda _statement: steps.passed())
        return database

    sqlite3.connect = traced


def play(operation, folder):
    """Until one run comes through: folder/0, folder/1, ... as each killed run left it."""
    for number in range(1000):
        home = Path(shutil.copytree(folder / "start", folder / str(number)))
        child = os.fork()
        if child == 0:
            watched(Steps(number))
            OPERATIONS[operation](home)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            sys.exit(os.WEXITSTATUS(status))
    sys.exit(2)


# ---- what is looked at afterwards


def furnished(home):
    home.mkdir()
    ring = create_ring(home / "ring.json", under(home))
    ring.add("signing", "a", b"s" * 32, valid_from=START, primary=True)
    return ring


@pytest.fixture(params=[False, True], ids=["today's", "older"])
def start(tmp_path, request):
    """A home whose persons' keys stand under a key of the ring, or under the key-encryption key itself."""
    home = tmp_path / "start"
    ring, kek = furnished(home), load_kek(home / "kek")
    if request.param:
        persons = PersonKeys(home / "persons.db", kek)
    else:
        persons = open_persons(home / "persons.db", ring, kek=kek, at=START)
    persons.create([*PEOPLE, ERASED])
    persons.destroy(ERASED)
    persons.close()
    return home


def opened(home):
    """The ring and its key, under whichever source opens it."""
    for source in (under(home), FileSource(home / "other")):
        with suppress(RingDamaged):
            return open_ring(home / "ring.json", source)
    return open_ring(home / "ring.json", words())


def held(home):
    """Every secret that must outlive each change: what the ring has of signing keys, and the persons' keys."""
    ring, kek = opened(home)
    with closing(open_persons(home / "persons.db", ring, kek=kek, at=START)) as persons:
        found = [persons.get(person) for person in PEOPLE]
        assert persons.get(ERASED) is None
    assert all(found)
    assert [v.state for v in ring.versions("data") if v.secret] == ["primary"]
    return {v.id: v.secret for v in ring.versions("signing")}, found


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_any_step_all_keys_open_and_the_change_can_be_done_again(start, operation):
    folder = start.parent
    signing, persons = held(shutil.copytree(start, folder / "looked-at"))  # looking moves those of an older home
    old_kek = load_kek(start / "kek")
    ran = subprocess.run(
        [sys.executable, __file__, operation, folder],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    homes = sorted((p for p in folder.iterdir() if p.name.isdecimal()), key=lambda p: int(p.name))
    assert len(homes) > 10
    states = []
    for home in homes:
        left = shutil.copytree(home, folder / "left")
        ring, kek = opened(home)
        states.append((len(ring.versions("signing")), kek != old_kek, len(ring.versions("data"))))
        found, kept = held(home)
        assert kept == persons
        assert found.items() >= signing.items()
        OPERATIONS[operation](left)
        assert held(left)[1] == persons
        assert opened(left)[1] != old_kek or not operation.startswith("to_")
        assert operation not in {"to_another_file", "to_a_passphrase"} or not (left / "kek").exists()
        shutil.rmtree(left)
    assert states == sorted(states)  # once new, never old again
    assert states[0] != states[-1]
    if operation == "to_the_same_file":
        assert old_kek not in [path.read_bytes() for path in homes[-1].iterdir()]
        assert {path.name for path in homes[-1].iterdir()} == {"kek", "ring.json", "persons.db"}
    if operation in {"to_another_file", "to_a_passphrase"}:
        assert {path.name for path in homes[-1].iterdir()} <= {"other", "ring.json", "persons.db"}


def test_a_file_of_keys_is_written_synced_renamed_and_its_folder_synced_in_this_order(tmp_path, monkeypatch):
    """What a kill cannot show, for the system's memory outlives it: a cut of power."""
    seen = []

    def noted(name, call):
        def watched_call(target, *args, **more):
            path = Path(f"/proc/self/fd/{target}").readlink() if isinstance(target, int) else Path(target)
            seen.append((name, path.name, path.stat().st_size if name == "fsync" and path.is_file() else None))
            return call(target, *args, **more)

        return watched_call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    files.replace_private(tmp_path / "ring.json", b"x" * 100)
    assert seen == [
        ("fsync", "ring.json.new", 100), ("replace", "ring.json.new", None), ("fsync", tmp_path.name, None)
    ]  # fmt: skip
    assert (tmp_path / "ring.json").stat().st_mode & 0o777 == 0o600


if __name__ == "__main__":
    play(sys.argv[1], Path(sys.argv[2]))
