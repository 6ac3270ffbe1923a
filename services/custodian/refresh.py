"""Have the own key holder refresh its shares, and show each step until the former ones are destroyed.

The holder does the work, and goes on with it whether this command lives or not: asked again, it shows where it is.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from services.country.client import NodeClient
from services.runtime.errors import InputInvalid, SettingsInvalid

_PAUSE: Final = 0.5
WORDS: Final[Mapping[str, str]] = {
    "asked": "begins",
    "offered": "waits for the other holder",
    "revealing": "exchanges parts",
    "introduced": "waits for the other holder's new share",
    "closing": "waits for open batches, then destroys the former share",
    "rest": "done",
    "failed": "given up",
}
"""A holder's state -> what people read."""
Row = Mapping[str, Any]


def address_of(home: Path | None, url: str | None) -> str:
    """Where the holder answers. Raises SettingsInvalid, InputInvalid."""
    if (home is None) == (url is None):
        raise SettingsInvalid("Give the key holder's --home or its --url, one of the two.")
    if home is None:
        return str(url)
    try:
        return f"http://127.0.0.1:{int((home / 'port').read_text(encoding='ascii'))}"
    except (OSError, ValueError) as error:
        raise InputInvalid(f"{home / 'port'} names no port. Is it the home of a key holder that is running?") from error


def refresh(
    address: str, token_file: Path, pair: str | None, *, as_json: bool, pause: Callable[[], None] | None = None
) -> bool:
    """Ask, and wait for the end. Returns whether every refresh came to a good one.

    pause   between two looks; None: half a second
    """
    client = NodeClient.from_file(address, token_file, called="key holder", option="--url")
    asked = {row["pair"]: row["target"] for row in client.post("/api/refreshes", {"pair": pair})}
    rows = _watch(client, asked, pause or (lambda: time.sleep(_PAUSE)))
    if as_json:
        print(json.dumps({"refreshes": rows}))  # noqa: T201  the command's answer
    else:
        for row in rows:
            print(_sentence(row))  # noqa: T201  the command's answer
    return all(row["state"] == "rest" for row in rows)


def _watch(client: NodeClient, asked: Mapping[str, int], pause: Callable[[], None]) -> list[dict[str, Any]]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[what]}")
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, TaskID] = {}
        while True:
            rows = [row for row in client.get("/api/refreshes") if row["pair"] in asked]
            for row in rows:
                if row["pair"] not in tasks:
                    tasks[row["pair"]] = bar.add_task(row["pair"], total=row["of"], what="")
                bar.update(tasks[row["pair"]], completed=row["done"], what=WORDS[row["state"]])
            if _is_over(rows, asked):
                return rows
            pause()


def _is_over(rows: Sequence[Row], asked: Mapping[str, int]) -> bool:
    return all(
        row["state"] == "failed" or (row["state"] == "rest" and (row["generation"] or 0) >= asked[row["pair"]])
        for row in rows
    )


def _sentence(row: Row) -> str:
    if row["state"] == "failed":
        return f"{row['pair']}: given up, generation {row['generation']} stays in force. {row['reason']}"
    return f"{row['pair']}: generation {row['generation']} is in force; the former share is destroyed."
