"""Whoever holds the whole matcher and another country's half of a key cannot test a guess; with both halves they can.

The woman is in TH's register and allows KH. The attackers are KH's node and holder, and the matcher: its database, its
pepper, its sealing keys. They have a dictionary that contains her.
"""

from base64 import b64encode
from hashlib import blake2b, sha256, sha512
from typing import get_args
from uuid import uuid4

import pytest
from attackers import guesses, inputs_of, is_found, share_of
from regions import LiveRegion, person, regions_in

from events.messages import Evaluated, EvaluationAsked, EvaluationRefused, Submission
from keys import group, oprf, shares
from keys.ring import Purpose
from matching import tokens
from services.country.batches import split

SHE = person("SHE")
FULL_NAME_ALONE = person("SHE", prs_IdentityNumber="")
DOCUMENT_ALONE = person("X", prs_FirstName="", prs_SecondName="Q", prs_Birthdate="")
DICTIONARY = [
    person("X", prs_FirstName=f"Somsak{i}", prs_Birthdate=f"19{70 + i}-04-23", prs_IdentityNumber=f"K72904{i:02}")
    for i in range(12)
] + [SHE]
PAIR = "KH-TH"


@pytest.fixture(scope="module")
def protecting(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("guessing")) as make:
        region = make("KH", "TH", quota_per_day=20, batch_limit=20)
        region.publish("TH", SHE, grant="hold")
        region.tick(2)
        yield region


@pytest.fixture
def region(protecting, tmp_path):
    with protecting.copied(tmp_path / "region") as copy:
        yield copy


def found(region: LiveRegion, *secrets: bytes, pepper: bytes | None = None) -> list[str]:
    """Whose records the dictionary finds: document numbers."""
    return [
        row["prs_IdentityNumber"] for row in DICTIONARY
        if is_found(region, PAIR, "TH", guesses(region, row, secrets), pepper)
    ]


ORDER = 2**252 + 27742317777372353535851937790883648493
ONE = b"\1" + bytes(31)


def everything_in(ring) -> list[bytes]:
    """Every secret of a stolen ring, as a scalar."""
    known = [version.secret for kind in get_args(Purpose) for version in ring.versions(kind) if version.secret]
    return [(int.from_bytes(secret, "little") % ORDER).to_bytes(32, "little") for secret in known]


def test_with_the_whole_matcher_and_no_share_the_dictionary_finds_nobody(region):
    """It has its database, its pepper and all its other secrets, what is public, and every body addressed to it."""
    secrets = everything_in(region.ring("matcher"))
    assert len(secrets) > 3
    assert [found(region, secret) for secret in (ONE, *secrets)] == [[]] * (len(secrets) + 1)
    directory = region.nodes["KH"]._post.directory  # they are told to everybody who asks
    public = [directory.share(PAIR, 1, holder, 0).public for holder in ("KH.holder", "TH.holder")]
    for row in DICTIONARY:
        inputs = inputs_of(region, row)
        made = [(recipe, element) for recipe, _ in inputs for element in (*public, group.total(public))]
        made += [(recipe, digest(one).digest()[:32]) for recipe, one in inputs for digest in (sha256, sha512, blake2b)]
        assert not is_found(region, PAIR, "TH", made)
    both = share_of(region, "KH.holder", PAIR), share_of(region, "TH.holder", PAIR)
    assert found(region, *both) == [SHE["prs_IdentityNumber"]]  # so the lines above can fail


def test_with_the_whole_matcher_and_one_share_the_dictionary_finds_nobody(region):
    own = share_of(region, "KH.holder", PAIR)
    assert found(region, own) == []
    assert found(region, own, ONE) == found(region, group.scalar_subtract(bytes(32), own)) == []


def test_what_the_other_holder_has_published_does_not_stand_in_for_its_share(region):
    """K_TH is public: added to their own half, or taken as if it were the other half, it makes no token."""
    own = share_of(region, "KH.holder", PAIR)
    public = region.nodes["KH"]._post.directory.share(PAIR, 1, "TH.holder", 0).public
    for row in DICTIONARY:
        halves = guesses(region, row, [own])
        with_public = [(recipe, group.add([half], [public])[0]) for recipe, half in halves]
        assert not is_found(region, PAIR, "TH", with_public)
        assert not is_found(region, PAIR, "TH", [(recipe, public) for recipe, _ in halves])


def test_with_both_holders_whole_and_all_of_kafka_but_no_token_the_dictionary_finds_nobody(region):
    """They have both shares, and open what both holders were asked and answered. Of tokens and indices they have none."""
    both = share_of(region, "KH.holder", PAIR), share_of(region, "TH.holder", PAIR)
    asked = [i for h in ("KH", "TH") for i in region.items(f"evaluate.TH.{h}") if isinstance(i, EvaluationAsked)]
    answered = [i for h in ("KH", "TH") for i in region.items(f"evaluated.{h}.TH") if isinstance(i, Evaluated)]
    seen = {element for i in asked for element in split(i.blinded)} | {e for i in answered for e in split(i.elements)}
    assert len(seen) >= 3 * len(region.charter.slots)
    first = split(asked[0].blinded)
    assert set(group.multiply(first, both[0])) | set(group.multiply(first, both[1])) <= seen  # it is they that answered
    carried = b"".join(envelope.wire for topic in region.charter.topics for envelope in region.envelopes(topic.name))
    for secrets in ([ONE], both[:1], both[1:], both):
        made = guesses(region, SHE, secrets)
        assert seen.isdisjoint(element for _, element in made)
        indices = [tokens.index(PAIR, 1, recipe, tokens.Token(element)) for recipe, element in made]
        assert not any(written in carried for index in indices for written in (index, index.hex().encode(), b64encode(index)))
    submitted = b"".join(i.indices for i in region.items("linkage.TH") if isinstance(i, Submission))
    assert all(index in submitted for index in indices)  # but for the seal to the matcher they would have found her


def test_with_both_shares_and_the_database_but_without_the_pepper_it_finds_nobody(region):
    both = share_of(region, "KH.holder", PAIR), share_of(region, "TH.holder", PAIR)
    assert found(region, *both, pepper=bytes(32)) == found(region, *both, pepper=b"") == []


def test_with_both_shares_and_the_whole_live_matcher_it_finds_her(region):
    """The leftover that the threat model names: that pair's live rows."""
    both = share_of(region, "KH.holder", PAIR), share_of(region, "TH.holder", PAIR)
    assert found(region, *both) == [SHE["prs_IdentityNumber"]]
    for part_of_her in (FULL_NAME_ALONE, DOCUMENT_ALONE):
        assert is_found(region, PAIR, "TH", guesses(region, part_of_her, both))


def test_both_shares_of_another_pair_open_nothing_of_this_one(live):
    region = live("KH", "LA", "TH")
    region.publish("TH", SHE)
    region.tick(2)
    for pair, holders in (("KH-LA", ("KH.holder", "LA.holder")), ("LA-TH", ("LA.holder", "TH.holder"))):
        stolen = [share_of(region, holder, pair) for holder in holders]
        assert not is_found(region, PAIR, "TH", guesses(region, SHE, stolen))


def ask(region: LiveRegion, row) -> list[tuple[str, bytes]] | str:
    """KH's node asks both holders for tokens of a guess, as if it were a case of its own. Tokens, or why not."""
    inputs = inputs_of(region, row)
    blinds, blinded = oprf.blind([one for _, one in inputs])
    asked = EvaluationAsked(
        batch=uuid4(), pair=PAIR, epoch=1, generation=0, purpose="match", n=len(blinded), blinded=b"".join(blinded)
    )
    node = region.nodes["KH"]
    for holder in ("KH.holder", "TH.holder"):
        with region.databases["KH"].transaction() as tx:
            node._post.write(tx, node.evaluations._topics[holder], [asked])
    region.settle()
    answers = [i for h in ("KH", "TH") for i in region.items(f"evaluated.{h}.KH") if i.batch == asked.batch]
    for answer in answers:
        if isinstance(answer, EvaluationRefused):
            return answer.reason
    first, second = (split(a.elements) for a in answers if isinstance(a, Evaluated))
    made = shares.unblind(blinds, first, second)
    return [(recipe, element) for (recipe, _), element in zip(inputs, made, strict=True)]


def test_a_guess_is_answered_and_counted_by_her_own_countrys_holder_until_the_day_is_spent(region):
    """Twenty evaluations a day are six guesses of three recipes: a dictionary takes days, and shows in public."""
    *answered, over = [ask(region, row) for row in DICTIONARY[:7]]
    assert over == "over_quota"
    assert not any(is_found(region, PAIR, "TH", made) for made in answered)
    assert ask(region, SHE) == "over_quota"
    region.sleep(days=1)
    assert is_found(region, PAIR, "TH", ask(region, SHE))
    region.tick(2)
    told = {
        (writer, t.country): t.count for writer, t in region.nodes["TH"]._post.directory.totals()
        if t.kind == "evaluated_total"
    }
    accepted = {t.country: t.count for _, t in region.nodes["TH"]._post.directory.totals() if t.kind == "accepted_total"}
    asked = sum(len(made) for made in answered) + len(inputs_of(region, SHE))
    assert told["TH.holder", "KH"] == told["KH.holder", "KH"] == asked
    assert accepted.get("KH", 0) == 0  # nothing was published: the totals show that KH asked for another reason


def test_a_guess_leaves_no_match_and_tells_nobody(region):
    region.publish("KH", SHE)  # the guess as a whole false case
    region.tick(6)
    assert region.matches("KH") == []
    assert [state for *_, state, _ in region.matches("TH")] == ["TOLD"]  # it is TH that hears of it


def test_nobodys_holder_answers_a_country_that_has_no_part_in_the_pair(live):
    region = live("KH", "LA", "TH")
    node = region.nodes["LA"]
    for holder in ("TH.holder", "KH.holder"):
        with region.databases["LA"].transaction() as tx:
            blinded = oprf.blind([b"guess"])[1]
            node._post.write(tx, node.evaluations._topics[holder], [EvaluationAsked(
                batch=uuid4(), pair=PAIR, epoch=1, generation=0, purpose="match", n=1, blinded=blinded[0]
            )])
    region.settle()
    answers = [i for h in ("KH", "TH") for i in region.items(f"evaluated.{h}.LA")]
    assert [a.reason for a in answers] == ["not_your_pair"] * 2
