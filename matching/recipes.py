"""Which canonical parts make which token.

A token matches or it does not, so a recipe takes parts that two registers write alike, and enough of them that few
people share them all. Each recipe says its guess space: what somebody has to try who asks for tokens of invented
people; `quality.guessed_share` gives the share of a register that a year's quota would hit.

DOC   a document's number and issuer. A series and 6 to 9 digits: 10^7 numbers and more for each issuer.
FULL  all letters of the whole name, and the full birth date. 21,900 dates times the names: a year's quota of 117,000
      guesses covers 5 names at every date of 60 years, so a register's share of its 5 commonest names.
BYX   the name's consonants, the year and the sex. 120 times the names: a year's quota covers the 975 commonest, which
      is most of a country. It never makes a match by itself (matching.engine); it is evidence beside one.

Refuses to make a token of one part alone, and of a name or number without substance (normalise).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from keys import labels
from matching.errors import UnknownRecipe, UnknownSchema
from matching.normalise.canonical import Canonical
from matching.normalise.names import consonants, letters

SCHEMA: Final = 1
"""The newest version of all of `normalise` and of this file: whatever changes an input changes it."""

LEAST_CONSONANTS: Final = 2

Value = tuple[str, ...]
"""A recipe's parts for one token."""


def document_values(record: Canonical) -> Iterable[Value]:
    """DOC: one value a document."""
    return ((d.issuer, d.number) for d in record.documents)


def full_name_values(record: Canonical) -> Iterable[Value]:
    """FULL: one value a form of the name; none unless year, month and day are known."""
    return ((letters(name), record.birth.full) for name in record.forms if record.birth.full)


def bag_values(record: Canonical) -> Iterable[Value]:
    """BYX: one value a form of the name, two where the sex is unknown; none without a year."""
    bags = (consonants(name) for name in record.forms if record.birth.year)
    return ((bag, record.birth.year, sex) for bag in bags if len(bag) >= LEAST_CONSONANTS for sex in record.sex or "MF")


RECIPES: Final[dict[str, Callable[[Canonical], Iterable[Value]]]] = {
    "DOC": document_values,
    "FULL": full_name_values,
    "BYX": bag_values,
}
SCHEMAS: Final[dict[int, Mapping[str, Callable[[Canonical], Iterable[Value]]]]] = {SCHEMA: RECIPES}
"""Schema version > its recipes: those that epochs of pairs' keys can be of, side by side while one follows another."""


def inputs(record: Canonical, slots: Sequence[str], schema_version: int = SCHEMA) -> list[bytes | None]:
    """What is hashed to the group for each slot; None for a slot that this record leaves empty.

    slots    the charter's row: the recipe of each slot
    returns  one a slot: match | schema version | recipe | parts, framed. A recipe's most telling values, as many as
             it has slots, stand in its slots in sorted order, so the same record always gives the same row
    raises   UnknownRecipe, UnknownSchema
    """
    if not is_made(schema_version):
        made = ", ".join(map(str, SCHEMAS))
        raise UnknownSchema(f"Inputs of schema {schema_version} were asked for; this version makes schema {made}.")
    rows = {recipe: iter(_row(record, recipe, slots.count(recipe), schema_version)) for recipe in set(slots)}
    return [next(rows[recipe], None) for recipe in slots]


def is_made(schema_version: int) -> bool:
    """Whether this version of the program makes inputs of that schema."""
    return schema_version in SCHEMAS


def _row(record: Canonical, recipe: str, room: int, schema_version: int) -> list[bytes]:
    """At most `room` inputs of one recipe, sorted."""
    of_schema = SCHEMAS[schema_version]
    values = of_schema.get(recipe)
    if values is None:
        raise UnknownRecipe(f"A slot is for the recipe {recipe!r}; this version makes {', '.join(of_schema)}.")
    return sorted(_framed(recipe, value, schema_version) for value in list(dict.fromkeys(values(record)))[:room])


def _framed(recipe: str, value: Value, schema_version: int) -> bytes:
    version, parts = str(schema_version).encode(), (part.encode() for part in value)
    return labels.framed(labels.MATCH_INPUT, version, recipe.encode(), *parts)
