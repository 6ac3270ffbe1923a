"""Whoever tampers with a stream, or a party that lies on one, is one finding of the audit, under its own code."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from audited import World, accepted, evaluated, introduction
from posts import Posts
from refreshing import HOLDERS, refreshed, shifted

from events.charter import Allowance, LastSigned
from events.messages import Body, SealingKeyIntroduced
from keys import group, seal, shares, sign
from services.auditor.streams import audit

LINKAGE = "linkage.KH"
KEYS = "keys.KH.holder"


def body_of(*items) -> bytes:
    return Body(items=items).model_dump_json().encode()


@pytest.fixture
def world(region):
    return World(region)


@pytest.fixture
def make_world(tmp_path):
    """A world under other rules."""
    return lambda parties=("KH", "TH", "KH.holder", "TH.holder", "matcher"), *, ticks=4, **rules: World(
        Posts(tmp_path, **rules), parties, ticks=ticks
    )


# ---- honest regions


def test_an_honest_region_has_no_finding(world):
    report = world.report()
    assert report.findings == ()
    assert report.ok
    assert all(writer.heard for writer in report.writers)
    assert all(row.whole and row.first == 0 and not row.ticks_missed for w in report.writers for row in w.streams)
    assert [(row.holder, row.pair) for row in report.shares] == [("KH.holder", "KH-TH"), ("TH.holder", "KH-TH")]


def test_a_resend_byte_for_byte_is_counted_and_fine(world):
    world.log(LINKAGE).extend(world.log(LINKAGE)[1:3])
    report = world.report()
    assert report.ok
    (row,) = [row for row in report.writers[0].streams if row.topic == LINKAGE]
    assert (row.envelopes, row.resent) == (4, 2)


def test_what_the_carrier_lost_and_the_writer_sent_again_is_fine(world):
    log = world.log(LINKAGE)
    log[:] = [log[0], log[2], log[3], *log[1:]]
    assert world.found() == []


def test_a_stream_epoch_begun_anew_is_fine(world):
    post = world.seats["KH"].post
    with world.seats["KH"].database.transaction() as tx:
        post.open_epoch(tx)
    world.live(3)
    report = world.report()
    assert report.findings == ()
    assert {row.epoch for row in report.writers[0].streams} == {1, 2}


def test_a_party_that_was_never_heard_owes_nothing_but_its_share(make_world):
    world = make_world(("KH", "KH.holder", "matcher"), ticks=6)
    assert world.found() == [("share_missing", "keys.TH.holder", None)]
    assert [w.writer for w in world.report().writers if not w.heard] == ["TH", "TH.holder"]


def test_a_region_that_was_stopped_as_a_whole_is_not_called_silent(world):
    assert world.found(now=world.region.clock.now() + timedelta(days=30)) == []


def test_a_tick_that_a_restart_passes_over_is_within_the_grace(world):
    world.live(1, without=("KH",))
    world.live(2)
    assert world.found() == []


# ---- the carrier


def test_a_dropped_envelope_is_a_gap(world):
    del world.log(LINKAGE)[2]
    (finding,) = world.report().findings
    assert (finding.code, finding.writer, finding.topic, finding.seq) == ("gap", "KH", LINKAGE, 2)
    assert finding.sentence == "linkage.KH/0, number 2: missing and not sent again: 2."


def test_a_dropped_first_envelope_is_a_gap(world):
    del world.log(LINKAGE)[0]
    assert world.found() == [("gap", LINKAGE, 0)]


def test_dropped_last_envelopes_show_by_the_ticks(world):
    world.live(3)
    del world.log(LINKAGE)[-4:]
    assert world.found() == [("silent", LINKAGE, None)]


def test_envelopes_out_of_their_order_stop_every_reader(world):
    log = world.log(LINKAGE)
    log[1], log[2] = log[2], log[1]
    assert world.found() == [("out_of_order", LINKAGE, 2)]
    log.append(log[1])
    assert world.found() == [("out_of_order", LINKAGE, 3)]
    log.append(log[3])  # all that its readers ask for has come again
    assert world.found() == []


@pytest.mark.parametrize("index", [-70, -1])
def test_a_flipped_bit_is_a_bad_signature(world, index):
    wire = bytearray(world.log(LINKAGE)[2])
    wire[index] ^= 1
    world.log(LINKAGE)[2] = bytes(wire)
    assert world.found() == [("bad_signature", LINKAGE, 2)]
    (row,) = [row for row in world.report().writers[0].streams if row.topic == LINKAGE]
    assert not row.whole


def test_a_damaged_copy_beside_the_good_one_is_named_and_breaks_nothing(world):
    wire = bytearray(world.log(LINKAGE)[2])
    wire[-1] ^= 1
    world.log(LINKAGE).append(bytes(wire))
    report = world.report()
    assert [finding.code for finding in report.findings] == ["bad_signature"]
    assert all(row.whole for row in report.writers[0].streams)


def test_what_is_no_envelope_is_malformed_once_however_often(world):
    world.log(LINKAGE).extend([b"", b"garbage", world.log(LINKAGE)[1][:-1]])
    (finding,) = world.report().findings
    assert (finding.code, finding.seq) == ("malformed", None)
    assert finding.sentence.startswith("linkage.KH/0, offset 4 and 2 more: ")


def test_an_envelope_copied_from_another_topic_is_misplaced(world):
    world.log("cases.KH").append(world.log(LINKAGE)[1])
    assert world.found() == [("misplaced", "cases.KH", None)]


def test_an_envelope_of_another_party_is_the_wrong_writers(world):
    world.log(LINKAGE).append(world.signed(LINKAGE, writer="TH", key_id="TH-1", seed=world.region.seeds["TH"]))
    assert world.found() == [("wrong_writer", LINKAGE, None)]


def given(world, keeps, days=0):
    """What is found, so many days later, if the carrier gives back only some of the records that it counts."""
    records, ends = world.records()
    kept = [record for record in records if keeps(record)]
    now = world.region.clock.now() + timedelta(days)
    report = audit(world.region.charter, world.region.digest, kept, now=now, ends=ends)
    return [(f.code, f.topic, f.seq) for f in report.findings]


def test_records_that_the_carrier_counts_and_keeps_back_are_withheld(world):
    assert given(world, lambda r: (r.topic, r.offset) != (LINKAGE, 3)) == [("withheld", LINKAGE, None)]


def test_keys_are_kept_for_ever_so_what_is_not_given_back_is_withheld(world):
    assert ("gap", "keys.KH", 0) in given(world, lambda r: (r.topic, r.offset) != ("keys.KH", 0))
    assert ("withheld", "keys.KH", None) in given(world, lambda r: r.topic != "keys.KH")


def test_what_retention_dropped_is_not_withheld(world):
    assert given(world, lambda r: r.topic != LINKAGE or r.offset >= 2) == []
    assert given(world, lambda r: r.topic != LINKAGE) == [("silent", LINKAGE, None)]
    assert given(world, lambda r: r.topic != LINKAGE, days=8) == []


def test_a_stream_epoch_that_began_after_what_was_dropped_begins_at_0(world):
    with world.seats["KH"].database.transaction() as tx:
        world.seats["KH"].post.open_epoch(tx, world.region.topic(LINKAGE))
    world.live(2)
    assert given(world, lambda r: r.topic != LINKAGE or r.offset >= 2) == []
    assert given(world, lambda r: r.topic != LINKAGE or r.offset in {2, 3, 5}) == [("gap", LINKAGE, 0)]


def test_a_newer_charters_ticks_are_not_asked_of_what_was_sealed_before_it(make_world):
    world = make_world(tick_seconds=3600)
    later = world.region.clock.now() + timedelta(days=1)
    newer = world.region.charter.model_copy(update={"version": 2, "issued": later, "tick_seconds": 60})
    assert world.found(charter=newer) == []


# ---- keys


def test_a_signature_under_a_key_that_the_charter_does_not_name(world):
    world.log(LINKAGE)[2] = world.signed(LINKAGE, like=2, key_id="KH-2", seed=sign.new_seed())
    assert world.found() == [("unknown_key", LINKAGE, 2)]


def test_a_signature_by_another_key_under_a_good_name(world):
    world.log(LINKAGE)[2] = world.signed(LINKAGE, like=2, seed=sign.new_seed())
    assert world.found() == [("bad_signature", LINKAGE, 2)]


def test_a_signature_by_an_expired_key(world):
    late = world.region.clock.now() + timedelta(days=400)
    world.log(LINKAGE).append(world.signed(LINKAGE, after=True, sealed_at=late))
    assert world.found(now=late) == [("key_out_of_time", LINKAGE, 4)]


def test_what_an_expired_key_signed_in_its_time_counts_for_ever(world):
    assert world.found(now=world.region.clock.now() + timedelta(days=4000)) == []


def test_an_envelope_sealed_to_a_key_that_nobody_introduced(world):
    world.log(LINKAGE).append(world.signed(LINKAGE, after=True, sealing_key="matcher.seal.unheard"))
    assert world.found() == [("unknown_sealing_key", LINKAGE, 4)]


def test_an_envelope_sealed_to_a_key_that_is_too_old(world):
    late = world.region.clock.now() + timedelta(days=8)
    world.log(LINKAGE).append(world.signed(LINKAGE, after=True, sealed_at=late))
    codes = [code for code, *_ in world.found(now=late)]
    assert codes.count("sealing_key_out_of_time") == 1
    assert set(codes) == {"sealing_key_out_of_time", "silent"}  # the others were heard last eight days before


def test_an_envelope_sealed_before_its_key_was_introduced_for(world):
    key_id = world.envelope(LINKAGE).header.sealing_key
    start = world.region.START - timedelta(hours=1)
    world.log("cases.KH")[0] = world.signed("cases.KH", like=0, sealed_at=start)
    del world.log("cases.KH")[1:]
    found = world.found()
    assert ("sealing_key_out_of_time", "cases.KH", 0) in found
    assert world.envelope("cases.KH").header.sealing_key == key_id


def test_a_sealing_key_that_lives_too_long(world):
    now = world.region.clock.now()
    public = seal.new_sealing_pair()[1].hex()
    world.say("KH", SealingKeyIntroduced(key_id="long", public=public, valid_from=now, valid_until=now + timedelta(8)))
    (finding,) = world.report().findings
    assert (finding.code, finding.topic) == ("lives_too_long", "keys.KH")


# ---- a writer that lies, or a thief of its key


def test_two_envelopes_under_one_number_are_a_fork(world):
    world.log(LINKAGE).append(world.signed(LINKAGE, like=2))
    assert world.found() == [("fork", LINKAGE, 2)]


def test_a_fork_that_goes_on_is_one_finding(world):
    world.log(LINKAGE).extend([world.signed(LINKAGE, like=n) for n in (1, 2, 3)])
    (finding,) = world.report().findings
    assert (finding.code, finding.seq) == ("fork", 1)
    assert "number 1 and 2 more" in finding.sentence


def test_an_envelope_replaced_by_another_breaks_the_chain_after_it(world):
    world.log(LINKAGE)[1] = world.signed(LINKAGE, like=1)
    assert world.found() == [("broken_chain", LINKAGE, 2)]


def test_a_first_envelope_that_names_a_predecessor(world):
    world.log(LINKAGE)[0] = world.signed(LINKAGE, like=0, prev="ab" * 32)
    assert world.found() == [("broken_chain", LINKAGE, 0)]


def test_of_a_fork_on_keys_only_what_came_first_is_learned(world):
    world.log(KEYS).append(world.signed(KEYS, like=5, body=body_of(evaluated(10_000))))
    assert world.found() == [("fork", KEYS, 5)]
    assert world.report().totals == ()


def test_a_number_of_astronomic_size_is_a_gap_and_costs_nothing(world):
    world.log(LINKAGE).append(world.signed(LINKAGE, after=True, seq=2**53 - 1))
    (finding,) = world.report().findings
    assert (finding.code, finding.seq) == ("gap", 4)


def test_time_that_goes_back(world):
    before = world.region.clock.now() - timedelta(seconds=90)
    world.log(LINKAGE).append(world.signed(LINKAGE, after=True, sealed_at=before))
    assert world.found() == [("backdated", LINKAGE, 4)]


def test_a_new_stream_epoch_in_the_past_is_backdated_and_the_owners_chain_stays_whole(world):
    """A reader ignores it, and so does what the audit says of the stream."""
    world.log(LINKAGE).append(anew(world, epoch=2, sealed_at=world.region.clock.now() - timedelta(seconds=1)))
    world.live(2)
    report = world.report()
    (finding,) = report.findings
    assert (finding.code, finding.writer, finding.epoch, finding.seq) == ("backdated", "KH", 2, 0)
    assert "says that it is older than what stands before it" in finding.sentence
    (row,) = [row for row in report.writers[0].streams if row.topic == LINKAGE]
    assert (row.epoch, row.envelopes, row.whole) == (1, 6, True)


def anew(world, **changed):
    return world.signed(LINKAGE, seq=0, prev="00" * 32, **changed)


def test_a_second_story_under_a_key_that_has_ended_is_backdated_and_no_fork(world):
    ended = renewed(world, valid_until=world.region.clock.now() + timedelta(seconds=1))
    world.live(2)
    world.log(LINKAGE).append(world.signed(LINKAGE, like=2))
    assert world.found(charter=ended) == [("backdated", LINKAGE, 2)]


def test_what_stands_beyond_the_last_of_a_retired_key(world):
    places = world.seats["KH"].post.places(LINKAGE)
    last = tuple(LastSigned(topic=a.topic, partition=a.partition, epoch=a.epoch, seq=a.seq) for a in places)
    retired = renewed(world, last=last)
    old = world.envelope(LINKAGE).header
    world.live(2)
    found = {"key_id": old.key_id, "charter_version": old.charter_version, "sealed_at": old.sealed_at}
    world.log(LINKAGE).append(world.signed(LINKAGE, after=True, **found))
    report = world.report(charter=retired)
    assert [(f.code, f.topic, f.seq) for f in report.findings if f.topic == LINKAGE] == [("retired_key", LINKAGE, 2)]
    assert {f.code for f in report.findings} == {"retired_key"}  # where nothing is named, nothing counts
    assert not report.ok


def test_a_key_retired_with_the_last_of_all_its_streams_is_fine(world):
    places = [at for topic in world.region.charter.written_by("KH") for at in world.seats["KH"].post.places(topic.name)]
    last = tuple(
        LastSigned(topic=a.topic, partition=a.partition, epoch=a.epoch, seq=a.seq) for a in places if a.seq >= 0
    )
    retired = renewed(world, last=last)
    world.live(3)
    assert world.found(charter=retired) == []


def renewed(world, **first):
    """KH's first key as a newer charter has it, and the second under which KH goes on; everybody starts again."""
    region = world.region
    region.clock.advance(1)
    region.charter = region.renew("KH", world.seats["KH"].ring, **first)
    for party, seat in world.seats.items():
        world.seats[party] = region.seat(party, database=seat.database, ring=seat.ring)
    world.settle()
    return region.charter


@pytest.mark.parametrize("epoch", [2**53 - 1, 2_000_000_000])
def test_a_stream_epoch_that_cannot_be_by_now(world, epoch):
    now = world.region.clock.now()
    world.log(LINKAGE).extend([anew(world, epoch=epoch, sealed_at=at) for at in (now, now + timedelta(days=300))])
    assert world.found() == [("implausible_epoch", LINKAGE, 0)]


def test_a_time_that_has_not_come(world):
    later = world.region.clock.now() + timedelta(hours=1)
    world.log(LINKAGE).append(world.signed(LINKAGE, after=True, sealed_at=later))
    assert world.found() == [("ahead_of_time", LINKAGE, 4)]
    world.log(LINKAGE).append(world.signed(LINKAGE, after=True, sealed_at=world.region.clock.now()))
    assert world.found() == [("ahead_of_time", LINKAGE, 4), ("backdated", LINKAGE, 5)]
    world.log(LINKAGE)[-1] = anew(world, epoch=2, sealed_at=world.region.clock.now())
    assert world.found() == [("ahead_of_time", LINKAGE, 4)]  # as readers do, which believe it now and not then


@pytest.mark.parametrize("at", [
    datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    datetime.max.replace(tzinfo=UTC) - timedelta(1), datetime.max.replace(tzinfo=timezone(timedelta(hours=-11))),
])  # fmt: skip
def test_no_time_that_a_party_invents_stops_the_audit(world, at):
    ever = {"valid_from": datetime.min.replace(tzinfo=UTC), "valid_until": datetime.max.replace(tzinfo=UTC)}
    keys = [party.signing[0].model_copy(update=ever) for party in world.region.charter.parties]
    parties = zip(world.region.charter.parties, keys, strict=True)
    charter = world.region.charter.model_copy(
        update={"parties": tuple(party.model_copy(update={"signing": (key,)}) for party, key in parties)}
    )
    for topic in (KEYS, "keys.matcher", LINKAGE):
        told = body_of() if topic == LINKAGE else body_of(evaluated(5) if topic == KEYS else accepted(9))
        world.log(topic).append(world.signed(topic, after=True, sealed_at=at, body=told))
    codes = {code for code, *_ in world.found(charter=charter)}
    assert codes & {"ahead_of_time", "before_charter", "key_out_of_time", "implausible_epoch"}


def test_an_older_charter_after_this_one_came_into_force(world):
    newer = world.region.charter.model_copy(update={"version": 2, "issued": world.region.clock.now()})
    world.live(1)
    codes = {code for code, *_ in world.found(charter=newer)}
    assert codes == {"old_charter"}


def test_a_newer_charter_cannot_be_judged(world):
    world.log(LINKAGE).append(world.signed(LINKAGE, after=True, charter_version=2))
    assert world.found() == [("newer_charter", LINKAGE, 4)]


def test_a_charter_that_was_named_before_it_was_issued(make_world):
    world = make_world(issued=datetime(2026, 3, 1, 12, 1, 30, tzinfo=UTC))
    assert {code for code, *_ in world.found()} == {"before_charter"}


def test_a_header_that_does_not_fit_its_topic(world):
    world.log(LINKAGE).append(world.signed(LINKAGE, after=True, recipient="TH"))
    assert world.found() == [("wrong_header", LINKAGE, 4)]


def test_an_announcement_under_a_wrong_header_is_not_learned(world):
    world.log(KEYS).append(world.signed(KEYS, after=True, recipient="TH", body=body_of(evaluated(10_000))))
    assert world.found() == [("wrong_header", KEYS, 6)]


def test_a_public_body_that_cannot_be_read(world):
    world.log(KEYS).append(world.signed(KEYS, after=True, body=b'{"items": [{"kind": "revocation"}]}'))
    assert world.found() == [("wrong_body", KEYS, 6)]


def test_a_stream_that_falls_silent_while_its_writer_lives(world):
    before = len(world.log("cases.KH"))
    world.live(4)
    del world.log("cases.KH")[before:]
    (finding,) = world.report().findings
    assert (finding.code, finding.topic) == ("silent", "cases.KH")
    assert "KH was heard, but not here between 2026-03-01 12:05:00 and 2026-03-01 12:08:00: 3 ticks" in finding.sentence


def test_a_stream_that_was_never_written_while_its_writer_lives(world):
    world.log("cases.KH").clear()
    assert world.found() == [("silent", "cases.KH", None)]


def test_a_party_that_falls_silent_on_everything_is_one_finding(world):
    world.live(5, without=("KH",))
    assert world.found() == [("silent", "keys.KH", None)]


# ---- what keys.* says


def test_a_public_share_that_is_repeated(world):
    share = world.shares["TH.holder", 0]
    world.say("TH.holder", introduction(share, b"").model_copy(update={"generation": 1}))
    assert world.found() == [("share_repeated", "keys.TH.holder", 6)]


def test_the_one_who_repeats_anothers_public_share_is_the_one_who_came_later(world):
    world.say("KH.holder", introduction(world.shares["TH.holder", 0], b"").model_copy(
        update={"generation": 1, "holder": "KH.holder"}
    ))  # fmt: skip
    records, ends = world.records()
    for turned in (False, True):  # in whichever order the topics are read
        ordered = sorted(records, key=lambda record: record.topic, reverse=turned)
        report = audit(world.region.charter, world.region.digest, ordered, now=world.region.clock.now(), ends=ends)
        assert [(f.code, f.topic, f.seq) for f in report.findings] == [("share_repeated", KEYS, 6)]


def test_a_refreshed_share_without_a_refresh(world):
    share, proof = shares.introduce(world.region.digest, "KH-TH", 1, 1, "TH.holder")
    world.say("TH.holder", introduction(share, proof))
    assert world.found() == [("no_such_refresh", "keys.TH.holder", 6)]


def test_a_pair_with_one_share(region):
    class Half(World):
        def introduce(self, holder, generation=0):
            if holder == "KH.holder":
                super().introduce(holder, generation)

    assert Half(region).found() == [("share_missing", "keys.TH.holder", None)]


def test_a_rogue_share_made_from_the_others_without_knowledge(world):
    """X - K_A for an X whose logarithm is known: the pair's key would be the rogue's own."""
    secret = group.random_scalars(1)[0]
    (minus_one,) = [group.scalar_subtract(bytes(32), b"\x01" + bytes(31))]
    (negated,) = group.multiply([world.shares["KH.holder", 0].public], minus_one)
    (rogue,) = group.add([group.multiply_base(secret)], [negated])
    share, proof = shares.introduce(world.region.digest, "KH-TH", 1, 1, "TH.holder")
    world.say("TH.holder", introduction(share, proof).model_copy(update={"public": rogue.hex()}))
    assert world.found() == [("unproven_share", "keys.TH.holder", 6)]


def test_a_proof_of_another_region_counts_nothing(world):
    share, proof = shares.introduce(b"\x07" * 32, "KH-TH", 1, 1, "TH.holder")
    world.say("TH.holder", introduction(share, proof))
    assert world.found() == [("unproven_share", "keys.TH.holder", 6)]


def test_a_share_in_anothers_name(world):
    share, proof = shares.introduce(world.region.digest, "KH-TH", 1, 1, "KH.holder")
    world.say("TH.holder", introduction(share, proof))
    assert world.found() == [("not_its_own", "keys.TH.holder", 6)]


@pytest.fixture
def refresh(world):
    """Of the world's own shares, offered by both."""
    done = refreshed(world.region.digest, {holder: world.shares[holder, 0] for holder in HOLDERS})
    for holder in HOLDERS:
        world.say(holder, done.offer(holder))
    return done


def test_an_honest_refresh_is_no_finding_and_an_unfinished_one_neither(world, refresh):
    assert world.report().ok
    world.say("TH.holder", refresh.reveal("TH.holder"), refresh.introduction("TH.holder"))
    assert world.report().ok
    world.say("KH.holder", refresh.reveal("KH.holder"), refresh.introduction("KH.holder"))
    report = world.report()
    assert report.ok
    assert [(row.generation, row.holder) for row in report.shares] == [(g, h) for g in (0, 1) for h in HOLDERS]


@pytest.mark.parametrize("cheat", HOLDERS)
@pytest.mark.parametrize("order", [HOLDERS, HOLDERS[::-1]], ids=" then ".join)
def test_who_moves_its_share_otherwise_than_offered_is_the_one_that_is_named(world, refresh, cheat, order):
    """Whoever came first or last: the other, who did what it had offered, is not."""
    for holder in order:
        honest = refresh.introduction(holder)
        world.say(holder, shifted(world.region.digest, refresh.after[holder]) if holder == cheat else honest)
    assert world.found() == [("key_changed", f"keys.{cheat}", 7)]


def test_two_who_change_the_key_together(world, refresh):
    for holder in HOLDERS:
        world.say(holder, shifted(world.region.digest, refresh.after[holder]))
    assert world.found() == [("key_changed", f"keys.{holder}", 7) for holder in HOLDERS]


def test_who_offers_twice_for_one_refresh(world, refresh):
    other = refreshed(world.region.digest, refresh.before)
    world.say("TH.holder", other.offer("TH.holder"))
    assert world.found() == [("offer_changed", "keys.TH.holder", 7)]


# ---- totals


def test_totals_that_agree_are_no_finding(world):
    for holder in ("KH.holder", "TH.holder"):
        world.tells(holder, 100)
    world.accepts(100)
    report = world.report()
    assert report.ok
    (row,) = report.totals
    assert (row.country, row.accepted, row.verdict) == ("KH", 100, "holds")
    assert row.evaluated == row.most_in_a_day == {"KH.holder": 100, "TH.holder": 100}
    assert row.allowed_in_a_day == {"KH.holder": 320, "TH.holder": 320}


def test_more_accepted_than_one_holder_evaluated(world):
    world.accepts(101)
    world.tells("KH.holder", 101)
    world.tells("TH.holder", 100)
    (finding,) = world.report().findings
    assert (finding.code, finding.writer, finding.seq) == ("accepted_above_evaluated", "matcher", 5)
    assert "accepted 101 slots of KH for KH-TH, epoch 1; by TH.holder's count 100" in finding.sentence
    assert world.report().totals[0].verdict == "exceeds"


def test_tokens_that_nobody_evaluated_show_once_the_holders_would_have_told(make_world):
    world = make_world(totals_seconds=120)
    world.accepts(1)
    assert world.found() == []
    assert world.report().totals[0].verdict == "open"
    world.live(3)
    assert world.found() == [("accepted_above_evaluated", "keys.matcher", 5)] * 2  # by either holder's count
    (row,) = world.report().totals
    assert (row.evaluated, row.verdict) == ({}, "exceeds")


def test_evaluations_told_after_their_acceptance_are_no_finding(make_world):
    world = make_world(totals_seconds=120)
    world.accepts(1)
    world.live(1)
    for holder in ("KH.holder", "TH.holder"):
        world.tells(holder, 1)
    world.live(5)
    assert world.found() == []


def test_a_day_above_the_quota(world):
    world.tells("TH.holder", 321)
    (finding,) = world.report().findings
    assert (finding.code, finding.topic) == ("over_quota", "keys.TH.holder")
    assert "evaluated 321 for KH and KH-TH in one day; the charter allows 320" in finding.sentence


def test_an_allowance_of_that_holder_country_and_pair_counts(make_world):
    start = datetime(2026, 3, 1, tzinfo=UTC)
    allowance = Allowance(
        holder="TH.holder", country="KH", pair="KH-TH", count=10, valid_from=start, valid_until=start + timedelta(1),
        reason="a bulk of records",
    )
    world = make_world(allowances=(allowance,))
    world.tells("TH.holder", 330)
    assert world.found() == []
    world.tells("KH.holder", 330)
    assert world.found() == [("over_quota", KEYS, 6)]


def test_a_holder_that_understates_its_greatest_day(world):
    world.tells("TH.holder", 5000, most=320)
    (finding,) = world.report().findings
    assert finding.code == "over_quota"
    assert "5000" in finding.sentence


@pytest.mark.parametrize("later", [evaluated(9, 9), evaluated(11, 4)])
def test_a_total_that_falls(world, later):
    world.tells("TH.holder", 10, most=5)
    world.say("TH.holder", later)
    assert world.found() == [("total_fell", "keys.TH.holder", 7)]


def test_a_total_of_somebody_elses_counting(world):
    world.say("KH", evaluated(3))
    assert world.found() == [("not_its_total", "keys.KH", 5)]


def test_a_total_about_a_country_outside_the_pair(world):
    world.say("TH.holder", evaluated(3, country="LA"))
    assert world.found() == [("not_of_the_pair", "keys.TH.holder", 6)]
