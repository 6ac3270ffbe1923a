"""How far a stream counts as heard: never beyond an event that came and could not be opened."""

from posts import LINKAGE, Pair

from events import answers


def heard(pair: Pair) -> int | None:
    return pair.matcher.post.applied_tick(LINKAGE)


def lose_a_word(pair: Pair) -> None:
    """KH writes to a key of the matcher's that is destroyed before it reads; then ticks go by."""
    pair.write(1)
    pair.kh.post.send()
    old = pair.matcher.ring.primary("sealing").id
    pair.region.clock.advance(6.6 * 86400)
    for seat in (pair.matcher, pair.kh):  # KH writes when it has heard of the new key
        seat.post.tick()
        pair.kh.post.send()
        pair.matcher.post.send()
        pair.kh.post.receive({})
    pair.matcher.ring.destroy("sealing", old)
    pair.receive()


def test_while_an_event_waits_to_be_sealed_anew_nothing_counts_as_heard(pair, monkeypatch):
    monkeypatch.setattr(answers, "NEVER_SEALED_ANEW", frozenset())
    pair.next_tick()
    assert heard(pair) == pair.region.charter.tick_at(pair.region.clock.now())
    lose_a_word(pair)
    assert pair.got == []
    assert heard(pair) is None
    pair.next_tick(3)
    assert pair.got == [1]
    assert heard(pair) == pair.region.charter.tick_at(pair.region.clock.now())


def test_where_the_stream_begins_anew_for_it_what_the_new_epoch_says_counts_as_heard(pair):
    pair.next_tick()
    lose_a_word(pair)
    assert heard(pair) is None
    pair.next_tick(2)
    assert [topic.name for topic in pair.kh.post.refills()] == [LINKAGE]
    with pair.kh.database.transaction() as tx:
        pair.kh.post.refilled(tx, pair.topic)
    pair.next_tick(2)
    assert heard(pair) == pair.region.charter.tick_at(pair.region.clock.now())
