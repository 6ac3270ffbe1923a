from itertools import permutations

from keys import labels

TAGS = {
    name: value.encode() if isinstance(value, str) else value
    for name, value in vars(labels).items()
    if name.isupper()
}


def test_no_label_is_another_or_the_beginning_of_another():
    assert len(TAGS) > 10
    clashes = [(a, b) for a, b in permutations(TAGS, 2) if TAGS[b].startswith(TAGS[a])]
    assert clashes == []


def test_framed_keeps_parts_apart():
    assert labels.framed(b"ab", b"c") != labels.framed(b"a", b"bc")
    assert labels.framed(b"ab") != labels.framed(b"ab", b"")
    assert labels.framed(b"x") == bytes(7) + b"\1x"
    assert labels.framed() == b""


def test_tokens_are_hashed_under_the_tag_of_rfc_9497_mode_1():
    assert labels.TOKEN_TO_GROUP == b"HashToGroup-OPRFV1-\x01-ristretto255-SHA512"
