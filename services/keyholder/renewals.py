"""Renewals of this holder's pairs' keys: new shares, another key, a new epoch beside the old one.

As with refreshes, the next step follows from what `keys.*` has told and what the ring holds: a holder that was killed
looks again and goes on. The life of one renewal:

1. a custodian asks, with a reason, or the cryptoperiod is over; this holder introduces a fresh share: PREPARED
2. the other holder introduces its own, by itself if its share is not young, else when its custodian asks too; from then
   on the new epoch is ACTIVE for whoever has read both shares, and countries issue tokens in it alone
3. both countries make all that is out anew; once they have said that no batch of theirs is open in the former epoch, or
   the charter's overlap is over, its shares are destroyed, in all generations

So a holder that renews alone, for ever, makes no country replay more often than the charter's days allow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import structlog

from events import epochs as introduced
from events.charter import Charter, own_holders
from events.clock import Clock
from events.database import Database, Transaction
from events.errors import Refused
from events.messages import RenewalReason
from events.model import countries_of
from events.post import Post
from keys import epochs
from keys.ring import KeyRing
from services.keyholder import book, plans
from services.keyholder.shares import Shares, place_of

log = structlog.get_logger()

State = Literal["rest", "asked", "awaited", "prepared", "draining", "failed"]
STEPS: Final[Mapping[State, int]] = {"asked": 0, "failed": 0, "awaited": 0, "prepared": 1, "draining": 2, "rest": 3}
"""How many of the three steps are done."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that decides about one pair's next step.

    active  the epoch in force
    mine    the newest epoch that this holder has introduced; theirs: that another has; behind: that all others have
    wanted  an epoch that this holder is to introduce    held   the epochs whose shares it has
    joins   it may follow the other by itself
    agrees  the other means the schema version of this holder's charter
    """

    pair: str
    active: int | None
    mine: int
    theirs: int
    behind: int
    wanted: int | None
    held: frozenset[int]
    joins: bool
    agrees: bool

    @property
    def is_ahead(self) -> bool:
        """Another holder has introduced the epoch after this holder's."""
        return self.theirs > self.mine

    @property
    def introduces(self) -> int | None:
        """The epoch whose share this holder introduces now; None: there is nothing to do, or the other's turn."""
        if self.wanted is None and not (self.is_ahead and self.joins):
            return None
        return self.mine + 1 if self.agrees or not self.is_ahead else None

    @property
    def state(self) -> State:
        if self.wanted is not None:
            return "asked"
        if self.active is None or self.mine > self.active:
            return "failed" if self.behind >= self.mine else "prepared"
        if self.is_ahead:
            return "awaited"
        return "draining" if min(self.held, default=self.active) < self.active else "rest"


@dataclass(frozen=True, slots=True)
class Progress:
    """What people are shown.

    epoch      in force               target   the one that is being made or was last
    evaluated  in the target, for both countries; `before`: in the epoch before it
    reason     why nothing comes of it, or whom it waits for
    """

    pair: str
    epoch: int | None
    target: int
    since: datetime | None
    state: State
    done: int
    of: int
    evaluated: int
    before: int
    reason: str


_WHY: Final[Mapping[State, str]] = {
    "failed": "The two holders introduced it for different schema versions. Ask once more when both have one charter.",
    "awaited": "The other holder has begun a new epoch, and this share is young: this holder follows when it is asked.",
}


class Renewals:
    """One holder's renewals. `step` is called in the holder's round; people ask from other threads."""

    def __init__(
        self, me: str, *, charter: Charter, ring: KeyRing, database: Database, post: Post, shares: Shares, clock: Clock
    ) -> None:
        self._me = me
        self._charter = charter
        self._ring = ring
        self._db = database
        self._post = post
        self._shares = shares
        self._clock = clock

    # ---- people

    def ask(self, pair: str | None, reason: RenewalReason, staff: str) -> list[Progress]:
        """Begin a new epoch of one pair's key, or of all; one that is under way goes on. Raises Refused."""
        if pair is not None and pair not in self._shares.pairs:
            raise Refused("no_such_pair", "This holder has no share of that pair. Pairs are written KH-TH.")
        chosen = self._shares.pairs if pair is None else (pair,)
        with self._db.transaction() as tx:
            for one in chosen:
                self._want(tx, one, reason, staff)
            return [self._progress(tx, one) for one in chosen]

    def progress(self) -> list[Progress]:
        """Of each pair."""
        with self._db.reading() as tx:
            return [self._progress(tx, pair) for pair in self._shares.pairs]

    # ---- steps

    def step(self) -> int:
        """Whatever can be done now, one step a pair. Returns how many."""
        holders_of = self._charter.holders_of
        return sum(self._step(pair) for pair in self._shares.pairs if self._post.is_current(*holders_of(pair)))

    def _step(self, pair: str) -> bool:
        with self._db.reading() as tx:
            standing = self._standing(tx, pair)
            reason = plans.renewal_reason(tx, pair, standing.introduces or 0) or "joined"
        if standing.introduces is not None:
            self._shares.begin(pair, standing.introduces, reason)
            log.info("renewal.introduced", pair=pair, epoch=standing.introduces, reason=reason)
            return True
        return self._begin_when_due(standing) or self._tidy(standing)

    def _begin_when_due(self, standing: Standing) -> bool:
        """The first holder of a pair begins when the cryptoperiod is over: a time, or a number of evaluations."""
        pair, active = standing.pair, standing.active
        is_mine = self._me == min(own_holders(pair)) and standing.state in {"rest", "draining"}
        if not is_mine or active is None:
            return False
        if not self._is_old(pair, active, self._charter.renew_days) and not self._is_used_up(pair, active):
            return False
        with self._db.transaction() as tx:
            return self._want(tx, pair, "period", "")

    def _is_old(self, pair: str, epoch: int, days: int) -> bool:
        made = self._shares.begun(pair, epoch)
        return made is not None and self._clock.now() >= made + timedelta(days=days)

    def _is_used_up(self, pair: str, epoch: int) -> bool:
        with self._db.reading() as tx:
            used = book.evaluated_in(tx, pair, epoch)
        return used >= epochs.MOST_EVALUATIONS

    # ---- what is over

    def _tidy(self, standing: Standing) -> bool:
        """Of former epochs: parts of refreshes at once, shares when no batch can want them."""
        pair, active = standing.pair, standing.active
        if active is None or active not in standing.held:
            return False
        alive = [version.id for version in self._ring.versions("refresh") if version.state != "destroyed"]
        parts = [name for name in alive if _is_before(name, pair, active)]
        for name in parts:
            self._ring.destroy("refresh", name)
        return bool(parts) or self._destroy_shares(standing, active)

    def _destroy_shares(self, standing: Standing, active: int) -> bool:
        pair = standing.pair
        former = sorted(epoch for epoch in standing.held if epoch < active)
        if not former:
            return False
        with self._db.reading() as tx:
            since = plans.active_since(tx, pair, active, 0)
            over = [epoch for epoch in former if self._is_over(tx, pair, epoch)]
        if since is None:
            with self._db.transaction() as tx:
                plans.note_active(tx, pair, active, 0, self._clock.now())
            return True
        for epoch in over:
            self._shares.destroy_epoch(pair, epoch)
            with self._db.transaction() as tx:
                book.forget_epoch(tx, pair, epoch)
            log.info("renewal.done", pair=pair, epoch=active)
        return bool(over)

    def _is_over(self, tx: Transaction, pair: str, epoch: int) -> bool:
        overlap = timedelta(days=self._charter.refresh_overlap_days)
        closed, since = plans.closed_epochs(tx, pair), plans.later_since(tx, pair, epoch)
        return epochs.is_over(
            countries_of(pair), closed, epoch, since=since, now=self._clock.now(), overlap=overlap
        )

    # ---- looking

    def _standing(self, tx: Transaction, pair: str) -> Standing:
        known = introduced.known(tx, pair)
        in_force = introduced.in_force(tx, self._charter, pair)
        holders = self._charter.holders_of(pair)
        own = {h: [epoch.number for epoch in known if h in epoch.schemas] for h in holders}
        newest = max(own[self._me], default=0)
        others = [max(own[holder], default=0) for holder in holders if holder != self._me]
        meant = {schema for epoch in known if epoch.number == newest + 1 for schema in epoch.schemas.values()}
        wanted = plans.wanted_renewal(tx, pair, above=newest)
        return Standing(
            pair=pair,
            active=in_force.number if in_force else None,
            mine=newest,
            theirs=max(others),
            behind=min(others),
            wanted=wanted,
            held=self._shares.epochs(pair),
            joins=self._is_old(pair, newest, self._charter.renew_least_days),
            agrees=meant <= {self._charter.schema_version},
        )

    def _want(self, tx: Transaction, pair: str, reason: RenewalReason, staff: str) -> bool:
        """Write down that an epoch is to begin, unless one is under way. Returns whether it was written.

        Raises Refused where somebody asks and there can be no more; where only the period is over, nothing is begun.
        """
        standing = self._standing(tx, pair)
        if standing.state in {"asked", "prepared"}:
            return False
        own = [epoch.number for epoch in introduced.known(tx, pair) if self._me in epoch.schemas]
        number = standing.mine + 1
        if not epochs.may_introduce(number, own, self._charter.matching_epoch):
            if reason == "period":
                return False
            raise Refused(
                "no_more_epochs", f"The key of {pair} had {epochs.MOST} epochs, which is all there can be: agree on a "
                "charter with a higher matching_epoch."
            )  # fmt: skip
        plans.want_renewal(tx, pair, number, reason, staff, self._clock.now())
        return True

    def _progress(self, tx: Transaction, pair: str) -> Progress:
        standing = self._standing(tx, pair)
        state = standing.state
        target = standing.wanted or (standing.theirs if state == "awaited" else standing.mine)
        return Progress(
            pair=pair,
            epoch=standing.active,
            target=target,
            since=self._shares.begun(pair, standing.active) if standing.active is not None else None,
            state=state,
            done=STEPS[state],
            of=STEPS["rest"],
            evaluated=book.evaluated_in(tx, pair, target),
            before=book.evaluated_in(tx, pair, target - 1),
            reason=_WHY.get(state, ""),
        )


def _is_before(name: str, pair: str, epoch: int) -> bool:
    of, number, _ = place_of(name)
    return of == pair and number < epoch
