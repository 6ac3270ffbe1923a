import pytest

from keys import seal
from keys.errors import SealBroken

KEY, AAD, PLAIN = b"k" * 32, b"row 7", b"what nobody else reads"


@pytest.fixture
def pair():
    return seal.new_sealing_pair()


def flipped(data):
    for i in range(len(data)):
        yield data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]


def test_what_is_sealed_opens_in_its_place(pair):
    secret, public = pair
    assert seal.unseal(KEY, seal.seal(KEY, PLAIN, AAD), AAD) == PLAIN
    assert seal.unseal_from(secret, seal.seal_to(public, PLAIN, AAD), AAD) == PLAIN


def test_the_overhead_is_as_stated(pair):
    assert len(seal.seal(KEY, PLAIN, AAD)) == len(PLAIN) + seal.OVERHEAD
    assert len(seal.seal_to(pair[1], PLAIN, AAD)) == len(PLAIN) + seal.OVERHEAD_TO


def test_the_same_message_is_never_sealed_to_the_same_bytes(pair):
    assert seal.seal(KEY, PLAIN, AAD) != seal.seal(KEY, PLAIN, AAD)
    assert seal.seal_to(pair[1], PLAIN, AAD)[:32] != seal.seal_to(pair[1], PLAIN, AAD)[:32]


def test_a_box_moved_to_another_row_does_not_open(pair):
    with pytest.raises(SealBroken):
        seal.unseal(KEY, seal.seal(KEY, PLAIN, b"row 7"), b"row 8")
    with pytest.raises(SealBroken):
        seal.unseal_from(pair[0], seal.seal_to(pair[1], PLAIN, b"row 7"), b"row 8")


def test_another_key_does_not_open(pair):
    with pytest.raises(SealBroken):
        seal.unseal(b"l" * 32, seal.seal(KEY, PLAIN, AAD), AAD)
    with pytest.raises(SealBroken):
        seal.unseal_from(seal.new_sealing_pair()[0], seal.seal_to(pair[1], PLAIN, AAD), AAD)


def test_any_altered_byte_closes_the_box(pair):
    for box in flipped(seal.seal(KEY, PLAIN, AAD)):
        with pytest.raises(SealBroken):
            seal.unseal(KEY, box, AAD)
    for box in flipped(seal.seal_to(pair[1], PLAIN, AAD)):
        with pytest.raises(SealBroken):
            seal.unseal_from(pair[0], box, AAD)


def test_cut_boxes_do_not_open(pair):
    box, box_to = seal.seal(KEY, PLAIN, AAD), seal.seal_to(pair[1], PLAIN, AAD)
    for size in (0, 1, 23, 24, 39, 40, len(box) - 1):
        with pytest.raises(SealBroken):
            seal.unseal(KEY, box[:size], AAD)
    for size in (0, 31, 32, 71, 72, len(box_to) - 1):
        with pytest.raises(SealBroken):
            seal.unseal_from(pair[0], box_to[:size], AAD)


def test_a_low_order_key_is_never_sealed_to_or_from(pair):
    for weak in (bytes(32), b"\1" + bytes(31)):
        with pytest.raises(SealBroken):
            seal.seal_to(weak, PLAIN, AAD)
        with pytest.raises(SealBroken):
            seal.unseal_from(pair[0], weak + bytes(60), AAD)


def test_a_public_key_of_another_size_is_refused():
    with pytest.raises(SealBroken):
        seal.seal_to(b"\5" * 31, PLAIN, AAD)


def test_a_message_cannot_be_re_addressed(pair):
    """The recipient's key goes into the message's key: equal shared secrets alone do not open it."""
    secret, public = pair
    same_point = public[:31] + bytes([public[31] | 0x80])  # X25519 ignores the last bit
    box = seal.seal_to(same_point, PLAIN, AAD)
    with pytest.raises(SealBroken):
        seal.unseal_from(secret, box, AAD)


def test_keys_differ():
    assert len({seal.new_key() for _ in range(50)}) == 50
