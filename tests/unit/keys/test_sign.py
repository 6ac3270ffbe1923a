import pytest

from keys import sign

SEED = bytes(range(32))


def test_a_signature_holds_for_its_message_and_key_only():
    other = sign.new_seed()
    signature = sign.sign(SEED, b"message")
    public = sign.public_key(SEED)
    assert len(signature) == 64
    assert sign.is_valid(public, b"message", signature)
    assert not sign.is_valid(public, b"messagf", signature)
    assert not sign.is_valid(public, b"message\0", signature)
    assert not sign.is_valid(sign.public_key(other), b"message", signature)


def test_every_flipped_bit_of_a_signature_spoils_it():
    public, signature = sign.public_key(SEED), sign.sign(SEED, b"message")
    for bit in range(512):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not sign.is_valid(public, b"message", bytes(flipped))


@pytest.mark.parametrize("public_size, signature_size", [(0, 0), (32, 0), (31, 64), (33, 64), (32, 63), (32, 65)])
def test_wrong_sizes_are_not_valid_and_not_fatal(public_size, signature_size):
    assert sign.is_valid(b"\1" * public_size, b"m", b"\1" * signature_size) is False


def test_a_signature_cut_into_its_message_is_not_valid():
    signature = sign.sign(SEED, b"message")
    assert not sign.is_valid(sign.public_key(SEED), signature[-1:] + b"message", signature[:-1])


def test_a_key_of_small_order_signs_nothing():
    assert not sign.is_valid(b"\1" + bytes(31), b"anything", b"\1" + bytes(63))


def test_pae_is_that_of_dsse():
    assert sign.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert sign.pae("ä", b"") == "DSSEv1 2 ä 0 ".encode()


def test_seeds_differ():
    assert len({sign.new_seed() for _ in range(50)}) == 50
