"""The audit reads to the end that it saw, and no further; it does not wait for ever for what a carrier keeps back."""

import pytest

from events.errors import StreamUnavailable
from events.stream import Delivered, MemoryStream
from services.auditor import reading

LINKAGE, KEYS = ("linkage.KH", 0), ("keys.KH", 0)


class Carrier(MemoryStream):
    """Counts looks; may have dropped its oldest records, hide some, or go away."""

    def __init__(self, **logs: int) -> None:
        super().__init__()
        self.looks, self.oldest, self.hidden, self.is_gone = 0, {}, set(), False
        self.asked: list[str] = []

    def write(self, place, *values: bytes) -> None:
        self.ensure({place[0]: 1})
        self.append([(*place, value) for value in values])

    def read(self, positions, limit, wait=0.0):
        self.looks += 1
        starts = {place: max(at, self.oldest.get(place, 0)) for place, at in positions.items()}
        found = super().read({p: at for p, at in starts.items() if at < super(Carrier, self).end(*p)}, min(limit, 3))
        return [record for record in found if (record.topic, record.offset) not in self.hidden]

    def end(self, topic, partition):
        if self.is_gone:
            raise StreamUnavailable("gone")
        self.asked.append(topic)
        return super().end(topic, partition)


@pytest.fixture
def carrier():
    return Carrier()


def offsets(records: list[Delivered], place) -> list[int]:
    return [r.offset for r in records if (r.topic, r.partition) == place]


def test_topics_that_nobody_made_have_no_end(carrier, region):
    carrier.write(LINKAGE, b"a")
    assert reading.ends_of(carrier, region.charter) == {LINKAGE: 1}


def test_the_ends_of_keys_are_seen_last_since_keys_are_told_before_they_are_used(region):
    region.stream = carrier = Carrier()
    for topic in region.charter.topics:
        carrier.ensure({topic.name: topic.partitions})
    reading.ends_of(carrier, region.charter)
    families = [name.startswith("keys.") for name in carrier.asked]
    assert families == sorted(families)


def test_all_is_read_once_and_in_order_a_partition(carrier):
    carrier.write(LINKAGE, *(b"%d" % n for n in range(20)))
    carrier.write(KEYS, *(b"%d" % n for n in range(5)))
    records = list(reading.records(carrier, {LINKAGE: 20, KEYS: 5}))
    assert offsets(records, LINKAGE) == list(range(20))
    assert offsets(records, KEYS) == list(range(5))


def test_what_comes_after_the_end_that_was_seen_is_left(carrier):
    carrier.write(LINKAGE, *(b"%d" % n for n in range(20)))
    assert offsets(list(reading.records(carrier, {LINKAGE: 7})), LINKAGE) == list(range(7))


def test_reading_begins_at_the_oldest_record_that_is_kept(carrier):
    carrier.write(LINKAGE, *(b"%d" % n for n in range(9)))
    carrier.oldest[LINKAGE] = 4
    assert offsets(list(reading.records(carrier, {LINKAGE: 9})), LINKAGE) == [4, 5, 6, 7, 8]


def test_a_partition_whose_records_are_all_dropped_does_not_hold_up_the_others(carrier):
    carrier.write(LINKAGE, b"a", b"b")
    carrier.write(KEYS, b"c")
    carrier.oldest[LINKAGE] = 2
    assert offsets(list(reading.records(carrier, {LINKAGE: 2, KEYS: 1})), KEYS) == [0]
    assert carrier.looks < 20


def test_a_carrier_that_hides_records_is_left_after_some_looks(carrier):
    carrier.write(LINKAGE, b"a", b"b")
    carrier.hidden = {(LINKAGE[0], 1)}
    assert offsets(list(reading.records(carrier, {LINKAGE: 2})), LINKAGE) == [0]


def test_a_carrier_that_goes_away_is_no_end_of_records(carrier):
    carrier.write(LINKAGE, b"a", b"b")
    carrier.hidden = {(LINKAGE[0], 1)}
    carrier.is_gone = True
    with pytest.raises(StreamUnavailable):
        list(reading.records(carrier, {LINKAGE: 2}))
