"""What the demo shows of its outcome: a table for people, one JSON object for programs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from services.demo.officers import Officers
from services.demo.region import Region

if TYPE_CHECKING:
    from services.demo.run import Outcome


def as_json(outcome: "Outcome") -> dict[str, Any]:
    """The result as one object. Shares are null where nothing can be divided, counts where no truth is known.

    What the counts of pairs mean stands at `Score`. Precision is of found_pairs, recall of agreed_pairs.
    """
    score = outcome.score
    return {
        "people": score.people,
        "cases": outcome.cases,
        "tokens": outcome.tokens,
        "true_pairs": score.true_pairs,
        "agreed_pairs": score.agreed_pairs,
        "found_pairs": score.found_pairs,
        "right_pairs": score.right_pairs,
        "unagreed_pairs": score.unagreed_pairs,
        "told_to_one_side": outcome.told_alone,
        "document_pairs": score.document_pairs,
        "document_pairs_found": score.document_pairs_found,
        "other_pairs": score.other_pairs,
        "other_pairs_found": score.other_pairs_found,
        "precision": score.precision,
        "recall": score.recall,
        "recall_without_document": score.recall_without_document,
        "rows_mended": outcome.mended,
        "seconds": outcome.seconds | {"total": round(sum(outcome.seconds.values()), 2)},
        "broker": outcome.broker,
        "wire_leaks": outcome.wire_leaks,
    }


def show(console: Console, outcome: "Outcome", memory_mb: Mapping[str, float]) -> None:
    """The result for people."""
    world, score = outcome.world, outcome.score
    console.print()
    if not world.invented:
        console.print(
            "People were read from files: the demo's officers consented for everybody and granted tell everywhere."
        )
    if outcome.mended:
        console.print(f"{outcome.mended} rows were refused for an impossible date, and entered again without one.")
    table = Table(title="People whom two countries protect", title_justify="left", show_header=False)
    for name, value in _lines(outcome):
        table.add_row(name, value)
    console.print(table)
    if score.unagreed_pairs:
        console.print(
            f"[red]{score.unagreed_pairs} matches were told against a refusal or a hold: this is a defect.[/red]"
        )
    if outcome.wire_leaks:
        console.print(f"[red]{outcome.wire_leaks} identifiers were found outside their country: a defect.[/red]")
    total = sum(outcome.seconds.values())
    biggest = max(memory_mb.items(), key=lambda item: item[1], default=("-", 0.0))
    console.print(f"[dim]{total:.0f} s in all; the largest service, {biggest[0]}, holds {biggest[1]:.0f} MB.[/dim]")


def _lines(outcome: "Outcome") -> list[tuple[str, str]]:
    score = outcome.score
    lines = [
        ("People, cases, tokens", f"{score.people:,}, {outcome.cases:,}, {outcome.tokens:,}"),
        ("Told to both sides", f"{score.found_pairs:,}"),
        ("Told to one side, by the other's grant", f"{outcome.told_alone:,}"),
        ("Told against a refusal or a hold", f"{score.unagreed_pairs:,}"),
        ("Identifiers found outside their country", f"{outcome.wire_leaks:,}"),
    ]
    if score.agreed_pairs is not None:
        lines += [
            ("True pairs, of which both sides allow and tell", f"{score.true_pairs:,}, {score.agreed_pairs:,}"),
            ("... with a common document, found", f"{score.document_pairs:,}, {score.document_pairs_found:,}"),
            ("... without one, found", f"{score.other_pairs:,}, {score.other_pairs_found:,}"),
            ("Precision, recall", f"{_share(score.precision)}, {_share(score.recall)}"),
        ]
    return lines


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def show_pages(console: Console, region: Region) -> None:
    """Which pages to open, and where the sign-in tokens are."""
    officers = Officers(region)
    country = region.charter.countries[0]
    console.print("\nEverything goes on running until Ctrl-C. Pages to open:")
    for party, staff, what in (
        (country, "focal", "the focal point: matches, what waits for a signature"),
        (country, "worker", "a case worker: cases"),
        (country, "operator", "the operator: what the node has done"),
        (f"{country}.holder", "reviewer", "a security reviewer: quotas of a key holder"),
        ("matcher", "analyst", "an analyst: what both sides know, by country pair"),
    ):
        token = f"[dim]sign in with the token in {region.token_file(party, staff)}[/dim]"
        console.print(f"  {officers.address(party)}  {what}\n    {token}", soft_wrap=True)
