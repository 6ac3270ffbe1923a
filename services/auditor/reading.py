"""Every record of the region's topics, from the oldest that the carrier holds to the end as it is at the start.

Only reads. Topics that nobody has made yet have no records. What lies beyond the end that was seen is left for the next
audit, so that one of a living region comes to an end.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from events.charter import Charter
from events.errors import TopicMissing
from events.inbox import Place
from events.stream import Delivered, Stream

_AT_ONCE: Final = 500
_WAIT: Final = 1.0
"""Seconds of one look at places that give nothing."""
_LOOKS: Final = 10
"""After so many looks in vain the carrier is asked whether it is there; if so, it has no more to give."""


def ends_of(stream: Stream, charter: Charter) -> dict[Place, int]:
    """The next offset of every topic and partition that exists. Raises StreamUnavailable.

    `keys.*` comes last: what a stream relies on, a sealing key, was announced before it was used.
    """
    topics = sorted(charter.topics, key=lambda topic: topic.family == "keys")
    ends = {(t.name, p): _end(stream, t.name, p) for t in topics for p in range(t.partitions)}
    return {place: end for place, end in ends.items() if end is not None}


def records(stream: Stream, ends: Mapping[Place, int]) -> Iterator[Delivered]:
    """What stands before these ends, in order a partition. Raises StreamUnavailable.

    Ends early where the carrier answers and still gives nothing more: its retention may have dropped all that a
    partition held, or it withholds it. The audit tells the two apart.
    """
    missing = {place for place, end in ends.items() if end > 0}
    positions = dict.fromkeys(missing, 0)
    in_vain = 0
    while missing:
        delivered = stream.read(positions, _AT_ONCE, _WAIT)
        wanted = [record for record in delivered if (record.topic, record.partition) in missing]
        yield from (record for record in wanted if record.offset < ends[record.topic, record.partition])
        for record in delivered:
            place = (record.topic, record.partition)
            positions[place] = record.offset + 1
            if record.offset + 1 >= ends[place]:
                missing.discard(place)
        in_vain = 0 if wanted else in_vain + 1
        if in_vain:
            # Only now: a consumer that is assigned other partitions begins anew with all of them.
            positions = {place: at for place, at in positions.items() if place in missing}
        if in_vain > _LOOKS:
            stream.end(*next(iter(missing)))
            return


def _end(stream: Stream, topic: str, partition: int) -> int | None:
    try:
        return stream.end(topic, partition)
    except TopicMissing:
        return None
