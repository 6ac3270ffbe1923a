"""What a carrier or a writer can do to a reader, and what comes of it."""

from datetime import timedelta

import pytest
from posts import LINKAGE, Pair, Posts, item, numbers

from events import answers
from events.envelope import pack, unpack
from events.errors import CharterInvalid, NotYet, Refused
from events.messages import Body
from keys.errors import InvalidElement

# ---- what a carrier can do


def test_a_lost_envelope_is_missed_at_the_next_and_sent_again_as_it_was(pair):
    pair.write(1, 2, 3)
    pair.kh.post.send()
    lost = pair.log().pop(-2)
    pair.receive()
    assert pair.got == [1]
    assert pair.matcher.post.status().gaps == (f"{LINKAGE}/0",)
    pair.reply()
    assert pair.kh.post.send() == 2
    assert pair.log()[-2] == lost
    pair.receive()
    assert pair.got == [1, 2, 3]
    assert pair.matcher.post.status().gaps == ()


def test_the_loss_of_the_last_envelope_shows_at_the_next_tick(pair):
    pair.write(1)
    pair.kh.post.send()
    pair.log().pop()
    pair.next_tick()
    assert pair.got == [1]


def test_repeated_and_reordered_envelopes_change_nothing(pair):
    pair.write(1, 2, 3)
    pair.kh.post.send()
    log = pair.log()
    log[-3:] = [log[-1], log[-3], log[-3], log[-2], log[-1], log[-2]]
    pair.receive()
    assert pair.got == [1, 2, 3]


@pytest.mark.parametrize("where", [0, 30, 300, -65, -1])
def test_an_altered_envelope_is_counted_and_never_applied(pair, where):
    pair.write(1)
    pair.kh.post.send()
    altered = bytearray(pair.log().pop())
    altered[where] ^= 1
    pair.deliver(bytes(altered))
    assert pair.receive() == 1
    assert pair.got == []
    assert sum(pair.matcher.post.status().refused.values()) == 1
    pair.next_tick()
    assert pair.got == [1]


def test_an_envelope_moved_to_another_topic_is_nobodys(pair):
    pair.write(1)
    pair.kh.post.send()
    pair.deliver(pair.log().pop(), topic="cases.KH")
    pair.receive()
    assert pair.matcher.post.status().refused == {"misplaced": 1}


def test_another_partys_signature_counts_nothing(pair):
    pair.write(1)
    pair.kh.post.send()
    real = pair.log().pop()
    header = unpack(real).header.model_copy(update={"key_id": "TH-1"})
    key = pair.kh.post.directory.sealing_key("matcher", pair.region.clock.now())
    pair.deliver(pack(header, b"{}", seed=pair.region.seeds["TH"], recipient=key.public).wire)
    header = header.model_copy(update={"writer": "TH"})
    pair.deliver(pack(header, b"{}", seed=pair.region.seeds["TH"], recipient=key.public).wire, real)
    pair.receive()
    assert pair.matcher.post.status().refused == {"unknown_key": 1, "wrong_writer": 1}
    assert pair.got == [1]


def test_a_signature_outside_its_keys_time_counts_nothing(pair):
    pair.write(1)
    pair.settle()
    early = pair.region.charter.issued - timedelta(days=1)
    pair.deliver(pair.forged(1, 2, sealed_at=early), pair.forged(1, 2, sealed_at=early + timedelta(days=999)))
    pair.receive()
    assert pair.matcher.post.status().refused == {"key_out_of_time": 2}
    assert pair.got == [1]


@pytest.mark.parametrize("junk", [b"", b"x", bytes(1000), b"\xff" * 200])
def test_junk_on_a_topic_harms_nothing(pair, junk):
    pair.deliver(junk)
    pair.write(1)
    pair.settle()
    pair.receive()
    assert pair.got == [1]
    assert pair.matcher.post.status().refused == {"malformed": 1}


def test_a_carrier_that_lost_everything_is_filled_again_from_the_outbox(pair):
    pair.write(1, 2)
    pair.kh.post.send()
    for log in pair.region.stream._logs.values():
        log.clear()
    pair.kh = pair.region.seat("KH", database=pair.kh.database, ring=pair.kh.ring)
    pair.matcher = pair.region.seat("matcher", database=pair.matcher.database, ring=pair.matcher.ring)
    pair.next_tick(2)
    assert pair.got == [1, 2]
    newcomer = pair.region.seat("TH.holder")
    newcomer.post.receive({})
    assert newcomer.post.directory.sealing_key("KH", pair.region.clock.now()) is not None


def test_two_parties_that_miss_each_others_keys_tell_each_other_so_in_public(pair):
    """Neither knows a sealing key of the other's any more, so neither can ask in any other way."""
    pair.region.clock.advance(8 * 86400)
    for seat in (pair.kh, pair.matcher):
        seat.post.tick()
        seat.post.send()
        pair.log(f"keys.{seat.me}").pop()  # the tick
        pair.log(f"keys.{seat.me}").pop()  # and the introduction of a new key
    with pytest.raises(NotYet):
        pair.write(1)
    for _ in range(2):
        pair.region.clock.advance(60)
        for seat in (pair.kh, pair.matcher):
            seat.post.tick()
        pair.settle()
    pair.settle()
    pair.write(1)
    pair.settle()
    pair.receive()
    assert pair.got == [1]


# ---- what a writer can do


def test_a_second_envelope_under_one_number_freezes_the_stream_and_is_kept_as_evidence(pair):
    pair.write(1)
    pair.settle()
    fork = pair.forged(0, 9)
    pair.deliver(fork)
    pair.write(2)
    pair.settle()
    pair.receive()
    assert pair.got == [1]
    status = pair.matcher.post.status()
    assert (status.forks, status.frozen) == (((LINKAGE, 0, 1, 0),), (f"{LINKAGE}/0",))
    with pair.matcher.database.reading() as tx:
        assert tx.execute("SELECT envelope FROM inbox_forks") == [(fork,)]


def test_a_frozen_stream_is_not_asked_for_again(pair):
    pair.write(1)
    pair.settle()
    pair.deliver(pair.forged(5, 9))
    pair.receive()
    wants = pair.matcher.post._inbox.wants
    with pair.matcher.database.reading() as tx:
        assert [(w.topic, w.from_seq) for w in wants(tx, "KH")] == [(LINKAGE, 1)]
    pair.deliver(pair.forged(0, 9))
    pair.receive()
    with pair.matcher.database.reading() as tx:
        assert wants(tx, "KH") == ()


def test_an_envelope_that_names_another_predecessor_is_a_fork(pair):
    pair.write(1)
    pair.settle()
    pair.deliver(pair.forged(1, 9, prev=b"\x09" * 32))
    pair.receive()
    assert pair.got == [1]
    assert pair.matcher.post.status().frozen == (f"{LINKAGE}/0",)


def test_a_fork_freezes_no_other_stream(tmp_path):
    pair = Pair(Posts(tmp_path, linkage_partitions=2))
    pair.write(1)
    pair.settle()
    pair.deliver(pair.forged(0, 9))
    pair.write(2)
    pair.write(3, partition=1)
    pair.settle()
    pair.receive()
    assert sorted(pair.got) == [1, 3]


def test_a_new_stream_epoch_takes_the_place_of_the_old_one_and_of_its_fork(pair):
    pair.write(1)
    pair.settle()
    late = pair.log()[-1]
    pair.deliver(pair.forged(0, 9))
    pair.receive()
    with pair.kh.database.transaction() as tx:
        pair.kh.post.open_epoch(tx, pair.topic)
        pair.kh.post.write(tx, pair.topic, [item(7)])
        pair.kh.post.refilled(tx, pair.topic)
    pair.settle()
    pair.deliver(late)
    pair.receive()
    assert pair.got == [1, 7]
    status = pair.matcher.post.status()
    assert (status.frozen, status.dropped, len(status.forks)) == ((), 1, 1)


def test_a_new_epoch_is_taken_only_from_its_beginning(pair):
    pair.write(1)
    pair.settle()
    with pair.kh.database.transaction() as tx:
        pair.kh.post.open_epoch(tx, pair.topic)
    pair.write(7, 8)
    pair.kh.post.send()
    lost = pair.log().pop(-2)
    pair.receive()
    assert pair.got == [1]
    pair.next_tick(2)
    assert lost in pair.log()
    assert pair.got == [1, 7, 8]


@pytest.mark.parametrize(
    "plain",
    [b"junk", b'{"pad": "\\u0000"}', Body(tick=2**60).model_dump_json().encode(), b'{"items": [{"kind": "x"}]}'],
)
def test_a_writers_malformed_body_moves_its_head_and_does_nothing(pair, plain):
    with pair.kh.database.transaction() as tx:
        key = pair.kh.post.directory.sealing_key("matcher", pair.region.clock.now(), tx)
        pair.kh.post._outbox.put(tx, pair.topic, 0, plain, to=key)
    pair.write(2)
    pair.settle()
    pair.receive()
    assert pair.got == [2]
    assert pair.matcher.post.status().refused == {"wrong_body": 1}


@pytest.mark.parametrize(
    "changed", [{"recipient": "KH"}, {"recipient": None}, {"kind": "cases"}, {"sealing_key": None}]
)
def test_a_header_that_does_not_fit_its_topic_moves_the_head_and_does_nothing(pair, changed):
    pair.write(1)
    pair.settle()
    pair.deliver(pair.forged(1, 9, **changed))
    pair.receive()
    assert pair.got == [1]
    assert pair.matcher.post.status().refused == {"wrong_header": 1}


@pytest.mark.parametrize(
    "error, code", [(Refused("over_intake", "Too many."), "over_intake"), (InvalidElement("?"), "InvalidElement")]
)
def test_refused_content_moves_the_head_undoes_its_effects_and_spoils_no_other(pair, error, code):
    def refuses(tx, header, body):
        tx.execute("INSERT INTO effects VALUES (?)", (str(numbers(body.items)),))
        if numbers(body.items) == [2]:
            raise error

    pair.write(1, 2, 3)
    pair.settle()
    pair.matcher.post.receive({"linkage": refuses})
    with pair.matcher.database.reading() as tx:
        assert tx.execute("SELECT value FROM effects ORDER BY 1") == [("[1]",), ("[3]",)]
    assert pair.matcher.post.status().refused == {code: 1}


def test_a_handler_that_must_wait_pauses_its_partition_until_keys_have_moved(pair):
    ready = []

    def waits(tx, header, body):
        if not ready:
            raise NotYet("a share")
        pair.handle(tx, header, body)

    pair.write(1, 2)
    pair.settle()
    assert pair.matcher.post.receive({"linkage": waits}) == 0
    assert pair.matcher.post.status().paused == {f"{LINKAGE}/0": "not_yet"}
    ready.append(True)
    assert pair.matcher.post.receive({"linkage": waits}) == 0  # nothing has changed that it could know of
    with pair.kh.database.transaction() as tx:
        pair.kh.post.announce(tx)
    pair.kh.post.send()
    pair.matcher.post.receive({"linkage": waits})
    pair.matcher.post.receive({"linkage": waits})
    assert pair.got == [1, 2]
    assert pair.matcher.post.status().paused == {}


def test_a_partition_that_waits_is_looked_at_again_at_the_next_tick(pair):
    def waits(tx, header, body):
        raise NotYet("time")

    pair.write(1)
    pair.settle()
    pair.matcher.post.receive({"linkage": waits})
    pair.region.clock.advance(60)
    pair.matcher.post.tick()
    pair.receive()
    assert pair.got == [1]


# ---- charters


def newer(region, **changed):
    return region.charter.model_copy(update={"version": 2, "issued": region.clock.now(), **changed})


def test_a_newer_charter_pauses_the_partition_until_the_reader_has_it(pair):
    region = pair.region
    pair.write(1)
    region.clock.advance(1)
    pair.kh = region.seat("KH", database=pair.kh.database, ring=pair.kh.ring, charter=newer(region))
    pair.write(2)
    pair.settle()
    pair.receive()
    assert pair.got == [1]
    assert pair.matcher.post.status().paused[f"{LINKAGE}/0"] == "newer_charter"
    pair.matcher = region.seat("matcher", database=pair.matcher.database, ring=pair.matcher.ring, charter=newer(region))
    pair.receive()
    assert pair.got == [1, 2]


def test_a_forged_newer_charter_holds_a_stream_up_from_no_other_place_than_the_next(pair):
    pair.write(1)
    pair.settle()
    pair.deliver(pair.forged(5, 9, key_id="KH-9", charter_version=9))
    pair.write(2)
    pair.settle()
    pair.receive()
    assert pair.got == [1, 2]


def test_a_forged_newer_charter_in_the_next_place_holds_a_stream_up_until_its_writer_writes(pair):
    pair.write(1)
    pair.settle()
    pair.deliver(pair.forged(1, 9, key_id="KH-9", charter_version=9))
    pair.receive()
    assert pair.matcher.post.status().paused == {f"{LINKAGE}/0": "newer_charter"}
    pair.write(2, 3)
    pair.next_tick()
    assert pair.got == [1, 2, 3]
    assert pair.matcher.post.status().paused == {}


def test_what_was_sealed_under_the_old_charter_counts_if_it_was_before_the_new_one(pair, monkeypatch):
    monkeypatch.setattr(answers, "NEVER_SEALED_ANEW", frozenset())  # as on any topic but linkage
    region = pair.region
    pair.write(1)
    pair.settle()
    region.clock.advance(1)
    pair.matcher = region.seat("matcher", database=pair.matcher.database, ring=pair.matcher.ring, charter=newer(region))
    pair.write(2)
    pair.settle()
    pair.receive()
    assert pair.got == [1]
    assert pair.matcher.post.status().refused == {"old_charter": 1}
    pair.kh = region.seat("KH", database=pair.kh.database, ring=pair.kh.ring, charter=newer(region))
    pair.next_tick(2)
    assert pair.got == [1, 2]  # sealed anew by a writer that has the new charter too


def test_a_party_whose_signing_key_the_charter_does_not_name_does_not_open(region):
    ring = region.ring("KH")
    region.seeds["KH"] = bytes(32)
    stranger = region.ring("KH", "stranger")
    region.seat("KH", ring=ring)
    with pytest.raises(CharterInvalid, match="names no signing key"):
        region.seat("KH", ring=stranger)
