"""Evidence convicts who lied and nobody else, whatever a country alone, or with another holder, makes of it."""

import base64
from uuid import UUID, uuid4

import pytest
from regions import LiveRegion, person

from events.charter import Charter, LastSigned
from events.envelope import pack, unpack
from events.evidence import Evidence, Region, judge
from events.messages import Body, Evaluated, EvaluationAsked, EvaluationRefused, ShareIntroduced
from keys import dleq, group, labels, shares, sign
from services.country.batches import split

HOLDER = "TH.holder"


def _double_one(elements):
    return [*group.add(elements[:1], elements[:1]), *elements[1:]]


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """TH's holder answers KH rightly about A, and wrongly about B. Nobody works here afterwards."""
    with LiveRegion(tmp_path_factory.mktemp("evidence") / "region", ("KH", "LA", "TH")) as live:
        live.meet()
        live.publish("KH", person("A"))
        live.settle()
        honest = shares.evaluate
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                shares, "evaluate", lambda s, b: _double_one(honest(s, b)) if s.holder == HOLDER else honest(s, b)
            )
            live.publish("KH", person("B", prs_IdentityNumber="X1", x_consent_C4="TH"))
            live.settle()
        yield live


@pytest.fixture(scope="module")
def true(region) -> Evidence:
    """What KH kept of the lie."""
    (record,) = region.nodes["KH"].evaluations.evidence()
    return Evidence.model_validate(record)


@pytest.fixture(scope="module")
def right(region, true) -> Evidence:
    """The right answer about A, as if it had been a wrong one."""
    request = next(i for i in region.items("evaluate.KH.TH") if isinstance(i, EvaluationAsked) and i.pair == "KH-TH")
    answer = next(i for i in region.items("evaluated.TH.KH") if isinstance(i, Evaluated) and i.batch == request.batch)
    return true.model_copy(update={"request": request, "answer": answer})


def charge(region, evidence, *later: Charter) -> str | None:
    return judge(evidence, Region((region.charter, *later), region.digest)).charge


def changed(evidence, part: str, **fields) -> Evidence:
    return evidence.model_copy(update={part: getattr(evidence, part).model_copy(update=fields)})


def introduction(region, signer: str, writer: str = HOLDER, *, public=None, proof=None, generation=0, **header) -> bytes:
    """An envelope on keys.TH.holder with a share of KH-TH, signed with the key of any party, which its owner has."""
    drawn, made = shares.introduce(region.digest, "KH-TH", 1, generation, HOLDER)
    item = ShareIntroduced(
        pair="KH-TH", epoch=1, generation=generation, holder=HOLDER, public=(public or drawn.public).hex(),
        proof=proof or made,
    )
    like = region.envelopes(f"keys.{HOLDER}")[-1].header
    key = region.ring(signer).primary("signing")
    head = like.model_copy(update={"writer": writer, "key_id": key.id, "seq": like.seq + 1, **header})
    return pack(head, Body(items=(item,)).model_dump_json().encode(), seed=key.secret, recipient=None).wire


def test_the_lie_convicts_its_holder_by_name_and_of_what(region, true):
    verdict = judge(true, Region((region.charter,), region.digest))
    assert verdict.charge == "wrong_answer"
    assert "TH.holder signed an answer to KH" in verdict.sentence
    assert str(true.request.batch) in verdict.sentence


def test_a_right_answer_convicts_nobody_whatever_its_accuser_says(region, right):
    assert charge(region, right) is None
    assert charge(region, right.model_copy(update={"reason": "It is wrong!"})) is None


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("request", {"n": 1}), ("request", {"n": 10_000}),
        ("answer", {"n": 1}), ("answer", {"generation": 7}), ("answer", {"epoch": 7}), ("answer", {"pair": "LA-TH"}),
        ("answer", {"batch": UUID(int=1)}),
    ],
    ids=str,
)
def test_what_stands_beside_what_was_signed_turns_no_right_answer_into_a_wrong_one(region, right, true, part, fields):
    """The holder signs the digest of the request, the elements and the proof: nothing else is its word."""
    assert charge(region, changed(right, part, **fields)) is None
    assert charge(region, changed(true, part, **fields)) == "wrong_answer"


ALTERED = [
    ("request", {"batch": UUID(int=1)}), ("request", {"pair": "KH-LA"}), ("request", {"pair": "LA-TH"}),
    ("request", {"epoch": 2}), ("request", {"epoch": 1 << 70}), ("request", {"generation": 1}),
    ("request", {"purpose": "bulk"}), ("request", {"blinded": bytes(32)}), ("request", {"blinded": b""}),
    ("answer", {"elements": bytes(32)}), ("answer", {"elements": b""}), ("answer", {"proof": bytes(64)}),
    ("answer", {"proof": b""}), ("answer", {"key_id": "KH.signing.1"}), ("answer", {"key_id": "none"}),
    ("answer", {"signature": bytes(64)}), ("answer", {"signature": b""}),
]


@pytest.mark.parametrize(("part", "fields"), ALTERED, ids=str)
def test_altered_evidence_convicts_nobody(region, right, true, part, fields):
    for evidence in (right, true):
        assert charge(region, changed(evidence, part, **fields)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"requester": "TH"}, {"requester": "LA"}, {"holder": "KH.holder"}, {"holder": "LA.holder"}, {"holder": "VN.holder"},
        {"holder": "matcher"}, {"charter_digest": "00" * 32}, {"introduction": None}, {"introduction": b""},
        {"introduction": b"\0" * 200},
    ],
    ids=lambda f: next(iter(f)),
)
def test_evidence_of_another_party_charter_or_share_convicts_nobody(region, right, true, fields):
    for evidence in (right, true):
        assert charge(region, evidence.model_copy(update=fields)) is None


def test_every_element_and_every_byte_that_was_signed_counts(region, right):
    for at in range(0, len(right.answer.elements), 32):
        elements = bytearray(right.answer.elements)
        elements[at] ^= 1
        assert charge(region, changed(right, "answer", elements=bytes(elements))) is None


def test_a_share_that_the_country_drew_in_the_holders_name_convicts_nobody(region, right):
    """Its proof of knowledge is in order: it shows that somebody knows the secret, not who."""
    for signer, writer in (("KH", HOLDER), ("KH", "KH"), ("KH.holder", HOLDER), ("matcher", HOLDER)):
        for key_id in (None, region.charter.party(HOLDER).signing[0].id):
            named = {"key_id": key_id} if key_id else {}
            envelope = introduction(region, signer, writer, **named)
            assert charge(region, right.model_copy(update={"introduction": envelope})) is None


def test_an_introduction_on_another_topic_or_out_of_its_keys_time_convicts_nobody(region, right):
    """The holder's key does sign other envelopes: only what stands on its own topic of keys is an introduction."""
    key = region.charter.party(HOLDER).signing[0]
    for header in (
        {"topic": "evaluated.TH.KH"}, {"topic": "keys.KH.holder"}, {"sealed_at": key.valid_until}, {"charter_version": 2},
        {"kind": "evaluated"}, {"recipient": "KH"},
    ):
        envelope = introduction(region, HOLDER, **header)
        assert charge(region, right.model_copy(update={"introduction": envelope})) is None


def test_a_share_without_proof_of_its_secret_convicts_nobody(region, right):
    envelope = introduction(region, HOLDER, proof=bytes(64))
    assert charge(region, right.model_copy(update={"introduction": envelope})) is None


def test_the_holders_share_of_another_pair_or_generation_convicts_nobody(region, right):
    """Also when a refresh falls between request and answer: the answer is held against the share that was asked."""
    other_pair = next(
        e.wire for e in region.envelopes(f"keys.{HOLDER}")
        if b"share_introduced" in e.box and b"LA-TH" in e.box and b"KH-TH" not in e.box
    )
    refreshed = introduction(region, HOLDER, generation=1)
    for envelope in (other_pair, refreshed):
        assert charge(region, right.model_copy(update={"introduction": envelope})) is None
        asked_later = changed(right, "request", generation=1).model_copy(update={"introduction": envelope})
        assert charge(region, asked_later) is None


def test_one_answer_beside_the_request_of_another_convicts_nobody(region, right, true):
    assert charge(region, right.model_copy(update={"request": true.request})) is None
    assert charge(region, true.model_copy(update={"request": right.request})) is None


def test_evidence_that_a_country_made_up_alone_convicts_nobody(region, true):
    """Question, answer and share are its own, and all is in order but who signed."""
    ring = region.ring("KH")
    key = ring.primary("signing")
    share, _ = shares.introduce(region.digest, "KH-TH", 1, 0, HOLDER)
    blinded = group.hash_to_group([b"1", b"2"], labels.TOKEN_TO_GROUP)
    request = true.request.model_copy(update={"batch": uuid4(), "n": 2, "blinded": b"".join(blinded)})
    statement = dleq.Statement(region.digest, "KH", "KH-TH", 1, 0, "match", request.batch.bytes, HOLDER, share.public)
    wrong, proof = list(reversed(blinded)), bytes(64)
    message = dleq.answer_message(dleq.request_digest(statement, blinded), HOLDER, wrong, proof)
    for key_id in (key.id, region.charter.party(HOLDER).signing[0].id):
        answer = true.answer.model_copy(update={
            "elements": b"".join(wrong), "proof": proof, "key_id": key_id, "signature": sign.sign(key.secret, message),
        })  # fmt: skip
        assert charge(region, true.model_copy(update={"request": request, "answer": answer})) is None


def test_the_evidence_of_another_region_convicts_nobody_here(region, true, tmp_path):
    with LiveRegion(tmp_path / "other", ("KH", "LA", "TH")) as other:
        theirs = Region((other.charter,), other.digest)
        assert judge(true, theirs).charge is None
        renamed = true.model_copy(update={"charter_digest": other.digest.hex()})
        assert judge(renamed, theirs).charge is None


def test_a_key_that_was_retired_for_compromise_convicts_nobody(region, true):
    """Its thief signs answers as well as its owner did, and an answer bears no time. The introduction still counts."""
    header = region.envelopes(f"keys.{HOLDER}")[-1].header
    last = (LastSigned(topic=header.topic, partition=0, epoch=header.epoch, seq=header.seq),)
    parties = tuple(
        p.model_copy(update={"signing": (p.signing[0].model_copy(update={"last": last}),)}) if p.id == HOLDER else p
        for p in region.charter.parties
    )
    newer = region.charter.model_copy(update={"version": 2, "parties": parties})
    assert charge(region, true) == "wrong_answer"
    assert charge(region, true, newer) is None


def test_a_country_that_left_the_region_is_judged_by_the_last_version_that_names_it(region, true, right):
    parties = tuple(p for p in region.charter.parties if p.id not in {"TH", HOLDER})
    newer = region.charter.model_copy(update={"version": 2, "parties": parties, "pairs": ("KH-LA",)})
    assert charge(region, true, newer) == "wrong_answer"
    assert charge(region, right, newer) is None


# ---- refusals


@pytest.fixture(scope="module")
def refuses(region, right):
    """(what, fields of the request, retry_at) -> evidence of a refusal that TH's holder signs itself."""
    from services.keyholder.holder import Refusal

    holder, made = region.holders["TH"], []

    def make(reason: str, retry_at=None, **request) -> Evidence:
        asked = right.request.model_copy(update=request)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(holder, "_write", lambda _tx, _country, item, _n: made.append(item))
            holder._write_refusal(None, "KH", asked, Refusal(reason, "No.", retry_at))
        return right.model_copy(update={"request": asked, "answer": made[-1]})

    return make


def test_a_refusal_against_charter_and_request_convicts(region, refuses):
    for reason in ("not_your_pair", "bad_element", "over_quota"):
        verdict = judge(refuses(reason), Region((region.charter,), region.digest))
        assert verdict.charge == "false_refusal"
        assert f"TH.holder refused KH (batch {refuses(reason).request.batch}): {reason}" in verdict.sentence


def test_a_refusal_that_may_be_true_convicts_nobody(region, refuses):
    over = region.charter.quota_per_day + 1
    honest = [
        refuses("over_quota", region.clock.now()), refuses("unknown_generation"), refuses("bad_size"),
        refuses("not_your_pair", pair="KH-LA"), refuses("unknown_epoch", epoch=2), refuses("unknown_epoch"),
        refuses("bad_element", n=1, blinded=group.IDENTITY), refuses("bad_element", n=1, blinded=b"\xff" * 32),
        refuses("over_quota", blinded=bytes(32) * over, n=over), refuses("over_quota", purpose="rotation"),
    ]
    assert [charge(region, evidence) for evidence in honest] == [None] * len(honest)


def test_a_refusal_that_is_true_under_one_version_of_the_charter_convicts_nobody(region, refuses):
    """Nothing that is signed tells by which of them the holder went."""
    for reason, changes in (
        ("not_your_pair", {"pairs": ("KH-LA", "LA-TH")}), ("over_quota", {"quota_per_day": 1}),
    ):
        other = region.charter.model_copy(update={"version": 2, **changes})
        assert charge(region, refuses(reason)) == "false_refusal"
        assert charge(region, refuses(reason), other) is None


def test_a_size_that_was_announced_wrongly_and_put_right_afterwards_convicts_nobody(region, refuses, right):
    """How many were announced is not in what the holder signs: its accuser can write any number beside it."""
    honest = refuses("bad_size", n=right.request.n + 1)
    assert charge(region, changed(honest, "request", n=right.request.n)) is None


@pytest.mark.parametrize("fields", [
    {"reason": "bad_element"}, {"sentence": "Never."}, {"retry_at": None}, {"signature": bytes(64)}, {"key_id": "KH.1"},
], ids=lambda f: next(iter(f)))  # fmt: skip
def test_an_honest_refusal_altered_into_an_untrue_one_convicts_nobody(region, refuses, fields):
    honest = refuses("over_quota", region.clock.now())
    assert isinstance(honest.answer, EvaluationRefused)
    assert charge(region, changed(honest, "answer", **fields)) is None


def test_a_time_that_nobody_can_sign_convicts_nobody(region, refuses):
    honest = refuses("over_quota", region.clock.now())
    for at in (region.clock.now().replace(year=1969), region.clock.now().replace(tzinfo=None)):
        assert charge(region, changed(honest, "answer", retry_at=at)) is None


def test_the_introduction_in_the_evidence_is_the_holders_own_envelope(region, true):
    envelope = unpack(true.introduction)
    assert envelope.header.writer == HOLDER
    assert envelope.wire in region.stream._logs[f"keys.{HOLDER}", 0]
    assert len(split(true.request.blinded)) == true.request.n
    assert base64.b64encode(true.introduction).decode() in true.model_dump_json()
