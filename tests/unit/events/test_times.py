"""Times of sealing: they never go back in a stream, whatever a clock does, and nothing of an honest writer's is lost."""

from datetime import datetime, timedelta

import pytest
from posts import LINKAGE, copy, say

from events.clock import ManualClock
from events.database import open_database
from events.envelope import unpack
from events.errors import CharterInvalid
from events.messages import Head, Want

HOUR = 3600


def times(pair):
    return [unpack(wire).header.sealed_at for wire in pair.log()]


def spoken(pair, value):
    pair.write(value)
    pair.settle()
    pair.receive()


def begin_anew(pair):
    with pair.kh.database.transaction() as tx:
        pair.kh.post.open_epoch(tx, pair.topic)
        pair.kh.post.refilled(tx, pair.topic)


def at_its_own_clock(pair, **off):
    """KH starts again on a machine whose clock is off by so much."""
    region, true = pair.region, pair.region.clock
    region.clock = ManualClock(true.now() + timedelta(**off)) if off else true
    pair.kh = region.seat("KH", database=pair.kh.database, ring=pair.kh.ring)
    region.clock = true
    return pair.kh


# ---- a writer's clock


def test_a_clock_that_is_set_back_loses_nothing(pair):
    pair.region.clock.advance(2 * HOUR)
    spoken(pair, 1)
    pair.region.clock.advance(-HOUR)
    spoken(pair, 2)
    begin_anew(pair)
    spoken(pair, 3)
    pair.region.clock.advance(2 * HOUR)
    spoken(pair, 4)
    assert pair.got == [1, 2, 3, 4]
    assert times(pair) == sorted(times(pair))
    assert pair.matcher.post.status().refused == {}


def test_what_is_sent_again_bears_its_old_time_and_is_applied(pair):
    pair.write(1, 2)
    pair.region.clock.advance(HOUR)
    pair.write(3)
    pair.kh.post.send()
    del pair.log()[1]
    pair.receive()
    assert pair.got == [1]
    pair.next_tick()
    assert pair.got == [1, 2, 3]
    assert "backdated" not in pair.matcher.post.status().refused


def test_what_was_seen_before_is_dropped_and_not_called_backdated(pair):
    spoken(pair, 1)
    pair.region.clock.advance(HOUR)
    spoken(pair, 2)
    pair.deliver(*pair.log())
    pair.receive()
    assert pair.got == [1, 2]
    assert (pair.matcher.post.status().refused, pair.matcher.post.status().dropped) == ({}, 2)


def test_a_writer_restored_on_a_machine_whose_clock_is_behind_is_heard(pair, tmp_path):
    copy(pair.kh.database, tmp_path / "backup.db")
    pair.region.clock.advance(HOUR)
    spoken(pair, 1)
    pair.kh.database = open_database(f"sqlite:///{tmp_path}/backup.db")
    at_its_own_clock(pair, minutes=-50)
    pair.refill()
    spoken(pair, 7)
    assert pair.got == [1, 7]


def test_a_writer_whose_clock_was_ahead_is_heard_meanwhile_and_when_it_is_right_again(pair):
    at_its_own_clock(pair, days=5)
    spoken(pair, 1)
    at_its_own_clock(pair)
    spoken(pair, 2)
    pair.region.clock.advance(6 * 86400)
    pair.next_tick()
    spoken(pair, 3)
    assert pair.got == [1, 2, 3]


def test_a_writer_that_forgot_a_time_ahead_of_everybodys_is_heard_at_once(pair, tmp_path):
    """Readers remember no time that had not come: not what the header said."""
    copy(pair.kh.database, tmp_path / "backup.db")
    at_its_own_clock(pair, days=5)
    spoken(pair, 1)
    pair.log().clear()
    pair.kh.database = open_database(f"sqlite:///{tmp_path}/backup.db")
    at_its_own_clock(pair)
    pair.reply()  # the reader is ahead of it: it begins anew
    pair.refill()
    pair.write(7)
    pair.next_tick(2)
    assert pair.got == [1, 7]
    assert times(pair)[-1] == pair.region.clock.now()


# ---- the signing key's own time


@pytest.mark.parametrize("days", [-2, 365])
def test_nothing_is_sealed_outside_the_keys_time_and_the_work_is_kept(pair, days):
    spoken(pair, 1)
    begin_anew(pair)
    with pair.kh.database.transaction() as tx:
        tx.execute("UPDATE outbox_streams SET sealed_at = '0001-01-01T00:00:00+00:00'")
    pair.region.clock.advance(days * 86400)
    with pytest.raises(CharterInvalid, match="set the clock"), pair.kh.database.transaction() as tx:
        pair.kh.post._outbox.put(tx, pair.topic, 0, b"{}", to=None)
    pair.region.clock.advance(-days * 86400)
    spoken(pair, 2)
    assert pair.got == [1, 2]


def test_a_party_does_not_open_under_a_key_whose_time_is_over_or_that_is_retired(pair):
    region, right = pair.region, pair.region.charter
    keys = (right.party("KH").signing[0].model_copy(update={"last": ()}),)
    parties = tuple(p.model_copy(update={"signing": keys}) if p.id == "KH" else p for p in right.parties)
    region.charter = right.model_copy(update={"parties": parties})
    with pytest.raises(CharterInvalid, match="is retired, or its time is over"):
        pair.restart()
    region.charter = right
    region.clock.advance(365 * 86400)
    with pytest.raises(CharterInvalid, match="is retired, or its time is over"):
        pair.restart()


# ---- numbers of stream epochs


def epoch_of(pair):
    with pair.kh.database.reading() as tx:
        return pair.kh.post._outbox.place(tx, LINKAGE, 0).epoch


def head(epoch):
    return Head(writer="KH", epoch=epoch, topic=LINKAGE, partition=0, seq=3, hash="00" * 32)


def want(epoch):
    return Want(epoch=epoch, topic=LINKAGE, partition=0, from_seq=0)


def test_a_writer_goes_beyond_an_epoch_of_which_its_reader_has_seen_some_and_misses_the_beginning(pair):
    status = say(pair, wants=[want(5)])
    assert (status.refused, epoch_of(pair)) == ({"reader_is_ahead": 1}, 6)


def test_a_writer_does_not_believe_that_an_epoch_was_seen_beyond_which_there_is_none(pair):
    now = int(pair.region.clock.now().timestamp())
    status = say(pair, heads=[head(now), head(2**52)], wants=[want(now)])
    assert (status.refused, epoch_of(pair)) == ({"implausible_epoch": 3}, 1)
    pair.region.clock.advance(60)  # one want of a stream is heeded a tick
    say(pair, wants=[want(now - 1)])
    assert epoch_of(pair) == now


def test_what_anybody_says_in_public_begins_nothing_anew(pair):
    status = say(pair, wants=[Want(epoch=5, topic="keys.KH", partition=0, from_seq=0)])
    assert (status.refused, pair.kh.post.places("keys.KH")[0].epoch) == ({}, 1)


def test_a_key_that_was_retired_is_left_once_on_every_stream(pair):
    spoken(pair, 1)
    pair.region.clock.advance(60)
    pair.renew(last=pair.last())
    begun = {topic.name: epoch for topic in pair.region.charter.written_by("KH") for epoch in epochs(pair, topic)}
    second = int(pair.region.clock.now().timestamp()) - 1
    assert begun == {"keys.KH": second, LINKAGE: second, "cases.KH": 1, "evaluate.KH.KH": 1, "evaluate.KH.TH": 1}
    pair.refill()
    pair.region.clock.advance(60)
    pair.restart()
    assert {epoch for topic in pair.region.charter.written_by("KH") for epoch in epochs(pair, topic)} == {1, second}
    assert pair.kh.post.refills() == ()


def epochs(pair, topic):
    return {at.epoch for at in pair.kh.post.places(topic.name)}


def test_a_reader_forgets_the_sealing_keys_that_a_writer_does_not_say_again(pair):
    region = pair.region
    with pair.matcher.database.transaction() as tx:
        tx.execute("UPDATE directory_sealing SET key_id = 'KH.seal.thiefs' WHERE party = 'KH'")
    with pair.kh.database.transaction() as tx:
        pair.kh.post.open_epoch(tx, region.topic("keys.KH"))
    pair.settle()
    known = pair.matcher.post.directory.sealing_key("KH", region.clock.now())
    assert known.id == pair.kh.ring.primary("sealing").id


def test_the_time_that_a_reader_remembers_is_kept_with_its_head(pair):
    spoken(pair, 1)
    pair.region.clock.advance(HOUR)
    spoken(pair, 2)
    with pair.matcher.database.reading() as tx:
        ((kept,),) = tx.execute("SELECT sealed_at FROM inbox_streams WHERE topic = ?", (LINKAGE,))
    assert datetime.fromisoformat(kept) == times(pair)[-1]
    pair.restart()
    pair.deliver(pair.forged(2, 66, sealed_at=times(pair)[-1] - timedelta(seconds=1)))
    pair.receive()
    assert pair.got == [1, 2]
