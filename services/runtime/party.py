"""What every party is made of, from its settings: charter, ring, database, carrier, clock.

For composition roots alone; services are given the parts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from events.charter import Charter, load_charter
from events.clock import Clock, SystemClock
from events.database import Database, open_database
from events.errors import CharterInvalid
from events.kafka import KafkaStream, Tls
from events.stream import Stream
from keys.errors import KeysError
from keys.ring import KeyRing, open_ring
from services.runtime.errors import InputInvalid
from services.runtime.selftest import refuse_if_broken
from services.runtime.settings import PartySettings


class Parts(TypedDict):
    """What every service is composed of, by the names that their constructors give it. `digest` is the charter's."""

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
    party = settings.party
    try:
        charter, digest = load_charter(settings.charter)
        charter.party(party)
        ring, kek = open_ring(settings.ring, settings.kek_source)
    except (CharterInvalid, KeysError) as error:
        raise InputInvalid(str(error)) from error
    parts = Parts(
        charter=charter,
        digest=digest,
        ring=ring,
        database=open_database(settings.database_url, schema="samaki_" + party.lower().replace(".", "_")),
        stream=KafkaStream(",".join(settings.bootstrap), f"{charter.region}.", tls=_tls(settings)),
        clock=SystemClock(),
    )
    return Party(party, kek, parts)


def _tls(settings: PartySettings) -> Tls | None:
    files: tuple[Path | None, ...] = (settings.kafka_ca, settings.kafka_certificate, settings.kafka_key)
    ca, certificate, key = files
    return Tls(ca, certificate, key) if ca and certificate and key else None
