"""What every party is made of, from its settings: charter, ring, database, carrier, clock.

For composition roots alone; services are given the parts.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from pydantic import ValidationError

from events.charter import Charter
from events.clock import Clock, SystemClock
from events.database import Database, open_database
from events.errors import CharterInvalid
from events.kafka import KafkaStream, Tls
from events.model import Hex32, Value
from events.stream import Stream
from events.succession import SignedCharter, read_charter
from keys.errors import KeysError
from keys.files import read_private, replace_private
from keys.ring import KeyRing, open_ring
from services.runtime.errors import InputInvalid
from services.runtime.selftest import refuse_if_broken
from services.runtime.settings import PartySettings


class Parts(TypedDict):
    """What every service is composed of, by the names that their constructors give it. `digest` is the region's."""

    charter: Charter
    digest: bytes
    ring: KeyRing
    database: Database
    stream: Stream
    clock: Clock


@dataclass(frozen=True)
class Party:
    """One party and its parts. `kek` is the key-encryption key that opened the ring."""

    id: str
    kek: bytes
    parts: Parts


def load_party(settings: PartySettings) -> Party:
    """Everything that a party's process needs. Raises InputInvalid: a file is missing or wrong, or names another;
    SelftestFailed.
    """
    refuse_if_broken()
    party, clock = settings.party, SystemClock()
    try:
        signed = read_charter(settings.charter)
        charter, _ = in_force(signed, clock.now())
        charter.party(party)
        ring, kek = open_ring(settings.ring, settings.kek_source)
        remember(settings.home / "charter.seen", signed, charter.version)
    except (CharterInvalid, KeysError) as error:
        raise InputInvalid(str(error)) from error
    parts = Parts(
        charter=charter,
        digest=signed.region_digest,
        ring=ring,
        database=open_database(settings.database_url, schema="samaki_" + party.lower().replace(".", "_")),
        stream=KafkaStream(",".join(settings.bootstrap), f"{charter.region}.", tls=_tls(settings)),
        clock=clock,
    )
    return Party(party, kek, parts)


class Seen(Value):
    """The newest charter that this party has run under."""

    version: int
    digest: Hex32


def in_force(signed: SignedCharter, now: datetime) -> tuple[Charter, datetime | None]:
    """The newest version whose time has come, and when the next one's does; None: there is no next one yet.

    So the file of a version to come can be put in its place before, and all parties change to it at one time.
    Raises CharterInvalid: a version may not stand, or not even the first one's time has come.
    """
    history = signed.history()
    begun = [charter for charter in history if charter.issued <= now]
    if not begun:
        raise CharterInvalid(f"The charter counts from {history[0].issued:%Y-%m-%d %H:%M:%S %Z} on: start then.")
    following = history[len(begun) :]
    return begun[-1], following[0].issued if following else None


def remember(path: Path, signed: SignedCharter, version: int) -> None:
    """Refuse a charter that is older than the one of the last start, or of another history; then keep this one.

    path     a file in the party's home: who may put a charter back where all can read it need not reach it
    version  the one in force of the verified charter
    raises   CharterInvalid, RingDamaged: the file is cut, or open to others
    """
    if path.exists():
        try:
            seen = Seen.model_validate_json(read_private(path))
        except ValidationError as error:
            raise CharterInvalid(f"{path} was cut or altered: see the runbook on what it is for.") from error
        signed.check_continues(seen.version, bytes.fromhex(seen.digest))
        if version < seen.version:
            raise CharterInvalid(f"Version {seen.version} was in force here before, and is not by this clock: set it.")
    kept = Seen(version=version, digest=signed.versions[version - 1].digest.hex())
    replace_private(path, kept.model_dump_json().encode())


def charter_ends(settings: PartySettings, now: datetime) -> datetime | None:
    """When the next version of this party's charter is in force. Raises InputInvalid."""
    try:
        return in_force(read_charter(settings.charter), now)[1]
    except CharterInvalid as error:
        raise InputInvalid(str(error)) from error


def _tls(settings: PartySettings) -> Tls | None:
    files: tuple[Path | None, ...] = (settings.kafka_ca, settings.kafka_certificate, settings.kafka_key)
    ca, certificate, key = files
    return Tls(ca, certificate, key) if ca and certificate and key else None
