"""Whether this machine's cryptography answers as published: `samaki selftest`, and before any node starts."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keys import group
from keys.errors import BackendMissing, VectorsUnreadable
from keys.vectors.selftest import Outcome, Result, run_built_in, run_core, run_folder
from services.runtime.errors import InputInvalid, SelftestFailed

_SHOWN = 5
"""Numbers of failed vectors that a person is told; `--json` has all."""


def selftest(folder: Path | None, *, as_json: bool) -> bool:
    """Run every suite and print the counts. Returns whether all vectors hold.

    folder   of published vectors, to be run in place of the built-in ones
    raises   InputInvalid: it has none, or a file of vectors cannot be read; SelftestFailed: no library for the group
    """
    if folder is not None and not folder.is_dir():
        raise InputInvalid(f"{folder} is no folder: name the one that holds the vectors.")
    backend, outcome = _run(run_built_in if folder is None else lambda: run_folder(folder))
    if as_json:
        typer.echo(json.dumps(_object(backend, outcome)))
    else:
        _show(Console(), backend, outcome)
    return outcome.ok


def refuse_if_broken() -> None:
    """Returns if the core suites hold: for the start of a node, which must not work with cryptography that errs.

    cost     50 to 100 ms
    raises   SelftestFailed: a vector does not hold, or there is no library; InputInvalid: a file of vectors was altered
    """
    backend, outcome = _run(run_core)
    if not outcome.ok:
        failed = "; ".join(_failure(result) for result in outcome.results if result.failed)
        raise SelftestFailed(
            f"Refused to start: the cryptography of this machine gives wrong answers ({failed}; {backend}). "
            "Run `samaki selftest`, and install Samaki and its libraries again."
        )


def _run(suites: Callable[[], Outcome]) -> tuple[str, Outcome]:
    """The backend in use, and what the suites showed of it."""
    try:
        return group.backend_name(), suites()
    except BackendMissing as error:
        raise SelftestFailed(str(error)) from error
    except VectorsUnreadable as error:
        raise InputInvalid(str(error)) from error


def _object(backend: str, outcome: Outcome) -> dict[str, object]:
    return {
        "ok": outcome.ok,
        "backend": backend,
        "run": _total(outcome, "run"),
        "passed": _total(outcome, "passed"),
        "suites": [{**asdict(result), "passed": result.passed} for result in outcome.results],
        "ignored": outcome.ignored,
        "missing": outcome.missing,
    }


def _show(console: Console, backend: str, outcome: Outcome) -> None:
    table = Table("suite")
    table.add_column("vectors from", overflow="fold")
    for heading in ("run", "passed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in outcome.results:
        colour = "red" if result.failed else "green"
        passed = f"[{colour}]{result.passed}[/{colour}]"
        table.add_row(escape(result.title), escape(result.source), str(result.run), passed)
    console.print(table)
    for result in outcome.results:
        if result.failed:
            console.print(f"[red]{escape(_failure(result))}[/red]", soft_wrap=True)
    for sentence, names in (
        ("Ignored, no vectors of what Samaki uses", outcome.ignored),
        ("Not run, since the folder lacks their files", outcome.missing),
    ):
        if names:
            console.print(f"{sentence}: {escape(', '.join(names))}", style="dim", soft_wrap=True)
    console.print(_verdict(backend, outcome))


def _verdict(backend: str, outcome: Outcome) -> str:
    run, passed = _total(outcome, "run"), _total(outcome, "passed")
    if outcome.ok:
        return f"All {run:,} vectors pass. The group's backend is {backend}."
    return f"[red]{run - passed:,} of {run:,} vectors fail.[/red] The group's backend is {backend}."


def _total(outcome: Outcome, what: str) -> int:
    return sum(getattr(result, what) for result in outcome.results)


def _failure(result: Result) -> str:
    some = ", ".join(map(str, result.failed[:_SHOWN])) + (", ..." if len(result.failed) > _SHOWN else "")
    return f"{result.title}: {len(result.failed)} of {result.run} vectors fail, numbers {some}"
