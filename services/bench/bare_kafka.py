"""A bare `kafka-python` producer and consumer, moving records of one size: what no stream of ours can be faster than.

The only importer of `kafka` beside events.kafka, since a wrapper cannot be held against itself.
"""

import os
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType
from typing import Final, Self

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from events.envelope import MAX_SIZE
from services.runtime.errors import PeerUnreachable

_PATIENCE_MS: Final = 10_000
_FETCH: Final = MAX_SIZE + 64 * 1024


class BareKafka:
    """One topic with one partition, made here. Use as a context."""

    def __init__(self, bootstrap: str, topic: str, size: int) -> None:
        self._topic = topic
        self._size = size
        with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
            admin.create_topics({topic: {"num_partitions": 1, "replication_factor": -1}})
            admin.wait_for_topics([topic])
        # As events.kafka has them: the same promises, batches and fetches of the same size, no checksums at the reader.
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            metrics_enabled=False,
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            batch_size=256 * 1024,
        )
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            metrics_enabled=False,
            group_id=None,
            check_crcs=False,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH,
            fetch_max_bytes=2 * _FETCH,
        )
        self._consumer.assign([TopicPartition(topic, 0)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.close(timeout=1)
        self._consumer.close()

    def records(self, count: int) -> list[bytes]:
        return [os.urandom(self._size) for _ in range(count)]

    def send(self, records: Sequence[bytes]) -> None:
        """All with the broker on return."""
        sent = [self._producer.send(self._topic, value, partition=0) for value in records]
        self._producer.flush()
        for future in sent:
            future.get(timeout=0)

    def receive(self, count: int) -> None:
        """Raises PeerUnreachable if so many do not come."""
        while count > 0:
            polled = self._consumer.poll(timeout_ms=_PATIENCE_MS, max_records=count)
            if not polled:
                raise PeerUnreachable(f"The broker gave {count} bare records too few.")
            count -= sum(map(len, polled.values()))


def drop_topics(bootstrap: str, prefix: str) -> None:
    """Leave no topic of this prefix behind."""
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        admin.delete_topics([name for name in admin.list_topics() if name.startswith(prefix)])
