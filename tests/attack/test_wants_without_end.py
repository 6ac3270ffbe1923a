"""A party that asks for the same envelopes over and over makes their writer send them once a tick, and no more at once."""

import pytest

from events import answers
from events.messages import Body, Want

PUBLIC = "keys.KH"


def want(topic, from_seq=0, epoch=1):
    return Want(epoch=epoch, topic=topic, partition=0, from_seq=from_seq)


@pytest.fixture
def nags(pair):
    """The matcher, or a thief of its key, says wants in public; KH hears and does all that it can."""

    def nag(*wants, times=10):
        for _ in range(times):
            body = Body(wants=wants).model_dump_json().encode()
            with pair.matcher.database.transaction() as tx:
                pair.matcher.post._outbox.put(tx, pair.region.topic("keys.matcher"), 0, body, to=None)
            pair.matcher.post.send()
            while pair.kh.post.receive({"notices": lambda *_: None}) + pair.kh.post.send():
                pass

    return nag


def test_what_is_public_is_sent_again_once_a_tick_to_who_asks_without_end(pair, nags):
    pair.next_tick(3)
    written = len(pair.log(PUBLIC))
    nags(*[want(PUBLIC)] * 30)
    assert len(pair.log(PUBLIC)) == 2 * written
    nags(want(PUBLIC, 1))
    assert len(pair.log(PUBLIC)) == 2 * written
    pair.region.clock.advance(60)
    nags(want(PUBLIC))
    assert len(pair.log(PUBLIC)) == 3 * written


def test_one_who_asks_without_end_keeps_nobody_else_from_being_heard(pair, nags):
    pair.next_tick(3)
    nags(want(PUBLIC))
    before = len(pair.log(PUBLIC))
    with pair.kh.database.transaction() as tx:
        assert pair.kh.post._receiver.answers.answer(tx, "TH", want(PUBLIC), None) is None
    while pair.kh.post.send():
        pass
    assert len(pair.log(PUBLIC)) > before


def test_a_public_stream_is_sent_again_in_parts(pair, nags, monkeypatch):
    monkeypatch.setattr(answers, "_PUBLIC_AT_ONCE", 3)
    pair.next_tick(6)
    before = len(pair.log(PUBLIC))
    nags(want(PUBLIC))
    assert len(pair.log(PUBLIC)) - before == 3
    assert pair.log(PUBLIC)[before:] == pair.log(PUBLIC)[:3]


def test_who_lost_more_of_a_public_stream_than_one_part_has_it_all_after_some_ticks(pair, monkeypatch):
    monkeypatch.setattr(answers, "_PUBLIC_AT_ONCE", 2)
    pair.kh.post.tick()
    pair.kh.post.send()
    for _ in range(9):  # the matcher hears nothing of this
        pair.region.clock.advance(60)
        pair.kh.post.tick()
        pair.kh.post.send()
        del pair.log(PUBLIC)[-1]
    pair.next_tick(14)
    with pair.matcher.database.reading() as tx:
        (tail,) = [t for t in pair.matcher.post._inbox.tails(tx) if t.topic == PUBLIC]
    (place,) = pair.kh.post.places(PUBLIC)
    assert not tail.has_gap
    assert tail.seq == place.seq


def test_a_stream_is_begun_anew_once_a_tick_for_who_asks_for_what_is_gone(pair, nags):
    """Each new stream epoch brings its whole live state: asked for in a row, for the epochs to come, it would be many."""
    pair.write(1, 2)
    pair.next_tick(2)
    nags(*[want(pair.topic.name, 0, epoch) for epoch in range(1, 30)], times=3)
    with pair.kh.database.reading() as tx:
        assert pair.kh.post._outbox.place(tx, pair.topic.name, 0).epoch == 2
