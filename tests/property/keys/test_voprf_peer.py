"""RFC 9497's verifiable mode against another's implementation, PyPI's `voprf`: each side understands the other."""

import hashlib

import backends
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voprf import ristretto

from keys import oprf
from keys.errors import InvalidProof

some = settings(max_examples=25, deadline=None)
seeds = st.binary(max_size=8).map(lambda data: hashlib.sha256(data).digest())
batches = st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=6)


backend = backends.each("module")


@some
@given(seeds, st.binary(max_size=30))
def test_both_derive_the_same_keys(seed, info):
    assert ristretto.Evaluator.from_seed(seed, info).public_key.serialize() == keys(seed, info)[1]


@some
@given(seeds, batches)
def test_their_evaluator_answers_our_client(seed, inputs):
    theirs, (_, public) = ristretto.Evaluator.from_seed(seed, b""), keys(seed)
    blinds, blinded = oprf.blind(inputs)
    proof, evaluated = answered(theirs, blinded)
    oprf.verify_evaluation(public, blinded, evaluated, proof)
    assert oprf.finalize(inputs, blinds, evaluated) == [theirs.evaluate_known_input(one) for one in inputs]


@some
@given(seeds, batches)
def test_our_evaluator_answers_their_client(seed, inputs):
    theirs, (secret, public) = ristretto.Evaluator.from_seed(seed, b""), keys(seed)
    clients, blinded = zip(*(ristretto.Client.blind(one) for one in inputs), strict=True)
    evaluated, proof = oprf.verifiable_evaluate(secret, public, [one.serialize() for one in blinded])
    output = ristretto.VerifiableBatchOutput.deserialize(proof + b"".join(evaluated))
    made = ristretto.Client.finalize_batch(list(clients), output, theirs.public_key)
    assert made == [theirs.evaluate_known_input(one) for one in inputs]


@some
@given(seeds, batches)
def test_a_lie_of_either_side_is_refused_by_the_other(seed, inputs):
    theirs, (secret, public) = ristretto.Evaluator.from_seed(seed, b""), keys(seed)
    _, blinded = oprf.blind(inputs)
    proof, evaluated = answered(theirs, blinded)
    with pytest.raises(InvalidProof):
        oprf.verify_evaluation(public, blinded, [*evaluated[:-1], blinded[-1]], proof)
    client, asked = ristretto.Client.blind(inputs[0])
    _, proof = oprf.verifiable_evaluate(secret, public, [asked.serialize()])
    lie = ristretto.VerifiableOutput.deserialize(proof + asked.serialize())
    with pytest.raises(ValueError, match="proof"):
        client.finalize(lie, theirs.public_key)


def keys(seed, info=b""):
    return oprf.derive_key_pair(seed, info, oprf.VOPRF)


def answered(theirs, blinded):
    """Their proof and answers."""
    whole = theirs.evaluate_batch([ristretto.BlindedInput.deserialize(one) for one in blinded]).serialize()
    return whole[:64], [whole[at : at + 32] for at in range(64, len(whole), 32)]
