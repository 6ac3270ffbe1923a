"""The contract of a stream (events.stream), on the one in memory and on Apache Kafka."""

import threading
from uuid import uuid4

import pytest

from events.errors import StreamUnavailable
from events.stream import MemoryStream


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def connect(request):
    """Connects to the same carrier again, as another party would."""
    made, shared = [], MemoryStream()
    prefix = f"t{uuid4().hex[:12]}."

    def connect():
        if request.param == "memory":
            return shared
        from events.kafka import KafkaStream

        made.append(KafkaStream(request.getfixturevalue("kafka_bootstrap"), prefix))
        return made[-1]

    yield connect
    for stream in made:
        stream.close()


@pytest.fixture
def stream(connect):
    made = connect()
    made.ensure({"a": 2, "b": 1})
    return made


def read(stream, positions, count, limit=500):
    """Ask until `count` records have come; a carrier over a network may need to be asked again."""
    positions, out = dict(positions), []
    while len(out) < count:
        got = stream.read(positions, limit, 10)
        assert got, f"only {len(out)} of {count} came"
        for record in got:
            positions[record.topic, record.partition] = record.offset + 1
        out += got
    return out


def values(records):
    return [r.value for r in records]


def test_what_was_appended_is_read_in_order_with_its_offset(stream):
    sent = [bytes([i]) * 100 for i in range(50)]
    stream.append([("a", 0, value) for value in sent])
    got = read(stream, {("a", 0): 0}, 50)
    assert values(got) == sent
    assert [(r.topic, r.partition, r.offset) for r in got] == [("a", 0, i) for i in range(50)]


def test_each_partition_has_its_own_order(stream):
    stream.append([("a", i % 2, bytes([i])) for i in range(20)])
    got = read(stream, {("a", 0): 0, ("a", 1): 0}, 20)
    for partition in (0, 1):
        assert [r.value[0] for r in got if r.partition == partition] == list(range(partition, 20, 2))


def test_reading_begins_where_the_reader_says_forwards_and_backwards(stream):
    stream.append([("a", 0, bytes([i])) for i in range(10)])
    for start in (7, 2, 9, 0):
        assert values(read(stream, {("a", 0): start}, 10 - start)) == [bytes([i]) for i in range(start, 10)]


def test_no_more_than_the_limit_is_read(stream):
    stream.append([("a", 0, bytes([i])) for i in range(10)])
    assert len(read(stream, {("a", 0): 0}, 1, limit=3)) <= 3
    assert values(read(stream, {("a", 0): 0}, 10, limit=3)) == [bytes([i]) for i in range(10)]


def test_a_busy_partition_starves_no_other(stream):
    stream.append([("a", 0, b"x")] * 200)
    stream.append([("b", 0, b"y")])
    positions, seen = {("a", 0): 0, ("b", 0): 0}, []
    while ("b", 0) not in seen:
        for record in stream.read(positions, 20, 10):
            positions[record.topic, record.partition] = record.offset + 1
            seen.append((record.topic, record.partition))
        assert len(seen) <= 220


def test_other_partitions_can_be_read_at_the_next_call(stream):
    stream.append([("a", 0, b"1"), ("a", 1, b"2"), ("b", 0, b"3")])
    assert values(read(stream, {("a", 0): 0}, 1)) == [b"1"]
    assert values(read(stream, {("b", 0): 0}, 1)) == [b"3"]
    assert sorted(values(read(stream, {("a", 1): 0, ("b", 0): 0}, 2))) == [b"2", b"3"]


def test_nothing_is_read_where_nothing_is(stream):
    assert stream.read({("a", 0): 0}, 10, 0.05) == []
    assert stream.read({}, 10, 0.05) == []


def test_a_waiting_reader_gets_what_comes_meanwhile(connect, stream):
    writer = connect()
    later = threading.Timer(0.2, writer.append, ([("a", 0, b"x")],))
    later.start()
    assert values(stream.read({("a", 0): 0}, 10, 20)) == [b"x"]
    later.join()


def test_all_parties_read_all_that_was_appended(connect, stream):
    other = connect()
    stream.append([("a", 0, b"1")])
    other.append([("a", 0, b"2")])
    for party in (stream, other):
        assert values(read(party, {("a", 0): 0}, 2)) == [b"1", b"2"]


def test_the_end_is_the_offset_of_the_next_record(stream):
    assert stream.end("a", 1) == 0
    stream.append([("a", 1, b"x")] * 3)
    assert stream.end("a", 1) == 3
    assert stream.end("a", 0) == 0


def test_topics_are_made_once_and_left_alone_after(connect, stream):
    stream.append([("a", 1, b"x")])
    connect().ensure({"a": 2, "c": 1})
    assert stream.end("a", 1) == 1
    assert stream.end("c", 0) == 0


def test_a_position_beyond_the_end_is_read_from_the_oldest(stream):
    stream.append([("a", 0, b"1"), ("a", 0, b"2")])
    assert values(read(stream, {("a", 0): 99}, 2)) == [b"1", b"2"]


def test_empty_and_large_values_travel_whole(stream):
    large = bytes(range(256)) * 4096 * 2  # twice what brokers and clients take unless they are told
    stream.append([("a", 0, b""), ("a", 0, large)])
    assert values(read(stream, {("a", 0): 0}, 2)) == [b"", large]


@pytest.mark.parametrize("place", [("nowhere", 0), ("a", 2)])
def test_a_place_that_nobody_made_is_an_error_at_once(stream, place):
    with pytest.raises(StreamUnavailable):
        stream.append([(*place, b"x")])
    with pytest.raises(StreamUnavailable):
        stream.read({place: 0}, 10)
    with pytest.raises(StreamUnavailable):
        stream.end(*place)
    stream.append([("a", 0, b"x")])  # and the stream goes on
    assert values(read(stream, {("a", 0): 0}, 1)) == [b"x"]


def test_several_threads_may_use_one_stream(stream):
    def append(partition):
        for _ in range(10):
            stream.append([("a", partition, b"x")])

    threads = [threading.Thread(target=append, args=(p,)) for p in (0, 1)]
    for thread in threads:
        thread.start()
    got = read(stream, {("a", 0): 0, ("a", 1): 0}, 20)
    for thread in threads:
        thread.join(30)
    assert len(got) == 20
