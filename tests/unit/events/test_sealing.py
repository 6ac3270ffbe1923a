"""Sealing keys: renewed, destroyed, and what comes of a body that nobody can open any more."""

import pytest
from posts import LINKAGE, item

from events import answers
from events.database import open_database
from events.errors import NotYet
from events.post import Post

# ---- sealing keys


def test_nothing_is_written_to_a_reader_without_a_sealing_key(region):
    kh = region.seat("KH")
    with pytest.raises(NotYet), kh.database.transaction() as tx:
        kh.post.write(tx, region.topic(LINKAGE), [item(1)])


def test_a_sealing_key_is_renewed_before_it_ends_and_destroyed_when_it_is_accepted_no_longer(pair):
    ring, post, clock = pair.matcher.ring, pair.matcher.post, pair.region.clock
    first = ring.primary("sealing").id
    clock.advance(6 * 86400)
    post.tick()
    assert ring.primary("sealing").id == first
    clock.advance(0.6 * 86400)
    post.tick()
    second = ring.primary("sealing").id
    assert second != first
    pair.settle()
    assert pair.kh.post.directory.sealing_key("matcher", clock.now()).id == second
    clock.advance(14 * 86400)
    post.tick()
    assert ring.version("sealing", first).state == "active"
    clock.advance(0.5 * 86400)
    post.tick()
    assert ring.version("sealing", first).state == "destroyed"


def test_a_sealing_key_that_a_crash_left_unannounced_is_announced_at_the_next_start(region, monkeypatch):
    ring, database = region.ring("KH"), open_database("sqlite:///:memory:")
    with monkeypatch.context() as patched:
        patched.setattr(Post, "announce", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            region.seat("KH", ring=ring, database=database)
    kh = region.seat("KH", ring=ring, database=database)
    assert kh.post.directory.sealing_key("KH", region.clock.now()).id == ring.primary("sealing").id
    assert len(ring.versions("sealing")) == 1


@pytest.fixture(autouse=True)
def _sealed_anew_as_on_any_other_topic(request, monkeypatch):
    """The pair plays on a topic of linkage, whose events begin anew instead; these tests are about all the others."""
    if "linkage_begins_anew" not in request.node.name:
        monkeypatch.setattr(answers, "NEVER_SEALED_ANEW", frozenset())


def test_what_linkage_cannot_open_begins_anew_since_it_must_not_come_after_newer_words_linkage_begins_anew(pair):
    pair.write(1)
    pair.settle()
    lose_the_key(pair)
    pair.receive()
    pair.region.clock.advance(60)
    pair.reply()
    assert [topic.name for topic in pair.kh.post.refills()] == [LINKAGE]


def test_a_body_that_cannot_be_opened_is_asked_for_again_and_has_its_effect_once(pair):
    pair.write(1, 2)
    pair.settle()
    ring = pair.matcher.ring
    old = ring.primary("sealing").id
    pair.region.clock.advance(6.6 * 86400)
    pair.matcher.post.tick()
    ring.destroy("sealing", old)
    pair.settle()
    pair.write(3)
    pair.settle()
    pair.receive()
    assert pair.got == [3]
    assert pair.matcher.post.status().refused == {"sealing_key_gone": 2}
    pair.next_tick(3)
    assert sorted(pair.got) == [1, 2, 3]
    pair.next_tick(2)
    assert sorted(pair.got) == [1, 2, 3]
    with pair.kh.database.reading() as tx:  # and the writer may let go of it all
        assert tx.execute("SELECT count(*) FROM outbox_rows WHERE topic = ?", (LINKAGE,)) == [(0,)]


def lose_the_key(pair):
    """The matcher's sealing key is gone; it has another, and KH knows it."""
    old = pair.matcher.ring.primary("sealing").id
    renew_the_key(pair)
    pair.matcher.ring.destroy("sealing", old)


def renew_the_key(pair):
    pair.region.clock.advance(6.6 * 86400)
    for seat in (pair.matcher, pair.kh):  # KH writes when it has heard of the new key
        seat.post.tick()
        pair.settle()


def test_an_event_that_is_asked_for_twice_is_sealed_anew_once(pair):
    pair.write(1)
    pair.settle()
    lose_the_key(pair)
    pair.receive()
    written = pair.kh.post.status().written
    for _ in range(3):  # KH's answer is written, and not sent
        pair.region.clock.advance(60)
        pair.reply()
    assert pair.kh.post.status().written == written + 1


def test_two_copies_for_two_keys_have_one_effect(pair):
    pair.write(1)
    pair.settle()
    lose_the_key(pair)
    pair.receive()
    pair.region.clock.advance(60)
    pair.reply()
    renew_the_key(pair)  # while the first copy is on its way
    pair.region.clock.advance(60)
    pair.reply()
    pair.kh.post.send()
    pair.receive()
    assert pair.got == [1]
    assert pair.matcher.post.status().refused == {"sealing_key_gone": 1, "done_before": 1}


def test_what_could_not_be_opened_is_asked_for_no_more_when_a_new_epoch_begins(pair):
    pair.write(1)
    pair.settle()
    lose_the_key(pair)
    pair.receive()
    with pair.kh.database.transaction() as tx:
        pair.kh.post.open_epoch(tx, pair.topic)
        pair.kh.post.write(tx, pair.topic, [item(7)])
    pair.settle()
    pair.receive()
    with pair.matcher.database.reading() as tx:
        assert pair.matcher.post._inbox.wants(tx, "KH") == ()
    pair.region.clock.advance(60)
    pair.reply()
    with pair.kh.database.reading() as tx:
        assert tx.execute("SELECT count(*) FROM outbox_rows WHERE topic = ?", (LINKAGE,)) == [(0,)]
