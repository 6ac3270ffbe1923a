"""`samaki keys backup` and `restore`: persons' keys, apart from the data, for at most 30 days."""

import json
from pathlib import Path

import typer

from events.clock import SystemClock
from keys import backup as backups
from keys.errors import KeysError
from keys.ring import open_ring
from services.runtime.claim import claimed
from services.runtime.errors import InputInvalid
from services.runtime.settings import PartySettings


def back_up(settings: PartySettings, folder: Path, *, as_json: bool) -> None:
    """Write today's backup into a folder, and delete those in it that are over 30 days old. The node may run."""
    now = SystemClock().now()
    if not folder.is_dir():
        raise InputInvalid(f"{folder} is no folder: make it, mode 0700, apart from the data's backups.")
    try:
        old = backups.delete_old(folder, at=now)
        ring, _ = open_ring(settings.ring, settings.kek_source)
        made = backups.back_up(settings.persons, ring, folder, at=now)
    except KeysError as error:
        raise InputInvalid(str(error)) from error
    if as_json:
        typer.echo(json.dumps({"made": str(made), "deleted": [str(path) for path in old]}))
        return
    for path in old:
        typer.echo(f"{path}  deleted: over 30 days old")
    typer.echo(made)


def restore(settings: PartySettings, file: Path, *, as_json: bool) -> None:
    """Bring back the persons' keys that are missing; whoever's tombstone stands stays erased. Stop the node first."""
    try:
        with claimed(settings.home):
            ring, kek = open_ring(settings.ring, settings.kek_source)
            back = backups.restore(file, settings.persons, ring, kek=kek, at=SystemClock().now())
    except KeysError as error:
        raise InputInvalid(str(error)) from error
    if as_json:
        typer.echo(json.dumps({"restored": back}))
    else:
        typer.echo(f"{back} persons have their key again; erased ones stay erased.")
