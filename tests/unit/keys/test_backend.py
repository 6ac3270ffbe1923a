"""Where the group's library comes from, and that loading it leaves nothing behind."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import backends
import pytest

from keys import backend, group, libsodium
from keys.errors import BackendMissing


@pytest.fixture
def without_native(monkeypatch):
    monkeypatch.setattr(backend, "NATIVE", "samaki_of_nowhere")
    monkeypatch.setattr(group, "_backend", None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(libsodium, "_FOLDER", tmp_path / "samaki-rbcl")
    return tmp_path / "samaki-rbcl"


def test_rbcl_is_unpacked_once_into_a_folder_of_its_owner(folder):
    backend.load("rbcl")
    (file,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.stat()
    backend.load("rbcl")
    assert [p.stat().st_ino for p in folder.iterdir()] == [before.st_ino]
    assert file.stat().st_mtime_ns == before.st_mtime_ns


def test_loading_rbcl_imports_nothing_of_it_and_writes_no_temporary_file(tmp_path):
    code = "import sys; from keys import group; group.use('rbcl'); print(group.backend_name(), 'rbcl' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=True,
    )
    assert run.stdout == "rbcl False\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_others_can_enter_is_refused(folder):
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(BackendMissing, match="remove it"):
        backend.load("rbcl")


def test_a_half_unpacked_library_of_a_crash_is_not_loaded(folder):
    folder.mkdir(mode=0o700)
    (folder / "libsodium-1.1.2.12345").write_bytes(b"half")
    assert backend.load("rbcl").name == "rbcl"


def test_what_is_built_is_taken_first(monkeypatch):
    monkeypatch.setattr(group, "_backend", None)
    backends.use("native")
    monkeypatch.setattr(group, "_backend", None)
    assert group.backend_name() == "native"


def test_without_the_native_group_a_library_is_taken(without_native):
    assert group.backend_name() in {"libsodium", "rbcl"}


def test_a_native_group_that_is_not_built_says_how_to_build_it(without_native):
    with pytest.raises(BackendMissing, match="make install"):
        backend.load("native")


def test_a_native_group_of_another_version_is_not_taken(without_native, monkeypatch):
    monkeypatch.setitem(sys.modules, backend.NATIVE, SimpleNamespace(name="native", __version__="0.0.9"))
    with pytest.raises(BackendMissing, match=r"0\.0\.9"):
        backend.load("native")
    assert group.backend_name() in {"libsodium", "rbcl"}


def test_the_version_that_is_asked_for_is_the_crates():
    crate = tomllib.loads((Path(__file__).parents[3] / "keys" / "native" / "Cargo.toml").read_text())
    assert crate["package"]["version"] == backend._VERSION


def test_without_a_system_library_the_wheel_is_taken(folder, without_native, monkeypatch):
    monkeypatch.setattr(libsodium, "_SYSTEM", ("libnothing.so.1",))
    assert group.backend_name() == "rbcl"


def test_a_library_without_the_group_is_as_good_as_none(monkeypatch):
    monkeypatch.setattr(libsodium, "_SYSTEM", ("libc.so.6",))
    with pytest.raises(BackendMissing):
        backend.load("libsodium")


def test_with_no_library_at_all_the_message_says_what_to_install(without_native, monkeypatch):
    monkeypatch.setattr(libsodium, "_SYSTEM", ("libnothing.so.1",))

    def missing(_name):
        raise libsodium.PackageNotFoundError

    monkeypatch.setattr(libsodium, "distribution", missing)
    with pytest.raises(BackendMissing, match=r"libsodium23.*pip install rbcl"):
        group.backend_name()


def test_a_wheel_of_another_form_is_named(folder, tmp_path, monkeypatch):
    (tmp_path / "rbcl").mkdir()
    (tmp_path / "rbcl" / "_sodium.py").write_text("from elsewhere import library\n")

    class Wheel:
        version = "9.9"

        @staticmethod
        def locate_file(name):
            return tmp_path / name

    monkeypatch.setattr(libsodium, "distribution", lambda _name: Wheel)
    with pytest.raises(BackendMissing, match=r"9\.9"):
        backend.load("rbcl")
    assert list(folder.iterdir()) == []
