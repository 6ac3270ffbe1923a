"""The command's side of bulk allowances: speaks to one key holder as one of its staff."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from services.country.client import NodeClient
from services.runtime.errors import InputInvalid, SettingsInvalid

Row = Mapping[str, Any]


def ask(
    holder: str, token_file: Path, wish: Row, *, span: tuple[datetime | None, datetime], as_json: bool
) -> None:
    """Write a request down at a holder.

    wish  country, pair, count, reason
    span  from and to, in UTC; None: from now
    """
    since, until = span
    begins = datetime.now(UTC) if since is None else since.replace(tzinfo=UTC)
    dates = {"valid_from": begins.isoformat(), "valid_until": until.replace(tzinfo=UTC).isoformat()}
    answer = _client(holder, token_file).post("/api/allowances", {**wish, **dates})
    said = f"Two custodians of this holder must approve it: samaki keys approve {answer['id']}"
    typer.echo(json.dumps(answer) if as_json else said)


def approve(holder: str, token_file: Path, allowance: str, *, is_sure: bool, as_json: bool) -> None:
    """Show what is approved, ask whether it is meant, and approve it. Raises SettingsInvalid, InputInvalid."""
    name = _name(allowance)
    client = _client(holder, token_file)
    if not is_sure:
        typer.echo(_sentence(_found(client.get("/api/allowances"), name)), err=True)
        typer.confirm("Approve it?", abort=True, err=True)
    answer = client.post(f"/api/allowances/{name}/approval", {})
    typer.echo(json.dumps(answer) if as_json else _progress(answer))


def show(holder: str, token_file: Path, *, as_json: bool) -> None:
    """All that was asked for, the newest first."""
    rows = _client(holder, token_file).get("/api/allowances")
    if as_json:
        typer.echo(json.dumps({"allowances": rows}))
        return
    table = Table(title=f"{len(rows)} allowances", title_justify="left")
    for column in ("Id", "Pair", "Country", "Evaluations", "From", "To", "State", "Approved by"):
        table.add_column(column)
    for row in rows:
        dates, approved = (row["valid_from"][:16], row["valid_until"][:16]), ", ".join(row["custodians"])
        table.add_row(row["id"], row["pair"], row["country"], str(row["count"]), *dates, row["state"], approved)
    Console().print(table)


def _client(holder: str, token_file: Path) -> NodeClient:
    return NodeClient.from_file(holder, token_file, called="key holder", option="--holder")


def _name(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise SettingsInvalid("An allowance's id is the one that `samaki keys allow` gave.") from error


def _found(rows: Sequence[Row], name: UUID) -> Row:
    for row in rows:
        if row["id"] == str(name):
            return row
    raise InputInvalid("This holder has no request of that id. `samaki keys allowances` lists them.")


def _sentence(row: Row) -> str:
    return (
        f"{row['country']} may ask {row['count']} evaluations of {row['pair']} beyond its daily quota, from "
        f"{row['valid_from']} to {row['valid_until']}. Asked by {row['asked_by']}: {row['reason']}"
    )


def _progress(row: Row) -> str:
    if row["state"] == "asked":
        return f"Approved by {', '.join(row['custodians'])}. It takes {row['needed']}."
    return f"Approved by {', '.join(row['custodians'])}: it stands as soon as the holder has announced it."
