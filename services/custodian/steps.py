"""Ask the own key holder for something that takes it several steps, and show each until the last.

The holder does the work, and goes on with it whether a command lives or not: asked again, it shows where it is.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from services.country.client import NodeClient
from services.runtime.errors import InputInvalid, SettingsInvalid

_PAUSE: Final = 0.5
Pause = Callable[[], None]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked for.

    path      where it is asked for, and read
    called    what the holder's answer is called in --json
    words     a holder's state -> what people read
    number    the field of a row that reaches `target` when it is done
    sentence  what is said of a row at the end
    """

    path: str
    called: str
    words: Callable[[Row], str]
    number: str
    sentence: Callable[[Row], str]


def pause() -> None:
    """Between two looks of a command that shows how far something is."""
    time.sleep(_PAUSE)


def address_of(home: Path | None, url: str | None) -> str:
    """Where the holder answers. Raises SettingsInvalid, InputInvalid."""
    if home is None:
        if url is None:
            raise SettingsInvalid("Give the key holder's --home or its --url.")
        return url
    try:
        return f"http://127.0.0.1:{int((home / 'port').read_text(encoding='ascii'))}"
    except (OSError, ValueError) as error:
        raise InputInvalid(f"{home / 'port'} names no port. Is it the home of a key holder that is running?") from error


def run(
    job: Job,
    address: str,
    token_file: Path,
    form: Mapping[str, Any],
    *,
    as_json: bool,
    pause: Pause = pause,
) -> bool:
    """Ask, and wait for the end. Returns whether all came to a good one."""
    client = NodeClient.from_file(address, token_file, called="key holder", option="--url")
    asked = {row["pair"]: row["target"] for row in client.post(job.path, form)}
    rows = _watch(client, job, asked, pause)
    if as_json:
        print(json.dumps({job.called: rows}))  # noqa: T201  the command's answer
    else:
        for row in rows:
            print(job.sentence(row))  # noqa: T201  the command's answer
    return all(row["state"] == "rest" for row in rows)


def _watch(client: NodeClient, job: Job, asked: Mapping[str, int], pause: Pause) -> list[dict[str, Any]]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[what]}")
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}
        while True:
            rows = [row for row in client.get(job.path) if row["pair"] in asked]
            for row in rows:
                if row["pair"] not in tasks:
                    tasks[row["pair"]] = bar.add_task(row["pair"], total=row["of"], what="")
                bar.update(tasks[row["pair"]], completed=row["done"], what=job.words(row))
            if _is_over(rows, job, asked):
                return rows
            pause()


def _is_over(rows: Sequence[Row], job: Job, asked: Mapping[str, int]) -> bool:
    return all(
        row["state"] == "failed" or (row["state"] == "rest" and (row[job.number] or 0) >= asked[row["pair"]])
        for row in rows
    )
