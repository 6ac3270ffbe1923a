"""Takes delivered records one by one: is it its writer's word, has it its place, can it be opened, what does it do.

Authentic is what bears the signature of its topic's writer, by a key that the charter names for the time of sealing
and, once it is retired, for the place in the stream. All else is counted and ignored, as if the carrier had made it up;
so is what bears such a signature and is older than its stream's head, since a thief of an old key can write any time
into a header. What is authentic and next always moves the head, even if its content is refused: a writer's mistake must
not stop its stream. What cannot be judged yet (a newer charter,
or something that `keys.*` has not told) pauses its partition, and no other.

A handler refuses content by raising Refused, EnvelopeInvalid or one of `keys`' errors about what came, and waits by
raising NotYet; its effects are undone then. Any other error is a fault of ours: the whole round is undone, and the
error passes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from events import introductions
from events.answers import Answers
from events.chain import Verdict, last_epoch
from events.charter import Charter, SigningKey, Topic
from events.clock import LONG_AGO, Clock
from events.database import Transaction
from events.directory import Directory
from events.envelope import Envelope, Header, read_body, unpack
from events.errors import EnvelopeInvalid, NotYet, Refused
from events.inbox import Place, Reading
from events.messages import AllowanceGranted, Body
from events.stream import Delivered
from keys.errors import InvalidElement, InvalidProof, InvalidScalar, SealBroken, UnknownKey
from keys.ring import KeyRing

Handler = Callable[[Transaction, Header, Body], None]
"""Takes one body's effects, in the transaction that moves the head."""

NEWER_CHARTER: Final = "newer_charter"
"""What a partition waits for whose next envelope names a charter that this party does not have yet."""
_ASK_AGAIN: Final = frozenset({"sealing_key_gone", "old_charter"})
"""What sealing anew can mend."""
_REFUSALS: Final = (Refused, EnvelopeInvalid, InvalidElement, InvalidProof, InvalidScalar, SealBroken)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivered record, as far as it can be judged without the database.

    fault      why it is not its writer's word; None: it is, or `wait` says why that cannot be known yet
    key_until  when the key that it names ended; a retired one, long ago
    """

    topic: Topic
    delivered: Delivered
    envelope: Envelope | None = None
    digest: bytes = b""
    fault: str | None = None
    wait: str | None = None
    key_until: datetime = LONG_AGO

    @property
    def place(self) -> Place:
        return self.delivered.topic, self.delivered.partition


@dataclass(frozen=True, slots=True)
class Note:
    """What the log is told of an envelope that was not applied, or of a part: writer and number, never content."""

    writer: str
    topic: str
    seq: int | None
    reason: str


class Authenticator:
    """Knows every writer's signing keys, as the charter names them."""

    def __init__(self, charter: Charter) -> None:
        self._version = charter.version
        self._keys: dict[tuple[str, str], tuple[SigningKey, bytes]] = {
            (party.id, key.id): (key, bytes.fromhex(key.public)) for party in charter.parties for key in party.signing
        }

    def parcel(self, topic: Topic, delivered: Delivered, now: datetime) -> Parcel:
        """Read and authenticate one record: the costly part, which needs no transaction."""
        try:
            envelope = unpack(delivered.value)
        except EnvelopeInvalid:
            return Parcel(topic, delivered, fault="malformed")
        header = envelope.header
        if (header.topic, header.partition) != (delivered.topic, delivered.partition):
            return Parcel(topic, delivered, envelope, fault="misplaced")
        if header.writer != topic.writer:
            return Parcel(topic, delivered, envelope, fault="wrong_writer")
        fault, wait = self.check(envelope, now)
        key, _ = self._keys.get((header.writer, header.key_id), (None, b""))
        until = LONG_AGO if key is None or key.last is not None else key.valid_until
        return Parcel(topic, delivered, envelope, envelope.hash, fault, wait, until)

    def check(self, envelope: Envelope, now: datetime) -> tuple[str | None, str | None]:
        """(fault, wait) of the signature and of what it is under."""
        header = envelope.header
        newer = NEWER_CHARTER if header.charter_version > self._version else None
        key, public = self._keys.get((header.writer, header.key_id), (None, b""))
        if key is None and newer is None:
            # Ours names every key that ever counted, so under it this is a forgery; a newer one may name more.
            return "unknown_key", None
        if key and not key.valid_from <= header.sealed_at < key.valid_until:
            return "key_out_of_time", None
        if key and not envelope.is_signed_by(public):
            return "bad_signature", None
        if key and not key.counts_at(header.topic, header.partition, header.epoch, header.seq):
            return "retired_key", None
        if header.epoch > last_epoch(min(header.sealed_at, now)):
            return "implausible_epoch", None
        return None, newer


def header_fault(charter: Charter, topic: Topic, header: Header) -> str | None:
    """What of an authentic header does not fit the charter or its topic, whatever the body says; None: nothing."""
    if header.charter_version < charter.version and header.sealed_at >= charter.issued:
        return "old_charter"
    expected = (topic.family, topic.reader, topic.reader is not None)
    fits = (header.kind, header.recipient, header.sealing_key is not None) == expected
    return None if fits else "wrong_header"


@dataclass(frozen=True, slots=True)
class Receiver:
    """What taking needs: one party's keys, rules and records."""

    charter: Charter
    ring: KeyRing
    directory: Directory
    answers: Answers
    clock: Clock

    def take(self, tx: Transaction, parcels: Iterable[Parcel], handlers: Mapping[str, Handler]) -> "Round":
        """One round, `keys.*` first, since the others may wait for what it tells."""
        done = Round(self, tx, handlers)
        for parcel in sorted(parcels, key=lambda p: p.topic.family != "keys"):
            done.take(parcel)
        done.reading.save()
        return done


class Round:
    """One round inside one transaction.

    passed      how many records need not be read again
    applied     how many envelopes took effect
    heard_keys  whether `keys.*` told anything: whoever paused may look again
    paused      the partitions that wait, and for what
    notes       for the log
    """

    def __init__(self, receiver: Receiver, tx: Transaction, handlers: Mapping[str, Handler]) -> None:
        self.reading = Reading(tx)
        self.passed = 0
        self.applied = 0
        self.heard_keys = False
        self.paused: dict[Place, str] = {}
        self.notes: list[Note] = []
        self._r = receiver
        self._tx = tx
        self._handlers: dict[str, Handler] = {**handlers, "keys": self._learn}

    def take(self, parcel: Parcel) -> None:
        """Take one record, unless its partition is paused: then it is left where it is, and read again later."""
        if parcel.place in self.paused and not self._is_forgery_outrun(parcel):
            return
        if parcel.fault or parcel.envelope is None:
            self._pass(parcel, parcel.fault or "malformed")
            return
        verdict = self.reading.judge(parcel.envelope, parcel.digest, parcel.key_until)
        if parcel.wait:
            # Not known to be authentic: it may hold up its stream only from the one place where it would be next.
            self._pause(parcel, parcel.wait) if verdict is Verdict.APPLY else self._pass(parcel, parcel.wait)
        elif verdict is Verdict.APPLY:
            self._apply(parcel, parcel.envelope)
        else:
            self._set_aside(parcel, parcel.envelope, verdict)

    def _is_forgery_outrun(self, parcel: Parcel) -> bool:
        """A writer has one chain: if an authentic envelope is next, the one that the partition waits for was forged."""
        if self.paused[parcel.place] != NEWER_CHARTER or parcel.fault or parcel.wait or parcel.envelope is None:
            return False
        if self.reading.judge(parcel.envelope, parcel.digest, parcel.key_until) is not Verdict.APPLY:
            return False
        del self.paused[parcel.place]
        return True

    def _set_aside(self, parcel: Parcel, envelope: Envelope, verdict: Verdict) -> None:
        if verdict is Verdict.AHEAD:
            if self.reading.ahead(envelope):  # seen again it asks for nothing: what is sent again would ask for itself
                self._heed_ahead(parcel.topic, envelope)
        elif verdict is Verdict.FORK:
            self.reading.freeze(envelope)
        self._pass(parcel, verdict.value)

    def _apply(self, parcel: Parcel, envelope: Envelope) -> None:
        """The envelope is authentic and next: it becomes the head, whatever its content is worth."""
        body, reason = self._read(parcel.topic, envelope)
        if body is not None:
            try:
                reason = self._take_effect(envelope, body)
            except NotYet:
                self._pause(parcel, "not_yet")
                return
        tick = None if body is None or body.tick is None else min(body.tick, self._now_tick())
        self.reading.advance(envelope, parcel.digest, tick, self._r.clock.now())
        if reason in _ASK_AGAIN and parcel.topic.reader is not None:  # what is public, its writer says again by itself
            self.reading.ask_again(envelope)
        else:
            self.reading.done(envelope)
        self.applied += reason is None
        self.heard_keys |= parcel.topic.family == "keys"
        self._pass(parcel, reason or Verdict.APPLY)

    def _read(self, topic: Topic, envelope: Envelope) -> tuple[Body | None, str | None]:
        """The body, or why there is none to be had."""
        header = envelope.header
        fault = header_fault(self._r.charter, topic, header)
        if fault:
            return None, fault
        try:
            secret = self._r.ring.secret("sealing", header.sealing_key) if header.sealing_key else None
            return read_body(header.kind, envelope.opened(secret)), None
        except UnknownKey:
            return None, "sealing_key_gone"
        except SealBroken:
            return None, "seal_broken"
        except EnvelopeInvalid:
            return None, "wrong_body"

    def _take_effect(self, envelope: Envelope, body: Body) -> str | None:
        """Do what the body says. Returns why it was refused, if it was. Raises NotYet."""
        header = envelope.header
        self._heed(header, body)
        if self.reading.is_done(envelope):
            return "done_before"
        try:
            with self._tx.savepoint():
                self._handlers[header.kind](self._tx, header, body)
                if header.kind == "keys":
                    introductions.keep(self._tx, envelope, body)
        except _REFUSALS as error:
            return error.code if isinstance(error, Refused) else type(error).__name__
        return None

    def _heed_ahead(self, topic: Topic, envelope: Envelope) -> None:
        """Two that miss something of each other's streams would wait for ever, did they not hear what the other wants.

        What it has applied is heard in order only: an older want, come later, would ask for what was let go then.
        """
        body, _ = self._read(topic, envelope)
        if body is not None:
            self._heed(envelope.header, body.model_copy(update={"heads": ()}))

    def _heed(self, header: Header, body: Body) -> None:
        """What a reader of our streams says of them. Saying it twice changes nothing."""
        answers, directory = self._r.answers, self._r.directory
        for head in body.heads:
            self._note(header, answers.heed(self._tx, header.writer, head))
        if body.wants:
            key = directory.sealing_key(header.writer, self._r.clock.now(), self._tx)
            for want in body.wants:
                if header.recipient is None and want.topic not in answers.outbox.topics:
                    continue  # said in public, to whoever writes it
                self._note(header, answers.answer(self._tx, header.writer, want, key))

    def _learn(self, tx: Transaction, header: Header, body: Body) -> None:
        """`keys.*`: each announcement for itself, so that a wrong one spoils no other.

        A new stream epoch begins with all that its writer still stands by: a sealing key that is not among it may be a
        thief's, or one that a restored writer does not have.
        """
        is_ours = header.topic in self._r.answers.outbox.topics
        if header.seq == 0 and not is_ours:
            self._r.directory.forget_sealing_keys(tx, header.writer)
        for item in body.items:
            if is_ours and isinstance(item, AllowanceGranted):
                continue  # ours are learned when they are announced: a thief of our key may have written this one
            try:
                self._r.directory.learn(tx, header.writer, item)
            except Refused as refused:
                self._note(header, refused.code)

    def _now_tick(self) -> int:
        """A writer whose clock is ahead, or who says so, has not opened a tick that has not come."""
        return self._r.charter.tick_at(self._r.clock.now())

    def _note(self, header: Header, reason: str | None) -> None:
        if reason is not None:
            self.reading.count(header.topic, reason)
            self.notes.append(Note(header.writer, header.topic, header.seq, reason))

    def _pause(self, parcel: Parcel, reason: str) -> None:
        self.paused[parcel.place] = reason

    def _pass(self, parcel: Parcel, what: str) -> None:
        """Read on after this record. Whatever did not take effect is noted."""
        self.passed += 1
        topic = parcel.topic
        self.reading.pass_over(*parcel.place, parcel.delivered.offset)
        self.reading.count(topic.name, what)
        if what != Verdict.APPLY:
            seq = parcel.envelope.header.seq if parcel.envelope else None
            self.notes.append(Note(topic.writer, topic.name, seq, what))
