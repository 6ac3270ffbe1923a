"""`samaki audit streams`: read everything, check it, say it; for reviewers, and for programs with `--json`."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from events.charter import Charter
from events.clock import Clock, SystemClock
from events.errors import CharterInvalid, StreamUnavailable
from events.inbox import Place
from events.kafka import KafkaStream, Tls
from events.stream import Delivered, Stream
from events.succession import load_charter
from services.auditor import reading, tables
from services.auditor.report import Report
from services.auditor.streams import audit
from services.runtime.errors import InputInvalid, PeerUnreachable, SettingsInvalid


def audit_streams(
    charter: Path,
    bootstrap: str,
    *,
    as_json: bool,
    kafka_ca: Path | None = None,
    kafka_certificate: Path | None = None,
    kafka_key: Path | None = None,
) -> bool:
    """Print the report. Returns whether all holds.

    bootstrap  Kafka's first servers, `host:port,...`; on other machines only with the three files of TLS
    raises     InputInvalid: the charter is wrong, or of another region; PeerUnreachable; SettingsInvalid
    """
    _, report = read_region(charter, bootstrap, tls=tls_of(kafka_ca, kafka_certificate, kafka_key))
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        tables.show(Console(), report)
    return report.ok


def read_region(charter: Path, bootstrap: str, *, tls: Tls | None = None) -> tuple[Charter, Report]:
    """A region's charter, and the audit of its streams as they are now. Raises as `audit_streams`."""
    try:
        rules, digest = load_charter(charter)
    except CharterInvalid as error:
        raise InputInvalid(str(error)) from error
    with closing(_connected(bootstrap, rules, tls)) as stream:
        try:
            return rules, audit_of(stream, rules, digest, SystemClock())
        except StreamUnavailable as error:
            raise PeerUnreachable(f"The streams at {bootstrap} cannot be read. {error}") from error


def audit_of(stream: Stream, charter: Charter, digest: bytes, clock: Clock) -> Report:
    """Read a region's streams as they are now, and check them. Raises StreamUnavailable; InputInvalid: not there."""
    ends = reading.ends_of(stream, charter)
    if not ends:
        raise InputInvalid(
            f"The carrier has no topic of the region {charter.region!r}. Is it the charter of the region that runs "
            "there, and have its parties been started?"
        )
    records = _with_progress(reading.records(stream, ends), ends)
    return audit(charter, digest, records, now=clock.now(), ends=ends)


def _with_progress(records: Iterable[Delivered], ends: Mapping[Place, int]) -> Iterator[Delivered]:
    """The same records, with a bar on a terminal's standard error."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(records, total=sum(ends.values()), description="Reading the streams")


def _connected(bootstrap: str, charter: Charter, tls: Tls | None) -> KafkaStream:
    try:
        return KafkaStream(bootstrap, f"{charter.region}.", tls=tls)
    except ValueError as error:
        raise SettingsInvalid(str(error)) from error


def tls_of(ca: Path | None, certificate: Path | None, key: Path | None) -> Tls | None:
    """The three files of TLS, or none of them. Raises SettingsInvalid, InputInvalid."""
    files = [file for file in (ca, certificate, key) if file is not None]
    if ca is None or certificate is None or key is None:
        if files:
            raise SettingsInvalid("TLS needs three files together: the brokers' authority, a certificate and its key.")
        return None
    for file in files:
        if not file.is_file():
            raise InputInvalid(f"The TLS file {file} is not there.")
    return Tls(ca, certificate, key)
