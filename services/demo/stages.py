"""What somebody at the terminal sees of the work: a line for each stage, and a bar with counts while a long one runs.

A bar is fed by whoever looks at the work from outside; it never asks for more than it is shown. Where there is no
terminal, each stage says once that it begins and once that it is over.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

LOOK: Final = 0.4
"""Seconds between two looks at the work: what looks cost is taken from the work itself."""


_BAR: Final = 16
_BESIDE: Final = 2 + 1 + _BAR + 1 + len("99999/99999 publications")


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
            yield Bar(progress, self._fitting(text) if unit else f"{text} ...")
        self.seconds[name] = round(time.monotonic() - started, 2)
        self._console.print(f"[green]✓[/green] {text} [dim]{self.seconds[name]:.1f} s[/dim]")

    def _progress(self, unit: str) -> Progress:
        words = (SpinnerColumn(), TextColumn("{task.description}"))
        counts = (BarColumn(_BAR), MofNCompleteColumn(), TextColumn(unit)) if unit else ()
        shown = self._console.is_terminal
        return Progress(*words, *counts, console=self._console, transient=True, refresh_per_second=4, disable=not shown)

    def _fitting(self, text: str) -> str:
        """Cut where a narrow terminal has no room for it beside the counts, which matter more."""
        room = max(10, self._console.width - _BESIDE)
        return text if len(text) <= room else f"{text[: room - 1]}…"
