"""What a report holds: the object of `--json`. Frozen; a field is never renamed, since programs read it."""

from datetime import datetime
from typing import Literal

from events.model import Value
from keys.epochs import State
from services.auditor.findings import Finding


class StreamRow(Value):
    """One stream: a topic, a partition, a stream epoch. Without any envelope, epoch, first and last are null."""

    topic: str
    partition: int
    epoch: int | None
    envelopes: int
    """How many numbers stand here, resends not counted."""
    first: int | None
    last: int | None
    cut: bool
    """Older ones are beyond the carrier's retention: the chain is checked from `first`."""
    resent: int
    missing: tuple[tuple[int, int], ...]
    """Ranges of numbers, both ends included."""
    forks: tuple[int, ...]
    whole: bool
    """Contiguous, linked, one envelope a number, in an order that readers can follow."""
    ticks_missed: int
    """Beyond the grace, of the topic and partition, whatever the epoch."""


class KeyRow(Value):
    """A sealing key that the party introduced."""

    key_id: str
    valid_from: datetime
    valid_until: datetime


class WriterRow(Value):
    """One party. `heard` is false where no envelope of it was found: then nothing is asked of it."""

    writer: str
    heard: bool
    envelopes: int
    last_heard: datetime | None
    signed_under: dict[str, int]
    """Signing key, valid by the charter at the time of sealing -> envelopes."""
    sealing_keys: tuple[KeyRow, ...]
    streams: tuple[StreamRow, ...]


class ShareRow(Value):
    """A public share, introduced with a proof that holds, and not repeated."""

    pair: str
    epoch: int
    generation: int
    holder: str
    public: str
    introduced: datetime
    active: bool
    """Of the generation that is in force in its epoch."""
    state: State
    """Of its epoch. What is over nobody can tell from outside: it counts as draining."""


class TotalRow(Value):
    """What one country was evaluated and accepted for one pair and epoch, by the last totals of those who count."""

    pair: str
    epoch: int
    country: str
    evaluated: dict[str, int]
    """Holder -> elements."""
    most_in_a_day: dict[str, int]
    allowed_in_a_day: dict[str, int]
    """Holder -> the charter's quota and allowances."""
    accepted: int
    verdict: Literal["holds", "exceeds", "open"]
    """Of accepted against evaluated; open: a holder has not had the time to tell yet."""


class EndRow(Value):
    """An agreement that is over. Without the word of any holder it ended by the charter alone."""

    pair: str
    ended_by: str | None
    ended_at: datetime | None
    reason: str
    custodians: tuple[str, ...]
    destroyed_by: tuple[str, ...]
    """The holders that say that they have destroyed their shares, in order."""
    dropped_at: datetime | None
    """When the matcher says that it dropped the pair's rows; `commitment`: to which."""
    commitment: str | None
    in_charter: bool
    """Whether the charter names it among the pairs that agree still: it is over all the same."""


class Report(Value):
    """What the streams show. `ok` only if there is no finding."""

    ok: bool
    region: str
    charter_version: int
    charter_digest: str
    last_heard: datetime | None
    """The latest time of sealing of anybody: up to there the region can be judged."""
    writers: tuple[WriterRow, ...]
    findings: tuple[Finding, ...]
    totals: tuple[TotalRow, ...]
    shares: tuple[ShareRow, ...]
    ended: tuple[EndRow, ...] = ()
