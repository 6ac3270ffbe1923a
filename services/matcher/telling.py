"""At each tick: which matches are told now, and to whom.

`matching.policy` decides, from what has been heard of both sides by now. Here is what a decision needs beside it:

- Only so much is decided as this tick's envelopes can carry, so that no notice waits while a `hold` comes that would
  have forbidden it. A country that cannot be written to has no room.
- Both are told in one transaction, or neither.
- What is over on either side is told only when that side has spoken since (matching.found).

If we crash before the commit, nothing was decided, and the next round decides the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from events.charter import Charter
from events.clock import Clock
from events.database import Transaction
from events.messages import MatchNotice
from events.post import Post
from matching import found, policy
from matching.found import Found, Side
from matching.policy import Moment, Told
from services.matcher import notices, statistics


@dataclass(frozen=True, slots=True)
class _Now:
    """One decision's surroundings. heard: country > the tick through which its whole stream is applied."""

    at: datetime
    tick: int
    heard: Mapping[str, int | None]
    room: dict[str, int]


class Telling:
    def __init__(self, charter: Charter, post: Post, clock: Clock) -> None:
        self._charter = charter
        self._post = post
        self._clock = clock

    def decide(self, tx: Transaction, tick: int) -> None:
        """Put down every notice that this tick can carry."""
        now = self._now(tx, tick)
        for match in found.to_tell(tx):
            self._tell(tx, match, self._news(match, now), now)

    def _now(self, tx: Transaction, tick: int) -> _Now:
        countries = self._charter.countries
        at = self._clock.now()
        heard = {c: self._post.applied_tick(f"linkage.{c}", tx) for c in countries}
        reachable = [c for c in countries if self._post.directory.sealing_key(c, at, tx)]
        room = {c: self._charter.notices_per_tick - notices.waiting(tx, c) for c in reachable}
        return _Now(at, tick, heard, room)

    @staticmethod
    def _news(match: Found, now: _Now) -> tuple[Told | None, Told | None]:
        first, second = match.first, match.second
        decide = policy.notices if match.both_told_at is None else policy.notices_again
        return decide(
            first.standing(now.heard[first.country]),
            second.standing(now.heard[second.country]),
            Moment(at=now.at, tick=now.tick, found_tick=match.found_tick),
        )

    def _tell(self, tx: Transaction, match: Found, news: tuple[Told | None, Told | None], now: _Now) -> None:
        due = [
            (side, other, told)
            for side, other, told in ((match.first, match.second, news[0]), (match.second, match.first, news[1]))
            if told
        ]
        if not due or any(now.room.get(side.country, 0) < 1 for side, _, _ in due):
            return
        for side, other, told in due:
            now.room[side.country] -= 1
            notices.put(tx, side.country, self._notice(match, side, other, told, now.at))
        found.note_told(tx, match.match_ref, news, at=now.at)
        if news == ("both", "both") and match.both_told_at is None:
            statistics.count_told(tx, self._charter, match.pair, match.band, now.at)

    def _notice(self, match: Found, side: Side, other: Side, told: Told, at: datetime) -> MatchNotice:
        """Told alone, a side gets reference, other country and band; the common slot only when both know."""
        whole = at.replace(microsecond=0)
        days = timedelta(days=self._charter.decide_days)
        return MatchNotice(
            match_ref=match.match_ref,
            handle=side.handle,
            other_country=other.country,
            told=told,
            band=match.band,
            slot=side.slot if told == "both" else None,
            epoch=match.epoch,
            half_time=whole + days / 2,
            decide_by=whole + days,
        )
