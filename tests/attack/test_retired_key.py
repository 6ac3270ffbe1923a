"""The thief of a signing key whose time is over: retired by the roots, or only expired. Whatever time it writes into a
header, nothing that it signs counts, nothing of its owner's is lost, and no number is used up."""

from datetime import timedelta

import pytest
from attackers import forged, last_of, log_of, next_header
from posts import LINKAGE
from regions import LiveRegion, person
from structlog.testing import capture_logs

from events.charter import LastSigned, SigningKey
from events.envelope import pack, unpack
from events.messages import Body, GrantChanged, SealingKeyIntroduced
from keys import seal, sign

ZEROS = bytes(32)
KEYS = "keys.KH"


@pytest.fixture
def robbed(pair):
    """KH has written 1 and 2 under its first key, which somebody has a copy of, a minute ago."""
    pair.write(1, 2)
    pair.settle()
    pair.receive()
    pair.region.clock.advance(60)
    return pair


def retire(pair, last=None):
    """The roots retire KH's first key; by default they name what KH knows that it signed."""
    pair.renew(last=pair.last() if last is None else last)
    pair.refill()
    pair.settle()
    pair.receive()


def expire(pair):
    """KH's first key comes to its end, as every key does; KH goes on under its second, and is heard."""
    pair.renew(valid_until=pair.region.clock.now())
    pair.write(3)
    pair.next_tick()
    assert pair.got == [1, 2, 3]


def stories(pair):
    """What a thief of the first key may write, at the time when the key was good: name -> envelope."""
    last = unpack(pair.log()[-1]).header
    old = {"key_id": "KH-1", "charter_version": 1, "sealed_at": unpack(pair.log()[0]).header.sealed_at}
    return {
        "continued": pair.forged(last.seq + 1, 66, epoch=last.epoch, **old),
        "far ahead": pair.forged(last.seq + 9, 66, epoch=last.epoch, **old),
        "another branch": pair.forged(last.seq + 1, 66, epoch=last.epoch, prev=ZEROS, **old),
        "a new epoch": pair.forged(0, 66, epoch=last.epoch + 1, prev=ZEROS, **old),
        "a new epoch, ahead": pair.forged(7, 66, epoch=last.epoch + 1, prev=ZEROS, **old),
        "the last epoch": pair.forged(0, 66, epoch=int(old["sealed_at"].timestamp()), prev=ZEROS, **old),
        "a second story": pair.forged(last.seq, 66, epoch=last.epoch, **old),
    }


STORIES = (
    "continued", "far ahead", "another branch", "a new epoch", "a new epoch, ahead", "the last epoch", "a second story",
)


def heard_on(pair, *expected):
    """KH is heard as if nobody had its key: no gap, no fork, nothing frozen."""
    pair.write(7)
    pair.settle()
    pair.receive()
    assert pair.got == [*expected, 7]
    status = pair.matcher.post.status()
    assert (status.gaps, status.forks, status.frozen) == ((), (), ())


# ---- retired by the roots


@pytest.mark.parametrize("story", STORIES)
def test_nothing_counts_beyond_the_last_that_the_roots_name(robbed, story):
    retire(robbed)
    robbed.deliver(stories(robbed)[story])
    with capture_logs() as logs:
        robbed.receive()
    assert robbed.got == [1, 2]
    reason = "backdated" if story == "a second story" else "retired_key"
    assert robbed.matcher.post.status().refused == {reason: 1}
    (line,) = [line for line in logs if line["event"] == "post.refused"]
    assert (line["writer"], line["topic"], line["reason"]) == ("KH", LINKAGE, reason)
    assert line["seq"] is not None
    heard_on(robbed, 1, 2)


@pytest.mark.parametrize("story", STORIES)
def test_a_reader_that_comes_late_takes_what_the_owner_signed_and_nothing_of_the_thiefs(pair, story):
    pair.write(1, 2)
    pair.settle()  # and not read yet
    pair.region.clock.advance(60)
    pair.deliver(stories(pair)[story])
    retire(pair)
    heard_on(pair, 1, 2)


def test_on_a_stream_that_the_roots_do_not_name_nothing_counts(pair):
    pair.write(1)
    pair.settle()
    retire(pair, last=[named for named in pair.last() if named.topic == KEYS])
    heard_on(pair)
    assert pair.matcher.post.status().refused == {"retired_key": 1}


@pytest.mark.parametrize("is_dropped", [False, True])
@pytest.mark.parametrize("story", ["continued", "a new epoch", "a new epoch, ahead", "the last epoch"])
def test_what_was_believed_before_the_key_was_retired_locks_the_owner_out_of_no_stream(robbed, story, is_dropped):
    """Readers took it, or wait for what is before it, and its number is high: the owner goes beyond, as soon as it knows."""
    last = robbed.last()
    robbed.deliver(stories(robbed)[story])
    robbed.receive()
    if is_dropped:
        robbed.log().clear()  # the owner must hear it from its reader
    robbed.region.clock.advance(5)
    retire(robbed, last)
    robbed.got.clear()
    robbed.next_tick(2)
    robbed.refill()
    heard_on(robbed)
    robbed.deliver(stories(robbed)["a new epoch"], stories(robbed)["the last epoch"])
    robbed.receive()
    assert robbed.got == [7]


def test_what_was_believed_on_keys_locks_the_owner_out_of_them_neither(robbed):
    """No reader tells how far it has read `keys.*`: the owner looks at the carrier itself."""
    last = robbed.last()
    stolen = introduction(robbed, "KH.seal.stolen")
    robbed.deliver(announced(robbed, stolen, seq=0, epoch=900, prev=ZEROS.hex()), topic=KEYS)
    robbed.receive()
    assert sealing_key(robbed) == "KH.seal.stolen"
    retire(robbed, last)
    assert sealing_key(robbed) == robbed.kh.ring.primary("sealing").id  # and nobody seals to the thief's any more
    robbed.deliver(announced(robbed, stolen, seq=0, epoch=9000, prev=ZEROS.hex()), topic=KEYS)
    robbed.receive()
    assert sealing_key(robbed) == robbed.kh.ring.primary("sealing").id


def introduction(pair, key_id):
    now = pair.region.clock.now()
    return SealingKeyIntroduced(
        key_id=key_id, public=seal.new_sealing_pair()[1].hex(), valid_from=now, valid_until=now + timedelta(days=7)
    )


def announced(pair, *items, **changed):
    header = unpack(pair.log(KEYS)[0]).header.model_copy(update={"sealed_at": pair.region.clock.now(), **changed})
    return pack(header, Body(items=items).model_dump_json().encode(), seed=pair.region.seeds["KH"], recipient=None).wire


def sealing_key(pair):
    """What the matcher would seal to for KH."""
    return pair.matcher.post.directory.sealing_key("KH", pair.region.clock.now()).id


# ---- expired, and not retired


@pytest.mark.parametrize("story", STORIES)
def test_whoever_keeps_an_expired_key_and_backdates_writes_nothing(robbed, story):
    expire(robbed)
    told = stories(robbed)[story]
    robbed.deliver(told)
    with capture_logs() as logs:
        robbed.receive()
    assert robbed.got == [1, 2, 3]
    assert robbed.matcher.post.status().refused == {"backdated": 1}
    (line,) = [line for line in logs if line["event"] == "post.refused"]
    seq = unpack(told).header.seq
    assert (line["writer"], line["topic"], line["seq"], line["reason"]) == ("KH", LINKAGE, seq, "backdated")
    heard_on(robbed, 1, 2, 3)


def test_backdated_envelopes_among_the_owners_own_in_one_round_change_nothing(robbed):
    expire(robbed)
    thiefs = list(stories(robbed).values())
    for value in (4, 5):
        robbed.region.clock.advance(1)
        robbed.deliver(*thiefs)
        robbed.write(value)
        robbed.kh.post.send()
    robbed.deliver(*thiefs)
    robbed.receive()
    heard_on(robbed, 1, 2, 3, 4, 5)


def test_before_the_owners_next_word_an_expired_key_is_believed_once_at_most(robbed):
    """A stream speaks at every tick, and the thief has until then. Only retiring the key closes that too."""
    robbed.renew(valid_until=robbed.region.clock.now())
    robbed.deliver(stories(robbed)["a new epoch"])
    robbed.receive()
    assert robbed.got == [1, 2, 66]
    robbed.next_tick(2)
    robbed.refill()
    robbed.got.clear()
    robbed.deliver(*stories(robbed).values())
    robbed.receive()
    heard_on(robbed)


# ---- a key that is good, and numbers that are not


@pytest.mark.parametrize("epoch", [2**52, 2**53 - 1])
def test_a_stream_epoch_that_cannot_be_is_not_believed(robbed, epoch):
    robbed.deliver(
        robbed.forged(0, 66, epoch=epoch, prev=ZEROS, sealed_at=robbed.region.clock.now()),
        robbed.forged(5, 66, epoch=epoch, prev=ZEROS, sealed_at=robbed.region.clock.now() + timedelta(days=300)),
    )
    robbed.receive()
    assert robbed.matcher.post.status().refused == {"implausible_epoch": 2}
    heard_on(robbed, 1, 2)


def test_a_time_that_has_not_come_locks_no_stream(robbed):
    """Under a key that is good for a year yet: neither by the time itself, nor by the numbers that it would allow."""
    last, then = robbed.last(), robbed.region.clock.now() + timedelta(days=300)
    robbed.deliver(robbed.forged(0, 66, epoch=int(then.timestamp()), prev=ZEROS, sealed_at=then))
    robbed.deliver(robbed.forged(0, 67, epoch=2, prev=ZEROS, sealed_at=then))
    robbed.receive()
    assert robbed.matcher.post.status().refused == {"implausible_epoch": 1}
    assert robbed.got == [1, 2, 67]
    robbed.log().clear()
    retire(robbed, last)
    robbed.next_tick(2)
    robbed.refill()
    heard_on(robbed, 1, 2, 67)


# ---- a whole region


def test_a_thief_of_a_retired_key_makes_no_hold_a_tell(tmp_path):
    """TH holds her towards KH. Whoever has TH's old key cannot have her told, with or without a new stream epoch."""
    region = LiveRegion(tmp_path / "region", ("KH", "TH"))
    region.settle()
    her = person("R1")
    region.publish("TH", her, grant="hold")
    region.publish("KH", her)
    region.tick(6)
    assert region.matches("KH") == []
    (linkage,) = [linkage for linkage in region.file("TH", "R1").person.live if linkage.country == "KH"]
    then, last = region.clock.now(), last_of(region, "linkage.TH")
    stolen = region.ring("TH").secret("signing", last.header.key_id)
    renew(region, "TH")

    tell = Body(items=(GrantChanged(handle=linkage.handle, grant="tell", grant_until=then + timedelta(days=30)),))
    for place in (next_header(last), {"seq": 0, "epoch": last.header.epoch + 9, "prev": ZEROS.hex()}):
        made = unpack(forged(region, last, "TH", body=tell, sealed_at=then, **place)).header
        header = made.model_copy(update={"key_id": last.header.key_id})
        key = region.nodes["TH"]._post.directory.sealing_key("matcher", region.clock.now())
        log_of(region, "linkage.TH").append(
            pack(header, tell.model_dump_json().encode(), seed=stolen, recipient=key.public).wire
        )
    region.tick(6)
    assert region.matcher.status().refused["retired_key"] == 2
    assert region.matches("KH") == []

    desk, focal, deputy = region.nodes["TH"].desk, region.act("TH", "focal"), region.act("TH", "deputy")
    desk.set_grant(focal, region.case_id("TH", "R1"), "KH", "tell", "person_asked")
    desk.sign(deputy, [(waiting.id, "tell") for waiting, _ in desk.awaiting(deputy)])
    region.tick(6)
    assert [(r, o) for r, o, _, _ in region.matches("KH")] == [("R1", "TH")]


def renew(region, party):
    """A newer charter retires a party's signing key and names another; all start again under it."""
    now, seed = region.clock.now(), sign.new_seed()
    old = region.charter.party(party).signing[0]
    post = region.parties[party]._post
    places = [at for topic in region.charter.written_by(party) for at in post.places(topic.name) if at.seq >= 0]
    last = tuple(LastSigned(topic=a.topic, partition=a.partition, epoch=a.epoch, seq=a.seq) for a in places)
    new = SigningKey(id=f"{party}.signing.2", public=sign.public_key(seed).hex(), valid_from=now,
                     valid_until=now + timedelta(days=365))  # fmt: skip
    region.ring(party).add("signing", new.id, seed, public=sign.public_key(seed), valid_from=now, primary=True)
    keys = {"signing": (old.model_copy(update={"last": last}), new)}
    parties = tuple(p.model_copy(update=keys) if p.id == party else p for p in region.charter.parties)
    region.charter = region.charter.model_copy(update={"version": 2, "issued": now, "parties": parties})
    for each in list(region.parties):
        region.kill(each)
    for each in [p.id for p in region.charter.parties]:
        region.start(each)
    region.tick(2)
