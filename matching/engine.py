"""The reference: which rows are a match, and why. Plain, pure, over all rows at once.

`index` must give exactly what this gives, in whatever order rows come, change and go (tests/property/matching).

A value is an index under its pair, epoch and recipe. A *raising* value is of a recipe that may make a match by itself,
and held by so few that it tells people apart; two rows of a pair's two countries that share one are a match. All
other values that they share are evidence. A value that more hold is hot: it raises nothing, and is counted.

While an epoch takes the place of another, one record has a row in each; rows of different epochs have nothing in
common. What two records share in several epochs is one match: that of the newest.

Refuses to compare two rows of one country: that would look for duplicates in a register.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Final

from events.messages import Band
from events.model import countries_of

CAPS: Final[Mapping[str, int]] = MappingProxyType({"DOC": 16, "FULL": 16})
"""The recipes that may raise a match, strongest first, and the most live rows that may hold a value that raises.

Both hold a document or a full date: a value that more than 16 people share is a placeholder, or somebody's trick.
"""

Key = tuple[str, bytes]
"""A recipe and an index."""


@dataclass(frozen=True, slots=True)
class Row:
    """One live record in one epoch: index i is of recipe i. Indices may stand behind a pepper, if all do."""

    handle: str
    country: str
    pair: str
    epoch: int
    recipes: tuple[str, ...]
    indices: tuple[bytes, ...]

    def slots(self) -> dict[Key, int]:
        """Where each value stands; the first slot, if a value stands in two."""
        held: dict[Key, int] = {}
        for slot, key in enumerate(zip(self.recipes, self.indices, strict=True)):
            held.setdefault(key, slot)
        return held


@dataclass(frozen=True, slots=True)
class Common:
    """One value that two rows share: its recipe, its slot on either side, and whether it raises their match."""

    recipe: str
    first_slot: int
    second_slot: int
    raises: bool


@dataclass(frozen=True, slots=True)
class Match:
    """Two handles, of the pair's first and second country, and all they share, by first_slot."""

    pair: str
    epoch: int
    first: str
    second: str
    common: tuple[Common, ...]

    @property
    def ground(self) -> Common:
        """The strongest raising value: the slot for the proofs that both nodes exchange."""
        order = tuple(CAPS)
        return min((c for c in self.common if c.raises), key=lambda c: (order.index(c.recipe), c.first_slot))

    @property
    def band(self) -> Band:
        """document: one document. strong: full name, birth date, and year and sex. possible: name and date alone."""
        if self.ground.recipe == "DOC":
            return "document"
        return "strong" if any(c.recipe == "BYX" for c in self.common) else "possible"


@dataclass(frozen=True, slots=True)
class Outcome:
    """All matches, sorted by pair, epoch and handles; and for each recipe, how many values are hot."""

    matches: tuple[Match, ...]
    hot: Mapping[str, int]


def find(rows: Iterable[Row], caps: Mapping[str, int] = CAPS) -> Outcome:
    """The matches among live rows, of which no two have the same handle and epoch.

    cost     linear in rows x slots, and at most cap² / 4 pairs a value
    """
    by_place = {(row.handle, row.epoch): row for row in rows}
    raised: dict[tuple[str, str], dict[int, set[Key]]] = defaultdict(lambda: defaultdict(set))
    hot = dict.fromkeys(caps, 0)
    for (_, epoch, recipe, index), holders in _holders(by_place.values(), caps).items():
        if len(holders) > caps[recipe]:
            hot[recipe] += 1
            continue
        for two in across(holders):
            raised[two][epoch].add((recipe, index))
    newest = ((first, second, max(of_epochs), of_epochs) for (first, second), of_epochs in raised.items())
    matches = (
        compare(by_place[first, epoch], by_place[second, epoch], of_epochs[epoch])
        for first, second, epoch, of_epochs in newest
    )
    return outcome(matches, hot)


def outcome(matches: Iterable[Match], hot: Mapping[str, int]) -> Outcome:
    """Matches in whatever order, sorted."""
    return Outcome(tuple(sorted(matches, key=lambda m: (m.pair, m.epoch, m.first, m.second))), hot)


def across(holders: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    """Every two handles of a pair's two countries, its first country's first. Each holder: handle, country, pair."""
    sides: tuple[list[str], list[str]] = ([], [])
    for handle, country, pair in holders:
        sides[countries_of(pair).index(country)].append(handle)
    return product(*sides)


def compare(first: Row, second: Row, raising: Collection[Key]) -> Match:
    """The match of two rows that share the values `raising`, with everything else they share."""
    theirs = second.slots()
    common = (
        Common(key[0], slot, theirs[key], raises=key in raising)
        for key, slot in first.slots().items()
        if key in theirs
    )
    return Match(first.pair, first.epoch, first.handle, second.handle, tuple(common))


def _holders(
    rows: Iterable[Row], caps: Mapping[str, int]
) -> dict[tuple[str, int, str, bytes], set[tuple[str, str, str]]]:
    """Who holds each value that could raise a match."""
    held: dict[tuple[str, int, str, bytes], set[tuple[str, str, str]]] = defaultdict(set)
    for row in rows:
        for recipe, index in row.slots():
            if recipe in caps:
                held[row.pair, row.epoch, recipe, index].add((row.handle, row.country, row.pair))
    return held
