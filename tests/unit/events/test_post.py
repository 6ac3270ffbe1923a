"""The life of an envelope between two parties, and the ticks of its streams."""

from datetime import timedelta

import pytest
import structlog
from posts import LINKAGE, Pair, Posts, item, numbers

from events.envelope import unpack
from events.errors import NotYet, Refused
from events.messages import Body, SealingKeyIntroduced
from events.post import LAST_SHOWN, Fill
from keys import seal

# ---- the life of an envelope


def test_what_is_written_is_applied_once_and_in_order(pair):
    pair.write(1, 2, 3)
    assert pair.kh.post.send() == 3
    assert pair.receive() == 3
    assert pair.receive() == 0
    assert pair.got == [1, 2, 3]


def test_an_envelope_is_kept_until_the_readers_signed_head_has_passed_it(pair):
    pair.write(1, 2)
    pair.settle()
    assert pair.kh.post.status().kept >= 2 + 1  # the broker's word alone lets nothing go
    pair.receive()
    pair.reply()
    with pair.kh.database.reading() as tx:
        assert tx.execute("SELECT count(*) FROM outbox_rows WHERE topic = ?", (LINKAGE,)) == [(0,)]


def test_what_everybody_reads_is_kept_for_ever(pair):
    pair.next_tick(3)
    with pair.kh.database.reading() as tx:
        (count,) = tx.execute("SELECT count(*) FROM outbox_rows WHERE topic = 'keys.KH'")[0]
    assert count == len(pair.log("keys.KH")) == 1 + 3


def test_nothing_of_a_transaction_that_failed_is_ever_sent(pair):
    with pytest.raises(ZeroDivisionError), pair.kh.database.transaction() as tx:
        pair.kh.post.write(tx, pair.topic, [item(1)])
        1 / 0  # noqa: B018
    pair.write(2)
    pair.settle()
    pair.receive()
    assert pair.got == [2]


def test_a_crash_between_the_brokers_word_and_ours_sends_again_the_same_bytes_and_changes_nothing(pair, monkeypatch):
    pair.write(1)
    monkeypatch.setattr(pair.kh.post._outbox, "mark_sent", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pair.kh.post.send()
    monkeypatch.undo()
    assert pair.kh.post.send() == 1
    first, second = pair.log()[-2:]
    assert first == second
    pair.receive()
    assert pair.got == [1]
    assert pair.matcher.post.status().dropped == 1


def test_a_handlers_fault_undoes_the_whole_round(pair):
    pair.write(1, 2)
    pair.settle()

    def breaks(tx, header, body):
        tx.execute("INSERT INTO effects VALUES (?)", (str(numbers(body.items)),))
        if numbers(body.items) == [2]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pair.matcher.post.receive({"linkage": breaks})
    with pair.matcher.database.reading() as tx:
        assert tx.execute("SELECT * FROM effects") == []
    pair.receive()
    assert pair.got == [1, 2]


def test_a_restarted_party_goes_on_where_it_was(pair):
    pair.write(1)
    pair.settle()
    pair.receive()
    pair.write(2)
    region = pair.region
    pair.kh = region.seat("KH", database=pair.kh.database, ring=pair.kh.ring)
    pair.matcher = region.seat("matcher", database=pair.matcher.database, ring=pair.matcher.ring)
    pair.write(3)
    pair.settle()
    pair.receive()
    assert pair.got == [1, 2, 3]
    assert pair.kh.post.refills() == ()


def test_many_envelopes_are_read_in_rounds_of_a_given_size(pair):
    pair.write(*range(10))
    pair.settle()
    assert [pair.matcher.post.receive(pair.handlers(), limit=4) for _ in range(4)] == [4, 4, 2, 0]
    assert pair.got == list(range(10))


def test_families_without_a_handler_are_left_unread(pair):
    pair.write(1)
    pair.settle()
    assert pair.matcher.post.receive({"cases": lambda *_: None}) == 0
    pair.receive()
    assert pair.got == [1]


# ---- ticks


def test_a_tick_opens_one_envelope_on_each_stream_and_only_one(tmp_path):
    pair = Pair(Posts(tmp_path, linkage_partitions=2))
    for holder in ("KH.holder", "TH.holder"):
        pair.region.seat(holder).post.send()
    pair.kh.post.receive({})
    assert pair.kh.post.tick()
    assert not pair.kh.post.tick()
    pair.kh.post.send()
    heads = [unpack(log[-1]).header for log in pair.region.stream._logs.values() if log]
    written = [h for h in heads if h.writer == "KH"]
    assert len(written) == sum(t.partitions for t in pair.region.charter.written_by("KH"))
    pair.region.clock.advance(60)
    assert pair.kh.post.tick()


def test_a_tick_is_opened_late_on_a_stream_whose_reader_had_no_key(region):
    kh = region.seat("KH")
    assert kh.post.tick()  # on its keys' topic only
    assert not kh.post.tick()
    region.seat("matcher").post.send()
    kh.post.receive({})
    assert kh.post.tick()
    assert kh.post.status().written >= 1 + 1 + 2


def test_a_tick_carries_what_the_service_fills_in(pair):
    def fill(tx, topic, partition, tick):
        return Fill((item(tick),)) if topic.name == LINKAGE else Fill()

    pair.kh.post.tick(fill)
    pair.settle()
    pair.receive()
    number = pair.region.charter.tick_at(pair.region.clock.now())
    assert pair.got == [number]
    assert pair.matcher.post.applied_tick(LINKAGE) == number


def test_a_fill_that_must_wait_is_undone_asked_again_and_holds_up_no_other_stream(pair):
    ready = []
    pair.kh.database.create(["CREATE TABLE IF NOT EXISTS taken (topic TEXT)"])

    def fill(tx, topic, partition, tick):
        tx.execute("INSERT INTO taken VALUES (?)", (topic.name,))
        if topic.name == LINKAGE and not ready:
            raise NotYet("a batch")
        return Fill()

    def taken():
        with pair.kh.database.reading() as tx:
            return tx.execute("SELECT topic FROM taken ORDER BY topic")

    assert pair.kh.post.tick(fill)
    assert not pair.kh.post.tick(fill)
    assert taken() == [("cases.KH",), ("keys.KH",)]
    ready.append(True)
    assert pair.kh.post.tick(fill)
    assert taken() == [("cases.KH",), ("keys.KH",), (LINKAGE,)]


def test_a_new_stream_epoch_opens_the_tick_that_runs_again(pair):
    assert pair.kh.post.tick()
    with pair.kh.database.transaction() as tx:
        pair.kh.post.open_epoch(tx, pair.topic)
    assert pair.kh.post.tick()
    assert not pair.kh.post.tick()


def test_the_applied_tick_is_that_of_the_partition_furthest_behind(tmp_path):
    pair = Pair(Posts(tmp_path, linkage_partitions=2))
    first = pair.region.charter.tick_at(pair.region.clock.now())
    assert pair.matcher.post.applied_tick(LINKAGE) is None
    pair.next_tick()
    assert pair.matcher.post.applied_tick(LINKAGE) == first + 1
    pair.region.clock.advance(60)
    pair.kh.post.tick()
    pair.kh.post.send()
    pair.log(LINKAGE, 1).pop()
    pair.receive()
    assert pair.matcher.post.applied_tick(LINKAGE) == first + 1


def test_a_writer_cannot_claim_a_tick_that_has_not_come(pair):
    with pair.kh.database.transaction() as tx:
        pair.kh.post.write(tx, pair.topic, [], tick=2**40)
    pair.settle()
    pair.receive()
    assert pair.matcher.post.applied_tick(LINKAGE) == pair.region.charter.tick_at(pair.region.clock.now())


def test_bodies_of_a_fixed_size_keep_it_whatever_they_carry(pair):
    """The size is that of the items alone: heads and wants have room beside it."""
    empty, two = (len(Body(items=items).model_dump_json()) for items in ((), (item(1), item(2))))

    def fill_cases_empty(tx, topic, partition, tick):
        if topic.name == "cases.KH":  # the one that carries the heads
            return Fill((), empty)
        return Fill((item(1),) * (tick % 3), two) if topic.name == LINKAGE else Fill()

    sizes = {"cases.KH": set(), LINKAGE: set()}
    for tick in range(4):
        pair.region.clock.advance(60)
        pair.kh.post.tick(fill_cases_empty)
        pair.kh.post.send()
        for topic, seen in sizes.items():
            seen.add(len(unpack(pair.log(topic)[-1]).box))
        if tick % 2:
            pair.reply()
    assert [len(seen) for seen in sizes.values()] == [1, 1]


def test_a_body_that_does_not_fit_its_fixed_size_is_refused(pair):
    with pytest.raises(ValueError, match="does not fit"), pair.kh.database.transaction() as tx:
        pair.kh.post.write(tx, pair.topic, [item(1)] * 100, size=400)


# ---- misuse


def test_public_items_are_announced_and_sealed_ones_written(pair):
    with pair.kh.database.transaction() as tx:
        with pytest.raises(ValueError, match="announce"):
            pair.kh.post.write(tx, pair.region.topic("keys.KH"), [])
        with pytest.raises(Refused):
            pair.kh.post.announce(tx, item(1))
        with pytest.raises(ValueError, match="no such items"):
            pair.kh.post.write(tx, pair.region.topic("cases.KH"), [item(1)])
        with pytest.raises(ValueError, match="writes no stream"):
            pair.kh.post.write(tx, pair.topic, [item(1)], partition=3)


def test_a_wrong_announcement_spoils_no_other(pair):
    now = pair.region.clock.now()

    def introduced(key_id, days):
        public = seal.new_sealing_pair()[1].hex()
        until = now + timedelta(days=days)
        return SealingKeyIntroduced(key_id=key_id, public=public, valid_from=now, valid_until=until)

    with pair.kh.database.transaction() as tx:
        body = Body(items=(introduced("bad", 99), introduced("good", 7)))
        pair.kh.post._outbox.put(tx, pair.region.topic("keys.KH"), 0, body.model_dump_json().encode(), to=None)
    pair.kh.post.send()
    pair.receive()
    with pair.matcher.database.reading() as tx:
        assert pair.matcher.post.directory.knows_sealing_key(tx, "KH", "good")
        assert not pair.matcher.post.directory.knows_sealing_key(tx, "KH", "bad")
    assert pair.matcher.post.status().refused == {"lives_too_long": 1}


def test_the_log_names_writer_topic_number_and_reason_and_nothing_else(pair, monkeypatch):
    pair.write(1)
    pair.settle()
    pair.deliver(pair.forged(0, 9))
    with structlog.testing.capture_logs() as lines:
        pair.receive()
    fork = {"writer": "KH", "topic": LINKAGE, "seq": 0, "reason": "fork"}
    assert {"event": "post.refused", "log_level": "warning", **fork} in lines
    allowed = {"event", "log_level", "writer", "topic", "seq", "reason", "count"}
    assert all(set(line) <= allowed for line in lines)


def named(lines):
    return [(line["log_level"], line["seq"], line["reason"]) for line in lines if line.get("topic") == LINKAGE]


def test_whatever_comes_twice_or_too_early_is_named_once_each_time_and_is_no_warning(pair):
    pair.write(0, 1, 2)
    pair.settle()
    pair.write(3, 4)
    pair.kh.post.send()
    log = pair.log()
    log[-2:] = [log[-1], log[-2], log[-2], log[0]]
    with structlog.testing.capture_logs() as lines:
        pair.receive()
    assert named(lines) == [("info", 4, "ahead"), ("info", 3, "duplicate"), ("info", 0, "duplicate")]
    assert {"event": "post.set_aside", "log_level": "info", "writer": "KH", "topic": LINKAGE, "seq": 4,
            "reason": "ahead"} in lines  # fmt: skip


def test_whatever_comes_of_a_stream_that_is_over_or_frozen_is_named(pair):
    pair.write(0)
    pair.settle()
    old = pair.log()[-1]
    with structlog.testing.capture_logs() as lines:
        pair.deliver(pair.forged(0, 9), pair.forged(1, 9))
        pair.receive()
        with pair.kh.database.transaction() as tx:
            pair.kh.post.open_epoch(tx, pair.topic)
            pair.kh.post.write(tx, pair.topic, [item(7)])
        pair.settle()
        pair.deliver(old)
        pair.receive()
    assert named(lines) == [("warning", 0, "fork"), ("warning", 1, "frozen"), ("info", 0, "superseded")]


def test_what_claims_a_newer_charter_out_of_its_place_is_named_and_holds_nothing_up(pair):
    pair.write(0)
    pair.settle()
    pair.deliver(pair.forged(5, 9, charter_version=2))
    with structlog.testing.capture_logs() as lines:
        pair.receive()
    assert named(lines) == [("warning", 5, "newer_charter")]


# ---- the last envelopes, for the pages of those who watch


def ends(status):
    return [(e.topic, e.written, e.seq, e.sealed_at) for e in status.last]


def test_the_status_names_the_end_of_each_stream_once_the_newest_first(pair):
    start = pair.region.clock.now()
    pair.region.clock.advance(90.5)
    pair.write(1, 2)
    pair.settle()
    pair.receive()
    later = (start + timedelta(seconds=90.5)).replace(microsecond=0)
    assert ends(pair.matcher.post.status())[0] == (LINKAGE, False, 1, later)
    assert ends(pair.kh.post.status()) == [
        (LINKAGE, True, 1, later), ("keys.KH", True, 0, start), ("keys.matcher", False, 0, start)
    ]  # fmt: skip
    pair.next_tick()
    topics = [topic for topic, *_ in ends(pair.kh.post.status())]
    assert topics.count("keys.KH") == 1  # a party reads its own keys too


def test_the_status_names_no_more_ends_than_a_page_shows_and_some_that_are_read(tmp_path):
    pair = Pair(Posts(tmp_path, linkage_partitions=16))
    for partition in range(16):
        pair.region.clock.advance(1)
        pair.write(1, partition=partition)
    *written, read = pair.kh.post.status().last
    assert [(e.written, e.partition) for e in written] == [(True, 15 - i) for i in range(LAST_SHOWN)]
    assert (read.topic, read.written) == ("keys.matcher", False)


def test_a_stream_that_begins_anew_has_no_end_until_it_is_written_to(pair):
    pair.write(1)
    with pair.kh.database.transaction() as tx:
        pair.kh.post.open_epoch(tx, pair.topic)
    assert LINKAGE not in {e.topic for e in pair.kh.post.status().last}
