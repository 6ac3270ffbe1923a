from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from events.clock import ManualClock, SystemClock
from events.ids import new_handle, new_id, new_match_ref, stream_id


def test_a_stream_id_depends_on_kind_and_key_alone():
    key = UUID(int=5)
    assert stream_id("case", key) == stream_id("case", key)
    assert len({stream_id("case", key), stream_id("consents", key), stream_id("case", UUID(int=6))}) == 3


def test_new_names_are_never_the_same():
    assert len({new_id() for _ in range(100)} | {new_id() for _ in range(100)}) == 200
    assert len({new_handle() for _ in range(100)}) == 100


def test_a_handle_is_128_bits_in_hex_and_a_match_reference_has_no_look_alikes():
    assert len(bytes.fromhex(new_handle())) == 16
    ref = new_match_ref()
    assert ref.startswith("M-")
    assert not set(ref[2:]) & set("01ilo")


def test_the_clocks_tell_utc():
    assert SystemClock().now().utcoffset() == timedelta(0)
    bangkok = datetime(2026, 3, 1, 19, tzinfo=timezone(timedelta(hours=7)))
    assert ManualClock(bangkok).now() == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_manual_clock_moves_only_when_it_is_moved():
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    assert clock.now() == clock.now()
    clock.advance(90)
    clock.advance(-30)
    assert clock.now() == datetime(2026, 3, 1, 0, 1, tzinfo=UTC)


def test_a_clock_refuses_a_time_without_a_zone():
    with pytest.raises(ValueError, match="time zone"):
        ManualClock(datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None))
