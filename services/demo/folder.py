"""The folder of one demo: gone when the demo ends, and swept up by the next one where the demo was killed.

It stands among the temporary files, for this user alone. A lock on a file in it is held while anything of the demo
runs, and is let go of by the kernel however that ends: so no process id is asked for, which may be another's by then. A
folder without that file is somebody's kept logs; one of another user, or of another kind, is none of ours.
"""

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.runtime.errors import ServiceError

_PREFIX: Final = "samaki-demo-"
_NAME: Final = re.compile(rf"{_PREFIX}\w{{8}}")
_LOCK: Final = "lock"


@dataclass(frozen=True)
class Folder:
    """`lock` is an open file: whoever inherits it keeps the folder from being swept up."""

    path: Path
    lock: int

    @property
    def logs(self) -> Path:
        return self.path / "logs"


@contextmanager
def demo_folder() -> Iterator[Folder]:
    """A new folder, removed when left; after a ServiceError its logs stay. Sweeps up after demos that were killed."""
    sweep(Path(tempfile.gettempdir()))
    path = Path(tempfile.mkdtemp(prefix=_PREFIX))
    folder = Folder(path, _locked(path))
    kept = ""
    try:
        yield folder
    except ServiceError:
        kept = folder.logs.name
        raise
    finally:
        _remove(path, kept)
        os.close(folder.lock)


def _locked(path: Path) -> int:
    """Make the file and lock it. It gets its name when it is locked: a folder is never found open for sweeping."""
    fresh = path / "fresh"
    lock = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    fresh.rename(path / _LOCK)
    return lock


def sweep(parent: Path) -> None:
    """Remove the folders of demos of which nothing runs any more. What cannot be removed stays."""
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if _is_ours(path):
                _sweep(path)


def _is_ours(path: Path) -> bool:
    """Made by `demo_folder` for this user; no link to elsewhere, and nothing that others may write into."""
    status = path.lstat()
    private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
    return private and status.st_uid == os.getuid() and bool(_NAME.fullmatch(path.name))


def _sweep(path: Path) -> None:
    """Raises OSError: there is no lock, or somebody holds it."""
    lock = os.open(path / _LOCK, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
    finally:
        os.close(lock)


def _remove(path: Path, kept: str = "") -> None:
    """The lock goes last: if we crash here, the next demo goes on."""
    for child in sorted(path.iterdir(), key=lambda child: child.name == _LOCK):
        if child.is_dir() and not child.is_symlink():
            if child.name != kept:
                shutil.rmtree(child)
        else:
            child.unlink()
    if not kept:
        path.rmdir()
