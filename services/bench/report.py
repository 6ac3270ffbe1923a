"""What a run of the benches shows: a table for people, one JSON object for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from services.bench.measure import Figure

_NOTE = (
    "Medians of rounds in turns with the bare baseline; the ratio, ours to bare, is the median of the rounds' own, "
    "with the lowest and highest. Costs and sizes are better small, rates (/s) better large."
)


def as_json(machine: Mapping[str, object], figures: Sequence[Figure]) -> dict[str, Any]:
    """{machine, benches}; `runs` has every round's pair, in the bench's unit."""
    return {"machine": dict(machine), "benches": [asdict(figure) for figure in figures]}


def show(console: Console, machine: Mapping[str, object], figures: Sequence[Figure]) -> None:
    """The result for people: figures that fit 80 columns, then what each of them is."""
    table = Table("bench", caption=_NOTE, caption_justify="left")
    for heading in ("ours", "bare", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    for figure in figures:
        table.add_row(figure.name, _short(figure.ours), _short(figure.baseline), _ratio(figure), figure.unit)
    console.print(table)
    console.print(_meanings(figures))
    console.print(
        "{cpu}, {cores} cores, {memory_gb} GB, load {load}; Python {python}, {backend}; {date}".format(**machine),
        style="dim",
    )


def _meanings(figures: Sequence[Figure]) -> Table:
    """One line a meaning: what is measured twice, say on two backends, means the same."""
    first = {figure.what: figure for figure in reversed(figures)}
    grid = Table.grid("bench", "what", padding=(0, 1))
    for figure in figures:
        if first[figure.what] is figure:
            grid.add_row(figure.name.partition("/")[0], figure.what)
    return grid


def _ratio(figure: Figure) -> str:
    low, high = figure.spread
    return f"{figure.ratio:.2f} ({low:.2f}-{high:.2f})"


def _short(value: float) -> str:
    """Three digits that say something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
