"""One process at a time has a home folder: a second one's copy of the key ring would undo what the first one wrote.

The claim is a lock of the system on a file in the home (flock), so it ends with the process however that ends, and a
file that was left behind claims nothing. Read-only commands need none.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from services.runtime.errors import HomeInUse, InputInvalid

FILE: Final = "lock"
_TRIES: Final = 10
_PAUSE: Final = 0.01


@contextmanager
def claimed(home: Path) -> Iterator[None]:
    """Have this home to oneself while it lasts. Raises HomeInUse: another process has it; InputInvalid: no folder."""
    try:
        fd = os.open(home / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InputInvalid(f"{home} is no party's home that can be used: {error.strerror}.") from error
    try:
        if not _taken(fd):
            raise HomeInUse(f"{home} is in use by a process that runs: stop it first.")
        yield
    finally:
        os.close(fd)


def _taken(fd: int) -> bool:
    """Tried for a moment: whoever only looks has the lock for less."""
    for _ in range(_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_PAUSE)
    return False


def is_claimed(home: Path) -> bool:
    """Whether a process has this home now."""
    try:
        with claimed(home):
            return False
    except HomeInUse:
        return True
