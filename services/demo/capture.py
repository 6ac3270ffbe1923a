"""All that left a country: the raw bytes of every topic, the matcher's database, every process's log.

The search for leaks reads the same things, and what the sealed bodies say: the demo holds every party's keys, so it
opens the lot, for whomever they were sealed.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from events.charter import Charter
from events.database import open_database
from events.envelope import unpack
from events.errors import EnvelopeInvalid, StreamUnavailable
from events.kafka import KafkaStream
from events.stream import Delivered, Stream
from keys.errors import KeysError
from keys.kek import load_kek
from keys.ring import KeyRing
from matching.index import Index
from services.demo.region import Region
from services.runtime.errors import PeerUnreachable

_AT_ONCE: Final = 500
_SILENCE: Final = 10.0
"""Seconds without a record after which a broker counts as silent."""
Place = tuple[str, int]
"""(topic, partition)."""


def read_topics(charter: Charter, bootstrap: str) -> list[Delivered]:
    """Every record of every topic of the region, up to the end as it is now. Raises PeerUnreachable."""
    with closing(KafkaStream(bootstrap, f"{charter.region}.")) as stream:
        try:
            return _read(stream, [(t.name, p) for t in charter.topics for p in range(t.partitions)])
        except StreamUnavailable as error:
            raise PeerUnreachable(f"The broker did not give all that it holds. {error}") from error


def _read(stream: Stream, places: Sequence[Place]) -> list[Delivered]:
    """Raises StreamUnavailable; also where a place falls silent before its end: half a search would find half."""
    ends = {place: end for place in places if (end := stream.end(*place)) > 0}
    positions = dict.fromkeys(ends, 0)
    out: list[Delivered] = []
    while positions:
        delivered = stream.read(positions, _AT_ONCE, _SILENCE)
        if not delivered:
            raise StreamUnavailable(f"It fell silent before the end of {len(positions)} of {len(ends)} places.")
        for record in delivered:
            positions[record.topic, record.partition] = record.offset + 1
        out += delivered
        positions = {place: at for place, at in positions.items() if at < ends[place]}
    return out


def opened_bodies(region: Region, records: list[Delivered]) -> Iterator[tuple[str, bytes]]:
    """(topic, what the body says) of every sealed envelope, opened with its reader's key."""
    secrets = {key_id: secret for party in region.charter.parties for key_id, secret in _sealing(region, party.id)}
    for record in records:
        try:
            envelope = unpack(record.value)
            secret = secrets.get(envelope.header.sealing_key or "")
            if secret is not None:
                yield record.topic, envelope.opened(secret)
        except (EnvelopeInvalid, KeysError):
            continue  # no envelope of ours: the raw bytes are searched all the same


def _sealing(region: Region, party: str) -> Iterator[tuple[str, bytes]]:
    home = region.home(party)
    ring = KeyRing.open(home / "ring.json", load_kek(home / "kek"))
    for version in ring.versions("sealing"):
        if version.secret is not None:
            yield version.id, version.secret


def database_bytes(region: Region) -> Mapping[str, bytes]:
    """The matcher's database, whole."""
    home = region.home("matcher")
    with closing(sqlite3.connect(home / "store.db")) as database:
        return {"matcher/store.db": database.serialize()}


def matcher_sizes(region: Region) -> Mapping[str, int]:
    """`live`: submissions that the matcher holds; `waiting`: values of theirs that it has not looked at yet."""
    database = open_database(f"sqlite:///{region.home('matcher') / 'store.db'}")
    with closing(database), database.reading() as tx:
        return Index(database, lambda _pair, _epoch: None, region.charter.slots).sizes(tx)


def log_bytes(logs: Path) -> Mapping[str, bytes]:
    return {f"logs/{path.name}": path.read_bytes() for path in sorted(logs.glob("*.log"))}


def keep(directory: Path, region: Region, records: list[Delivered], logs: Path) -> None:
    """Write it all below `directory`: `topics/<topic>-<partition>.bin` (each record after its length in 4 bytes)."""
    topics = directory / "topics"
    topics.mkdir(parents=True, exist_ok=True)
    files: dict[tuple[str, int], list[bytes]] = {}
    for record in records:
        framed = len(record.value).to_bytes(4, "big") + record.value
        files.setdefault((record.topic, record.partition), []).append(framed)
    for (topic, partition), parts in files.items():
        (topics / f"{topic}-{partition}.bin").write_bytes(b"".join(parts))
    (directory / "matcher").mkdir(exist_ok=True)
    for name, content in database_bytes(region).items():
        (directory / name).write_bytes(content)
    shutil.copytree(logs, directory / "logs", dirs_exist_ok=True)
    shutil.copy(region.charter_file, directory / "charter.json")
