from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from events.envelope import MAX_SIZE, NO_HASH, Header, pack, read_body, unpack
from events.errors import EnvelopeInvalid
from events.messages import Body, GrantChanged, Head, Revocation, SealingKeyIntroduced, Want
from keys import seal, sign
from keys.errors import SealBroken

SEED = bytes(range(32))
SECRET, PUBLIC = seal.new_sealing_pair()
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAIVE = AT.replace(tzinfo=None)
FIELDS = {
    "writer": "KH", "key_id": "KH-1", "epoch": 1, "topic": "linkage.KH", "partition": 0, "seq": 0, "kind": "linkage",
    "prev": NO_HASH.hex(), "charter_version": 1, "recipient": "matcher", "sealing_key": "m-1", "event_id": UUID(int=7),
    "sealed_at": AT,
}
PLAIN = Body(items=(Revocation(handle="ab" * 16),)).model_dump_json().encode()


def header(**changed):
    return Header(**{**FIELDS, **changed})


def sealed(**changed):
    return pack(header(**changed), PLAIN, seed=SEED, recipient=PUBLIC)


def public():
    return pack(header(recipient=None, sealing_key=None, kind="keys"), PLAIN, seed=SEED, recipient=None)


def test_what_was_packed_is_read_signed_and_opened():
    read = unpack(sealed().wire)
    assert read.header == header()
    assert read.is_signed_by(sign.public_key(SEED))
    assert read.opened(SECRET) == PLAIN


def test_a_public_body_is_read_without_a_key():
    assert unpack(public().wire).opened(None) == PLAIN


@given(at=st.integers(min_value=0), flip=st.integers(1, 255))
def test_an_altered_byte_is_always_noticed(at, flip):
    wire = bytearray(WIRE)
    wire[at % len(wire)] ^= flip
    try:
        read = unpack(bytes(wire))
    except EnvelopeInvalid:
        return
    assert not read.is_signed_by(sign.public_key(SEED))


WIRE = sealed().wire


@pytest.mark.parametrize("size", [0, 1, 71, 72, 100, len(WIRE) - 1, len(WIRE) + 1])
def test_a_cut_or_lengthened_envelope_is_none(size):
    with pytest.raises(EnvelopeInvalid):
        unpack(WIRE[:size] if size < len(WIRE) else WIRE[:-64] + b"x" + WIRE[-64:])


@given(st.binary(max_size=400))
def test_any_bytes_are_an_envelope_or_refused(junk):
    with pytest.raises(EnvelopeInvalid):
        unpack(junk)


def test_a_body_under_another_header_does_not_open():
    envelope = sealed()
    moved = pack(header(seq=1), envelope.box, seed=SEED, recipient=None)
    with pytest.raises(SealBroken):
        moved.opened(SECRET)


def test_the_hash_covers_header_and_body_but_not_the_signature():
    envelope = public()
    other = unpack(envelope.signed + bytes(64))
    assert other.hash == envelope.hash
    assert pack(envelope.header, PLAIN + b" ", seed=SEED, recipient=None).hash != envelope.hash
    assert sealed(seq=1).hash != sealed().hash


@pytest.mark.parametrize(
    "changed",
    [
        {"seq": -1}, {"seq": 2**53}, {"epoch": 0}, {"partition": -1}, {"writer": "x y"}, {"topic": "a/b"},
        {"key_id": "a b"}, {"kind": "gossip"}, {"sealed_at": NAIVE}, {"prev": "zz"}, {"more": 1},
    ],
)
def test_a_header_out_of_bounds_is_refused(changed):
    with pytest.raises(ValidationError):
        header(**changed)


def test_an_envelope_too_large_for_the_wire_is_refused_before_it_is_signed():
    with pytest.raises(ValueError, match="send less"):
        pack(header(), bytes(MAX_SIZE), seed=SEED, recipient=PUBLIC)


def test_a_body_carries_only_what_its_topics_may():
    introduced = SealingKeyIntroduced(key_id="k", public="ab" * 32, valid_from=AT, valid_until=AT)
    with pytest.raises(EnvelopeInvalid, match="no place"):
        read_body("linkage", Body(items=(introduced,)).model_dump_json().encode())


@pytest.mark.parametrize(
    "body",
    [
        Body(tick=2**53),
        Body(heads=(Head(writer="KH", epoch=1, topic="t", partition=0, seq=2**60, hash="00" * 32),)),
        Body(wants=(Want(epoch=2**70, topic="t", partition=0, from_seq=0),)),
        Body(items=(GrantChanged(handle="ab" * 16, grant="tell", grant_until=NAIVE),)),
        Body(items=(GrantChanged(handle="ab" * 16, grant="tell", grant_until=AT.replace(year=9999)),)),
        Body(items=(GrantChanged(handle="ab" * 16, grant="tell", grant_until=AT.replace(year=1)),)),
    ],
)
def test_a_body_that_no_store_could_hold_is_refused(body):
    with pytest.raises(EnvelopeInvalid, match="beyond"):
        read_body("linkage", body.model_dump_json().encode())


@pytest.mark.parametrize("plain", [b"", b"{}x", b"[]", b'{"more": 1}', b'{"pad": "\\u0000"}', b"\xff"])
def test_a_malformed_body_is_refused(plain):
    with pytest.raises(EnvelopeInvalid):
        read_body("linkage", plain)
