"""The sub-commands of `samaki keys`."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from services.runtime.errors import SettingsInvalid

if TYPE_CHECKING:
    from services.runtime.settings import PartySettings

keys = typer.Typer(
    no_args_is_help=True,
    help="Keys: their state, refresh, rotation and end, backups, allowances, evidence against holders.",
)

CharterFile = Annotated[
    Path | None, typer.Option("--charter", envvar="SAMAKI_CHARTER", help="The region's signed charter.")
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
    charter: CharterFile = None,
    as_json: Json = False,
) -> None:
    """Judge evidence against a key holder from public keys alone. Exit code 0: it convicts; 1: it does not."""
    from services.custodian.evidence import verify

    if not verify(file, charter, as_json=as_json):
        raise typer.Exit(1)


Holder = Annotated[str, typer.Option(envvar="SAMAKI_HOLDER", help="Address of your key holder: http://127.0.0.1:PORT")]


@keys.command("allow")
def allow(
    holder: Holder,
    token_file: TokenFile,
    country: Annotated[str, typer.Option(help="The country that may ask more.")],
    pair: Annotated[str, typer.Option(help="Of which pair's share: KH-TH.")],
    count: Annotated[int, typer.Option(min=1, help="Evaluations beyond the daily quota, once over the whole span.")],
    until: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC.")],
    reason: Annotated[str, typer.Option(help="Why; it is public, so it names no person.")],
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="In UTC; by default from now."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask your own key holder to answer a country more for a time. Two of its custodians must approve."""
    from services.custodian.allowances import ask

    wish = {"country": country, "pair": pair, "count": count, "reason": reason}
    ask(holder, token_file, wish, span=(since, until), as_json=as_json)


@keys.command("approve")
def approve(
    allowance: Annotated[str, typer.Argument(metavar="ID", help="What `samaki keys allow` gave.")],
    holder: Holder,
    token_file: TokenFile,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    as_json: Json = False,
) -> None:
    """Approve an allowance, as a custodian of this key holder. It stands when two have."""
    from services.custodian.allowances import approve as run

    run(holder, token_file, allowance, is_sure=is_sure, as_json=as_json)


@keys.command("allowances")
def allowances(holder: Holder, token_file: TokenFile, as_json: Json = False) -> None:
    """What was asked for at a key holder, and who has approved it."""
    from services.custodian.allowances import show

    show(holder, token_file, as_json=as_json)


@keys.command("refresh")
def refresh(
    token_file: TokenFile,
    pair: Annotated[str | None, typer.Option(help="One pair, KH-TH; without it, all that the holder has.")] = None,
    home: Annotated[Path | None, typer.Option(help="Home folder of the key holder, if it runs here.")] = None,
    url: Annotated[
        str | None, typer.Option(envvar="SAMAKI_HOLDER", help="Address of the key holder: http://127.0.0.1:PORT")
    ] = None,
    as_json: Json = False,
) -> None:
    """Have the own key holder refresh its shares: new shares, the same keys. Shows each step until it is done."""
    from services.custodian.refresh import refresh as run
    from services.custodian.steps import address_of

    if not run(address_of(home, None if home else url), token_file, pair, as_json=as_json):
        raise typer.Exit(1)


@keys.command("renew")
def renew(
    token_file: TokenFile,
    pair: Annotated[str | None, typer.Option(help="One pair, KH-TH; without it, all that the holder has.")] = None,
    reason: Annotated[str, typer.Option(help="compromise, period or schema; it is public.")] = "period",
    home: Annotated[Path | None, typer.Option(help="Home folder of the key holder, if it runs here.")] = None,
    url: Annotated[
        str | None, typer.Option(envvar="SAMAKI_HOLDER", help="Address of the key holder: http://127.0.0.1:PORT")
    ] = None,
    as_json: Json = False,
) -> None:
    """Begin a new epoch: new shares, another key. Both countries make all that is out anew; nothing stops meanwhile."""
    from services.custodian.renew import renew as run
    from services.custodian.steps import address_of

    if not run(address_of(home, None if home else url), token_file, pair, reason, as_json=as_json):
        raise typer.Exit(1)


Home = Annotated[Path, typer.Option(envvar="SAMAKI_HOME", help="The party's own folder.")]
Kek = Annotated[str | None, typer.Option(envvar="SAMAKI_KEK", help="Where the ring's key comes from; default: kek.")]
DatabaseFile = Annotated[
    Path | None, typer.Option(envvar="SAMAKI_DATABASE_FILE", help="A file with the PostgreSQL address of its store.")
]


class Purpose(StrEnum):
    """What `rotate` renews."""

    SIGNING = "signing"
    SEALING = "sealing"
    KEK = "kek"
    DATA = "data"
    PEPPER = "pepper"


@keys.command("rotate")
def rotate(
    purpose: Annotated[Purpose, typer.Option(help="Which key.")],
    home: Home,
    charter: CharterFile = None,
    kek: Kek = None,
    to: Annotated[
        str | None,
        typer.Option(help="kek: its new source, file:PATH, passphrase:... or pkcs11:...; by default the same again."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="signing: how long the new key signs.")] = 365,
    database_file: DatabaseFile = None,
    as_json: Json = False,
) -> None:
    """Renew a key of a party. Asked again it goes on, and shows where it stands. kek, data: stop the party first."""
    from services.custodian import rotate as run

    if purpose is Purpose.SIGNING and charter is None:
        raise SettingsInvalid("Give --charter: it says which keys of the party are introduced.")
    settings = _settings(home, kek=kek, charter=charter, database_file=database_file)
    match purpose:
        case Purpose.KEK:
            run.kek(settings, to, as_json=as_json)
        case Purpose.DATA:
            run.data(settings, as_json=as_json)
        case Purpose.SEALING:
            run.sealing(settings, as_json=as_json)
        case Purpose.PEPPER:
            run.pepper(settings, as_json=as_json)
        case Purpose.SIGNING:
            run.signing(settings, days, as_json=as_json)


@keys.command("backup")
def backup(
    home: Home,
    to: Annotated[Path, typer.Option(help="A folder apart from the data's backups.")],
    kek: Kek = None,
    as_json: Json = False,
) -> None:
    """Back up persons' keys, and delete backups over 30 days old. The node may run."""
    from services.custodian.backup import back_up

    back_up(_settings(home, kek=kek), to, as_json=as_json)


@keys.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A backup of persons' keys.")],
    home: Home,
    kek: Kek = None,
    as_json: Json = False,
) -> None:
    """Bring persons' keys back from a backup of the last 30 days. Who was erased stays so. Stop the node first."""
    from services.custodian.backup import restore as run

    run(_settings(home, kek=kek), file, as_json=as_json)


def _settings(home: Path, *, charter: Path | None = None, **given: object) -> "PartySettings":
    """Of a command that needs a home, and a charter only where one is given."""
    from services.runtime.settings import PartySettings

    return PartySettings.load(home=home, charter=charter or home / "charter.json", **given)


@keys.command("end")
def end(
    token_file: TokenFile,
    pair: Annotated[str, typer.Option(help="The pair whose agreement ends: KH-TH.")],
    reason: Annotated[Literal["withdrawn", "compromise", "law", "other"], typer.Option(help="Why; it is public.")],
    home: Annotated[Path | None, typer.Option(help="Home folder of the key holder, if it runs here.")] = None,
    url: Annotated[
        str | None, typer.Option(envvar="SAMAKI_HOLDER", help="Address of the key holder: http://127.0.0.1:PORT")
    ] = None,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    as_json: Json = False,
) -> None:
    """End a pair's agreement, by your side alone and for good. Two custodians of this key holder say so."""
    from services.custodian.ending import end as run
    from services.custodian.steps import address_of

    run(address_of(home, None if home else url), token_file, pair, reason, is_sure=is_sure, as_json=as_json)


@keys.command("status")
def status(
    home: Annotated[
        Path | None, typer.Option(envvar="SAMAKI_HOME", help="A party's own folder: its ring, and what it has heard.")
    ] = None,
    charter: CharterFile = None,
    bootstrap: Annotated[
        str | None, typer.Option(envvar="SAMAKI_BOOTSTRAP", help="Without --home: Kafka, to read keys.* there.")
    ] = None,
    kafka_ca: Annotated[Path | None, typer.Option(envvar="SAMAKI_KAFKA_CA")] = None,
    kafka_certificate: Annotated[Path | None, typer.Option(envvar="SAMAKI_KAFKA_CERTIFICATE")] = None,
    kafka_key: Annotated[Path | None, typer.Option(envvar="SAMAKI_KAFKA_KEY")] = None,
    as_json: Json = False,
) -> None:
    """Every key: version, state, age, period, who authorised it, what is due, what stands under it, use of quotas."""
    from services.custodian.status import status as run

    run(home, charter, bootstrap, tls=(kafka_ca, kafka_certificate, kafka_key), as_json=as_json)
