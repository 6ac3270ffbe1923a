"""Have the own key holder refresh its shares, and show each step until the former ones are destroyed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.custodian import steps
from services.custodian.steps import Job, Pause, Row

WORDS: Final[Mapping[str, str]] = {
    "asked": "begins",
    "offered": "waits for the other holder",
    "revealing": "exchanges parts",
    "introduced": "waits for the other holder's new share",
    "closing": "waits for open batches, then destroys the former share",
    "rest": "done",
    "failed": "given up",
}
"""A holder's state -> what people read."""


def refresh(
    address: str, token_file: Path, pair: str | None, *, as_json: bool, pause: Pause = steps.pause
) -> bool:
    """Ask, and wait for the end. Returns whether every refresh came to a good one."""
    job = Job("/api/refreshes", "refreshes", lambda row: WORDS[row["state"]], "generation", _sentence)
    return steps.run(job, address, token_file, {"pair": pair}, as_json=as_json, pause=pause)


def _sentence(row: Row) -> str:
    if row["state"] == "failed":
        return f"{row['pair']}: given up, generation {row['generation']} stays in force. {row['reason']}"
    return f"{row['pair']}: generation {row['generation']} is in force; the former share is destroyed."
