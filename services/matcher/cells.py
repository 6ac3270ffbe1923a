"""What analysts may count: cells of matches and of case events, released so that no small number can be worked out.

A cell is the finest thing anyone may ask for (a pair of countries, a band and a month; or a kind of case event and a
month). Only these rules make a number visible:

1. A batch counts once its span of time is over; until then nothing of it is seen.
2. A cell is shown once it holds `least`; before that it looks as an empty one does.
3. A shown number grows only by `least` or more at a time, so that asking again next week tells of no single match.
4. Every sum is a sum of shown numbers: no total exists that a hidden cell could be subtracted out of.

This file refuses to know matches, officers or clocks: it folds counts. Rules 1 and 2 are the charter's; 3 and 4 are
what keeps them true when answers are compared.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

Cell = tuple[str, ...]


@dataclass(frozen=True)
class Tally:
    """So many happened in this cell during this batch (batches are numbered by time)."""

    cell: Cell
    batch: int
    count: int


def released(tallies: Iterable[Tally], *, current_batch: int, least: int) -> dict[Cell, int]:
    """The numbers that may be shown while `current_batch` runs. Cells without one are absent, empty or not."""
    shown: dict[Cell, int] = {}
    known: dict[Cell, int] = defaultdict(int)
    for tally in sorted(tallies, key=lambda t: t.batch):
        if tally.batch >= current_batch:
            break
        known[tally.cell] += tally.count
        if known[tally.cell] - shown.get(tally.cell, 0) >= least:
            shown[tally.cell] = known[tally.cell]
    return shown


def chosen(cells: dict[Cell, int], filters: tuple[str | None, ...]) -> dict[Cell, int]:
    """The shown cells whose parts equal the filters; None lets any value pass."""
    return {
        cell: count
        for cell, count in sorted(cells.items())
        if all(want is None or want == part for want, part in zip(filters, cell, strict=True))
    }


def sums(cells: dict[Cell, int], part: int) -> dict[str, int]:
    """Shown numbers added up by one part of the cell. Hidden cells add nothing, so nothing can be subtracted out."""
    out: dict[str, int] = defaultdict(int)
    for cell, count in cells.items():
        out[cell[part]] += count
    return dict(out)
