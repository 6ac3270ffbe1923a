"""A stream on Apache Kafka: the only file that knows the client.

One producer, idempotent, acknowledged by all replicas; one consumer that is assigned its partitions and seeks to *our*
positions, so no consumer group, no committed offsets, no rebalancing. A failed append means "append again": the
producer is thrown away then, since its own retries and ours must not cross.

Refuses plain connections to anything but this machine, and topics that nobody made.
"""

import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from events.envelope import MAX_SIZE
from events.errors import StreamUnavailable, TopicMissing
from events.stream import Delivered

_BATCH: Final = MAX_SIZE + 64 * 1024
"""Bytes of the largest record with the batch around it."""
_ANSWER_MS: Final = 10_000
"""How long a broker may take to answer one request."""
_DELIVERY_MS: Final = 15_000
"""How long an append may take, with the client's own retries, before it counts as failed."""
_RECONNECT_MS: Final = 1_000
"""How long at most between two tries to reach brokers that went away: what they have then waits no longer than that."""
_GLANCE_MS: Final = 5
"""The client works only while it is polled, and a broker needs a moment: the shortest look that finds what is there."""
_RETENTION_MS: Final = 7 * 24 * 3600 * 1000
_FOR_EVER: Final = ("keys.", "checkpoints.")


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM form: the authority of the brokers, and the certificate and key by which they know this party."""

    cafile: Path
    certfile: Path
    keyfile: Path


class KafkaStream:
    """A Stream (events.stream) whose topics stand on a cluster as `prefix` + topic. Connects when it is first used."""

    def __init__(self, bootstrap: str, prefix: str, *, tls: Tls | None = None) -> None:
        """bootstrap: `host:port,...`; tls: None only for brokers of this machine. Raises ValueError otherwise."""
        self._servers = [server.strip() for server in bootstrap.split(",")]
        if tls is None and not all(map(_is_local, self._servers)):
            raise ValueError("A broker on another machine needs TLS: give cafile, certfile and keyfile.")
        self._prefix = prefix
        self._tls = tls
        self._producer: KafkaProducer | None = None
        self._consumer: KafkaConsumer | None = None
        self._next: dict[TopicPartition, int] = {}
        """What the consumer will give next, where it was left."""
        self._writing = threading.Lock()
        self._reading = threading.Lock()

    def ensure(self, topics: Mapping[str, int]) -> None:
        with _translated(), closing(_connected(KafkaAdminClient, self._servers, **self._common())) as admin:
            there = set(admin.list_topics())
            named = {self._prefix + topic: count for topic, count in topics.items()}
            missing = {name: count for name, count in named.items() if name not in there}
            if missing:
                self._create(admin, missing)

    def _create(self, admin: KafkaAdminClient, missing: Mapping[str, int]) -> None:
        """Ask for the missing topics; another party may be asking for the same ones, and be faster."""
        wanted = {
            name: {"num_partitions": count, "replication_factor": -1, "configs": self._configs(name)}
            for name, count in missing.items()
        }
        with suppress(TopicAlreadyExistsError):
            admin.create_topics(wanted)
        admin.wait_for_topics(list(missing))

    def _configs(self, name: str) -> dict[str, str]:
        kept = name.removeprefix(self._prefix).startswith(_FOR_EVER)
        return {"max.message.bytes": str(_BATCH), "retention.ms": "-1" if kept else str(_RETENTION_MS)}

    def append(self, records: Sequence[tuple[str, int, bytes]]) -> None:
        with self._writing, _translated():
            if self._producer is None:
                self._producer = self._new_producer()
            try:
                self._append(self._producer, records)
            except (KafkaError, ValueError):
                producer, self._producer = self._producer, None
                with suppress(KafkaError):
                    producer.close(timeout=1)
                raise

    def _append(self, producer: KafkaProducer, records: Sequence[tuple[str, int, bytes]]) -> None:
        sent = [producer.send(self._prefix + topic, value, partition=place) for topic, place, value in records]
        # Longer than the delivery's own limit: when this returns, every record has its answer, good or bad.
        producer.flush(timeout=(_DELIVERY_MS + _ANSWER_MS) / 1000)
        for future in sent:
            future.get(timeout=0)

    def read(self, positions: Mapping[tuple[str, int], int], limit: int, wait: float = 0.0) -> list[Delivered]:
        if not positions:
            return []
        with self._reading, _translated():
            consumer = self._consumer_now()
            self._seek(consumer, {TopicPartition(self._prefix + t, p): at for (t, p), at in positions.items()})
            out: list[Delivered] = []
            patience = max(int(wait * 1000), _GLANCE_MS)
            while len(out) < limit:
                polled = consumer.poll(timeout_ms=patience, max_records=limit - len(out))
                if not polled:
                    break
                for records in polled.values():
                    out += [self._delivered(record) for record in records]
                patience = 0
        return out

    def end(self, topic: str, partition: int) -> int:
        with self._reading, _translated():
            place = TopicPartition(self._prefix + topic, partition)
            consumer = self._consumer_now()
            _check_there(consumer, [place])
            return int(consumer.end_offsets([place], timeout_ms=_ANSWER_MS)[place])

    def close(self) -> None:
        with self._writing, self._reading:
            for client in (self._producer, self._consumer):
                if client is not None:
                    client.close()
            self._producer = self._consumer = None

    def _seek(self, consumer: KafkaConsumer, wanted: Mapping[TopicPartition, int]) -> None:
        """Have the consumer give exactly these partitions from these offsets; where it stands there already, let it."""
        if consumer.assignment() != set(wanted):
            _check_there(consumer, wanted)
            consumer.assign(list(wanted))
            self._next = {}
        for place, at in wanted.items():
            if self._next.get(place) != at:
                consumer.seek(place, at)
                self._next[place] = at

    def _delivered(self, record: Any) -> Delivered:
        self._next[TopicPartition(record.topic, record.partition)] = record.offset + 1
        topic = record.topic.removeprefix(self._prefix)
        return Delivered(topic, record.partition, record.offset, record.value or b"")

    def _consumer_now(self) -> KafkaConsumer:
        if self._consumer is None:
            self._consumer = _connected(
                KafkaConsumer,
                self._servers,
                **self._common(),
                metrics_enabled=False,
                group_id=None,
                check_crcs=False,  # envelopes are signed; a checksum in pure Python costs more than all the rest
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                max_partition_fetch_bytes=_BATCH,
                fetch_max_bytes=2 * _BATCH,
            )
            self._next = {}
        return self._consumer

    def _new_producer(self) -> KafkaProducer:
        return _connected(
            KafkaProducer,
            self._servers,
            **self._common(),
            metrics_enabled=False,
            enable_idempotence=True,  # said aloud, so that a setting that contradicts it raises
            acks="all",
            linger_ms=5,
            batch_size=256 * 1024,
            max_request_size=_BATCH,
            max_block_ms=_ANSWER_MS // 2,
            delivery_timeout_ms=_DELIVERY_MS,
            allow_auto_create_topics=False,
        )

    def _common(self) -> dict[str, Any]:
        common = {
            "client_id": "samaki",
            "request_timeout_ms": _ANSWER_MS,
            "bootstrap_timeout_ms": _ANSWER_MS,
            "reconnect_backoff_max_ms": _RECONNECT_MS,
        }
        if self._tls is None:
            return common
        return {
            **common,
            "security_protocol": "SSL",
            "ssl_cafile": str(self._tls.cafile),
            "ssl_certfile": str(self._tls.certfile),
            "ssl_keyfile": str(self._tls.keyfile),
        }


def _connected(kind: Any, servers: Iterable[str], **settings: Any) -> Any:
    """A client that has found its brokers.

    One that does not find them leaves a thread and sockets behind. So none is made while no broker listens, and what
    one leaves, that was made and failed, is closed here.
    """
    _check_listening(servers)
    made = []

    def carry(**given: Any) -> Any:
        made.append(KafkaConsumer.DEFAULT_CONFIG["kafka_client"](**given))
        return made[-1]

    try:
        return kind(bootstrap_servers=list(servers), kafka_client=carry, **settings)
    except BaseException:
        for client in made:
            client.close()
        raise


def _check_listening(servers: Iterable[str]) -> None:
    """Raises the last server's OSError if none takes a connection."""
    refusal: OSError = ConnectionError("no server is named")
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_MS / 1000).close()
        except OSError as error:
            refusal = error
        else:
            return
    raise refusal


def _is_local(server: str) -> bool:
    host = server.rpartition(":")[0].strip("[]")
    return host in {"localhost", "::1"} or host.startswith("127.")


def _check_there(consumer: KafkaConsumer, places: Iterable[TopicPartition]) -> None:
    """The client waits for ever for a partition that nobody made."""
    for place in places:
        if place.partition not in consumer.partitions_for_topic(place.topic):
            raise UnknownTopicOrPartitionError(f"{place.topic}, partition {place.partition}")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except UnknownTopicOrPartitionError as error:
        raise TopicMissing(f"The brokers have no such topic: {error}. Ensure it.") from error
    except (KafkaError, OSError, ValueError) as error:
        # ValueError: the client's word for a partition that it does not know
        kind = type(error).__name__
        raise StreamUnavailable(f"The brokers did not do it ({kind}): nothing is lost, try again.") from error
