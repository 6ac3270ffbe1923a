"""The `samaki` command. Each sub-command loads its part only when it is asked for.

Exit codes: 0 done, 2 usage, 3 an input was wrong, 4 a peer cannot be reached, 1 anything else.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from services.charter.app import charter as charter_commands
from services.custodian.app import keys
from services.runtime.errors import InputInvalid, ServiceError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Countries find out that they protect the same person, without handing over who the person is.",
)
country = typer.Typer(no_args_is_help=True, help="A country's node.")
keyholder = typer.Typer(no_args_is_help=True, help="A country's key holder.")
matcher = typer.Typer(no_args_is_help=True, help="The region's matcher.")
case = typer.Typer(no_args_is_help=True, help="Cases of the own organisation.")
matches = typer.Typer(no_args_is_help=True, help="The focal point's matches.")
audit = typer.Typer(no_args_is_help=True, help="What a reviewer can check without trusting anybody.")
for name, sub in (
    ("country", country),
    ("keyholder", keyholder),
    ("matcher", matcher),
    ("case", case),
    ("matches", matches),
    ("audit", audit),
    ("keys", keys),
    ("charter", charter_commands),
):
    app.add_typer(sub, name=name)

Home = Annotated[Path | None, typer.Option(help="The party's own folder: keys, stores, staff.")]
CharterFile = Annotated[Path | None, typer.Option("--charter", help="The region's signed charter.")]
Bootstrap = Annotated[str | None, typer.Option(help="Kafka's first servers, host:port, separated by commas.")]
Port = Annotated[int | None, typer.Option("--port", help="HTTP port on 127.0.0.1; 0 takes any free one.")]
Node = Annotated[str, typer.Option(envvar="SAMAKI_NODE", help="Address of the country's node: http://127.0.0.1:PORT")]
TokenFile = Annotated[Path, typer.Option(envvar="SAMAKI_TOKEN_FILE", help="File with your sign-in token.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command()
def demo(
    countries: Annotated[str, typer.Option(help="Country codes, separated by commas.")] = "KH,CN,LA,MM,TH,VN",
    people: Annotated[int, typer.Option(min=1, max=20000, help="Invented people a country.")] = 300,
    overlap: Annotated[float, typer.Option(min=0, max=1, help="Share of them that another country has too.")] = 0.05,
    seed: Annotated[int, typer.Option(help="The same seed invents the same people.")] = 7,
    from_dir: Annotated[Path | None, typer.Option("--from", help="Read KH.csv, ... from this folder instead.")] = None,
    broker: Annotated[str, typer.Option(help="embedded or kafka")] = "embedded",
    pairs_out: Annotated[Path | None, typer.Option(help="Write the matches told to both sides to this CSV.")] = None,
    capture: Annotated[Path | None, typer.Option(help="Keep all that left a country in this folder.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End after the result.")] = False,
    as_json: Json = False,
) -> None:
    """Run the main job on this machine: six countries find the people they have in common.

    In --json, true_pairs are all pairs of records of one person; agreed_pairs, those of them that both sides allow and
    tell; document_pairs, those of these with the same document on both sides. Recall is of the agreed_pairs.
    """
    from services.demo.run import Wishes, run

    run(
        Wishes(
            countries=tuple(c.strip().upper() for c in countries.split(",") if c.strip()),
            people=people,
            overlap=overlap,
            seed=seed,
            from_dir=from_dir,
            broker=broker,
            pairs_out=pairs_out,
            capture=capture,
            once=once,
            as_json=as_json,
        )
    )


def _add_serve(sub: typer.Typer, serve: Callable[..., None], words: str) -> None:
    """`serve` is given the settings that stand on the command line; the environment has the others."""

    @sub.command("serve", help=words)
    def command(
        home: Home = None,
        charter: CharterFile = None,
        bootstrap: Bootstrap = None,
        port: Port = None,
        log_file: Path | None = None,
    ) -> None:
        serve(home=home, charter=charter, bootstrap=bootstrap, http_port=port, log_file=log_file)


def _serve_country(**given: object) -> None:
    from services.country.main import serve
    from services.country.settings import CountrySettings

    serve(CountrySettings.load(**given))


def _serve_keyholder(**given: object) -> None:
    from services.keyholder.main import serve
    from services.keyholder.settings import KeyHolderSettings

    serve(KeyHolderSettings.load(**given))


def _serve_matcher(**given: object) -> None:
    from services.matcher.main import serve
    from services.matcher.settings import MatcherSettings

    serve(MatcherSettings.load(**given))


_add_serve(country, _serve_country, "Run a country's node until it is told to end.")
_add_serve(keyholder, _serve_keyholder, "Run a country's key holder until it is told to end.")
_add_serve(matcher, _serve_matcher, "Run the matcher until it is told to end.")


@case.command("import")
def case_import(
    file: Annotated[Path, typer.Argument(help="HTCDS CSV, UTF-8.")],
    node: Node,
    token_file: TokenFile,
    consent: Annotated[
        list[str] | None,
        typer.Option(help="Stated for every row that does not say: C2, C9, or C4=TH,VN. Repeat for several."),
    ] = None,
    ask: Annotated[bool, typer.Option("--ask/--no-ask", help="Ask the focal point to publish tokens.")] = True,
    guardian: Annotated[str | None, typer.Option(help="The guardian who consents with each child.")] = None,
    rejected: Annotated[Path, typer.Option(help="Where refused rows go.")] = Path("rejected.csv"),
) -> None:
    """Import a file of people as cases of your organisation."""
    from services.country.client import import_file

    if import_file(node, token_file, file, consent or [], ask=ask, guardian=guardian, rejected=rejected):
        raise typer.Exit(InputInvalid.exit_code)


@case.command("erase")
def case_erase(
    case_id: Annotated[str, typer.Argument(help="The case's id, whole.")],
    node: Node,
    token_file: TokenFile,
    basis: Annotated[str, typer.Option(help="person_asked, retention or unlawful")],
) -> None:
    """Ask, as data protection officer, that a person be erased. A key custodian must sign."""
    from services.country.client import ask_erasure

    ask_erasure(node, token_file, case_id, basis)


@case.command("erasures")
def case_erasures(
    node: Node,
    token_file: TokenFile,
    sign: Annotated[str | None, typer.Option(help="Erase for good whom this request names.")] = None,
    decline: Annotated[str | None, typer.Option(help="Decline this request.")] = None,
    as_json: Json = False,
) -> None:
    """What waits for a key custodian; who is one signs or declines. It cannot be undone."""
    from services.country.client import erasures

    erasures(node, token_file, sign=sign, decline=decline, as_json=as_json)


@matches.command("list")
def matches_list(node: Node, token_file: TokenFile, as_json: Json = False) -> None:
    """The matches that your side was told of."""
    from services.country.client import list_matches

    list_matches(node, token_file, as_json=as_json)


@matches.command("show")
def matches_show(ref: str, node: Node, token_file: TokenFile, as_json: Json = False) -> None:
    """One match."""
    from services.country.client import show_match

    show_match(node, token_file, ref, as_json=as_json)


@matches.command("grant")
def matches_grant(
    ref: str,
    grant: Annotated[str, typer.Argument(help="tell or hold")],
    node: Node,
    token_file: TokenFile,
    reason: Annotated[str, typer.Option(help="person_asked, review, doubt, ...")] = "review",
) -> None:
    """Say whether the other side of a match may be told. `tell` waits for a second person."""
    from services.country.client import grant_match

    grant_match(node, token_file, ref, grant, reason)


@audit.command("streams")
def audit_streams(
    charter: Annotated[Path, typer.Option(envvar="SAMAKI_CHARTER")],
    bootstrap: Annotated[str, typer.Option(envvar="SAMAKI_BOOTSTRAP")],
    kafka_ca: Annotated[Path | None, typer.Option(envvar="SAMAKI_KAFKA_CA", help="The brokers' authority.")] = None,
    kafka_certificate: Annotated[
        Path | None, typer.Option(envvar="SAMAKI_KAFKA_CERTIFICATE", help="The auditor's client certificate.")
    ] = None,
    kafka_key: Annotated[Path | None, typer.Option(envvar="SAMAKI_KAFKA_KEY", help="Its private key.")] = None,
    as_json: Json = False,
) -> None:
    """Read all topics and the charter, and check chains, signatures, ticks, key introductions, totals and quotas."""
    from services.auditor.command import audit_streams as run

    tls = {"kafka_ca": kafka_ca, "kafka_certificate": kafka_certificate, "kafka_key": kafka_key}
    if not run(charter, bootstrap, as_json=as_json, **tls):
        raise typer.Exit(1)


@app.command()
def selftest(
    vectors: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Read the published files in this folder, not the built-in ones.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check this machine's cryptography against every suite of vectors there is, and count."""
    from services.runtime.selftest import selftest as run

    if not run(vectors, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def bench(
    only: Annotated[str | None, typer.Option(help="One benchmark by name.")] = None,
    broker: Annotated[str, typer.Option(help="embedded or kafka")] = "embedded",
    postgres: Annotated[
        str | None,
        typer.Option(envvar="SAMAKI_BENCH_POSTGRES", show_envvar=True, help="Measure the store on PostgreSQL too."),
    ] = None,
    psi: Annotated[str | None, typer.Option(help="The Python that has OpenMined PSI: see make bench-peers.")] = None,
    as_json: Json = False,
) -> None:
    """Measure this machine, each figure beside a bare baseline of the same run."""
    from services.bench.run import run

    run(only, as_json=as_json, broker=broker, postgres=postgres, psi=psi)


def main() -> None:
    """Run the command; an error is one sentence on standard error and an exit code of its own."""
    try:
        app()
    except ServiceError as error:
        typer.echo(f"samaki: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
