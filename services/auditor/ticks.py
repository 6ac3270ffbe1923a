"""Who was heard in which tick, and who was silent when it was due. Pure.

The number of a tick stands inside the sealed body, where no auditor sees it, so an envelope counts for the tick in
which its writer says it sealed it. What is asked of a party:

- It is heard in every tick, from its first envelope to the last tick of the region, which is the tick of the latest
  envelope of anybody. So a region that was stopped as a whole is not called silent.
- In a tick in which it is heard at all, it is heard on every stream that it writes, from the stream's first envelope
  on; on a stream without any, from the party's first. What is asked is only what can be done: in a tick for which the
  reader has no sealing key, nothing can be sealed to it. So a party that is down is one finding, and a stream that is
  held back while its writer lives is another.

There is grace for `grace_of(charter)` ticks in a row: the tick that runs may not be opened yet, a process may be
restarted as one passes, and time goes by between opening a tick and sealing its envelope. An envelope held back by the
carrier needs none of this: it leaves a gap in its chain.

Envelopes under an older charter are not asked about: its ticks may have been longer, its topics fewer.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from typing import Final

from events.charter import Charter
from events.inbox import Place

GRACE: Final = timedelta(minutes=1)
"""How far clocks may differ, and how long a process may be busy with something else."""


def grace_of(charter: Charter) -> int:
    """How many ticks in a row may pass without an envelope: GRACE's, at least one."""
    return max(1, math.ceil(GRACE.total_seconds() / charter.tick_seconds))


@dataclass(frozen=True, slots=True)
class Silence:
    """So many due ticks without an envelope, the first and the last of them."""

    first: int
    last: int
    count: int


class Rhythm:
    """Collects when each stream was heard; then says when it was not."""

    def __init__(self, charter: Charter, now: datetime) -> None:
        self._charter = charter
        self._now = charter.tick_at(now)
        self._grace = grace_of(charter)
        self._streams: dict[Place, set[int]] = defaultdict(set)
        self._parties: dict[str, set[int]] = defaultdict(set)
        self._latest = -1

    def hear(self, writer: str, place: Place, sealed_at: datetime) -> None:
        """An authentic envelope under this charter. A tick that has not come is not heard, whatever its writer says."""
        tick = self._charter.tick_at(sealed_at)
        if tick > self._now:
            return
        self._streams[place].add(tick)
        self._parties[writer].add(tick)
        self._latest = max(self._latest, tick)

    def first_heard(self, place: Place) -> int | None:
        return min(self._streams[place], default=None)

    def of_party(self, writer: str) -> list[Silence]:
        """When the party was silent on all that it writes. A party that was never heard is silent in no tick."""
        heard = sorted(self._parties[writer])
        gaps = pairwise([*heard, self._latest] if heard else [])
        return self._beyond_grace(Silence(a + 1, b - 1, b - a - 1) for a, b in gaps if b - a > 1)

    def of_stream(
        self, writer: str, place: Place, *, since: int | None, can_seal: Callable[[datetime, datetime], bool]
    ) -> list[Silence]:
        """When a stream was silent while its writer was heard elsewhere.

        since     the first tick that is asked about; None: whenever the writer was first heard
        can_seal  whether the reader had a sealing key from the one time to the other
        """
        due = [t for t in sorted(self._parties[writer]) if (since is None or t >= since) and t < self._latest]
        runs = [list(run) for is_heard, run in groupby(due, self._streams[place].__contains__) if not is_heard]
        open_runs = ([t for t in run if can_seal(self.time_of(t), self.time_of(t + 1))] for run in runs)
        return self._beyond_grace(Silence(run[0], run[-1], len(run)) for run in open_runs if run)

    def time_of(self, tick: int) -> datetime:
        """When a tick begins."""
        return datetime.fromtimestamp(tick * self._charter.tick_seconds, UTC)

    def _beyond_grace(self, silences: Iterable[Silence]) -> list[Silence]:
        return [silence for silence in silences if silence.count > self._grace]
