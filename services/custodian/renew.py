"""Have the own key holder renew its shares, and show each step until those of the former epoch are destroyed.

Countries make anew what is out, and the matcher drops the former epoch when both have: what a holder knows of it is how
much was evaluated in the new one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.custodian import steps
from services.custodian.steps import Job, Pause, Row

WORDS: Final[Mapping[str, str]] = {
    "asked": "begins",
    "awaited": "the other holder has begun; this one follows when it is asked",
    "prepared": "waits for the other holder; if its share is young, its custodian has to ask too",
    "draining": "is in force; open batches are finished, then the former shares are destroyed",
    "rest": "done",
    "failed": "came to nothing",
}
"""A holder's state -> what people read."""


def renew(
    address: str,
    token_file: Path,
    pair: str | None,
    reason: str,
    *,
    as_json: bool,
    pause: Pause = steps.pause,
) -> bool:
    """Ask, and wait for the end. Returns whether every renewal came to a good one."""
    job = Job("/api/renewals", "renewals", _words, "epoch", _sentence)
    return steps.run(job, address, token_file, {"pair": pair, "reason": reason}, as_json=as_json, pause=pause)


def _words(row: Row) -> str:
    made = f"; {row['evaluated']} evaluated, {row['before']} in the epoch before" if row["done"] > 1 else ""
    return WORDS[row["state"]] + made


def _sentence(row: Row) -> str:
    if row["state"] == "failed":
        return f"{row['pair']}: epoch {row['epoch']} stays in force. {row['reason']}"
    return (
        f"{row['pair']}: epoch {row['epoch']} is in force; the former shares are destroyed. Both countries make anew "
        "what is out; the matcher drops the former epoch when they have."
    )
