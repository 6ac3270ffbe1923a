"""What every party's process is made of, from its settings: charter, ring, database, carrier, clock.

For composition roots alone; services are given the parts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from events.charter import Charter, load_charter
from events.clock import Clock, SystemClock
from events.database import Database, open_database
from events.errors import CharterInvalid, StoreUnavailable
from events.kafka import KafkaStream, Tls
from events.stream import Stream
from keys.errors import KeysError
from keys.ring import KeyRing, open_ring
from services.runtime.errors import InputInvalid, PeerUnreachable
from services.runtime.settings import PartySettings


@dataclass(frozen=True)
class Party:
    """The parts of one party. `digest` is the charter's; `kek` wraps what else stands in the home folder."""

    id: str
    charter: Charter
    digest: bytes
    ring: KeyRing
    kek: bytes
    database: Database
    stream: Stream
    clock: Clock


class Service(Protocol):
    """What a process loops."""

    def create(self) -> None:
        """Make the tables. Needs no broker."""
        ...

    def open(self) -> None:
        """Make tables and topics. Raises StreamUnavailable: call again."""
        ...

    def step(self) -> bool:
        """One round. Returns whether anything was done."""
        ...


S = TypeVar("S", bound=Service)


def load_party(settings: PartySettings, party: str) -> Party:
    """Everything that a party's process needs. Raises InputInvalid: a file is missing or wrong, or names another."""
    try:
        charter, digest = load_charter(settings.charter)
        charter.party(party)
        ring, kek = open_ring(settings.ring, settings.kek_source)
    except (CharterInvalid, KeysError) as error:
        raise InputInvalid(str(error)) from error
    return Party(
        id=party,
        charter=charter,
        digest=digest,
        ring=ring,
        kek=kek,
        database=open_database(settings.database_url, schema="samaki_" + party.lower().replace(".", "_")),
        stream=KafkaStream(",".join(settings.bootstrap), f"{charter.region}.", tls=_tls(settings)),
        clock=SystemClock(),
    )


def _tls(settings: PartySettings) -> Tls | None:
    files: tuple[Path | None, ...] = (settings.kafka_ca, settings.kafka_certificate, settings.kafka_key)
    ca, certificate, key = files
    return Tls(ca, certificate, key) if ca and certificate and key else None


def with_tables(service: S) -> S:
    """The same service, its tables made: pages show it before any broker answers. Raises PeerUnreachable: no store."""
    try:
        service.create()
    except StoreUnavailable as error:
        raise PeerUnreachable(f"The store cannot be opened: {error}") from error
    return service


def looped(service: Service) -> Callable[[], bool]:
    """The step of a pump: opens the service first, and again until the broker answers."""
    opened = False

    def step() -> bool:
        nonlocal opened
        if not opened:
            service.open()
            opened = True
            return True
        return service.step()

    return step
