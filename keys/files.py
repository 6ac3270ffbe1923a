"""Files that only their owner may read: read, and replaced whole.

A file that group or others can read is refused, not mended: who could read it may have read it, and a person must
decide whether the key inside is still one. Raises RingDamaged and AlreadyThere, never OSError.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keys.errors import AlreadyThere, RingDamaged

_OTHERS = 0o077
_OWNER, _NAMED_USER, _MASK = 0x01, 0x02, 0x10
"""Tags of POSIX access lists (linux/posix_acl.h)."""


def read_private(path: Path) -> bytes:
    """The content of a file of mode 0600 or less. Raises RingDamaged: missing, unreadable, or open to others."""
    with _failures(path, "read"), path.open("rb") as file:
        _refuse_open_to_others(path, os.fstat(file.fileno()))
        return file.read()


def read_credential(path: Path) -> bytes:
    """The content of a file that somebody else may own and lend to us, as systemd lends credentials.

    systemd grants a service its file by an access list; the mode then shows the list's widest entry as the group's.
    Such a list may name us and nobody else. Raises RingDamaged: missing, unreadable, or open to others.
    """
    with _failures(path, "read"), path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_mode & _OTHERS != 0o040 or not _lent_to_us_alone(file.fileno()):
            _refuse_open_to_others(path, status)
        return file.read()


def refuse_open_to_others(path: Path) -> None:
    """Raises RingDamaged if group or others may do anything with this file, or it is missing."""
    with _failures(path, "read"):
        _refuse_open_to_others(path, path.stat())


def create_private(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, mode 0600, durable. Raises AlreadyThere, RingDamaged."""
    if path.exists():
        raise AlreadyThere(f"{path} exists and is never overwritten. Move it away if it is really no longer needed.")
    replace_private(path, content)


def replace_private(path: Path, content: bytes) -> None:
    """Put `content` in place of the file, mode 0600: a crash leaves the old or the new, whole; durable on return.

    A crash before the rename leaves `<name>.new` beside it, which the next replacement overwrites.
    """
    fresh = path.with_name(f"{path.name}.new")
    with _failures(path, "written"):
        fresh.unlink(missing_ok=True)  # or its old mode would stay
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)


def remove(path: Path) -> None:
    """Take a file away, durably; one that is not there is no error. Raises RingDamaged."""
    with _failures(path, "removed"):
        path.unlink(missing_ok=True)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: without it a rename may be lost with the power."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _lent_to_us_alone(fd: int) -> bool:
    """Whether an access list gives this file to our user and to no other, nor to any group."""
    try:
        listed = os.getxattr(fd, "system.posix_acl_access")
    except (OSError, AttributeError):  # no such list, or no such lists on this system
        return False
    entries = struct.iter_unpack("<HHI", listed[4:])
    given = {(tag, who if tag == _NAMED_USER else 0) for tag, rights, who in entries if rights and tag != _MASK}
    return given <= {(_OWNER, 0), (_NAMED_USER, os.geteuid())}


def _refuse_open_to_others(path: Path, status: os.stat_result) -> None:
    if status.st_mode & _OTHERS:
        raise RingDamaged(
            f"{path} is open to group or others (mode {status.st_mode & 0o777:o}). Decide whether its keys are still "
            f"secret; if they are: chmod 600 {path}"
        )


@contextmanager
def _failures(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RingDamaged(f"{path} cannot be {what}: {error.strerror}.") from error
