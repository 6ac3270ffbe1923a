"""Parties that were restored from a backup, and what readers may say of a writer's streams."""

import pytest
from posts import LINKAGE, copy, item, say

from events.database import open_database
from events.messages import Head, Want

# ---- restored from a backup


def test_a_restored_writer_opens_a_new_epoch_before_it_seals_anything(pair, tmp_path):
    pair.write(1)
    pair.settle()
    pair.receive()
    copy(pair.kh.database, tmp_path / "backup.db")
    pair.write(2)
    pair.settle()
    pair.receive()
    pair.kh = pair.region.seat("KH", database=open_database(f"sqlite:///{tmp_path}/backup.db"), ring=pair.kh.ring)
    assert LINKAGE in {t.name for t in pair.kh.post.refills()}
    with pair.kh.database.transaction() as tx:
        for topic in pair.kh.post.refills(tx):
            pair.kh.post.refilled(tx, topic)
    pair.write(7)
    pair.settle()
    pair.receive()
    assert pair.got == [1, 2, 7]
    assert pair.matcher.post.status().forks == ()


def test_a_writer_that_a_readers_head_is_ahead_of_opens_a_new_epoch(pair, tmp_path):
    copy(pair.kh.database, tmp_path / "backup.db")
    pair.write(1, 2)
    pair.settle()
    pair.receive()
    pair.region.stream._logs[LINKAGE, 0].clear()  # nothing in the carrier tells
    pair.kh = pair.region.seat("KH", database=open_database(f"sqlite:///{tmp_path}/backup.db"), ring=pair.kh.ring)
    assert LINKAGE not in {t.name for t in pair.kh.post.refills()}
    pair.reply()
    assert LINKAGE in {t.name for t in pair.kh.post.refills()}
    pair.write(7)
    pair.settle()
    pair.receive()
    assert pair.got == [1, 2, 7]


def test_a_restored_reader_that_asks_for_what_is_gone_gets_a_new_epoch(pair, tmp_path):
    copy(pair.matcher.database, tmp_path / "backup.db")
    pair.write(1, 2)
    pair.settle()
    pair.receive()
    pair.reply()
    pair.region.stream._logs[LINKAGE, 0].clear()  # retention
    pair.matcher = pair.region.seat(
        "matcher", database=open_database(f"sqlite:///{tmp_path}/backup.db"), ring=pair.matcher.ring
    )
    pair.next_tick(2)
    assert pair.topic in pair.kh.post.refills()
    pair.write(7)
    pair.next_tick(1)
    assert pair.got == [1, 2, 7]


def test_keys_are_said_again_in_a_new_epoch(pair):
    with pair.kh.database.transaction() as tx:
        pair.kh.post.open_epoch(tx)
    assert region_topics(pair.kh.post.refills()) == {"cases.KH", LINKAGE, "evaluate.KH.KH", "evaluate.KH.TH"}
    pair.kh.post.send()
    newcomer = pair.region.seat("TH.holder")
    newcomer.post.receive({})
    newcomer.post.receive({})
    assert newcomer.post.directory.sealing_key("KH", pair.region.clock.now()).id == pair.kh.ring.primary("sealing").id


def region_topics(topics):
    return {topic.name for topic in topics}


# ---- what readers may say


def head(topic=LINKAGE, seq=0, epoch=1, partition=0, digest=b""):
    return Head(writer="KH", epoch=epoch, topic=topic, partition=partition, seq=seq, hash=digest.hex() or "00" * 32)


def test_a_writer_begins_above_the_epoch_that_a_reader_has_seen(pair):
    say(pair, heads=[head(epoch=5, seq=3)])
    with pair.kh.database.reading() as tx:
        at = pair.kh.post._outbox.place(tx, LINKAGE, 0)
    assert (at.epoch, at.seq) == (6, -1)


@pytest.mark.parametrize(
    "wrong",
    [
        head("evaluate.KH.TH"), head("keys.KH"), head("linkage.TH"), head(partition=7), head(partition=-1),
    ],
)
def test_a_reader_speaks_only_of_streams_that_it_reads(pair, wrong):
    pair.write(1)
    status = say(pair, heads=[wrong])
    assert (status.refused, status.refills) == ({"head_of_no_stream": 1}, ())


@pytest.mark.parametrize(
    "wrong, code",
    [
        (Want(epoch=1, topic="linkage.TH", partition=0, from_seq=0), "want_of_no_stream"),
        (Want(epoch=1, topic="evaluate.KH.TH", partition=0, from_seq=0), "want_of_no_stream"),
        (Want(epoch=1, topic=LINKAGE, partition=0, from_seq=-5), "want_without_sense"),
        (Want(epoch=1, topic="keys.KH", partition=0, from_seq=0, reseal=["00000000-0000-0000-0000-000000000001"]),
         "want_without_sense"),
    ],
)
def test_a_want_without_sense_is_counted_and_does_nothing(pair, wrong, code):
    status = say(pair, wants=[wrong])
    assert (status.refused, status.refills, status.unsent) == ({code: 1}, (), 0)


def test_a_reader_may_have_the_keys_sent_again(pair):
    status = say(pair, wants=[Want(epoch=1, topic="keys.KH", partition=0, from_seq=0)])
    assert (status.refused, status.unsent) == ({}, 1)


def test_a_want_of_an_epoch_that_is_over_does_nothing(pair):
    with pair.kh.database.transaction() as tx:
        pair.kh.post.open_epoch(tx, pair.topic)
        pair.kh.post.refilled(tx, pair.topic)
    status = say(pair, wants=[Want(epoch=1, topic=LINKAGE, partition=0, from_seq=0)])
    assert (status.refused, status.refills, status.unsent) == ({}, (), 0)


def test_a_reader_that_applied_something_else_under_a_number_of_ours_gets_a_new_epoch(pair):
    pair.write(1)
    status = say(pair, heads=[head(digest=b"\x05" * 32)])
    assert (status.refused, status.refills) == ({"reader_has_another": 1}, (LINKAGE,))


def test_two_relays_on_one_database_do_not_fork_a_stream(pair):
    other = pair.region.seat("KH", database=pair.kh.database, ring=pair.kh.ring)
    pair.write(1)
    with other.database.transaction() as tx:
        other.post.write(tx, pair.topic, [item(2)])
    rows = pair.kh.post._outbox.unsent(10)
    assert other.post.send() == 2
    pair.region.stream.append([(t, p, e) for _, t, p, e in rows])  # the first one comes late with the same
    pair.receive()
    assert pair.got == [1, 2]
