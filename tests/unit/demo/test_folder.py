"""The demo's folder goes with the demo, or with the next one; nobody else's ever goes."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.demo import folder
from services.demo.folder import demo_folder, sweep
from services.demo.processes import Processes
from services.runtime.errors import PeerUnreachable

DEMO = """
from services.demo.folder import demo_folder
with demo_folder() as mine:
    (mine.path / "region").mkdir()
    (mine.path / "region" / "kek").write_text("x")
    print(mine.path, flush=True)
    input()
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files, of this test alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.fixture
def another(temporary):
    """Another demo, in a process of its own; and its folder."""
    with subprocess.Popen([sys.executable, "-c", DEMO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process, Path(process.stdout.readline().strip())
        process.kill()


@pytest.fixture
def abandoned(another):
    """The folder of a demo that was killed."""
    process, path = another
    process.send_signal(signal.SIGKILL)
    process.wait()
    return path


def test_a_folder_is_gone_when_its_demo_ends(temporary):
    with demo_folder() as mine:
        mine.logs.mkdir()
        (mine.logs / "matcher.log").touch()
    assert list(temporary.iterdir()) == []


def test_after_an_error_the_logs_stay_and_are_never_swept_up(temporary):
    with pytest.raises(PeerUnreachable), demo_folder() as mine:
        mine.logs.mkdir()
        (mine.logs / "matcher.log").touch()
        (mine.path / "region").mkdir()
        raise PeerUnreachable("x")
    sweep(temporary)
    assert [str(p.relative_to(mine.path)) for p in sorted(mine.path.rglob("*"))] == ["logs", "logs/matcher.log"]


def test_the_next_demo_removes_the_folder_of_one_that_was_killed(abandoned, temporary):
    assert (abandoned / "region" / "kek").exists()
    with demo_folder() as mine:
        assert list(temporary.iterdir()) == [mine.path]


def test_a_demo_that_runs_keeps_its_folder(another, temporary):
    process, path = another
    with demo_folder():
        assert (path / "region" / "kek").exists()
    process.communicate("\n")
    assert list(temporary.iterdir()) == []


def test_a_server_that_outlives_a_killed_demo_keeps_the_folder_until_it_has_stopped(temporary, tmp_path_factory):
    """The demo's own end of the lock is closed as the kernel would; the guard's is open until it has stopped."""
    scripts = tmp_path_factory.mktemp("scripts")
    for name, words in (("start", "echo up"), ("stop", "test -e $1/lock && touch $1/../stopped")):
        (scripts / name).write_text(f"#!/bin/sh\n{words}\n")
        (scripts / name).chmod(0o700)
    path = Path(tempfile.mkdtemp(prefix="samaki-demo-"))
    lock = folder._locked(path)
    with Processes(tmp_path_factory.mktemp("logs"), lock) as processes:
        processes.start_apart("server", scripts / "start", scripts / "stop", path)
        os.close(lock)
        sweep(temporary)
        assert path.exists()
    assert (temporary / "stopped").exists()
    sweep(temporary)
    assert not path.exists()


@pytest.mark.parametrize("name", ["samaki-demo-", "samaki-demo-longer-name", "samaki-demonic_", "samaki-pg-12345678"])
def test_a_folder_of_another_name_is_left_alone(abandoned, temporary, name):
    abandoned.rename(temporary / name)
    sweep(temporary)
    assert (temporary / name / "region" / "kek").exists()


def test_a_folder_that_others_may_write_into_is_left_alone(abandoned, temporary):
    abandoned.chmod(0o770)
    sweep(temporary)
    assert (abandoned / "region" / "kek").exists()


def test_a_folder_of_another_user_is_left_alone(abandoned, temporary, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 10_001)
    sweep(temporary)
    assert (abandoned / "region" / "kek").exists()


def test_a_link_to_somewhere_else_is_not_followed(abandoned, temporary, tmp_path_factory):
    elsewhere = abandoned.rename(tmp_path_factory.mktemp("elsewhere") / "folder")
    (temporary / "samaki-demo-abcd1234").symlink_to(elsewhere)
    sweep(temporary)
    assert (elsewhere / "region" / "kek").exists()


def test_a_link_inside_an_abandoned_folder_is_removed_and_not_followed(abandoned, temporary, tmp_path_factory):
    kept = tmp_path_factory.mktemp("elsewhere") / "file"
    kept.touch()
    (abandoned / "link").symlink_to(kept.parent)
    (abandoned / "region" / "link").symlink_to(kept.parent)
    sweep(temporary)
    assert list(temporary.iterdir()) == []
    assert kept.exists()
