import pytest

from keys import oprf
from keys.errors import InvalidElement, InvalidProof

SECRET, PUBLIC = oprf.derive_key_pair(b"s" * 32, b"info", oprf.VOPRF)


def test_blinding_hides_the_input_and_unblinding_finds_it_again():
    inputs = [b"a", b"b", b"a"]
    blinds, blinded = oprf.blind(inputs)
    assert len(set(blinded)) == 3
    first, second, third = oprf.finalize(inputs, blinds, oprf.blind_evaluate(SECRET, blinded))
    assert first == third != second


def test_the_two_modes_are_two_functions():
    one, other = (oprf.finalize([b"a"], *_answered(mode)) for mode in (oprf.OPRF, oprf.VOPRF))
    assert one != other


def _answered(mode):
    blinds, blinded = oprf.blind([b"a"], mode)
    return blinds, oprf.blind_evaluate(SECRET, blinded)


def test_the_rfcs_proof_refuses_another_answer_key_or_batch():
    _, blinded = oprf.blind([b"a", b"b"])
    evaluated, proof = oprf.verifiable_evaluate(SECRET, PUBLIC, blinded)
    _, other = oprf.derive_key_pair(b"t" * 32, b"info", oprf.VOPRF)
    for public, asked, answers in (
        (other, blinded, evaluated),
        (PUBLIC, blinded[::-1], evaluated),
        (PUBLIC, blinded, evaluated[::-1]),
        (PUBLIC, blinded[:1], evaluated[:1]),
        (PUBLIC, blinded, evaluated[:1]),
        (PUBLIC, [], []),
    ):
        with pytest.raises(InvalidProof):
            oprf.verify_evaluation(public, asked, answers, proof)
    with pytest.raises(InvalidProof):
        oprf.verify_evaluation(PUBLIC, blinded, evaluated, proof + b"\0")


def test_the_identity_is_refused_as_an_answer():
    _, blinded = oprf.blind([b"a"])
    _, proof = oprf.verifiable_evaluate(SECRET, PUBLIC, blinded)
    with pytest.raises(InvalidElement):
        oprf.verify_evaluation(PUBLIC, blinded, [bytes(32)], proof)
