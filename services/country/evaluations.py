"""Batches of identifiers on their way through the two key holders of each pair.

A node that is killed goes on with the same request, which costs no quota twice. A holder that is down holds up its own
pairs alone. A holder that answers wrongly is named, its signed answer kept as evidence, and its pair stopped until an
operator resumes it: none of its answers is used. So is one that refuses for good, or the same batch again and again:
its signed refusal is the evidence.

A pair's key is refreshed while batches are under way: one that was begun under an older generation is finished under
it, and begun anew where a holder has destroyed its share of that one. Once none is open there, the holders are told,
and need not keep it longer. So with epochs, which are renewed: what is new is made in the one in force, and what is out
in a former one is made anew in it, people who wait first.

With cover, a batch waits for the tick, at which each holder of each pair gets exactly one request of one size, made up
with random inputs; the surplus waits.
"""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import structlog

from events import generations, introductions
from events.charter import Charter, Topic, share_generation
from events.clock import Clock, day_of
from events.database import Database, Transaction
from events.envelope import Header
from events.errors import NotYet, Refused
from events.evidence import Evidence
from events.linkage import Row
from events.messages import (
    Body,
    Evaluated,
    EvaluationAsked,
    EvaluationPurpose,
    EvaluationRefused,
    GenerationClosed,
    Item,
)
from events.model import other_country
from events.post import Post
from keys import group, labels
from matching import recipes, tokens
from services.country import batches, judging, renewals, stopped
from services.country.batches import Answer, Batch
from services.country.batches import Refused as Refusal
from services.country.identifiers import canonical_of
from services.country.publications import Publications
from services.country.records import Records
from services.country.renewals import Renewals

log = structlog.get_logger()

OPEN_BATCHES: Final = 2
"""Batches of one pair under way at once: while one is with the holders, the next is made."""
_LONGEST_WAIT: Final = timedelta(days=2)
"""A quota is a day's: a holder that puts us off for longer does not mean to answer."""
_REFUSALS_A_DAY: Final = 4
"""One of a batch is a spent quota's; a few more, a tick apart, are clocks that differ. Beyond, it means to go on."""
_OVER: Final = ("unknown_epoch", "unknown_generation")
_LONGEST: Final = 10**6
"""An epoch number with more digits than any that is in use."""


@dataclass(frozen=True, slots=True)
class Key:
    """A pair's key in force: its epoch, the generation of its shares, and the schema version of what is hashed."""

    epoch: int
    generation: int
    schema_version: int


class Evaluations:
    """One node's batches. `digest` is the charter's; `store_key` seals blinds at rest."""

    def __init__(
        self,
        country: str,
        charter: Charter,
        digest: bytes,
        *,
        post: Post,
        records: Records,
        publications: Publications,
        renewals: Renewals,
        database: Database,
        store_key: bytes,
        clock: Clock,
    ) -> None:
        self._country = country
        self._charter = charter
        self._digest = digest
        self._post = post
        self._records = records
        self._publications = publications
        self._renewals = renewals
        self._db = database
        self._store_key = store_key
        self._clock = clock
        self._without_allowance: set[str] = set()
        self._without_rotation: set[tuple[str, int]] = set()
        self._nobody: dict[str, int] = {}  # pair -> the turn at which nobody waited there: no need to look again
        self._renewed: dict[str, tuple[int, int]] = {}  # pair -> the turn and epoch in which nothing was left there
        self._topics = {t.reader: t for t in charter.written_by(country) if t.family == "evaluate"}

    def ask(self) -> int:
        """Make a batch for every pair that has people approved, or tokens to be made anew. Returns how many."""
        with self._db.reading() as tx:
            turn = self._publications.turn(tx)
            keys = {pair: self._key(pair, tx) for pair in self._pairs(tx)}
        return sum(
            self._ask(pair, key, turn) or self._renew(pair, key, turn)
            for pair, key in keys.items()
            if key
        )

    def _pairs(self, tx: Transaction) -> list[str]:
        """Those of our pairs whose agreement has not ended."""
        return [p for p in self._charter.pairs_of(self._country) if not self._post.directory.is_ended(p, tx)]

    def _ask(self, pair: str, key: Key, turn: int) -> bool:
        if self._nobody.get(pair) == turn:
            return False
        country = other_country(pair, self._country)
        with self._db.reading() as tx:
            if batches.open_count(tx, pair) >= OPEN_BATCHES or not self._may_ask(tx, pair):
                return False
            most = self._room(pair, tx) // len(self._charter.slots)
            people = self._publications.approved(tx, country, most)
            inputs = self._inputs(tx, people, key)
        if not people:
            self._nobody[pair] = turn
            return False
        self._begin(pair, key, "match", people, inputs, self._publications)
        return True

    def _renew(self, pair: str, key: Key, turn: int) -> bool:
        """Make anew what is out in former epochs, a batch at a time and never in the way of who waits; note the end."""
        if self._renewed.get(pair) == (turn, key.epoch):
            return False
        country = other_country(pair, self._country)
        with self._db.reading() as tx:
            if batches.open_count(tx, pair) or not self._may_ask(tx, pair):
                return False
            most = self._rotation_room(pair, key, tx) // len(self._charter.slots)
            people = self._renewals.waiting(tx, country, key.epoch, most)
            inputs = self._inputs(tx, people, key)
        if not people:
            self._renewed[pair] = (turn, key.epoch)
            return self._note_renewed(pair, key)
        purpose: EvaluationPurpose = "rotation" if self._rotates(pair, key) else "match"
        self._begin(pair, key, purpose, people, inputs, self._renewals)
        return True

    def _begin(
        self,
        pair: str,
        key: Key,
        purpose: EvaluationPurpose,
        people: tuple[UUID, ...],
        inputs: list[bytes | None],
        line: Publications | Renewals,
    ) -> None:
        """Blind, which nobody need wait for, and put a batch under way, unless they wait in their line no more."""
        batch, country = self._blind(pair, key, purpose, people, inputs), other_country(pair, self._country)
        with self._db.transaction() as tx:
            # Meanwhile somebody may have withdrawn, or was corrected, erased or declared unsafe: then all is made anew.
            if line.are_waiting(tx, country, key.epoch, people) and self._inputs(tx, people, key) == inputs:
                batches.keep(tx, batch, self._store_key, self._clock.now().isoformat())
                line.start(tx, batch.id, people, country)

    def _note_renewed(self, pair: str, key: Key) -> bool:
        """All that is out stands in the epoch in force: the first time, the matcher is to be told."""
        if key.epoch == 1:
            return False
        with self._db.transaction() as tx:
            if renewals.is_noted(tx, pair, key.epoch):
                return False
            if batches.open_count(tx, pair) or not self._renewals.is_done(
                tx, other_country(pair, self._country), key.epoch
            ):
                return False
            renewals.note_done(tx, pair, key.epoch)
        return True

    def _rotates(self, pair: str, key: Key) -> bool:
        """Whether what is made anew counts by itself: with cover no request may differ from another."""
        return not self._charter.cover and (pair, key.epoch) not in self._without_rotation

    def _rotation_room(self, pair: str, key: Key, tx: Transaction) -> int:
        return self._charter.batch_limit if self._rotates(pair, key) else self._room(pair, tx)

    def renewing(self, tx: Transaction) -> dict[str, int]:
        """Pair -> how many rows are out in former epochs alone; pairs without any are left out."""
        keys = {pair: self._key(pair, tx) for pair in self._pairs(tx)}
        left = {
            pair: self._renewals.left(tx, other_country(pair, self._country), key.epoch)
            for pair, key in keys.items()
            if key
        }
        return {pair: count for pair, count in left.items() if count}

    def send(self) -> int:
        """Without cover: give each holder what it has not been sent. One that we cannot seal to yet waits."""
        if self._charter.cover:
            return 0
        with self._db.reading() as tx:
            closed = {pair: self._closed(tx, pair) for pair in self._pairs(tx)}
        return sum(
            self._send(pair, holder) + self._send_closed(holder, closed[pair])
            for pair in closed
            for holder in self._charter.holders_of(pair)
        )

    def _send(self, pair: str, holder: str) -> int:
        with self._db.reading() as tx:
            name = batches.unsent(tx, pair, holder)
            batch = batches.load(tx, name, self._store_key) if name else None
        if batch is None:
            return 0
        with suppress(NotYet), self._db.transaction() as tx:
            self._post.write(tx, self._topics[holder], [_request(batch)])
            batches.mark_sent(tx, batch.id, holder)
            return 1
        return 0

    def _send_closed(self, holder: str, closed: GenerationClosed) -> int:
        """Tell a holder, once, that no batch is open any more under a former epoch or generation."""
        with self._db.reading() as tx:
            if (closed.epoch, closed.generation) == (1, 0) or batches.is_told_closed(tx, holder, closed):
                return 0
        with suppress(NotYet), self._db.transaction() as tx:
            self._post.write(tx, self._topics[holder], [closed])
            batches.tell_closed(tx, holder, closed)
            return 1
        return 0

    def _closed(self, tx: Transaction, pair: str) -> GenerationClosed:
        """The oldest key that a batch is open under, or else the one that the next will be made under."""
        oldest, key = batches.oldest_key(tx, pair), self._key(pair, tx)
        active = (key.epoch, key.generation) if key else (self._charter.matching_epoch, 0)
        epoch, generation = active if oldest is None else min(oldest, active)
        return GenerationClosed(pair=pair, epoch=epoch, generation=generation)

    def _room(self, pair: str, tx: Transaction) -> int:
        """Elements of one request: with cover always as many; without, no more than a day of all holders allows."""
        charter = self._charter
        if charter.cover:
            return charter.cover_evaluations
        allowed = 0 if pair in self._without_allowance else self._allowed(pair, tx)
        return min(charter.batch_limit, charter.quota_per_day + allowed)

    def _allowed(self, pair: str, tx: Transaction) -> int:
        """What all of the pair's holders allow us beyond the daily quota now."""
        holders, directory, now = self._charter.holders_of(pair), self._post.directory, self._clock.now()
        return min(sum(a.count for a in directory.allowances(h, self._country, pair, now, tx)) for h in holders)

    def _may_ask(self, tx: Transaction, pair: str) -> bool:
        """Neither stopped nor ended, as far as its holders had said when we opened; all shares are introduced, for a
        schema that this version makes.
        """
        if self._post.directory.is_ended(pair, tx) or not self._post.is_current(*self._charter.holders_of(pair)):
            return False
        key = self._key(pair, tx)
        return not stopped.is_stopped(tx, pair) and key is not None and recipes.is_made(key.schema_version)

    def _inputs(self, tx: Transaction, people: Sequence[UUID], key: Key) -> list[bytes | None]:
        persons = (self._records.person(tx, person_id) for person_id in people)
        slots, schema = self._charter.slots, key.schema_version
        return [one for p in persons for one in recipes.inputs(canonical_of(p), slots, schema)]

    def _blind(
        self, pair: str, key: Key, purpose: EvaluationPurpose, people: tuple[UUID, ...], inputs: list[bytes | None]
    ) -> Batch:
        room = self._charter.cover_evaluations if self._charter.cover else len(inputs)
        cover: list[bytes | None] = [None] * (room - len(inputs))
        blinding = tokens.blind([*inputs, *cover])
        return Batch(
            uuid4(),
            pair,
            key.epoch,
            key.generation,
            purpose,
            people,
            tuple(blinding.blinds),
            tuple(bytes(b) for b in blinding.blinded),
        )

    def covered(self, tx: Transaction, topic: Topic) -> list[Item]:
        """With cover: what one holder gets at this tick, one request a pair, real or random, all of one size.

        And each pair's oldest open generation, every time: said when it changes, it would tell when tokens were made.
        """
        holder = topic.reader or ""
        pairs = [p for p in self._charter.pairs_of(self._country) if holder in self._charter.holders_of(p)]
        asked = [p for p in pairs if self._may_ask(tx, p)]
        return [*(self._covered(tx, p, holder) for p in asked), *(self._closed(tx, p) for p in asked)]

    @staticmethod
    def covered_size(items: Sequence[Item]) -> int:
        """Bytes of a body of these items, whichever epochs and generations they name."""
        longest = [item.model_copy(update={"epoch": _LONGEST, "generation": generations.MOST}) for item in items]
        return len(Body(items=tuple(longest)).model_dump_json())

    def _covered(self, tx: Transaction, pair: str, holder: str) -> EvaluationAsked:
        waiting = batches.unsent(tx, pair, holder)
        batch = batches.load(tx, waiting, self._store_key) if waiting else None
        if batch is None:
            cover = [secrets.token_bytes(32) for _ in range(self._charter.cover_evaluations)]
            blinded = group.hash_to_group(cover, labels.TOKEN_TO_GROUP)
            key = self._key(pair, tx) or Key(self._charter.matching_epoch, 0, self._charter.schema_version)
            return _request(Batch(uuid4(), pair, key.epoch, key.generation, "match", (), (), tuple(blinded)))
        batches.mark_sent(tx, batch.id, holder)
        return _request(batch)

    def take(self, tx: Transaction, header: Header, body: Body) -> None:
        """Keep what a holder answered. Answers to cover, and to batches settled since, are dropped."""
        for item in body.items:
            if isinstance(item, Evaluated | EvaluationRefused):
                rows = tx.execute("SELECT pair FROM batches WHERE id = ?", (str(item.batch),))
                if rows and header.writer in self._charter.holders_of(rows[0][0]):
                    self._keep(tx, header.writer, item)

    def _keep(self, tx: Transaction, holder: str, item: Answer) -> None:
        if isinstance(item, Evaluated):
            batches.keep_answer(tx, holder, item)
        else:
            batches.keep_refusal(tx, holder, item, day_of(self._clock.now()))

    def settle(self) -> int:
        """Finish every batch that all holders have answered; look at refusals, and ask again whose time has come."""
        now = self._clock.now().isoformat()
        with self._db.reading() as tx:
            refused = [(batches.load(tx, one.batch, self._store_key), one) for one in batches.refused(tx)]
            answered = [
                (batches.load(tx, name, self._store_key), batches.answers(tx, name))
                for name, pair, count in batches.answered(tx)
                if count == len(self._charter.holders_of(pair))
            ]
            due = batches.due(tx, now)
        for batch, one in refused:
            if batch is not None:
                self._refused(batch, one)
        for batch, answers in answered:
            if batch is not None:
                self._settle(batch, answers)
        if due:
            with self._db.transaction() as tx:
                for name, holder in due:
                    batches.ask_again(tx, name, holder)
        return len(refused) + len(answered) + len(due)

    def _settle(self, batch: Batch, answers: Mapping[str, Evaluated]) -> None:
        holders = self._charter.holders_of(batch.pair)
        for holder in holders:
            share = self._post.directory.share(batch.pair, batch.epoch, holder, batch.generation)
            fault = judging.fault(
                batch, share, answers[holder], asker=self._country, charter=self._charter, digest=self._digest
            )
            if fault:
                self._stop(batch, holder, answers[holder], fault)
                return
        first, second, *outside = (batches.split(answers[h].elements) for h in holders)
        self._publish(batch, tokens.unblind(batch.blinds, first, second, *outside))

    def _refused(self, batch: Batch, refusal: Refusal) -> None:
        """Over quota: wait and ask again, or ask for less at once. Anything else is for people to look at."""
        said = refusal.said
        fault = judging.refusal_fault(
            batch, refusal.holder, said, asker=self._country, charter=self._charter, digest=self._digest
        )
        key = self._key(batch.pair)
        counted_on = len(batch.blinded) > self._charter.quota_per_day  # an allowance, which may be used up
        if fault:
            self._stop(batch, refusal.holder, said, fault)
        elif said.reason == "over_quota" and said.retry_at is None and batch.purpose == "rotation":
            self._without_rotation.add((batch.pair, batch.epoch))
            self._begin_anew(batch)
        elif said.reason == "over_quota" and said.retry_at is None and counted_on:
            self._without_allowance.add(batch.pair)
            self._begin_anew(batch)
        elif said.reason in _OVER and key and (batch.epoch, batch.generation) < (key.epoch, key.generation):
            self._begin_anew(batch)  # the holder has kept the old share as long as it had to
        else:
            self._wait(batch, refusal)

    def _wait(self, batch: Batch, refusal: Refusal) -> None:
        """Ask the same again when the holder says, or stop a pair whose holder does not mean to answer."""
        said, now = refusal.said, self._clock.now()
        # A key that is in force for us: `keys.*` may be late to tell us of the next one. The holder cannot know.
        # The same of an agreement that ended: nothing comes of the batch once it has told us so.
        again = now if said.reason in {*_OVER, "agreement_ended"} else said.retry_at
        if again is None or again > now + _LONGEST_WAIT:
            self._stop(batch, refusal.holder, said, f"It refuses: {said.reason}.")
        elif refusal.times > _REFUSALS_A_DAY:
            self._stop(batch, refusal.holder, said, f"It refused one batch {refusal.times} times in a day.")
        else:
            # A tick, at least: where its clock is behind ours, it would say the same again at once.
            until = max(again, self._next_tick())
            with self._db.transaction() as tx:
                batches.put_off(tx, batch.id, refusal.holder, until.astimezone(UTC).isoformat())

    def _next_tick(self) -> datetime:
        next_one = self._charter.tick_at(self._clock.now()) + 1
        return datetime.fromtimestamp(next_one * self._charter.tick_seconds, UTC)

    def _begin_anew(self, batch: Batch) -> None:
        """Nothing comes of this batch, through nobody's fault: no day has room for this many, since an allowance that
        we counted on is used up, or its key is over. Its people wait again, for the next one.
        """
        with self._db.transaction() as tx:
            self._put_back(tx, batch)

    def _put_back(self, tx: Transaction, batch: Batch) -> None:
        self._publications.put_back(tx, batch.id)
        self._renewals.put_back(tx, batch.id)
        batches.forget(tx, batch.id)
        self._renewed.pop(batch.pair, None)

    def _stop(self, batch: Batch, holder: str, answer: Answer, reason: str) -> None:
        """Name the holder, keep the evidence, put the people back in line, ask this pair no more."""
        now, generation = self._clock.now(), share_generation(batch.pair, holder, batch.generation)
        with self._db.transaction() as tx:
            record = Evidence(
                charter_version=self._charter.version,
                charter_digest=self._digest.hex(),
                requester=self._country,
                holder=holder,
                request=_request(batch),
                answer=answer,
                introduction=introductions.envelope_of(tx, batch.pair, batch.epoch, generation, holder),
                reason=reason,
                found_at=now,
            )
            stopped.stop(tx, record)
            self._put_back(tx, batch)
        log.error("holder.stopped", holder=holder, pair=batch.pair, batch=str(batch.id))

    def _publish(self, batch: Batch, made: Sequence[tokens.Token]) -> None:
        width = len(self._charter.slots)
        country = other_country(batch.pair, self._country)
        with self._db.transaction() as tx:
            schema = self._post.directory.schema_of(tx, batch.pair, batch.epoch) or self._charter.schema_version
            for i, person_id in enumerate(batch.people):
                row = Row(batch.epoch, schema, b"".join(made[i * width : (i + 1) * width]))
                self._publications.finish(tx, batch.id, country, person_id, row)
                self._renewals.finish(tx, batch.id, country, person_id, row)
            batches.forget(tx, batch.id)
            # What was made in a former epoch is to be made anew in the one that is in force now.
            self._renewed.pop(batch.pair, None)
        log.info("tokens.made", pair=batch.pair, count=len(made))

    def resume(self, pair: str) -> None:
        """An operator has settled it with the holder: ask this pair again. Raises Refused("no_such_pair")."""
        if pair not in self._charter.pairs_of(self._country):
            raise Refused("no_such_pair", "This country has no agreement of that name. Pairs are written KH-TH.")
        with self._db.transaction() as tx:
            stopped.resume(tx, pair)

    def evidence(self) -> list[dict[str, object]]:
        """Every wrong answer and refusal that stopped a pair, as events.evidence has them: oldest first."""
        with self._db.reading() as tx:
            return stopped.evidence(tx)

    def waits_for(self, tx: Transaction) -> dict[str, str]:
        """Pair -> why nothing is asked or answered there: for the operator."""
        silent = {pair: f"{holder} has not answered since {at}" for pair, holder, at in batches.silent(tx)}
        spent = {
            pair: f"{holder} has put a batch off until {datetime.fromisoformat(until)}"
            for pair, holder, until in batches.waiting(tx)
        }
        unknown = {
            pair: f"{holder} has introduced no share yet"
            for pair in self._charter.pairs_of(self._country)
            for holder in self._charter.holders_of(pair)
            if self._key(pair, tx) is None
            and self._post.directory.share(pair, self._charter.matching_epoch, holder, 0, tx) is None
        }
        ours = self._charter.pairs_of(self._country)
        over = {pair: "the agreement is over" for pair in self._post.directory.ended(tx) if pair in ours}
        return {**silent, **spent, **unknown, **self._unmade(tx), **stopped.reasons(tx), **over}

    def _unmade(self, tx: Transaction) -> dict[str, str]:
        keys = {pair: self._key(pair, tx) for pair in self._charter.pairs_of(self._country)}
        return {
            pair: f"this version makes no tokens of schema {key.schema_version}: bring it up to date"
            for pair, key in keys.items()
            if key and not recipes.is_made(key.schema_version)
        }

    def refill(self, tx: Transaction, topic: Topic) -> None:
        """The stream to this holder begins anew: what it has not answered has to be asked again."""
        tx.execute("DELETE FROM requests WHERE holder = ?", (topic.reader,))
        tx.execute("DELETE FROM closed_generations WHERE holder = ?", (topic.reader,))

    def _key(self, pair: str, tx: Transaction | None = None) -> Key | None:
        """What new batches are made under; None: a share is missing."""
        if tx is None:
            with self._db.reading() as own:
                return self._key(pair, own)
        epoch = self._post.directory.epoch(pair, tx)
        generation = self._post.directory.active_generation(pair, epoch.number, tx) if epoch else None
        return Key(epoch.number, generation, epoch.schema_version) if epoch and generation is not None else None


def _request(batch: Batch) -> EvaluationAsked:
    return EvaluationAsked(
        batch=batch.id,
        pair=batch.pair,
        epoch=batch.epoch,
        generation=batch.generation,
        purpose=batch.purpose,
        n=len(batch.blinded),
        blinded=b"".join(batch.blinded),
    )
