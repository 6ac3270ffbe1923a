"""The events of a real import: invented people's file, taken in by a node as from its case worker's hands.

What the store bench moves has therefore the kinds, the sizes and the order that a country's store really holds.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from events.base import Act, Actor, Event, Purpose, Role
from events.clock import SystemClock
from events.database import Database, open_database
from events.mapper import Mapper
from events.store import EventStore
from events.stream import MemoryStream
from events.succession import load_charter
from keys.kek import load_kek
from keys.persons import PersonKeys
from keys.ring import KeyRing
from services.bench import world
from services.country.importer import CHUNK, Stated
from services.country.node import Node
from services.demo.region import Region

_PAGE: Final = 500


@dataclass(frozen=True)
class Imported:
    """Events in the order of the log, and the mapper whose keys seal them."""

    events: tuple[Event, ...]
    mapper: Mapper

    @property
    def row_size(self) -> int:
        """Mean bytes of these events' rows, sealed."""
        return round(sum(len(self.mapper.to_row(event).state) for event in self.events) / len(self.events))

    def chunks(self) -> list[list[Event]]:
        """As the importer commits them: those of CHUNK people in one transaction."""
        people = list(dict.fromkeys(event.person_id for event in self.events))
        place = {person: i // CHUNK for i, person in enumerate(people)}
        chunks: list[list[Event]] = [[] for _ in range(-(-len(people) // CHUNK))]
        for event in self.events:
            chunks[place[event.person_id]].append(event)
        return chunks


@contextmanager
def imported(folder: Path, count: int) -> Iterator[Imported]:
    """Found a region in this folder and let a country's node import so many people. In the block its keys are open."""
    region = world.region(folder)
    home = region.home(world.HOME)
    kek = load_kek(home / "kek")
    ring = KeyRing.open(home / "ring.json", kek)
    with (
        closing(PersonKeys(home / "persons.db", kek)) as persons,
        closing(open_database(f"sqlite:///{home / 'store.db'}")) as database,
    ):
        _import(_node(region, ring, persons, database), count)
        mapper = Mapper(ring, persons)
        yield Imported(_log(EventStore(database, mapper)), mapper)


def _node(region: Region, ring: KeyRing, persons: PersonKeys, database: Database) -> Node:
    charter, digest = load_charter(region.charter_file)
    node = Node(
        world.HOME,
        charter=charter,
        digest=digest,
        ring=ring,
        persons=persons,
        database=database,
        stream=MemoryStream(),
        clock=SystemClock(),
    )
    node.open()
    return node


def _import(node: Node, count: int) -> None:
    worker = Actor(staff=f"{world.HOME}-worker", organisation="welfare-office", role=Role.CASE_WORKER)
    act = Act(at=node.clock.now(), by=worker, purpose=Purpose.PROTECTION)
    node.importer.take(act, world.csv_of(world.people(count), world.HOME), Stated(guardian="Independent guardian"))


def _log(store: EventStore) -> tuple[Event, ...]:
    found: list[tuple[int, Event]] = []
    while page := store.log(found[-1][0] if found else 0, _PAGE):
        found += page
    return tuple(event for _, event in found)

