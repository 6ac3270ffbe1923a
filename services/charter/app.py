"""The words of `samaki charter`. What they do is loaded when it is asked for."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

charter = typer.Typer(no_args_is_help=True, help="Found a region, and change its rules: for the members' custodians.")

DraftFile = Annotated[Path, typer.Argument(help="The draft: JSON, of which these very bytes are signed.")]
Files = Annotated[list[Path] | None, typer.Argument(help="Public files: of members (root) and of parties (key).")]
Pairs = Annotated[str | None, typer.Option(help="Pairs that agree to match: KH-TH,LA-TH; or all.")]
After = Annotated[Path | None, typer.Option(help="The charter in force, for every version but the first.")]
Told = Annotated[str | None, typer.Option("--fingerprint", help="The fingerprint that the other members read to you.")]
Places = "file:PATH, passphrase:PATH, passphrase:fd:N, passphrase:prompt or pkcs11:..."


@charter.command("root")
def root(
    folder: Annotated[Path, typer.Argument(help="Where the three key files and the public file go.")],
    country: Annotated[str, typer.Option(help="ISO 3166 code: KH.")],
    name: Annotated[str, typer.Option(help="The country's name.")],
    passphrase: Annotated[
        list[str] | None, typer.Option(help=f"Three times, where each key's comes from: {Places}. Else it is asked.")
    ] = None,
) -> None:
    """Make a member's offline root: three keys, each under its custodian's passphrase, of which two sign."""
    from services.charter.command import root as run

    run(folder, country, name, passphrase or [])


@charter.command("key")
def key(
    home: Annotated[Path, typer.Argument(help="The party's home folder; made if it is not there.")],
    party: Annotated[str | None, typer.Option(help="KH, KH.holder or matcher; by default the folder's name.")] = None,
    kek: Annotated[str | None, typer.Option(envvar="SAMAKI_KEK", help=f"The ring's key: {Places}.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long the key signs.")] = 365,
) -> None:
    """Make a party's online key on its own machine. It signs nothing until a charter introduces it."""
    from services.charter.command import key as run

    run(home, party, kek, days)


@charter.command("last")
def last(
    home: Annotated[Path, typer.Argument(help="The party's home folder. Stop the party first.")],
    party: Annotated[str | None, typer.Option(help="KH, KH.holder or matcher; by default the folder's name.")] = None,
    database_file: Annotated[Path | None, typer.Option(help="A file with the PostgreSQL address of its store.")] = None,
) -> None:
    """Print the last envelope of each stream that a party has written, for `retire`."""
    from services.charter.command import last as run

    run(home, party, database_file)


@charter.command("new")
def new(
    draft: DraftFile,
    files: Files = None,
    region: Annotated[str | None, typer.Option(help="The region's name, for a first version.")] = None,
    after: After = None,
    rules: Annotated[Path | None, typer.Option(help="JSON: quotas, ticks, slots, ... and their values.")] = None,
    pairs: Pairs = None,
    issued: Annotated[datetime | None, typer.Option(help="From when it counts, UTC; by default now.")] = None,
) -> None:
    """Begin a draft: a region's first version, or the next one of a charter."""
    from services.charter.command import new as run

    run(draft, files or [], region=region, after=after, rules=rules, pairs=pairs, issued=issued)


@charter.command("join")
def join(
    draft: DraftFile,
    files: Files = None,
    pairs: Pairs = None,
    third: Annotated[
        list[str] | None, typer.Option(help="A third share of a pair's key, with an outside body: KH-TH=Witness.holder")
    ] = None,
) -> None:
    """Add members, parties' keys, pairs and third shares to a draft."""
    from services.charter.command import join as run

    run(draft, files or [], pairs=pairs, third=third or [])


@charter.command("leave")
def leave(draft: DraftFile, who: Annotated[str, typer.Argument(help="A country, or a pair: TH, KH-TH.")]) -> None:
    """A member leaves the draft, or a pair ends."""
    from services.charter.command import leave as run

    run(draft, who)


@charter.command("retire")
def retire(
    draft: DraftFile,
    key_id: Annotated[str, typer.Argument(help="The online key: KH.signing.1.")],
    last: Annotated[Path | None, typer.Option(help="What counts of it: the output of `samaki charter last`.")] = None,
    never_signed: Annotated[bool, typer.Option("--never-signed", help="Nothing of it counts.")] = False,
    successor: Annotated[Path | None, typer.Option(help="The public file of the key that follows it.")] = None,
) -> None:
    """Retire an online key that is stolen, or may be. The roots of its own country are enough."""
    from services.charter.command import retire as run

    run(draft, key_id, last, never_signed=never_signed, successor=successor)


@charter.command("sign")
def sign(
    draft: DraftFile,
    key_file: Annotated[Path, typer.Argument(help="Your root key's file.")],
    after: After = None,
    passphrase: Annotated[str | None, typer.Option(help=f"Where yours comes from: {Places}. Else it is asked.")] = None,
    fingerprint: Told = None,
    out: Annotated[Path | None, typer.Option(help="Where the signature goes; by default beside the draft.")] = None,
) -> None:
    """See what changes, and sign it with one root key."""
    from services.charter.command import sign as run

    run(draft, key_file, after=after, passphrase=passphrase, expected=fingerprint, out=out)


@charter.command("collect")
def collect(
    draft: DraftFile,
    signatures: Annotated[list[Path], typer.Argument(help="The custodians' signature files.")],
    out: Annotated[Path, typer.Option(help="Where the charter goes.")],
    after: After = None,
) -> None:
    """Make the charter of a draft and its signatures; or say whose are missing."""
    from services.charter.command import collect as run

    run(draft, signatures, after=after, out=out)


@charter.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="A draft or a charter.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Print a draft, or a charter's newest version."""
    from services.charter.command import show as run

    run(file, as_json=as_json)


@charter.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="A charter.")],
    after: Annotated[Path | None, typer.Option(help="A charter that you trusted before: it must continue it.")] = None,
    fingerprint: Told = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Check a charter from its founding on. Exit code 0 only if all holds."""
    from services.charter.command import verify as run

    run(file, after=after, expected=fingerprint, as_json=as_json)
