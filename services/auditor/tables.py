"""A report for people: a table a writer with what is amiss beneath it, then shares, totals and the verdict."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.auditor.chains import named
from services.auditor.findings import Finding
from services.auditor.report import Report, StreamRow, WriterRow


def show(console: Console, report: Report) -> None:
    console.print(
        f"Region {report.region}, charter version {report.charter_version}, founded as {report.charter_digest[:16]}..."
    )
    for writer in report.writers:
        _show_writer(console, writer, [finding for finding in report.findings if finding.writer == writer.writer])
    _show_shares(console, report)
    _show_totals(console, report)
    _show_ended(console, report)
    console.print(_verdict(report))


def _show_writer(console: Console, writer: WriterRow, findings: Sequence[Finding]) -> None:
    console.print()
    if writer.heard:
        console.print(_streams(writer))
    else:
        console.print(f"[bold]{writer.writer}[/bold] was never heard: nothing is asked of its streams.")
    for key in writer.sealing_keys:
        days = f"{key.valid_from:%Y-%m-%d %H:%M} to {key.valid_until:%Y-%m-%d %H:%M}"
        console.print(f"  sealing key {_shown(key.key_id)}, {days}", soft_wrap=True)
    for key_id, count in sorted(writer.signed_under.items()):
        console.print(f"  signing key {key_id}: {count} envelopes")
    for finding in findings:
        console.print(f"  [red]{finding.code}[/red]  {escape(finding.sentence)}", soft_wrap=True)


def _streams(writer: WriterRow) -> Table:
    heard = f"{writer.last_heard:%Y-%m-%d %H:%M:%S}" if writer.last_heard else "-"
    title = f"{writer.writer}: {writer.envelopes} envelopes, the last of {heard}"
    table = _table(title, "Stream", "#Epoch", "#Numbers", "#Envelopes", "#Resent", "#Ticks missed", "Chain")
    for row in writer.streams:
        table.add_row(
            f"{row.topic}/{row.partition}",
            "-" if row.epoch is None else str(row.epoch),
            "-" if row.first is None else f"{row.first}-{row.last}",
            str(row.envelopes),
            str(row.resent),
            str(row.ticks_missed),
            _chain(row),
        )
    return table


def _chain(row: StreamRow) -> str:
    if row.epoch is None:
        return "nothing written"
    faults = [
        *([f"without {named(row.missing)}"] if row.missing else []),
        *([f"forked at {named((n, n) for n in row.forks)}"] if row.forks else []),
    ]
    state = "whole" if row.whole else "broken" + "".join(f", {fault}" for fault in faults)
    return state + (f", from number {row.first}" if row.cut else "")


def _show_shares(console: Console, report: Report) -> None:
    columns = ("Pair", "#Epoch", "State", "#Gen.", "Holder", "Public", "Introduced")
    table = _table("Shares, each with a proof that holds", *columns)
    for row in report.shares:
        introduced = f"{row.introduced:%Y-%m-%d %H:%M}"
        public = row.public[:16] + "..."
        table.add_row(row.pair, str(row.epoch), row.state, str(row.generation), row.holder, public, introduced)
    console.print()
    console.print(table)


def _show_ended(console: Console, report: Report) -> None:
    if not report.ended:
        return
    table = _table("Agreements that ended", "Pair", "By", "At", "Reason", "Shares destroyed by", "Rows dropped", "")
    for row in report.ended:
        at, dropped = (f"{t:%Y-%m-%d %H:%M}" if t else "-" for t in (row.ended_at, row.dropped_at))
        note = "the charter names it still" if row.in_charter else ""
        who = f"{row.ended_by} ({', '.join(row.custodians)})" if row.ended_by else "the charter"
        table.add_row(row.pair, who, at, row.reason, ", ".join(row.destroyed_by) or "-", dropped, note)
    console.print()
    console.print(table)


def _show_totals(console: Console, report: Report) -> None:
    """Evaluations and quotas a holder, accepted slots beside them."""
    console.print()
    if not report.totals:
        console.print("No totals were told yet.")
        return
    counts = ("#Evaluated", "#In a day", "#Allowed", "#Accepted")
    table = _table("Totals", "Pair", "#Epoch", "Of", "Holder", *counts, "Verdict")
    for row in report.totals:
        for holder, count in row.evaluated.items() or [("-", 0)]:
            use = (str(row.most_in_a_day.get(holder, 0)), str(row.allowed_in_a_day.get(holder, 0)))
            of = (row.pair, str(row.epoch), row.country)
            table.add_row(*of, holder, str(count), *use, str(row.accepted), row.verdict)
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    """Narrow enough for 80 columns; `#` stands before a column of numbers. Names are never cut."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        is_number = column.startswith("#")
        table.add_column(column.removeprefix("#"), justify="right" if is_number else "left", no_wrap=not is_number)
    return table


def _shown(key_id: str) -> str:
    """A party may name its sealing key as it likes; a reviewer's terminal shows letters only."""
    return escape("".join(c if c.isprintable() else "?" for c in key_id[:64]))


def _verdict(report: Report) -> str:
    unheard = sum(not writer.heard for writer in report.writers)
    until = f" up to {report.last_heard:%Y-%m-%d %H:%M:%S} UTC" if report.last_heard else ""
    silent = f" {unheard} of {len(report.writers)} parties were never heard." if unheard else ""
    if report.ok:
        return f"\n[green]All holds{until}.[/green]{silent}"
    noun = "thing is" if len(report.findings) == 1 else "things are"
    return f"\n[red]{len(report.findings)} {noun} amiss{until}.[/red]{silent}"
