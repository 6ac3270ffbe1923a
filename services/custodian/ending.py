"""End the agreement of a pair, as a custodian of one of its key holders: asked by two, done for good.

The first custodian's word waits for a second one's, for a week. The holder does the rest, whether this command lives or
not; said again, it shows where it is.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from services.country.client import NodeClient
from services.custodian import steps
from services.custodian.steps import Pause, Row

STEPS: Final[Mapping[str, int]] = {"lapsed": 0, "asked": 1, "decided": 2, "ended": 3}
"""A holder's state -> how many of the three steps are done: one custodian, the second, destroyed and announced."""
_WARNING: Final = (
    "For {pair} this destroys the share of the key, on this side for ever: no token can be made any more, the matcher "
    "drops every row of the pair, and nobody is told of its matches. What was told stays told. It cannot be taken back."
)


def end(
    address: str, token_file: Path, pair: str, reason: str, *, is_sure: bool, as_json: bool,
    pause: Pause = steps.pause,
) -> None:
    """Say that the agreement of a pair is over; after the second custodian's word, wait until it is."""
    client = NodeClient.from_file(address, token_file, called="key holder", option="--url")
    if not is_sure:
        typer.echo(_WARNING.format(pair=pair), err=True)
        typer.confirm("End it?", abort=True, err=True)
    row = client.post("/api/endings", {"pair": pair, "reason": reason})
    if row["state"] != "asked":
        row = _watch(client, pair, pause)
    typer.echo(json.dumps(row) if as_json else _sentence(row))


def _watch(client: NodeClient, pair: str, pause: Pause) -> Row:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(pair, total=STEPS["ended"])
        while True:
            row: Row = next(row for row in client.get("/api/endings") if row["pair"] == pair)
            bar.update(task, completed=STEPS[row["state"]])
            if row["state"] == "ended":
                return row
            pause()


def _sentence(row: Row) -> str:
    who = ", ".join(row["custodians"])
    if row["state"] == "asked":
        return f"{row['pair']}: said by {who}. It takes a second custodian, within a week, who says the same."
    return f"{row['pair']}: over, as {who} have said. This side's shares are destroyed, and everybody was told."
