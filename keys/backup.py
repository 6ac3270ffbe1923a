"""Backups of persons' keys: apart from the data, and for at most 30 days.

A backup is one file: a line that says when it was made, and all rows of `persons.db` sealed under the ring's `data` key
with that line, so neither date nor content can be altered. It is worth nothing without a ring that has that key, and
nothing at all once that key is changed.

Refuses a backup older than 30 days, or from the future, and to bring back anybody whose tombstone stands in
`persons.db` or in the backup. Who lost the only file with a tombstone has lost it: see the runbook.
"""

import json
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from keys import labels, seal
from keys.errors import BackupRefused, RingDamaged, SealBroken
from keys.files import create_private, read_private, remove
from keys.persons import open_persons, rows_in
from keys.ring import KeyRing

KEPT: Final = timedelta(days=30)
_AHEAD: Final = timedelta(minutes=5)
"""How far the clock of the machine that made a backup may be ahead of ours."""
_SUFFIX: Final = ".persons-backup"


class _Head(BaseModel):
    """The first line of a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    made: AwareDatetime


def back_up(persons: Path, ring: KeyRing, folder: Path, *, at: datetime) -> Path:
    """Write a backup into this folder, mode 0600, whole or not at all; durable on return. The party may be running.

    raises   AlreadyThere: one of the same second stands there; UnknownKey: the ring has no key of persons' keys;
             RingDamaged: a file cannot be used
    """
    key = _key(ring)
    rows = {str(person): wrapped.hex() if wrapped else None for person, wrapped in rows_in(persons, key).items()}
    head = _Head(made=at).model_dump_json().encode()
    box = seal.seal(key, json.dumps(rows).encode(), labels.framed(labels.PERSONS_BACKUP, head))
    path = folder / f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}{_SUFFIX}"
    create_private(path, head + b"\n" + box)
    return path


def restore(backup: Path, persons: Path, ring: KeyRing, *, kek: bytes, at: datetime) -> int:
    """Bring back the keys that `persons.db` lacks. What stands there stays, and a tombstone is never lifted.

    One transaction: killed before, nothing came back; after, all did. Again, it changes nothing.

    persons  its file; made where there is none
    returns  how many persons have a key again
    raises   BackupRefused; RingDamaged
    """
    line, box = _parts(backup)
    _refuse_by_age(backup, at - _made(backup, line))
    with closing(open_persons(persons, ring, kek=kek, at=at)) as opened:
        try:
            rows = json.loads(seal.unseal(_key(ring), box, labels.framed(labels.PERSONS_BACKUP, line)))
        except SealBroken as error:
            raise BackupRefused(
                f"{backup} does not open: it was altered, or the key of persons' keys was changed after it. Take the "
                "newest backup, and the newest ring."
            ) from error
        return opened.take({UUID(person): bytes.fromhex(row) if row else None for person, row in rows.items()})


def delete_old(folder: Path, *, at: datetime) -> list[Path]:
    """Remove the backups in this folder that are over 30 days old. Returns them. Other files are left alone."""
    old = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with suppress(BackupRefused, RingDamaged):
            if at - _made(path, _parts(path)[0]) > KEPT:
                remove(path)
                old.append(path)
    return old


def _parts(path: Path) -> tuple[bytes, bytes]:
    line, _, box = read_private(path).partition(b"\n")
    return line, box


def _made(path: Path, line: bytes) -> datetime:
    """What the first line says; only what opens with it shows that it is true."""
    try:
        return _Head.model_validate_json(line).made
    except ValidationError as error:
        raise BackupRefused(f"{path} is no backup of persons' keys.") from error


def _refuse_by_age(path: Path, age: timedelta) -> None:
    if age > KEPT:
        raise BackupRefused(
            f"{path} is {age.days} days old. Persons' keys are restored from the last {KEPT.days} days only, so that "
            "an erasure stays one: delete it."
        )
    if age < -_AHEAD:
        raise BackupRefused(f"{path} bears a date that has not come: set the clock, or take another.")


def _key(ring: KeyRing) -> bytes:
    return ring.secret("data", ring.primary("data").id)
