"""A charter for people: who is in it, who agrees with whom, with which keys, under which rules, and who signed."""

from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from events.charter import Charter, Draft, SigningKey
from events.succession import QUORUM, Quorum
from services.charter import drafts
from services.charter.signing import fingerprint
from services.charter.words import shown

_NO_RULES = drafts.NO_RULES | {"allowances"}


def show_head(console: Console, draft: Draft, digest: bytes) -> None:
    line = f"Region {draft.region}, version {draft.version}, from {draft.issued:%Y-%m-%d %H:%M:%S %Z}"
    console.print(f"[bold]{escape(line)}[/bold]")
    console.print(f"Fingerprint {fingerprint(digest)}", soft_wrap=True)


def show_charter(console: Console, draft: Draft) -> None:
    """Everything that it says."""
    members = _table("Members", "Country", "Name", "Roots, of which two sign")
    for member in draft.members:
        members.add_row(member.country, escape(shown(member.name)), "\n".join(member.roots))
    keys = _table("Online keys", "Party", "Key", "From", "To", "State")
    for party in draft.parties:
        for key in party.signing:
            span = (f"{key.valid_from:%Y-%m-%d}", f"{key.valid_until:%Y-%m-%d}")
            keys.add_row(party.id, escape(shown(key.id)), *span, _state(key))
    for table in (members, keys, _rules(draft)):
        console.print()
        console.print(table)
    for line in _of_pairs(draft):
        console.print(line)
    if draft.allowances:
        console.print()
        console.print(_allowances(draft))
    for party in draft.parties:
        for key in party.signing:
            console.print(f"  {escape(shown(key.id))}  {key.public}", soft_wrap=True)


def _of_pairs(draft: Draft) -> Iterator[str]:
    for words, pairs in (("Pairs", draft.pairs), ("Pairs that ended", draft.ended_pairs)):
        if pairs:
            yield f"\n[bold]{words}[/bold] {', '.join(pairs)}"
    for one in draft.agreed_again:
        yield f"{one.pair} ended once, and agrees again from matching epoch {one.epoch} on."
    for third in draft.third_shares:
        yield f"{third.pair} has a third share, with {third.holder}."


def show_changes(console: Console, sentences: Sequence[str]) -> None:
    console.print("\n[bold]What changes[/bold]")
    for sentence in sentences or ["Nothing but the version and its date."]:
        console.print(f"  - {escape(sentence)}", soft_wrap=True)


def show_standing(console: Console, found: Iterable[tuple[Quorum, int]]) -> None:
    """Who must sign, and who has."""
    table = _table("Signatures", "Country", "#Of its roots", "")
    for quorum, count in found:
        verdict = "[green]enough[/green]" if count >= QUORUM else f"[red]{QUORUM - count} more needed[/red]"
        table.add_row(quorum.country, str(count), verdict)
    console.print()
    console.print(table)


def show_history(console: Console, history: Sequence[tuple[Charter, bytes, Sequence[Quorum]]]) -> None:
    """Every version with who signed it, oldest first."""
    table = _table("History", "#Version", "From", "Fingerprint", "Signed by the roots of")
    for charter, digest, wanted in history:
        countries = ", ".join(dict.fromkeys(q.country for q in wanted))
        short = " ".join(fingerprint(digest).split()[:4]) + " ..."
        table.add_row(str(charter.version), f"{charter.issued:%Y-%m-%d %H:%M}", short, countries)
    console.print(table)


def _state(key: SigningKey) -> str:
    return "stands" if key.last is None else f"[red]retired, counts on {len(key.last)} streams[/red]"


def _rules(draft: Draft) -> Table:
    table = _table("Rules", "Rule", "Value")
    for name in type(draft).model_fields:
        if name not in _NO_RULES:
            value = getattr(draft, name)
            table.add_row(name, escape(shown(", ".join(value) if isinstance(value, tuple) else str(value))))
    return table


def _allowances(draft: Draft) -> Table:
    table = _table("Allowances", "Holder", "Answers", "Pair", "#More", "From", "To", "Reason")
    for a in draft.allowances:
        span = (f"{a.valid_from:%Y-%m-%d}", f"{a.valid_until:%Y-%m-%d}")
        table.add_row(a.holder, a.country, a.pair, f"{a.count:,}", *span, escape(shown(a.reason)))
    return table


def _table(title: str, *columns: str) -> Table:
    """`#` stands before a column of numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        is_number = column.startswith("#")
        table.add_column(column.removeprefix("#"), justify="right" if is_number else "left", overflow="fold")
    return table
