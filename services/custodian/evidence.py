"""Evidence against key holders: out of a node into a file, and out of a file to a third party's judgement.

A verifier needs the charter and nothing else: no network, no secret, no word of the country that found it.
"""

import json
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from events.errors import CharterInvalid
from events.evidence import Evidence, Region, Verdict, judge
from events.succession import read_charter
from services.country.client import NodeClient
from services.runtime.errors import InputInvalid, SettingsInvalid


def export(node: str, token_file: Path, out: Path) -> None:
    """Write all the evidence of a node as a JSON list, oldest first. Raises InputInvalid: `out` is there already."""
    found = NodeClient.from_file(node, token_file).get("/api/evidence")
    try:
        with out.open("x", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
    except OSError as error:
        raise InputInvalid(f"{out} cannot be written ({error.strerror}). Name a file that is not there yet.") from error
    typer.echo(f"{len(found)} pieces of evidence are in {out}.", err=True)


def verify(file: Path, charter: Path | None, *, as_json: bool) -> bool:
    """Judge every piece of evidence in a file, and say it. Returns whether there is any, and all of it convicts.

    raises   InputInvalid: a file cannot be read; SettingsInvalid: no charter
    """
    if charter is None:
        raise SettingsInvalid("Give the region's charter with --charter: evidence is judged by the keys that it names.")
    region = _region(charter)
    verdicts = [(piece, _verdict(piece, region)) for piece in _pieces(file)]
    if as_json:
        typer.echo(json.dumps({"verdicts": [_row(piece, verdict) for piece, verdict in verdicts]}))
    else:
        for _, verdict in verdicts:
            typer.echo(f"{'Convicts' if verdict.convicts else 'Does not convict'}. {verdict.sentence}")
        if not verdicts:
            typer.echo("There is no evidence in this file.")
    return bool(verdicts) and all(verdict.convicts for _, verdict in verdicts)


def _region(path: Path) -> Region:
    try:
        signed = read_charter(path)
        return Region(signed.history(), signed.region_digest)
    except CharterInvalid as error:
        raise InputInvalid(str(error)) from error


def _pieces(file: Path) -> list[object]:
    """One record or a list of them. Raises InputInvalid."""
    try:
        content: object = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputInvalid(f"{file} cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputInvalid(f"{file} is no JSON: evidence is what `samaki keys evidence` writes.") from error
    return content if isinstance(content, list) else [content]


def _verdict(piece: object, region: Region) -> Verdict:
    try:
        return judge(Evidence.model_validate_json(json.dumps(piece)), region)
    except ValidationError as error:
        return Verdict(None, f"The evidence is incomplete: {error.error_count()} fields are missing or malformed.")


def _row(piece: object, verdict: Verdict) -> dict[str, Any]:
    """Names from the record itself only where it convicts: else nobody vouches for them."""
    row: dict[str, Any] = {"convicts": verdict.convicts, "charge": verdict.charge, "sentence": verdict.sentence}
    if verdict.convicts and isinstance(piece, dict):
        row |= {name: piece[name] for name in ("holder", "requester", "charter_version", "charter_digest")}
        row |= {name: piece["request"][name] for name in ("batch", "pair", "epoch", "generation")}
    return row
