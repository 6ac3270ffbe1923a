"""Before a party seals anything: what the carrier holds of its streams, and which it must begin anew.

Sealing on from an old record, as after a restore from a backup, would give a number a second envelope, and freeze the
stream at every reader. Refuses to take the carrier's word: only what we signed ourselves, for that place, counts.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from events.database import Transaction
from events.envelope import unpack
from events.errors import EnvelopeInvalid, StreamUnavailable
from events.inbox import Place
from events.outbox import Outbox
from events.receiving import Authenticator
from events.stream import Delivered, Stream

LOOKED_AT: Final = 1000
"""How many of the last records of each stream are read. A resend that a crash cut short can hide more than so many."""
_PATIENCE: Final = 10.0
"""Seconds to wait for a record that the carrier says it holds."""
_CLOCK_BEHIND: Final = timedelta(days=1)
"""How far the clock of a restored machine may be behind what it sealed before."""

class Last(NamedTuple):
    """An envelope of ours."""

    epoch: int
    seq: int
    hash: bytes
    sealed_at: datetime


def last_of_ours(
    stream: Stream, authenticator: Authenticator, writer: str, ends: Mapping[Place, int], now: datetime
) -> dict[Place, Last]:
    """The furthest envelope that `writer` signed, among the last LOOKED_AT records of each place; none where none is.

    ends    place -> the carrier's next offset there
    raises  StreamUnavailable
    """
    positions = {place: max(0, end - LOOKED_AT) for place, end in ends.items() if end > 0}
    last: dict[Place, Last] = {}
    while positions:
        delivered = stream.read(positions, LOOKED_AT, _PATIENCE)
        if not delivered:
            raise StreamUnavailable("The carrier does not give back the end of our own streams: try again.")
        for record in delivered:
            place = (record.topic, record.partition)
            positions[place] = record.offset + 1
            found = _ours(authenticator, writer, record, now)
            if found:
                last[place] = max(found, last.get(place, found))
        positions = {place: at for place, at in positions.items() if at < ends[place]}
    return last


def _ours(authenticator: Authenticator, writer: str, record: Delivered, now: datetime) -> Last | None:
    try:
        envelope = unpack(record.value)
    except EnvelopeInvalid:
        return None
    header = envelope.header
    if (header.writer, header.topic, header.partition) != (writer, record.topic, record.partition):
        return None
    fault, _ = authenticator.check(envelope, now)
    return None if fault else Last(header.epoch, header.seq, envelope.hash, header.sealed_at)


def mend(
    tx: Transaction, outbox: Outbox, ends: Mapping[Place, int], last: Mapping[Place, Last], now: datetime
) -> dict[str, str]:
    """Begin anew what we cannot go on with, and send again what the carrier lacks.

    returns  topic -> why it was begun anew; their live state must follow, in this transaction for `keys.*`
    """
    begun: dict[str, str] = {}
    for place, end in ends.items():
        at, found = outbox.place(tx, *place), last.get(place)
        if found and found[:2] >= (at.epoch, at.seq) and found[:3] != (at.epoch, at.seq, at.hash):
            # Restored from a backup, or another relay wrote: sealing on from here would fork the stream.
            not_before = min(found.sealed_at, now + _CLOCK_BEHIND)
            outbox.begin_epoch(tx, outbox.topics[place[0]], above=found.epoch, not_before=not_before)
            begun[place[0]] = "record_behind"
        elif end <= at.seq:
            # The carrier never saw, or lost, some of what we wrote in this epoch.
            outbox.send_again(tx, *place)
    begun |= {topic.name: "retired_key" for topic in outbox.begin_after_retired(tx)}
    return begun | {topic.name: "old_charter" for topic in outbox.begin_after_charter(tx)}
