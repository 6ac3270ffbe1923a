"""One round of a key holder: read, answer, refresh, renew, tick, send. It can be killed between any two lines.

A handler only writes requests down; they are answered afterwards, a few a round, and the costly arithmetic is done
between transactions. Before a batch is computed it is counted, durably; after it is written it is owed no more.

What a holder never learns: who is behind an element, and whether two elements are of one person, for every one is
blinded afresh.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from events.charter import Charter, Topic
from events.clock import Clock, day_of
from events.database import Database, Transaction
from events.envelope import Header
from events.messages import Body, Evaluated, EvaluationAsked, EvaluationRefused, GenerationClosed
from events.model import countries_of
from events.post import Post, PostStatus
from events.stream import Stream
from keys import dleq, group, quota, shares, sign
from keys.ring import KeyRing
from services.keyholder import alarms, allowances, book, endings, plans, requests
from services.keyholder.allowances import Allowances
from services.keyholder.book import Request
from services.keyholder.endings import Endings
from services.keyholder.refreshes import Refreshes
from services.keyholder.renewals import Renewals
from services.keyholder.requests import Refusal
from services.keyholder.shares import Shares
from services.runtime import custody
from services.runtime.custody import KeyReport, QuotaRow
from services.runtime.inventory import Evaluations

log = structlog.get_logger()

AT_ONCE: Final = 2
"""Requests of one country that are answered in one round, so that a flood of one starves no other."""
_UNCONFIRMED: Final = 64
"""While so many envelopes to one country wait for it to confirm them, nothing that was answered is answered again."""
_SENTENCE: Final = 400
"""Most bytes of a refusal beside what every answer has: a refusal is no shorter than an answer then."""


class KeyHolder:
    """One country's key holder. `open` it before anything else. One thread steps; others may ask for `status`."""

    def __init__(
        self,
        me: str,
        *,
        charter: Charter,
        digest: bytes,
        ring: KeyRing,
        database: Database,
        stream: Stream,
        clock: Clock,
    ) -> None:
        self.me = me
        self.charter = charter
        self.clock = clock
        self.database = database
        self._digest = digest
        self._ring = ring
        self._post = Post(
            me=me, charter=charter, charter_digest=digest, ring=ring, database=database, stream=stream, clock=clock
        )
        self.shares = Shares(
            me, charter=charter, digest=digest, ring=ring, database=database, post=self._post, clock=clock
        )
        self.allowances = Allowances(me, charter=charter, database=database, post=self._post, clock=clock)
        self.refreshes = Refreshes(
            me,
            charter=charter,
            digest=digest,
            ring=ring,
            database=database,
            post=self._post,
            shares=self.shares,
            clock=clock,
        )
        self.renewals = Renewals(
            me, charter=charter, ring=ring, database=database, post=self._post, shares=self.shares, clock=clock
        )
        self.endings = Endings(
            me, charter=charter, ring=ring, database=database, post=self._post, shares=self.shares, clock=clock
        )
        self._topics = {t.reader: t for t in charter.written_by(me) if t.family == "evaluated" and t.reader}
        self._seen: dict[str, int] = {}

    def create(self) -> None:
        """Make the tables, which needs no broker: from then on its state can be read."""
        self.database.create((*book.TABLES, *plans.TABLES, *allowances.TABLES, *alarms.TABLES, *endings.TABLES))
        self._post.create()

    def open(self) -> None:
        """Make tables and topics, draw and announce the shares. Raises StreamUnavailable: call again."""
        self.create()
        self._post.open()
        self.shares.open(over=self.endings.over())

    def step(self) -> bool:
        """One round. Returns whether anything was done. Raises StreamUnavailable: nothing is lost, step again."""
        self._refill()
        done = self._post.receive({"evaluate": self._take})
        done += self.endings.step()
        done += self.allowances.grant()
        done += sum(self._answer(country) for country in self._topics)
        done += self.refreshes.step()
        done += self.renewals.step()
        done += self._tell_alarms()
        done += self._tell_totals()
        done += self._tidy()
        done += self._post.tick()
        done += self._post.send()
        return done > 0

    def limit(self, country: str, pair: str, tx: Transaction | None = None) -> int:
        """How many evaluations this country may ask of this pair's share today, with what is left of its allowances."""
        daily, today = self.charter.quota_per_day, day_of(self.clock.now())
        with nullcontext(tx) if tx is not None else self.database.reading() as read:
            standing = self.allowances.standing(country, pair, read)
            if not standing:
                return daily
            since = min(day_of(a.valid_from) for a in standing)
            earlier = book.spent(read, country, pair, since=since, before=today)
        return quota.limit_of(daily, sum(a.count for a in standing), earlier)

    def epochs(self, tx: Transaction) -> dict[str, int]:
        """Pair -> the epoch in force, or the first one, which is to be."""
        found = ((pair, self._post.directory.epoch(pair, tx)) for pair in self.shares.pairs)
        return {pair: epoch.number if epoch else self.charter.matching_epoch for pair, epoch in found}

    def status(self) -> PostStatus:
        return self._post.status()

    def keys(self) -> KeyReport:
        """Every key that this holder has or has heard of, and its own count of quotas beside what others told."""
        now = self.clock.now()
        with self.database.reading() as tx:
            own = tuple(self._own_quotas(tx, now))
            counted = [
                Evaluations(self.me, pair, epoch, book.evaluated_in(tx, pair, epoch))
                for pair in self.shares.pairs
                for epoch in self.shares.epochs(pair)
            ]
            found = custody.report(
                self.me, self.charter, self._ring, self._post.directory, tx, now, evaluations=counted
            )
            return replace(found, quotas=(*own, *_of_others(found, self.me)))

    def _own_quotas(self, tx: Transaction, now: datetime) -> Iterator[QuotaRow]:
        today = day_of(now)
        for used in book.usage(tx, self.epochs(tx)):
            standing = self.allowances.standing(used.country, used.pair, tx)
            yield QuotaRow(
                holder=self.me, pair=used.pair, country=used.country, total=used.total,
                most_in_a_day=used.most_in_a_day, per_day=self.charter.quota_per_day,
                allowed_beyond=sum(a.count for a in standing), spent_today=used.spent if used.day >= today else 0,
            )  # fmt: skip

    # ---- reading

    def _take(self, tx: Transaction, header: Header, body: Body) -> None:
        for item in body.items:
            if isinstance(item, EvaluationAsked):
                self._take_request(tx, header.writer, item)
            elif isinstance(item, GenerationClosed):
                self.refreshes.hear(tx, header.writer, item)

    def _take_request(self, tx: Transaction, country: str, asked: EvaluationAsked) -> None:
        """Write a request down, or refuse it at once. Raises NotYet: the asker has no sealing key to answer to."""
        refusal = self._form_refusal(country, asked)
        if refusal:
            self._write_refusal(tx, country, asked, refusal)
            return
        digest = dleq.request_digest(self._question(country, asked), requests.split(asked.blinded))
        book.keep(tx, digest, country, asked, self._tick())

    def _form_refusal(self, country: str, asked: EvaluationAsked) -> Refusal | None:
        return requests.form_refusal(
            asked,
            country,
            holder=self.me,
            charter=self.charter,
            pairs=self.shares.pairs,
            epochs=self.shares.epochs(asked.pair),
            generations=self.shares.generations(asked.pair, asked.epoch),
        )

    # ---- answering

    def _answer(self, country: str) -> int:
        """Answer this country's oldest requests, if its sealing key is known. Returns how many.

        Not before all is read that the pairs' holders had said, we ourselves too, when we opened: a holder that was
        away, or is restored from a backup, may have shares of an agreement that is over.
        """
        pairs = [pair for pair in self.shares.pairs if country in countries_of(pair)]
        holders = {holder for pair in pairs for holder in self.charter.holders_of(pair)}
        if self._post.directory.sealing_key(country, self.clock.now()) is None or not self._post.is_current(*holders):
            return 0
        done = 0
        while done < AT_ONCE and self._answer_one(country):
            done += 1
        return done

    def _answer_one(self, country: str) -> bool:
        with self.database.reading() as tx:
            request = book.oldest(tx, country)
        if request is None or (request.again and not self._hears(country)):
            return False
        blinded = requests.split(request.asked.blinded)
        # Its epoch may have ended while it waited. What was counted was in order, and is owed its answer.
        refusal = self._form_refusal(country, request.asked)
        if not (refusal or request.counted):
            refusal = requests.element_refusal(blinded) or self._count(request)
        if refusal:
            self._refuse(request, refusal)
        else:
            self._evaluate(request, blinded)
        return True

    def _hears(self, country: str) -> bool:
        """Whether a country confirms what it is sent: what it asks for again must not pile up here."""
        return sum(at.seq - at.acked for at in self._post.places(self._topics[country].name)) < _UNCONFIRMED

    def _count(self, request: Request) -> Refusal | None:
        """Count the request. If we crash after this, it is answered at the next start, and counted no more."""
        if request.asked.purpose == "rotation":
            return self._count_rotation(request)
        country, pair = request.country, request.asked.pair
        limit = self.limit(country, pair)
        with self.database.transaction() as tx:
            verdict = book.count(tx, request, limit, day_of(self.clock.now()))
            self._watch(tx, request, verdict, limit)
        if isinstance(verdict, quota.Allow):
            return None
        again = None if verdict.retry_day is None else _start_of(verdict.retry_day)
        return Refusal(
            "over_quota",
            f"{country} may ask {limit} evaluations of {pair} a day at {self.me}; {request.asked.n} more do not fit "
            + ("today." if again else "any day: ask for less at once, or for an allowance."),
            again,
        )

    def _count_rotation(self, request: Request) -> Refusal | None:
        country, asked = request.country, request.asked
        with self.database.transaction() as tx:
            left = book.count_rotation(tx, request)
        if left is None:
            return None
        return Refusal(
            "over_quota",
            f"{country} may ask {max(left, 0)} evaluations of {asked.pair} more to make anew what was out before epoch "
            f"{asked.epoch}; {asked.n} do not fit: ask for them by the day.",
        )

    def _watch(self, tx: Transaction, request: Request, verdict: quota.Allow | quota.Deny, limit: int) -> None:
        """Write an alarm down where most of a day's limit is spent, or more than all of it was asked for."""
        country, pair, now = request.country, request.asked.pair, self.clock.now()
        window = quota.on(book.window_of(tx, country, pair), day_of(now))
        if isinstance(verdict, quota.Deny) or alarms.is_due(window.spent, limit):
            alarms.raise_once(tx, country, pair, window.day, spent=window.spent, limit=limit, at=now)

    def _evaluate(self, request: Request, blinded: list[group.Element]) -> None:
        asked = request.asked
        share = self.shares.of(asked.pair, asked.epoch, asked.generation)
        statement = self._statement(request.country, asked)
        evaluated = shares.evaluate(share, blinded)
        proof = dleq.prove(statement, share.secret, blinded, evaluated)
        message = dleq.answer_message(dleq.request_digest(statement, blinded), self.me, evaluated, proof)
        key_id, signature = self._signed(message)
        answer = Evaluated(
            batch=asked.batch,
            pair=asked.pair,
            epoch=asked.epoch,
            generation=asked.generation,
            n=asked.n,
            elements=b"".join(evaluated),
            proof=proof,
            key_id=key_id,
            signature=signature,
        )
        with self.database.transaction() as tx:
            self._write(tx, request.country, answer, asked.n)
            book.answered(tx, request, day_of(self.clock.now()), self._tick())

    def _refuse(self, request: Request, refusal: Refusal) -> None:
        with self.database.transaction() as tx:
            self._write_refusal(tx, request.country, request.asked, refusal)
            book.refused(tx, request)

    def _write_refusal(self, tx: Transaction, country: str, asked: EvaluationAsked, refusal: Refusal) -> None:
        said = asdict(refusal)
        blinded = requests.split(asked.blinded)
        message = dleq.refusal_message(self._question(country, asked), blinded, self.me, **said)
        key_id, signature = self._signed(message)
        self._write(tx, country, EvaluationRefused(batch=asked.batch, key_id=key_id, signature=signature, **said), 0)

    def _signed(self, message: bytes) -> tuple[str, bytes]:
        """(key id, signature) of what is signed beside its envelope."""
        key = self._ring.primary("signing")
        return key.id, sign.sign(self._ring.secret("signing", key.id), message)

    def _write(self, tx: Transaction, country: str, item: Evaluated | EvaluationRefused, n: int) -> None:
        """With cover, an answer has the size of every other: the broker cannot tell a refusal from an answer."""
        covered = self.charter.cover and n <= self.charter.cover_evaluations
        self._post.write(tx, self._topics[country], [item], size=self._answer_size() if covered else None)

    def _answer_size(self) -> int:
        """Base64 takes 4 bytes for 3."""
        elements = group.SIZE * self.charter.cover_evaluations
        return _SENTENCE + 4 * -(-elements // 3) + 512

    def _question(self, country: str, asked: EvaluationAsked) -> dleq.Question:
        return dleq.Question(
            charter_digest=self._digest,
            requester=country,
            pair=asked.pair,
            epoch=asked.epoch,
            generation=asked.generation,
            purpose=asked.purpose,
            batch=asked.batch.bytes,
        )

    def _statement(self, country: str, asked: EvaluationAsked) -> dleq.Statement:
        public = self.shares.of(asked.pair, asked.epoch, asked.generation).public
        return dleq.Statement(**asdict(self._question(country, asked)), holder=self.me, public=public)

    # ---- upkeep

    def _refill(self) -> None:
        """A stream of answers that begins anew: we, or its reader, were set back.

        What was answered is answered again, for nothing. What we may have answered and forgotten counts as all of
        today: a holder restored from a backup starts with its windows spent. If its clock lags behind what it had
        sealed, as that of a machine does that wakes from a snapshot, it is the day of that, or tomorrow at most: a
        clock that was far ahead once must not close windows for long.

        Once a tick: a reader's word begins a stream anew, and a stolen key could say it without end.
        """
        for topic in self._post.refills():
            if self._seen.get(topic.name) == self._tick():
                continue
            today, sealed = day_of(self.clock.now()), day_of(max(p.sealed_at for p in self._post.places(topic.name)))
            with self.database.transaction() as tx:
                self._refill_topic(tx, topic, min(max(today, sealed), today + 1))
                self._post.refilled(tx, topic)
            self._seen[topic.name] = self._tick()

    def _refill_topic(self, tx: Transaction, topic: Topic, today: int) -> None:
        if topic.reader is None:
            return
        book.owe_again(tx, topic.reader)
        for pair in self.shares.pairs:
            if topic.reader in pair.split("-"):
                book.spend(tx, topic.reader, pair, self.limit(topic.reader, pair, tx), today)
                for epoch in self.shares.epochs(pair):
                    book.spend_rotation(tx, topic.reader, pair, epoch)

    def _tick(self) -> int:
        return self.charter.tick_at(self.clock.now())

    def _tell_alarms(self) -> int:
        """Into the log, each once; twice if we crash in between."""
        with self.database.reading() as tx:
            untold = alarms.untold(tx)
        for alarm in untold:
            log.warning(
                "quota.alarm", holder=self.me, country=alarm.country, pair=alarm.pair, spent=alarm.spent,
                limit=alarm.limit,
            )  # fmt: skip
        if untold:
            with self.database.transaction() as tx:
                alarms.told(tx, untold)
        return len(untold)

    def _tell_totals(self) -> bool:
        """At the turn of each of the charter's spans: the totals that have changed.

        Never in between, or a total would tell when somebody's tokens were made.
        """
        span = int(self.clock.now().timestamp() // self.charter.totals_seconds)
        if self._seen.get("totals") == span:
            return False
        with self.database.transaction() as tx:
            totals = book.untold_totals(tx) if book.has_begun(tx, "totals", span) else []
            if totals:
                self._post.announce(tx, *totals)
                book.told(tx, totals)
        self._seen["totals"] = span
        return bool(totals)

    def _tidy(self) -> bool:
        today = day_of(self.clock.now())
        if self._seen.get("day") == today:
            return False
        with self.database.transaction() as tx:
            begun = book.has_begun(tx, "day", today)
            if begun:
                book.tidy(tx, today)
        self._seen["day"] = today
        return begun


def _of_others(found: KeyReport, me: str) -> tuple[QuotaRow, ...]:
    return tuple(row for row in found.quotas if row.holder != me)


def _start_of(day: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
