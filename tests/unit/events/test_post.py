"""Two parties, one carrier: the life of an envelope, and everything that can happen to it on its way."""

import sqlite3
from datetime import timedelta

import pytest

from events.database import open_database
from events.envelope import pack, unpack
from events.errors import CharterInvalid, NotYet, Refused
from events.messages import Body, Head, Revocation, SealingKeyIntroduced, Want
from events.post import Fill
from keys import seal
from keys.errors import InvalidElement

LINKAGE = "linkage.KH"


def item(number):
    return Revocation(handle=f"{number:032x}")


def numbers(items):
    return [int(i.handle, 16) for i in items]


class Pair:
    """KH, which writes, and the matcher, which reads; `got` is what the matcher's handler has seen."""

    def __init__(self, region):
        self.region = region
        self.kh, self.matcher = region.seat("KH"), region.seat("matcher")
        self.topic = region.topic(LINKAGE)
        self.got = []
        self.matcher.database.create(["CREATE TABLE IF NOT EXISTS effects (value TEXT)"])
        self.settle()

    def handle(self, tx, header, body):
        self.got += numbers(body.items)

    def handlers(self):
        return {"linkage": self.handle, "cases": lambda *_: None}

    def write(self, *values, partition=0):
        with self.kh.database.transaction() as tx:
            for value in values:
                self.kh.post.write(tx, self.topic, [item(value)], partition=partition)

    def receive(self):
        return self.matcher.post.receive(self.handlers())

    def reply(self):
        """The matcher opens a tick, KH hears it."""
        self.matcher.post.tick()
        self.matcher.post.send()
        return self.kh.post.receive({"notices": lambda *_: None, "evaluated": lambda *_: None})

    def settle(self):
        for seat in (self.kh, self.matcher):
            seat.post.send()
        self.kh.post.receive({})
        self.matcher.post.receive({})

    def next_tick(self, rounds=1):
        for _ in range(rounds):
            self.region.clock.advance(60)
            self.kh.post.tick()
            self.kh.post.send()
            self.receive()
            self.reply()
            self.kh.post.send()
            self.receive()

    def log(self, topic=LINKAGE, partition=0):
        return self.region.stream._logs[topic, partition]

    def forged(self, seq, *values, epoch=1, prev=None, **changed):
        """An envelope under KH's own key, as only KH, or a thief of its key, can make it."""
        last = unpack(self.log()[-1])
        key = self.kh.post.directory.sealing_key("matcher", self.region.clock.now())
        header = last.header.model_copy(
            update={"seq": seq, "epoch": epoch, "prev": (prev or last.hash).hex(), "sealing_key": key.id, **changed}
        )
        body = Body(items=tuple(map(item, values))).model_dump_json().encode()
        return pack(header, body, seed=self.region.seeds["KH"], recipient=key.public).wire

    def deliver(self, *wires, topic=LINKAGE):
        self.region.stream.append([(topic, 0, wire) for wire in wires])


@pytest.fixture
def pair(region):
    return Pair(region)


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


def test_an_envelope_that_names_another_predecessor_is_a_fork(pair):
    pair.write(1)
    pair.settle()
    pair.deliver(pair.forged(1, 9, prev=b"\x09" * 32))
    pair.receive()
    assert pair.got == [1]
    assert pair.matcher.post.status().frozen == (f"{LINKAGE}/0",)


def test_a_fork_freezes_no_other_stream(new_region, tmp_path):
    pair = Pair(new_region(tmp_path, linkage_partitions=2))
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
    "plain", [b"junk", b'{"pad": "\\u0000"}', Body(tick=2**60).model_dump_json().encode(), b'{"items": [{"kind": "x"}]}']
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


@pytest.mark.parametrize("changed", [{"recipient": "KH"}, {"recipient": None}, {"kind": "cases"}, {"sealing_key": None}])
def test_a_header_that_does_not_fit_its_topic_moves_the_head_and_does_nothing(pair, changed):
    pair.write(1)
    pair.settle()
    pair.deliver(pair.forged(1, 9, **changed))
    pair.receive()
    assert pair.got == [1]
    assert pair.matcher.post.status().refused == {"wrong_header": 1}


@pytest.mark.parametrize("error, code", [(Refused("over_intake", "Too many."), "over_intake"), (InvalidElement("?"), "InvalidElement")])
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


def test_what_was_sealed_under_the_old_charter_counts_if_it_was_before_the_new_one(pair):
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
    from events.post import Post

    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(Post, "announce", lambda *_: 1 / 0)
        region.seat("KH", ring=(ring := region.ring("KH")), database=(database := open_database("sqlite:///:memory:")))
    kh = region.seat("KH", ring=ring, database=database)
    assert kh.post.directory.sealing_key("KH", region.clock.now()).id == ring.primary("sealing").id
    assert len(ring.versions("sealing")) == 1


def test_a_body_that_cannot_be_opened_is_asked_for_again_and_has_its_effect_once(pair):
    pair.write(1, 2)
    pair.settle()
    ring = pair.matcher.ring
    ring.destroy("sealing", ring.primary("sealing").id)
    pair.region.clock.advance(6.6 * 86400)
    pair.matcher.post.tick()
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


# ---- restored from a backup


def copy(database, path):
    with sqlite3.connect(database.datastore.pool.db_name) as source, sqlite3.connect(path) as target:
        source.backup(target)
    source.close()
    target.close()


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


# ---- ticks


def test_a_tick_opens_one_envelope_on_each_stream_and_only_one(new_region, tmp_path):
    pair = Pair(new_region(tmp_path, linkage_partitions=2))
    for holder in ("KH.holder", "TH.holder"):
        pair.region.seat(holder).post.send()
    pair.kh.post.receive({})
    assert pair.kh.post.tick()
    assert not pair.kh.post.tick()
    pair.kh.post.send()
    heads = [unpack(log[-1]).header for (t, _), log in pair.region.stream._logs.items() if t.endswith(("KH", "KH.TH")) and log]
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


def test_a_fill_that_must_wait_is_asked_again_and_holds_up_no_other_stream(pair):
    ready = []

    def fill(tx, topic, partition, tick):
        if topic.name == LINKAGE and not ready:
            raise NotYet("a batch")
        return Fill()

    assert pair.kh.post.tick(fill)
    assert not pair.kh.post.tick(fill)
    ready.append(True)
    assert pair.kh.post.tick(fill)


def test_the_applied_tick_is_that_of_the_partition_furthest_behind(new_region, tmp_path):
    pair = Pair(new_region(tmp_path, linkage_partitions=2))
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
    def fill(tx, topic, partition, tick):
        return Fill((item(1),) * (tick % 3), 400) if topic.name in {LINKAGE, "cases.KH"} else Fill()

    def fill_cases_empty(tx, topic, partition, tick):
        return Fill((), 400) if topic.name == "cases.KH" else fill(tx, topic, partition, tick)

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


# ---- what readers may say


def say(pair, heads=(), wants=()):
    """The matcher tells KH this of KH's streams, right or wrong."""
    topic = pair.region.topic("notices.KH")
    with pair.matcher.database.transaction() as tx:
        key = pair.matcher.post.directory.sealing_key("KH", pair.region.clock.now(), tx)
        body = Body(heads=tuple(heads), wants=tuple(wants)).model_dump_json().encode()
        pair.matcher.post._outbox.put(tx, topic, 0, body, to=key)
    pair.matcher.post.send()
    pair.kh.post.receive({"notices": lambda *_: None})
    return pair.kh.post.status()


def head(topic=LINKAGE, seq=0, epoch=1, partition=0, digest=b""):
    return Head(writer="KH", epoch=epoch, topic=topic, partition=partition, seq=seq, hash=digest.hex() or "00" * 32)


@pytest.mark.parametrize(
    "wrong",
    [head("evaluate.KH.TH"), head("keys.KH"), head("linkage.TH"), head(partition=7), head(partition=-1), head(epoch=10**9)],
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
        return SealingKeyIntroduced(key_id=key_id, public=public, valid_from=now, valid_until=now + timedelta(days=days))

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
    import structlog

    pair.write(1)
    pair.settle()
    pair.deliver(pair.forged(0, 9))
    with structlog.testing.capture_logs() as lines:
        pair.receive()
    assert {"event": "post.refused", "log_level": "warning", "writer": "KH", "topic": LINKAGE, "seq": 0, "reason": "fork"} in lines
    allowed = {"event", "log_level", "writer", "topic", "seq", "reason", "count"}
    assert all(set(line) <= allowed for line in lines)
