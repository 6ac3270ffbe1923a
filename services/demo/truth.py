"""How good the matching was, against what is known of the world. Pure.

What counts is a match told to both sides. It can be asked for only where the two records are one person's, the person
allowed it in both countries, and neither side holds.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from services.demo.world import Pair, Row, World


@dataclass(frozen=True)
class Score:
    """Counts of pairs of records; None where no truth is known.

    true_pairs            one person's, whether or not anybody agreed
    agreed_pairs          of these, those that both sides allow and tell
    found_pairs           told to both sides
    right_pairs           of these, those that are one person's
    unagreed_pairs        told although one side does not allow or does not tell: must be 0
    document_pairs        agreed ones with the same document on both sides; and those of them that were found
    other_pairs           agreed ones without; and those of them that were found
    """

    people: int
    found_pairs: int
    unagreed_pairs: int
    true_pairs: int | None = None
    agreed_pairs: int | None = None
    right_pairs: int | None = None
    document_pairs: int | None = None
    document_pairs_found: int | None = None
    other_pairs: int | None = None
    other_pairs_found: int | None = None

    @property
    def precision(self) -> float | None:
        """Of the pairs found, the share that is right; None if none was found."""
        return _share(self.right_pairs, self.found_pairs)

    @property
    def recall(self) -> float | None:
        """Of the agreed true pairs, the share that was found."""
        if self.document_pairs_found is None or self.other_pairs_found is None:
            return None
        return _share(self.document_pairs_found + self.other_pairs_found, self.agreed_pairs)

    @property
    def recall_without_document(self) -> float | None:
        """The same, of those without a common document."""
        return _share(self.other_pairs_found, self.other_pairs)


def score(world: World, told: Iterable[Pair]) -> Score:
    """Judge the pairs that were told to both sides. Each counts once."""
    found = set(told)
    rows = world.by_record()
    unagreed = sum(not is_agreed(rows, pair) for pair in found)
    if world.truth is None:
        return Score(world.people, len(found), unagreed)
    agreed = {pair for pair in world.truth if is_agreed(rows, pair)}
    documents = {pair for pair in agreed if has_common_document(rows, pair)}
    others = agreed - documents
    return Score(
        people=world.people,
        found_pairs=len(found),
        unagreed_pairs=unagreed,
        true_pairs=len(world.truth),
        agreed_pairs=len(agreed),
        right_pairs=len(found.intersection(world.truth)),
        document_pairs=len(documents),
        document_pairs_found=len(found & documents),
        other_pairs=len(others),
        other_pairs_found=len(found & others),
    )


Rows = dict[tuple[str, str], Row]


def is_agreed(rows: Rows, pair: Pair) -> bool:
    """Both persons allow the other country, and neither side holds."""
    one, other = _rows_of(rows, pair)
    return one.agrees_to(pair.country_b) and other.agrees_to(pair.country_a)


def has_common_document(rows: Rows, pair: Pair) -> bool:
    """The same number, but for spaces, hyphens and small letters, of the same country."""
    one, other = (_document(row) for row in _rows_of(rows, pair))
    return one is not None and one == other


def _rows_of(rows: Rows, pair: Pair) -> tuple[Row, Row]:
    return rows[pair.country_a, pair.record_a], rows[pair.country_b, pair.record_b]


def _document(row: Row) -> tuple[str, Collection[str]] | None:
    number = re.sub(r"[^A-Z0-9]", "", row.values.get("prs_IdentityNumber", "").upper())
    return (number, row.values["prs_Citizenship"]) if number else None


def _share(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else part / whole
