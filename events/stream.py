"""What carries envelopes from party to party: the contract, and one in memory.

A stream is a carrier, trusted with nothing: it may lose, repeat, delay, reorder or alter, and `events.inbox`
notices. It knows bytes, topics and offsets; it refuses to know what is in them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import Protocol

from events.errors import TopicMissing


@dataclass(frozen=True, slots=True)
class Delivered:
    """One record as the stream gave it."""

    topic: str
    partition: int
    offset: int
    value: bytes


class Stream(Protocol):
    """Ordered logs of bytes, one a topic and partition.

    What `append` returned for is durable and is read in the order appended, a partition.
    An append that raised may still have happened, whole or in part: append again, readers drop duplicates.
    All methods may be called from several threads. All raise StreamUnavailable when the carrier cannot be
    reached, or (TopicMissing) knows no such topic or partition; nothing is lost then, and the same call may be tried
    again.
    """

    def ensure(self, topics: Mapping[str, int]) -> None:
        """Make these topics, with so many partitions each, where they are missing. Those that exist are left alone."""
        ...

    def append(self, records: Sequence[tuple[str, int, bytes]]) -> None:
        """Append (topic, partition, value), in this order; durable when it returns."""
        ...

    def read(self, positions: Mapping[tuple[str, int], int], limit: int, wait: float = 0.0) -> list[Delivered]:
        """At most `limit` records from these offsets on, in order a partition, no partition starved for ever.

        positions  (topic, partition) -> the first offset wanted
        wait       seconds to wait for the first record if there is none yet
        Where a log no longer holds the offset (its time was over, or it was begun anew), reading goes on at the oldest
        record that it holds: a reader compares offsets, and finds gaps by its own chain. A carrier behind a network may
        return nothing at first, or while it cannot be reached: ask again.
        """
        ...

    def end(self, topic: str, partition: int) -> int:
        """The offset that the next record of this partition will get."""
        ...

    def close(self) -> None:
        """Let go of connections and threads. What was appended stays."""
        ...


class MemoryStream:
    """A stream inside one process, shared by all its parties. What is appended lives as long as this object."""

    def __init__(self) -> None:
        self._logs: dict[tuple[str, int], list[bytes]] = {}
        self._partitions: dict[str, int] = {}
        self._changed = Condition()
        self._turns: dict[tuple[str, int], int] = defaultdict(int)

    def ensure(self, topics: Mapping[str, int]) -> None:
        with self._changed:
            for topic, partitions in topics.items():
                self._partitions.setdefault(topic, partitions)
                for partition in range(self._partitions[topic]):
                    self._logs.setdefault((topic, partition), [])

    def append(self, records: Sequence[tuple[str, int, bytes]]) -> None:
        with self._changed:
            for topic, partition, value in records:
                self._log(topic, partition).append(bytes(value))
            self._changed.notify_all()

    def read(self, positions: Mapping[tuple[str, int], int], limit: int, wait: float = 0.0) -> list[Delivered]:
        with self._changed:
            self._changed.wait_for(lambda: self._any(positions), timeout=wait)
            return self._take(positions, limit)

    def end(self, topic: str, partition: int) -> int:
        with self._changed:
            return len(self._log(topic, partition))

    def close(self) -> None:
        """Nothing to let go of: the other parties in this process read on."""

    def _log(self, topic: str, partition: int) -> list[bytes]:
        try:
            return self._logs[topic, partition]
        except KeyError as error:
            raise TopicMissing(f"There is no topic {topic!r} with a partition {partition}: ensure it.") from error

    def _start(self, key: tuple[str, int], position: int) -> int:
        """Where reading begins: at the oldest record if the log ends before this offset, since it was begun anew."""
        return position if position <= len(self._log(*key)) else 0

    def _any(self, positions: Mapping[tuple[str, int], int]) -> bool:
        return any(self._start(key, at) < len(self._log(*key)) for key, at in positions.items())

    def _take(self, positions: Mapping[tuple[str, int], int], limit: int) -> list[Delivered]:
        """The partitions that were served longest ago come first, so that a busy one starves no other."""
        out: list[Delivered] = []
        for key in sorted(positions, key=lambda k: (self._turns[k], k)):
            start = self._start(key, positions[key])
            values = self._log(*key)[start : start + limit - len(out)]
            out += [Delivered(*key, start + i, value) for i, value in enumerate(values)]
            if values:
                self._turns[key] = max(self._turns.values()) + 1
        return out
