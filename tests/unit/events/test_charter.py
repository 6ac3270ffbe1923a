"""What a charter may say, and what it may not."""

import pytest
from posts import LINKAGE, Posts
from pydantic import ValidationError

from events.charter import MONTH, Charter, LastSigned


def named(topic=LINKAGE, partition=0, epoch=1, seq=5):
    return LastSigned(topic=topic, partition=partition, epoch=epoch, seq=seq)


def chartered(region, *, last=None, **second):
    """The region's charter, with KH's key retired and, with `second`, another key beside it."""
    first = region.charter.party("KH").signing[0]
    keys = [first.model_copy(update={"last": last})]
    keys += [first.model_copy(update=second)] if second else []
    parties = [p.model_copy(update={"signing": tuple(keys)}) if p.id == "KH" else p for p in region.charter.parties]
    return Charter.model_validate_json(region.charter.model_copy(update={"parties": tuple(parties)}).model_dump_json())


def test_a_key_that_is_not_retired_counts_everywhere(region):
    (key,) = chartered(region).party("KH").signing
    assert key.counts_at(LINKAGE, 3, 2**50, 2**50)


@pytest.mark.parametrize("place, counts", [
    ((LINKAGE, 0, 2, 5), True), ((LINKAGE, 0, 2, 0), True), ((LINKAGE, 0, 1, 99), True),
    ((LINKAGE, 0, 2, 6), False), ((LINKAGE, 0, 3, 0), False), ((LINKAGE, 1, 1, 0), False), (("keys.KH", 0, 1, 0), False),
])  # fmt: skip
def test_a_retired_key_counts_up_to_the_last_of_each_stream_that_is_named_and_nowhere_else(region, place, counts):
    (key,) = chartered(region, last=(named(epoch=2),)).party("KH").signing
    assert key.counts_at(*place) is counts


def test_a_key_that_is_retired_without_any_stream_counts_nowhere(region):
    (key,) = chartered(region, last=()).party("KH").signing
    assert not key.counts_at(LINKAGE, 0, 1, 0)


@pytest.mark.parametrize("last, sentence", [
    ((named(), named(seq=9)), "names a stream twice"),
    ((named("linkage.TH"),), "names a topic that KH does not write"),
    ((named("notices.KH"),), "names a topic that KH does not write"),
])  # fmt: skip
def test_a_retired_key_names_each_of_its_partys_own_streams_once(region, last, sentence):
    with pytest.raises(ValidationError, match=sentence):
        chartered(region, last=last)


@pytest.mark.parametrize("second", [{"id": "KH-2"}, {"public": "ab" * 32}])
def test_a_retired_key_cannot_stand_beside_itself_under_another_name_or_lend_its_own(region, second):
    with pytest.raises(ValidationError, match="stands twice"):
        chartered(region, last=(), **second)


def test_with_cover_totals_come_no_more_often_than_each_thirty_days(tmp_path):
    cover = {"cover": True, "cover_evaluations": 4, "tick_seconds": 3600}
    assert Posts(tmp_path, **cover).charter.totals_seconds == MONTH
    with pytest.raises(ValueError, match="would show what the cover hides"):
        Posts(tmp_path, **cover, totals_seconds=MONTH - 1)
    assert Posts(tmp_path, totals_seconds=2).charter.totals_seconds == 2
