"""`samaki keys status`: every key of a home folder and its region, or, from outside, of the region alone.

At home it reads the ring, the charter and the party's own database, and writes nothing: the party may be running. From
outside it reads the streams as an auditor does, with no secret. A party that was never started has no database yet.
"""

from contextlib import closing
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

from events.charter import Charter
from events.clock import SystemClock
from events.database import open_database
from events.directory import Directory
from events.errors import CharterInvalid, StoreUnavailable
from events.introductions import Introduction
from events.stream import MemoryStream
from events.succession import load_charter
from keys.errors import KeysError
from keys.kek import FileSource
from keys.persons import living_in
from keys.ring import KeyRing, open_ring
from services.auditor.command import read_region, tls_of
from services.auditor.report import Report, WriterRow
from services.keyholder.holder import KeyHolder
from services.runtime import custody
from services.runtime.custody import KeyReport, QuotaRow
from services.runtime.errors import InputInvalid, SettingsInvalid
from services.runtime.inventory import YEAR, Evaluations, Home, KeyRow, SealingKeyKnown, Told, condition_of, inventory
from services.runtime.settings import PartySettings

Tls = tuple[Path | None, Path | None, Path | None]


def status(home: Path | None, charter: Path | None, bootstrap: str | None, *, tls: Tls, as_json: bool) -> None:
    """Print the report.

    raises  SettingsInvalid: neither a home nor a carrier, or no charter; InputInvalid; PeerUnreachable
    """
    if charter is None or (home is None and bootstrap is None):
        raise SettingsInvalid("Give --charter, and --home for a party's own keys or --bootstrap for the region's.")
    if home is not None:
        found = at_home(home, charter)
    else:
        found = from_outside(*read_region(charter, bootstrap or "", tls=tls_of(*tls)))
    if as_json:
        typer.echo(to_json(asdict(found)).decode())
    else:
        show(Console(), found)


# ---- at home


def at_home(home: Path, charter: Path) -> KeyReport:
    """What a party's own files say. Raises InputInvalid."""
    settings = PartySettings.load(home=home, charter=charter)
    try:
        rules, digest = load_charter(charter)
        rules.party(settings.party)
        ring, _ = open_ring(settings.ring, settings.kek_source)
    except (CharterInvalid, KeysError) as error:
        raise InputInvalid(str(error)) from error
    found = _known(settings, rules, digest, ring) or _unstarted(settings.party, rules, ring)
    return replace(found, keys=(*found.keys, *_key_encryption_key(settings, ring)))


def _known(settings: PartySettings, charter: Charter, digest: bytes, ring: KeyRing) -> KeyReport | None:
    """With what stands in the party's database; None: it was never started."""
    if settings.database_file is None and not settings.store.exists():
        return None
    schema = "samaki_" + settings.party.lower().replace(".", "_")
    clock, persons = SystemClock(), living_in(settings.persons)
    try:
        with closing(open_database(settings.database_url, schema=schema)) as database:
            if charter.party(settings.party).kind == "keyholder":  # its own counts are in its own tables
                holder = KeyHolder(
                    settings.party, charter=charter, digest=digest, ring=ring, database=database, stream=MemoryStream(),
                    clock=clock,
                )  # never opened, so it meets no stream
                return holder.keys()
            directory = Directory(database, charter, digest)
            with database.reading() as tx:
                return custody.report(settings.party, charter, ring, directory, tx, clock.now(), persons=persons)
    except StoreUnavailable:
        return None


def _unstarted(party: str, charter: Charter, ring: KeyRing) -> KeyReport:
    now = SystemClock().now()
    keys = inventory(charter, Told(), Home(party, custody.versions_of(ring)), now)
    return KeyReport(party, charter.region, charter.version, now, keys, ())


def _key_encryption_key(settings: PartySettings, ring: KeyRing) -> list[KeyRow]:
    """What opens the ring. A file says since when; a passphrase or a token does not."""
    source, now = settings.kek_source, SystemClock().now()
    since = None
    if isinstance(source, FileSource):
        changed = source.path.stat().st_mtime
        since = now - timedelta(seconds=max(0.0, now.timestamp() - changed))
    secrets = sum(version.state != "destroyed" for version in custody.versions_of(ring))
    return [
        KeyRow(
            party=settings.party, purpose="key-encryption", id="kek", version=1, algorithm="XChaCha20-Poly1305",
            state="primary", since=since, age_days=(now - since).days if since else None, period_days=YEAR.days,
            due_at=since + YEAR if since else None,
            condition=condition_of(since, since + YEAR, now) if since else "ok",
            authorised_by="this party itself", known_from=type(source).__name__.removesuffix("Source").lower(),
            under=secrets, counted="keys of the ring",
        )
    ]  # fmt: skip


# ---- from outside


def from_outside(charter: Charter, audit: Report) -> KeyReport:
    """What anybody can know of a region's keys, from its streams."""
    now = SystemClock().now()
    told = Told(
        sealing=[
            SealingKeyKnown(writer.writer, key.key_id, key.valid_from, key.valid_until)
            for writer in audit.writers
            for key in writer.sealing_keys
        ],
        introductions=[
            Introduction(s.pair, s.epoch, s.generation, s.holder, s.introduced, "") for s in audit.shares
        ],
        active={(s.pair, s.epoch): s.generation for s in audit.shares if s.active},
        in_force={s.pair: s.epoch for s in audit.shares if s.state == "ACTIVE"},
        ended=frozenset(row.pair for row in audit.ended),
        evaluations=_evaluations(audit),
        signed={(w.writer, key): count for w in audit.writers for key, count in _signed(w)},
    )
    quotas = [
        QuotaRow(
            holder=holder, pair=row.pair, country=row.country, total=count, most_in_a_day=row.most_in_a_day[holder],
            per_day=charter.quota_per_day, allowed_beyond=row.allowed_in_a_day[holder] - charter.quota_per_day,
        )
        for row in audit.totals
        for holder, count in row.evaluated.items()
    ]  # fmt: skip
    return KeyReport(
        None, charter.region, charter.version, now, inventory(charter, told, None, now), tuple(quotas)
    )


def _signed(writer: WriterRow) -> list[tuple[str, int]]:
    return list(writer.signed_under.items())


def _evaluations(audit: Report) -> list[Evaluations]:
    counts: dict[tuple[str, str, int], int] = {}
    for row in audit.totals:
        for holder, count in row.evaluated.items():
            place = (holder, row.pair, row.epoch)
            counts[place] = counts.get(place, 0) + count
    return [Evaluations(*place, count) for place, count in counts.items()]


# ---- for people


def show(console: Console, found: KeyReport) -> None:
    """Two tables and what is to be done."""
    keys = Table(title=f"Keys in region {found.region}, charter version {found.charter_version}", title_justify="left")
    for column in ("Party", "Purpose", "Version", "Key", "State", "Age", "Due", "Authorised by", "Under it"):
        keys.add_column(column)
    for row in found.keys:
        keys.add_row(*map(str, custody.shown(row)))
    console.print(keys)
    if found.quotas:
        console.print(_quotas(found))
    for condition in ("due", "overdue"):
        rows = [row for row in found.keys if row.condition == condition]
        names = ", ".join(f"{row.party} {row.purpose} {row.id}" for row in rows) or "nothing"
        console.print(f"{condition.capitalize()}: {names}.", markup=False, highlight=False)


def _quotas(found: KeyReport) -> Table:
    table = Table(title="Use of quotas", title_justify="left")
    for column in ("Pair", "Holder", "Asked by", "Today", "Daily quota", "Beyond", "Most in a day", "In this epoch"):
        table.add_column(column)
    for row in found.quotas:
        today = "" if row.spent_today is None else str(row.spent_today)
        numbers = (row.per_day, row.allowed_beyond, row.most_in_a_day, row.total)
        table.add_row(row.pair, row.holder, row.country, today, *map(str, numbers))
    return table
