"""What the benches work on: invented people as the demo invents them, and a region for some countries.

Sizes are those of real use: names in their own scripts and in Latin letters, documents of some, the demo's row of
slots, the charter's own defaults.
"""

from pathlib import Path
from uuid import uuid4

from events.clock import SystemClock
from events.htcds.rows import PersonRow, read_rows
from matching import recipes
from matching.normalise.canonical import Identifiers, canonical
from services.demo.people import invent
from services.demo.region import SLOTS, Region, found_region
from services.demo.world import World, csv_bytes

HOME, ABROAD = "LA", "TH"
PAIR = "LA-TH"
_OVERLAP = 0.05
_SEED = 7


def people(each: int) -> World:
    """So many people in each of two countries, one in twenty of them known to both. The same at every call."""
    return invent((HOME, ABROAD), each, _OVERLAP, _SEED)


def csv_of(world: World, country: str) -> bytes:
    """One country's file, as its case worker would import it."""
    return csv_bytes(world.rows[country])


def inputs(world: World, country: str) -> list[bytes | None]:
    """What is hashed for each slot of each person of a country; None for an empty slot."""
    rows, _ = read_rows(csv_of(world, country), SystemClock().now().date())
    return [one for row in rows for one in recipes.inputs(canonical(_identifiers(row)), SLOTS)]


def _identifiers(row: PersonRow) -> Identifiers:
    issuer = row.citizenships[0] if row.citizenships else ""
    return Identifiers(
        names=((row.first_name, row.second_name), (row.latin_first_name, row.latin_second_name)),
        aliases=row.aliases,
        birth_date=row.birth_date,
        gender=row.gender,
        citizenships=row.citizenships,
        documents=((row.document_number, issuer),) if row.document_number else (),
    )


def region(folder: Path, countries: tuple[str, ...] = (HOME, ABROAD)) -> Region:
    """Countries under a charter of the defaults: cover on, a tick an hour. Its topics have a name of their own."""
    return found_region(folder, countries, now=SystemClock().now(), region=f"bench-{uuid4().hex[:12]}")
