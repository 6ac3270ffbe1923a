"""How much room heads and wants take beside the items, so that bodies can have a fixed size. Pure."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from events.charter import Topic
from events.inbox import RESEALS_AT_ONCE, Place
from events.messages import Body, Head, Want


def rooms(written: Iterable[Topic], read: Iterable[Topic]) -> dict[Place, int]:
    """Bytes that heads and wants take at most, in each place that carries them.

    The one topic a reader, on partition 0, that carries them: one chain, so that they come in order.
    """
    first: dict[str, Topic] = {}
    for topic in written:
        if topic.reader is not None:
            first.setdefault(topic.reader, topic)
    sealed = [topic for topic in read if topic.reader is not None]
    return {(topic.name, 0): _room([t for t in sealed if t.writer == reader]) for reader, topic in first.items()}


def _room(topics: Sequence[Topic]) -> int:
    """Of a head and a want for each of these, with the largest numbers there can be."""
    read = [(t, p) for t in topics for p in range(t.partitions)]
    most = 2**53
    heads = [Head(writer=t.writer, epoch=most, topic=t.name, partition=p, seq=most, hash="0" * 64) for t, p in read]
    wants = [Want(epoch=most, topic=t.name, partition=p, from_seq=most) for t, p in read]
    events = (UUID(int=0),) * RESEALS_AT_ONCE  # all together, whichever streams they are of
    wants[0] = wants[0].model_copy(update={"reseal": events})
    return len(Body(heads=tuple(heads), wants=tuple(wants)).model_dump_json()) - len(Body().model_dump_json())
