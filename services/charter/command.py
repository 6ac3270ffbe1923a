"""`samaki charter`: the ceremonies, file in, file out. Says what it wrote, and never anything secret.

Raises InputInvalid for all that a file or a person got wrong; nothing is half-written.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from events.charter import Draft, LastSigned, Member
from events.clock import SystemClock
from events.database import open_database
from events.errors import CharterInvalid, StoreUnavailable
from events.outbox import last_sealed
from events.succession import QUORUM, SignedCharter, quorums, read_charter
from keys.errors import KeysError
from keys.files import sync_folder
from keys.kek import Source, source
from services.charter import drafts, homes, roots, signing, tables
from services.charter.words import differences
from services.runtime.claim import claimed
from services.runtime.errors import InputInvalid
from services.runtime.party import schema_of

_PUBLIC = TypeAdapter[Member | homes.Offer](Member | homes.Offer)
_LAST = TypeAdapter[tuple[LastSigned, ...]](tuple[LastSigned, ...])
_PROMPT = "passphrase:prompt"


def root(folder: Path, country: str, name: str, passphrases: Sequence[str]) -> None:
    """Make a member's root: three key files, and the public file that goes to whoever writes the charter.

    passphrases  where each key's comes from, as SAMAKI_KEK says it; none: three custodians type theirs
    """
    sources = list(passphrases) or [_PROMPT] * 3
    if len(sources) != 3 or (passphrases and len(set(sources)) != 3):
        raise InputInvalid("A root has three keys, each under a passphrase of its own: name three different sources.")
    with _refusals():
        made = roots.new_root(country, name)
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in roots.key_files(folder, country):
            if path.exists():
                raise InputInvalid(f"{path} exists, and a root key is never overwritten: name another folder.")
        asked = [_announced(source(text), f"Key {n} of {country}") for n, text in enumerate(sources, start=1)]
        roots.keep_root(folder, made, asked, SystemClock().now())
        public = folder / f"{country}.member.json"
        _write_new(public, made.member.model_dump_json(indent=2).encode() + b"\n")
    for path in (*roots.key_files(folder, country), public):
        typer.echo(path)


def key(home: Path, party: str | None, kek: str | None, days: int) -> None:
    """Make a party's next online key, and its home if there is none; only the public file leaves the machine."""
    party = party or home.name
    under = source(kek or f"file:{home.absolute() / 'kek'}")
    now = SystemClock().now().replace(microsecond=0)
    with _refusals():
        home.mkdir(mode=0o700, exist_ok=True)
        with claimed(home):
            ring = homes.open_home(home, party, under, now=now)
            offer = homes.new_signing_key(ring, party, now=now, life=timedelta(days=days))
            public = write_offer(home, offer)
    typer.echo(public)


def write_offer(home: Path, offer: homes.Offer) -> Path:
    """The public file of an online key, for whoever writes the charter; one that stands there is the same."""
    public = home / f"{offer.key.id}.json"
    if not public.exists():
        _write_new(public, offer.model_dump_json(indent=2).encode() + b"\n")
    return public


def last(home: Path, party: str | None, database_file: Path | None) -> None:
    """The last envelope of each stream that a party's own store knows, for `retire`."""
    with _refusals():
        store = home / "store.db"
        if not database_file and not store.exists():
            raise InputInvalid(f"{home} has no store.db: name the party's home, or its database with --database-file.")
        address = database_file.read_text(encoding="utf-8").strip() if database_file else f"sqlite:///{store}"
        schema = schema_of(party or home.name)
        with closing(open_database(address, schema=schema)) as database, database.reading() as tx:
            typer.echo(_LAST.dump_json(last_sealed(tx), indent=2).decode())


def new(
    draft: Path,
    files: Sequence[Path],
    *,
    region: str | None,
    after: Path | None,
    rules: Path | None,
    pairs: str | None,
    issued: datetime | None,
) -> None:
    """Begin a draft: the region's first version, or with `after` the one that follows that charter."""
    with _refusals():
        at = _aware(issued)
        chosen = _rules(rules)
        if after is not None:
            made = drafts.next_draft(read_charter(after), issued=at, rules=chosen)
        elif region is not None:
            made = drafts.new_draft(region, issued=at, rules=chosen)
        else:
            raise InputInvalid("A first version needs --region NAME, a further one --after CHARTER.")
        _write_new(draft, drafts.payload(_joined(made, files, pairs)))
    _say_draft(draft)


def join(draft: Path, files: Sequence[Path], *, pairs: str | None, third: Sequence[str] = ()) -> None:
    """Add members and parties' keys to a draft, from the public files that they handed over; and pairs that agree.

    third   pairs and the outside bodies' holders of a third share, as KH-TH=Witness.holder
    """
    _change(draft, lambda before: reduce(_with_third, third, _joined(before, files, pairs)))


def _with_third(draft: Draft, text: str) -> Draft:
    pair, _, holder = text.partition("=")
    return drafts.with_third_share(draft, pair, holder)


def leave(draft: Path, who: str) -> None:
    """A member leaves, or a pair ends."""
    _change(draft, lambda before: drafts.without(before, who))


def retire(draft: Path, key_id: str, last_file: Path | None, *, never_signed: bool, successor: Path | None) -> None:
    """Retire an online key, naming the last envelope of each stream that counts; and introduce its successor."""
    if (last_file is None) != never_signed:
        raise InputInvalid("Name what counts of the key with --last FILE, or say --never-signed: nothing counts.")
    with _refusals():
        counts = _LAST.validate_json(last_file.read_bytes()) if last_file else ()
    files = [successor] if successor else []
    _change(draft, lambda before: drafts.with_retired(_joined(before, files, None), key_id, counts))


def sign(
    draft: Path, key_file: Path, *, after: Path | None, passphrase: str | None, expected: str | None, out: Path | None
) -> None:
    """Show a custodian what he signs; sign it with his root key, once he has said which fingerprint he was told.

    expected  the fingerprint that the members agreed on; None: he is asked for its first eight letters
    """
    console = Console()
    with _refusals():
        payload, before = draft.read_bytes(), _verified(after)
        previous, charter = signing.checked(payload, before)
        digest = signing.digest_of(payload)
        if previous is None:
            tables.show_charter(console, charter)
        else:
            tables.show_changes(console, differences(previous, charter))
        console.print()
        tables.show_head(console, charter, digest)
        told = expected or typer.prompt("Its first eight letters, as the others read them to you", err=True)
        _check_fingerprint(told, [digest], least=64 if expected else 8)
        key_id, seed = roots.open_root_key(key_file, source(passphrase or _PROMPT))
        signed = signing.sign(payload, before, seed)
        place = out or draft.with_name(f"{draft.stem}.{key_id}.signature.json")
        _write_new(place, signed.model_dump_json(indent=2).encode() + b"\n")
    typer.echo(place)


def collect(draft: Path, signatures: Sequence[Path], *, after: Path | None, out: Path) -> None:
    """Make the charter of a draft and its signatures; say who is missing, and write nothing, while somebody is."""
    with _refusals():
        payload, before = draft.read_bytes(), _verified(after)
        signed = [signing.Signed.model_validate_json(path.read_bytes()) for path in signatures]
        found = signing.standing(payload, before, signed)
        tables.show_standing(Console(), found)
        if not signing.is_complete(found):
            missing = ", ".join(dict.fromkeys(q.country for q, count in found if count < QUORUM))
            raise InputInvalid(f"Nothing is written: custodians of {missing} have to sign yet.")
        charter = signing.collect(payload, before, signed)
        _write_new(out, charter.model_dump_json(indent=1).encode() + b"\n")
    typer.echo(out)


def show(path: Path, *, as_json: bool) -> None:
    """A draft, or a charter's newest version, and what it changes. Nothing is verified."""
    with _refusals():
        content = path.read_bytes()
        try:
            signed: SignedCharter | None = SignedCharter.model_validate_json(content)
        except ValidationError:
            signed = None
        payload = signed.content if signed else content
        draft = drafts.parse_draft(payload)
        digest = signing.digest_of(payload)
        if as_json:
            shown = {"fingerprint": digest.hex(), "charter": draft.model_dump(mode="json")}
            region = {"region_digest": signed.region_digest.hex()} if signed else {}
            typer.echo(json.dumps({**shown, **region}, indent=2))
            return
        console = Console()
        tables.show_head(console, draft, digest)
        tables.show_charter(console, draft)
        console.print("\nShown as it stands: `samaki charter verify` says whether it may be believed.")


def verify(path: Path, *, after: Path | None, expected: str | None, as_json: bool) -> None:
    """Check a charter from its founding on: every version, every signature, every step. Returns only if all holds.

    after     a charter that was trusted before, which this one must continue
    expected  the fingerprint that the other members read out, of this version or of the first
    """
    with _refusals():
        signed = read_charter(path)
        history = signed.history()
        trusted = _verified(after)
        if trusted is not None:
            signed.check_continues(len(trusted.versions), trusted.digest)
        if expected is not None:
            _check_fingerprint(expected, [signed.digest, signed.region_digest], least=64)
    digests = [version.digest for version in signed.versions]
    wanted = [quorums(history[i - 1] if i else None, charter) for i, charter in enumerate(history)]
    if as_json:
        rows = [
            {"version": c.version, "fingerprint": d.hex(), "signed_by": sorted({q.country for q in w})}
            for c, d, w in zip(history, digests, wanted, strict=True)
        ]
        typer.echo(json.dumps({"ok": True, "region": history[-1].region, "versions": rows}))
        return
    console = Console()
    tables.show_head(console, history[-1], signed.digest)
    tables.show_history(console, list(zip(history, digests, wanted, strict=True)))
    if expected is None and trusted is None:
        console.print("Whether it is the right region's, only its fingerprint says: compare it with the other members.")
    console.print("[green]All holds.[/green]")


def _joined(draft: Draft, files: Sequence[Path], pairs: str | None) -> Draft:
    made = reduce(_with_public, files, draft)
    if pairs is None:
        return made
    listed = drafts.every_pair(made) if pairs == "all" else [p.strip() for p in pairs.split(",") if p.strip()]
    return drafts.with_pairs(made, listed)


def _with_public(draft: Draft, path: Path) -> Draft:
    try:
        found = _PUBLIC.validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputInvalid(f"{path} is neither a member's public file nor a party's public key.") from error
    return drafts.with_member(draft, found) if isinstance(found, Member) else drafts.with_key(draft, found)


def _change(draft: Path, change: Callable[[Draft], Draft]) -> None:
    with _refusals():
        made = drafts.payload(change(drafts.parse_draft(draft.read_bytes())))
        fresh = draft.with_name(f"{draft.name}.new")
        fresh.write_bytes(made)
        fresh.replace(draft)
    _say_draft(draft)


def _say_draft(draft: Path) -> None:
    """Where it stands, its fingerprint, and what it lacks still."""
    content = draft.read_bytes()
    typer.echo(f"{draft}  {signing.fingerprint(signing.digest_of(content))}")
    try:
        drafts.whole(content)
    except CharterInvalid as error:
        typer.echo(f"Not whole yet. {error}", err=True)


def _verified(path: Path | None) -> SignedCharter | None:
    if path is None:
        return None
    signed = read_charter(path)
    signed.verified()
    return signed


def _check_fingerprint(told: str, digests: Sequence[bytes], *, least: int) -> None:
    """Raises InputInvalid: another one, or fewer letters than show anything."""
    letters = "".join(told.split()).lower()
    if len(letters) < least or not any(digest.hex().startswith(letters) for digest in digests):
        raise InputInvalid(
            "That is not this charter's fingerprint. Sign and believe nothing, and find out which of the two is wrong."
        )


def _rules(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise InputInvalid(f"{path} is no JSON object of rules and their values.")
    return found


def _aware(issued: datetime | None) -> datetime:
    """Whole seconds, so that people can read it."""
    at = issued or SystemClock().now()
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).replace(microsecond=0)


def _announced(under: Source, whose: str) -> Source:
    typer.echo(f"{whose}: its custodian, and nobody else, gives the passphrase.", err=True)
    return under


def _write_new(path: Path, content: bytes) -> None:
    """A file that is not there yet, whole or not at all, durable. Nothing secret stands in it."""
    fresh = path.with_name(path.name + ".new")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError as error:
            raise FileExistsError(error.errno, error.strerror, str(path)) from error
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def _refusals() -> Iterator[None]:
    """Whatever a file or a person got wrong is one sentence."""
    try:
        yield
    except (CharterInvalid, KeysError, StoreUnavailable) as error:
        raise InputInvalid(str(error)) from error
    except FileExistsError as error:
        raise InputInvalid(f"{error.filename} exists, and is not overwritten: name another.") from error
    except OSError as error:
        raise InputInvalid(f"{error.filename} cannot be read or written: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputInvalid("A file is no text in UTF-8.") from error
    except ValidationError as error:
        raise InputInvalid(f"A file or value is not of its form: {error.error_count()} fields are wrong.") from error
    except json.JSONDecodeError as error:
        raise InputInvalid(f"A file is no JSON: line {error.lineno}.") from error
