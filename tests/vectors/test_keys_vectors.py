"""The vectors of the group, step by step, and beside a plain implementation; all suites: test_selftest.py."""

import json
import runpy
from datetime import datetime, timedelta, timezone
from pathlib import Path

import backends
import pytest

from keys import dleq, group, oprf, shares
from keys.errors import InvalidElement
from keys.expand import expand_message_xmd
from keys.vectors.selftest import HERE

REFERENCE = runpy.run_path(str(Path(__file__).with_name("keys_reference.py")))


def vectors(name):
    return json.loads((HERE / f"{name}.json").read_text())


def unhex(values):
    return [bytes.fromhex(value) for value in values]


def little(value):
    return int.from_bytes(value, "little")


SUITES = vectors("rfc9497")["suites"]
EVALUATIONS = [(suite, vector) for suite in SUITES for vector in suite["vectors"]]
BATCHES = vectors("batch_proof")["batches"]


backend = backends.each()


@pytest.fixture
def fixed_randomness(monkeypatch):
    def fix(*scalars):
        left = list(scalars)
        monkeypatch.setattr(group, "random_scalars", lambda n: [left.pop(0) for _ in range(n)])

    return fix


def test_messages_expand_as_rfc_9380_says():
    suite = vectors("rfc9380")
    for v in suite["vectors"]:
        assert expand_message_xmd(v["message"].encode(), suite["dst"].encode(), v["size"]).hex() == v["uniform"]


@pytest.mark.parametrize("encoding", unhex(vectors("rfc9496")["bad_encodings"]), ids=bytes.hex)
def test_every_bad_encoding_of_rfc_9496_is_refused_everywhere(encoding):
    good = group.multiply_base(b"\1" + bytes(31))
    scalar = b"\2" + bytes(31)
    for call in (
        lambda: group.validate([good, encoding]),
        lambda: group.multiply([good, encoding], scalar),
        lambda: group.multiply_each([good, encoding], [scalar, scalar]),
        lambda: group.add([good], [encoding]),
        lambda: group.add([encoding], [good]),
        lambda: group.total([good, encoding]),
        lambda: group.weighted_sum([good, encoding], [b"\1" * 16] * 2),
    ):
        with pytest.raises(InvalidElement):
            call()


def test_small_multiples_of_the_base_are_those_of_rfc_9496():
    multiples = unhex(vectors("rfc9496")["small_multiples"])
    assert multiples[0] == group.IDENTITY
    total = multiples[0]
    for i, expected in enumerate(multiples[1:], start=1):
        total = group.add([total], [multiples[1]])[0]
        assert total == expected == group.multiply_base(bytes([i]) + bytes(31))


def test_the_one_way_map_is_that_of_rfc_9496():
    cases = vectors("rfc9496")["one_way_map"]
    assert group.map_to_group(unhex(c["input"] for c in cases)) == unhex(c["output"] for c in cases)


@pytest.mark.parametrize("suite", SUITES, ids=lambda s: f"mode{s['mode']}")
def test_key_pairs_derive_as_in_rfc_9497(suite):
    secret, public = oprf.derive_key_pair(*unhex([suite["seed"], suite["info"]]), suite["mode"])
    assert secret.hex() == suite["secret"]
    assert suite["public"] in {None, public.hex()}


@pytest.mark.parametrize("suite, vector", EVALUATIONS)
def test_blinding_evaluation_and_output_are_those_of_rfc_9497(suite, vector):
    inputs, blinds, evaluated = (unhex(vector[name]) for name in ("inputs", "blinds", "evaluated"))
    blinded = oprf.blind_with(blinds, inputs, suite["mode"])
    assert blinded == unhex(vector["blinded"])
    assert oprf.blind_evaluate(bytes.fromhex(suite["secret"]), blinded) == evaluated
    assert oprf.finalize(inputs, blinds, evaluated) == unhex(vector["outputs"])


@pytest.mark.parametrize("suite, vector", [case for case in EVALUATIONS if case[0]["mode"] == oprf.VOPRF])
def test_the_verifiable_mode_proves_as_in_rfc_9497(suite, vector, fixed_randomness):
    secret, public, r, proof = unhex([suite["secret"], suite["public"], vector["r"], vector["proof"]])
    fixed_randomness(r)
    made = oprf.verifiable_evaluate(secret, public, unhex(vector["blinded"]))
    assert made == (unhex(vector["evaluated"]), proof)
    oprf.verify_evaluation(public, unhex(vector["blinded"]), unhex(vector["evaluated"]), proof)


def statement_of(vector):
    fields = vector["statement"]
    return dleq.Statement(**{
        name: bytes.fromhex(value) if name in {"charter_digest", "batch", "public"} else value
        for name, value in fields.items()
    })


@pytest.mark.parametrize("vector", BATCHES, ids=lambda v: f"n{len(v['blinded'])}")
def test_the_transcript_of_a_batch_is_the_written_one(vector):
    blinded, evaluated = unhex(vector["blinded"]), unhex(vector["evaluated"])
    statement = statement_of(vector)
    context, seed = dleq._transcript(statement, blinded, evaluated)
    weights = dleq._weights(seed, len(blinded))
    plain = REFERENCE["transcript"](vector["statement"], blinded, evaluated)
    assert dleq.request_digest(statement, blinded) == plain["D"] == bytes.fromhex(vector["D"])
    assert context == plain["context"]
    assert seed == plain["seed"] == bytes.fromhex(vector["seed"])
    assert weights == plain["weights"] == unhex(vector["weights"])
    assert group.weighted_sum(blinded, weights).hex() == vector["M"]
    assert group.weighted_sum(evaluated, weights).hex() == vector["V"]


@pytest.mark.parametrize("vector", BATCHES, ids=lambda v: f"n{len(v['blinded'])}")
def test_the_proof_of_a_batch_is_the_written_one(vector, fixed_randomness):
    blinded, evaluated = unhex(vector["blinded"]), unhex(vector["evaluated"])
    share, r = unhex([vector["share"], vector["r"]])
    plain = REFERENCE["proof"](vector["statement"], little(share), little(r), blinded, evaluated)
    assert group.multiply(blinded, share) == evaluated
    fixed_randomness(r)
    proof = dleq.prove(statement_of(vector), share, blinded, evaluated)
    assert proof == plain["proof"] == bytes.fromhex(vector["proof"])
    dleq.verify(statement_of(vector), blinded, evaluated, proof)


@pytest.mark.parametrize("vector", BATCHES, ids=lambda v: f"n{len(v['blinded'])}")
@pytest.mark.parametrize(
    "retry_at, written",
    [(None, b""), (datetime(1970, 1, 2, 7, 0, 0, 5, timezone(timedelta(hours=7))), (86_400_000_005).to_bytes(8, "big"))],
    ids=["never", "later"],
)
def test_a_refusal_is_signed_as_written(vector, retry_at, written):
    fields = vector["statement"]
    message = dleq.refusal_message(
        statement_of(vector), unhex(vector["blinded"]), fields["holder"], reason="over_quota", sentence="Später.",
        retry_at=retry_at,
    )
    digests = [bytes.fromhex(fields["charter_digest"]), bytes.fromhex(vector["D"])]
    assert message == REFERENCE["framed"](
        b"SAMAKI-v1 refusal", digests[0], fields["requester"].encode(), fields["holder"].encode(), digests[1],
        b"over_quota", written, "Später.".encode(),
    )


@pytest.mark.parametrize("vector", BATCHES, ids=lambda v: f"n{len(v['blinded'])}")
def test_a_share_is_introduced_as_written(vector, fixed_randomness):
    fields, (secret, r) = vector["statement"], unhex([vector["share"], vector["r"]])
    place = (
        bytes.fromhex(fields["charter_digest"]), fields["pair"], fields["epoch"], fields["generation"], fields["holder"]
    )
    fixed_randomness(secret, r)
    share, proof = shares.introduce(*place)
    assert share.public.hex() == fields["public"]
    assert proof.hex() == vector["knowledge"]
    assert (share.public, proof) == REFERENCE["knowledge"](fields, little(secret), little(r))
    shares.verify_introduction(*place, share.public, proof)
