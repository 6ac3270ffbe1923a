"""A report for people: a table a writer with what is amiss beneath it, then shares, totals and the verdict."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.auditor.chains import named
from services.auditor.findings import Finding
from services.auditor.report import Report, StreamRow, WriterRow


def show(console: Console, report: Report) -> None:
    console.print(
        f"Region {report.region}, charter version {report.charter_version}, digest {report.charter_digest[:16]}..."
    )
    for writer in report.writers:
        _show_writer(console, writer, [finding for finding in report.findings if finding.writer == writer.writer])
    _show_shares(console, report)
    _show_totals(console, report)
    console.print(_verdict(report))


def _show_writer(console: Console, writer: WriterRow, findings: Sequence[Finding]) -> None:
    console.print()
    if writer.heard:
        console.print(_streams(writer))
    else:
        console.print(f"[bold]{writer.writer}[/bold] was never heard: nothing is asked of its streams.")
    for key in writer.sealing_keys:
        days = f"{key.valid_from:%Y-%m-%d %H:%M} to {key.valid_until:%Y-%m-%d %H:%M}"
        console.print(f"  sealing key {_shown(key.key_id)}: {days}")
    for key_id, count in sorted(writer.signed_under.items()):
        console.print(f"  signing key {key_id}: {count} envelopes")
    for finding in findings:
        console.print(f"  [red]{finding.code}[/red]  {escape(finding.sentence)}")


def _streams(writer: WriterRow) -> Table:
    heard = f"{writer.last_heard:%Y-%m-%d %H:%M:%S}" if writer.last_heard else "-"
    title = f"{writer.writer}: {writer.envelopes} envelopes, the last of {heard}"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("Stream")
    table.add_column("Epoch", justify="right")
    table.add_column("Numbers", justify="right")
    table.add_column("Envelopes", justify="right")
    table.add_column("Sent again", justify="right")
    table.add_column("Ticks missed", justify="right")
    table.add_column("Chain")
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
    table = Table(title="Shares, each with a proof that holds", title_justify="left", title_style="bold")
    for column in ("Pair", "Epoch", "Generation", "Holder", "Public", "Introduced"):
        table.add_column(column)
    for row in report.shares:
        introduced = f"{row.introduced:%Y-%m-%d %H:%M:%S}"
        table.add_row(row.pair, str(row.epoch), str(row.generation), row.holder, row.public[:16] + "...", introduced)
    console.print()
    console.print(table)


def _show_totals(console: Console, report: Report) -> None:
    """Evaluations and quotas a holder, accepted slots beside them."""
    console.print()
    if not report.totals:
        console.print("No totals were told yet.")
        return
    table = Table(title="Totals", title_justify="left", title_style="bold")
    words, numbers = {"Pair", "Country", "Holder", "Verdict"}, ("Evaluated", "Most in a day", "Allowed", "Accepted")
    for column in ("Pair", "Epoch", "Country", "Holder", *numbers, "Verdict"):
        table.add_column(column, justify="left" if column in words else "right")
    for row in report.totals:
        for holder, count in row.evaluated.items() or [("-", 0)]:
            use = (str(row.most_in_a_day.get(holder, 0)), str(row.allowed_in_a_day.get(holder, 0)))
            of = (row.pair, str(row.epoch), row.country)
            table.add_row(*of, holder, str(count), *use, str(row.accepted), row.verdict)
    console.print(table)


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
