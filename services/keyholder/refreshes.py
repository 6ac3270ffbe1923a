"""Refreshes of this holder's shares: new shares, the same key, in steps that can be cut short anywhere.

What the next step is follows from what `keys.*` has told and what the ring holds, and from nothing in memory: a holder
that was killed looks again and goes on, and doing a step twice changes nothing. The life of one refresh:

1. a custodian asks, or the cryptoperiod is over; both holders offer their parts (keys.refresh)
2. both reveal their parts to each other, sealed
3. both introduce their moved shares; now the new generation is active (events.generations)
4. the parts are destroyed; once both countries have said that no batch of theirs is open under the former generation,
   or the charter's overlap is over, the former share is destroyed too

A holder that does not answer leaves the former generation in force, however long it takes; what does not fit is given
up, and only a custodian begins anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import structlog

from events import generations
from events.charter import Charter, own_holders
from events.clock import Clock
from events.database import Database, Transaction
from events.errors import Refused
from events.generations import Offer
from events.messages import GenerationClosed, RefreshOffered, RefreshRevealed
from events.model import countries_of
from events.post import Post
from keys import refresh
from keys.errors import KeysError
from keys.refresh import Part, Place
from keys.ring import KeyRing, KeyVersion
from services.keyholder import plans
from services.keyholder.shares import Shares, generations_in, key_id

log = structlog.get_logger()

State = Literal["rest", "asked", "offered", "revealing", "introduced", "closing", "failed"]
Move = Literal["offer", "join", "reveal", "introduce"]
STEPS: Final[Mapping[State, int]] = {
    "asked": 0, "failed": 0, "offered": 1, "revealing": 2, "introduced": 3, "closing": 4, "rest": 5,
}  # fmt: skip
"""How many of the five steps are done."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that decides about one pair's next step.

    epoch    the pair's epoch in force, within which all of this is
    active   the generation in force          held     those whose shares this holder has
    newest   the newest generation that anybody offered, if it is not active yet; `mine` and `theirs` are offers to it
    wanted   a generation that this holder is to begin, above all that were offered
    failed   why the newest was given up; '': it was not
    spent    this holder's part of the newest is destroyed already
    """

    pair: str
    epoch: int
    active: int | None
    held: frozenset[int]
    newest: int | None
    wanted: int | None
    mine: Offer | None
    theirs: Offer | None
    is_introduced: bool
    is_answered: bool
    failed: str
    spent: bool

    @property
    def fault(self) -> str:
        """Why nothing can come of the newest generation; '': something can."""
        if self.mine and self.theirs and self.mine.base != self.theirs.base:
            return "The two holders offered to refresh different generations."
        if self.mine and self.theirs and self.mine.public == self.theirs.public:
            return "The other holder repeated what this one had offered, so nothing would move."
        if self.is_introduced and self.is_answered:
            return "The two new shares do not add up to the pair's key."
        return self.failed

    @property
    def move(self) -> Move | None:
        """The next step that this holder can take; None: there is nothing to do, or the other's turn."""
        if self.active is None:
            return None
        if self.newest is None or self.fault:
            return "offer" if self.wanted is not None and self.active in self.held else None
        if self.mine is None:
            joins = self.theirs is not None and self.theirs.base == self.active and self.active in self.held
            return "join" if joins and not self.spent else None
        if self.theirs is None or self.spent:
            return None
        if self.mine.box is None:
            return "reveal"
        return "introduce" if self.theirs.box is not None and not self.is_introduced else None

    @property
    def state(self) -> State:
        """How far it has come, in one word."""
        if self.newest is None or (self.fault and self.wanted is not None):
            is_closing = self.active is not None and min(self.held, default=self.active) < self.active
            return "asked" if self.wanted is not None else "closing" if is_closing else "rest"
        if self.fault:
            return "failed"
        if self.mine is None:
            return "asked"
        if self.theirs is None:
            return "offered"
        return "introduced" if self.is_introduced else "revealing"


@dataclass(frozen=True, slots=True)
class Progress:
    """What people are shown. `target`: the generation that is being made or was last."""

    pair: str
    epoch: int
    generation: int | None
    target: int
    since: datetime | None
    state: State
    done: int
    of: int
    reason: str
    """Of a refresh that was given up."""


class Refreshes:
    """One holder's refreshes. `step` is called in the holder's round; people ask from other threads."""

    def __init__(
        self, me: str, *, charter: Charter, digest: bytes, ring: KeyRing, database: Database, post: Post,
        shares: Shares, clock: Clock,
    ) -> None:  # fmt: skip
        self._me = me
        self._charter = charter
        self._digest = digest
        self._ring = ring
        self._db = database
        self._post = post
        self._shares = shares
        self._clock = clock

    # ---- people

    def ask(self, pair: str | None, staff: str) -> list[Progress]:
        """Begin a refresh of one pair's key, or of all; one that is under way goes on. Raises Refused."""
        if pair is not None and pair not in self._pairs:
            raise Refused("no_such_pair", "This holder has no share of that pair. Pairs are written KH-TH.")
        chosen = self._pairs if pair is None else (pair,)
        with self._db.transaction() as tx:
            for one in chosen:
                self._want(tx, one, "custodian", staff)
            return [self._progress(tx, one) for one in chosen]

    def progress(self) -> list[Progress]:
        """Of each pair."""
        with self._db.reading() as tx:
            return [self._progress(tx, pair) for pair in self._pairs]

    def hear(self, tx: Transaction, country: str, said: GenerationClosed) -> None:
        """A country has no batch open under older generations."""
        if said.pair in self._shares.pairs and country in countries_of(said.pair):
            plans.close(tx, country, said.pair, said.epoch, said.generation)

    # ---- steps

    def step(self) -> int:
        """Whatever can be done now, one step a pair. Returns how many."""
        return sum(self._step(pair) for pair in self._pairs if self._post.is_current(*own_holders(pair)))

    @property
    def _pairs(self) -> tuple[str, ...]:
        return tuple(pair for pair in self._shares.pairs if self._shares.refreshes(pair))

    def _step(self, pair: str) -> bool:
        with self._db.reading() as tx:
            standing = self._standing(tx, pair)
        if standing.move is not None:
            return self._do(standing, standing.move)
        return self._begin_when_due(standing) or self._tidy(standing)

    def _do(self, standing: Standing, move: Move) -> bool:
        try:
            if move in {"offer", "join"}:
                self._offer(standing)
            elif move == "reveal":
                self._reveal(standing)
            else:
                self._introduce(standing)
        except (KeysError, Refused) as error:
            self._give_up(standing, str(error))
        return True

    def _begin_when_due(self, standing: Standing) -> bool:
        """The first holder of a pair begins when the cryptoperiod is over. What failed waits for a custodian."""
        pair, active = standing.pair, standing.active
        is_mine = self._me == min(own_holders(pair)) and standing.state in {"rest", "closing"}
        if not is_mine or active is None or active not in standing.held:
            return False
        made = self._shares.entry(pair, standing.epoch, active).valid_from
        if self._clock.now() < made + timedelta(days=self._charter.refresh_days):
            return False
        with self._db.transaction() as tx:
            return self._want(tx, pair, "cryptoperiod", "")

    def _offer(self, standing: Standing) -> None:
        """Draw our part and offer it. If we crash before the offer is written, the part is in the ring, and is taken.

        By then both holders may have begun: who finds an offer to the same generation joins it.
        """
        pair, active = standing.pair, standing.active
        joined = standing.theirs if standing.newest is not None and not standing.fault else None
        generation = joined.generation if joined else standing.wanted
        if generation is None or active is None:
            return
        epoch = standing.epoch
        part = self._kept_part(pair, epoch, generation) or self._new_part(pair, epoch, generation)
        with self._db.transaction() as tx:
            reason = plans.refresh_reason(tx, pair, epoch, generation) or "joined"
            offered = RefreshOffered.model_validate({
                **self._place(standing, generation), "base": active, "public": part.public.hex(),
                "seal_to": part.seal_to.hex(), "reason": reason,
            })  # fmt: skip
            self._post.announce(tx, offered)
        log.info("refresh.offered", pair=pair, generation=generation, reason=reason)

    def _reveal(self, standing: Standing) -> None:
        """Both offers stand, so neither can be chosen by the other any more."""
        if standing.mine is None or standing.theirs is None:
            return
        part = self._part(standing)
        box = refresh.reveal(part, self._bound(standing, self._me), standing.theirs.seal_to)
        revealed = RefreshRevealed.model_validate({**self._place(standing, standing.mine.generation), "box": box})
        with self._db.transaction() as tx:
            self._post.announce(tx, revealed)

    def _introduce(self, standing: Standing) -> None:
        """Move our share and introduce it. Raises KeysError: the other revealed what it had not offered."""
        mine, theirs = standing.mine, standing.theirs
        if mine is None or theirs is None or theirs.box is None:
            return
        part = self._part(standing)
        delta = refresh.opened(part, theirs.box, self._bound(standing, theirs.holder), theirs.public)
        base = self._shares.of(standing.pair, standing.epoch, mine.base)
        self._shares.introduce(refresh.moved(base, part.delta, delta, mine.generation))
        log.info("refresh.introduced", pair=standing.pair, generation=mine.generation)

    def _give_up(self, standing: Standing, reason: str) -> None:
        """The former generation stays in force. A custodian may begin anew when it is settled with the other side."""
        generation = standing.wanted if standing.newest is None or standing.fault else standing.newest
        with self._db.transaction() as tx:
            plans.fail_refresh(tx, standing.pair, standing.epoch, generation or 0, reason)
        log.error("refresh.failed", pair=standing.pair, generation=generation)

    # ---- what is over

    def _tidy(self, standing: Standing) -> bool:
        """Destroy parts that nothing can come of any more, and shares of generations that are closed."""
        if standing.active is None:
            return False
        return self._destroy_parts(standing) or self._destroy_shares(standing, standing.active)

    def _destroy_parts(self, standing: Standing) -> bool:
        """Who has a part has the way back from a new share to the old one."""
        newest = standing.newest if not standing.fault else None
        alive = [(g, v) for g, v in self._parts(standing.pair, standing.epoch).items() if v.state != "destroyed"]
        over = [v.id for g, v in alive if g not in {newest, standing.wanted}]
        for name in over:
            self._ring.destroy("refresh", name)
        return bool(over)

    def _destroy_shares(self, standing: Standing, active: int) -> bool:
        """The former shares, once no batch can want them; never before the active one is ours."""
        over = [g for g in standing.held if g < active]
        if not over or active not in standing.held:
            return False
        pair, epoch = standing.pair, standing.epoch
        with self._db.reading() as tx:
            since = plans.active_since(tx, pair, epoch, active)
            is_closed = plans.closed_by(tx, pair, epoch, active) >= set(countries_of(pair))
        if since is None:
            with self._db.transaction() as tx:
                plans.note_active(tx, pair, epoch, active, self._clock.now())
            return True
        if not is_closed and self._clock.now() < since + timedelta(days=self._charter.refresh_overlap_days):
            return False
        for generation in over:
            self._shares.destroy(pair, epoch, generation)
        log.info("refresh.done", pair=pair, generation=active, count=len(over))
        return True

    # ---- looking

    def _standing(self, tx: Transaction, pair: str) -> Standing:
        directory = self._post.directory
        in_force = directory.epoch(pair, tx)
        epoch = in_force.number if in_force else self._charter.matching_epoch
        (other,) = (holder for holder in own_holders(pair) if holder != self._me)
        active = directory.active_generation(pair, epoch, tx)
        offered = directory.offers(tx, pair, epoch)
        newest = max((g for g in offered if active is None or g > active), default=None)
        of_newest = offered.get(newest, {}) if newest is not None else {}
        # What is asked for here, and was offered by the other in the meantime, is the same one.
        wanted = plans.wanted_refresh(tx, pair, epoch, above=max([active or 0, *offered]))
        part = self._parts(pair, epoch).get(newest) if newest is not None else None

        def introduced(holder: str) -> bool:
            return newest is not None and directory.share(pair, epoch, holder, newest, tx) is not None

        return Standing(
            pair=pair,
            epoch=epoch,
            active=active,
            held=self._shares.generations(pair, epoch),
            newest=newest,
            wanted=wanted,
            mine=of_newest.get(self._me),
            theirs=of_newest.get(other),
            is_introduced=introduced(self._me),
            is_answered=introduced(other),
            failed=plans.failed_refresh(tx, pair, epoch, newest) if newest is not None else "",
            spent=part is not None and part.state == "destroyed",
        )

    def _want(self, tx: Transaction, pair: str, reason: str, staff: str) -> bool:
        """Write down that a refresh is to begin, unless one is under way. Returns whether it was written.

        Raises Refused where somebody asks and all generations of the epoch are used up; where only the period is over,
        nothing is begun then.
        """
        standing = self._standing(tx, pair)
        epoch = standing.epoch
        if standing.wanted is not None or (standing.newest is not None and not standing.fault):
            return False
        used = [standing.active or 0, standing.newest or 0, *standing.held, *self._parts(pair, epoch)]
        generation = max(used) + 1
        if generation >= generations.MOST:
            if reason == "cryptoperiod":
                return False
            raise Refused(
                "no_more_generations", f"The key of {pair} was refreshed {generations.MOST - 1} times in this epoch, "
                "which is all there can be: begin a new epoch."
            )  # fmt: skip
        plans.want_refresh(tx, pair, epoch, generation, reason, staff, self._clock.now())
        return True

    def _progress(self, tx: Transaction, pair: str) -> Progress:
        standing = self._standing(tx, pair)
        active, state = standing.active, standing.state
        under_way = standing.wanted if standing.newest is None or standing.fault else standing.newest
        has_share = active is not None and active in standing.held
        return Progress(
            pair=pair,
            epoch=standing.epoch,
            generation=active,
            target=(under_way if under_way is not None else standing.newest or active) or 0,
            since=self._shares.entry(pair, standing.epoch, active).valid_from
            if active is not None and has_share
            else None,
            state=state,
            done=STEPS[state],
            of=STEPS["rest"],
            reason=standing.fault if state == "failed" else "",
        )

    # ---- parts in the ring

    def _place(self, standing: Standing, generation: int) -> dict[str, object]:
        return {"pair": standing.pair, "epoch": standing.epoch, "generation": generation, "holder": self._me}

    def _bound(self, standing: Standing, holder: str) -> Place:
        return Place(self._digest, standing.pair, standing.epoch, standing.newest or 0, holder)

    def _parts(self, pair: str, epoch: int) -> dict[int, KeyVersion]:
        """Generation -> the part that this holder has, or had, for the refresh that makes it."""
        return generations_in(self._ring, "refresh", pair, epoch)

    def _kept_part(self, pair: str, epoch: int, generation: int) -> Part | None:
        version = self._parts(pair, epoch).get(generation)
        return Part.kept(version.secret, version.public) if version and version.secret and version.public else None

    def _new_part(self, pair: str, epoch: int, generation: int) -> Part:
        part = refresh.draw()
        place = key_id(pair, epoch, generation)
        self._ring.add("refresh", place, part.secret, public=part.offered, valid_from=self._clock.now())
        return part

    def _part(self, standing: Standing) -> Part:
        part = self._kept_part(standing.pair, standing.epoch, standing.newest or 0)
        if part is None or standing.mine is None or part.public != standing.mine.public:
            raise Refused(
                "part_lost", f"The ring has not the part that was offered to refresh {standing.pair}: it is older than "
                "the offer. Begin another refresh."
            )  # fmt: skip
        return part
