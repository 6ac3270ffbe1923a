"""The sub-commands of `samaki keys`."""

from pathlib import Path
from typing import Annotated

import typer

keys = typer.Typer(no_args_is_help=True, help="Keys: their state, quotas and allowances, evidence against holders.")

Charters = Annotated[
    list[Path] | None,
    typer.Option("--charter", envvar="SAMAKI_CHARTER", help="The region's signed charter. Repeat for older versions."),
]
TokenFile = Annotated[Path, typer.Option(envvar="SAMAKI_TOKEN_FILE", help="File with your sign-in token.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@keys.command("evidence")
def export_evidence(
    node: Annotated[str, typer.Option(envvar="SAMAKI_NODE", help="Address of the country's node.")],
    token_file: TokenFile,
    out: Annotated[Path, typer.Option(help="The file to write; it must not be there yet.")],
) -> None:
    """Write a node's evidence against key holders into a file that can be shown to anybody."""
    from services.custodian.evidence import export

    export(node, token_file, out)


@keys.command("verify-evidence")
def verify_evidence(
    file: Annotated[Path, typer.Argument(help="Evidence, as `samaki keys evidence` or a node's API gives it.")],
    charter: Charters = None,
    as_json: Json = False,
) -> None:
    """Judge evidence against a key holder from public keys alone. Exit code 0: it convicts; 1: it does not."""
    from services.custodian.evidence import verify

    if not verify(file, charter or [], as_json=as_json):
        raise typer.Exit(1)
