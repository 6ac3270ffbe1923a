"""What somebody at the terminal sees of the work: a line for each stage, and a bar with counts while a long one runs.

A bar is fed by whoever looks at the work from outside; it never asks for more than it is shown. Where there is no
terminal, each stage says once that it begins and once that it is over.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

LOOK: Final = 0.4
"""Seconds between two looks at the work: what looks cost is taken from the work itself."""


class Bar:
    """How far one stage is."""

    def __init__(self, progress: Progress, text: str) -> None:
        self._progress = progress
        self._task = progress.add_task(text, total=None)

    def show(self, done: int, total: int) -> None:
        """So much is done of so much; both may grow."""
        self._progress.update(self._task, completed=min(done, total), total=total)


class Stages:
    """Names each stage while it runs, and times it: name -> seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, text: str, unit: str = "") -> Iterator[Bar]:
        """One stage. `unit` says what a bar counts; without one there is nothing to count."""
        started = time.monotonic()
        if not self._console.is_terminal:
            self._console.print(f"[dim]…[/dim] {text}")
        with self._progress(unit) as progress:
            yield Bar(progress, text)
        self.seconds[name] = round(time.monotonic() - started, 2)
        self._console.print(f"[green]✓[/green] {text} [dim]{self.seconds[name]:.1f} s[/dim]")

    def _progress(self, unit: str) -> Progress:
        whole_line = Column(no_wrap=True, overflow="ellipsis")  # a narrow terminal loses words rather than counts
        words = TextColumn("{task.description} ...", table_column=whole_line)
        counts = (BarColumn(24), MofNCompleteColumn(), TextColumn(f"{unit},"), TimeElapsedColumn()) if unit else ()
        return Progress(
            SpinnerColumn(), words, *counts, console=self._console, transient=True, refresh_per_second=4,
            disable=not self._console.is_terminal,
        )  # fmt: skip
