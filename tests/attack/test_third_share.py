"""A third share of a pair's key, with an outside body: it is asked, proved and counted like the others, and whoever has
the shares of both countries and the whole live matcher still opens nothing.
"""

import pytest
from regions import person, regions_in

from events.errors import CharterInvalid, Refused
from events.evidence import Evidence, Region, judge
from events.messages import RefreshOffered
from events.succession import read_charter
from keys import group, labels, shares
from matching import recipes, tokens
from services.charter import drafts
from services.country.identifiers import canonical_of

PAIR = "KH-TH"
OUTSIDE = "Witness.holder"
HOLDERS = ("KH.holder", "TH.holder", OUTSIDE)


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("third")) as make:
        yield make("KH", "LA", "TH", third={PAIR: OUTSIDE})


@pytest.fixture
def region(founded, tmp_path):
    with founded.copied(tmp_path / "copy") as copy:
        yield copy


def publish(region) -> None:
    region.publish("KH", person("K1"))
    region.publish("TH", person("T1"))
    region.tick(3)


def secret(region, holder: str, generation: int = 0) -> bytes:
    return region.ring(holder).secret("share", f"{PAIR}/1/{generation}")


def rows_opened(region, *secrets: bytes) -> int:
    """How many slots of the live matcher's, with its pepper, a thief's key finds for a person whom he has guessed."""
    k = secrets[0]
    for other in secrets[1:]:
        k = group.scalar_add(k, other)
    inputs = recipes.inputs(_canonical(region), region.charter.slots, region.charter.schema_version)
    known = [i for i in inputs if i is not None]
    made = group.multiply(group.hash_to_group(known, labels.TOKEN_TO_GROUP), k)
    pepper = region.matcher._intake._peppers.current(PAIR, 1)
    recipe_of = [r for r, i in zip(region.charter.slots, inputs, strict=True) if i is not None]
    guesses = {
        pepper.mac(tokens.index(PAIR, 1, recipe, tokens.Token(one))) for recipe, one in zip(recipe_of, made, strict=True)
    }
    with region.databases["matcher"].reading() as tx:
        held = {bytes(p) for (p,) in tx.execute("SELECT peppered FROM slots WHERE pair = ?", (PAIR,))}
    return len(guesses & held)


def _canonical(region):
    return canonical_of(region.file("KH", "K1").person)


def test_a_pair_with_three_shares_matches_and_each_holder_is_asked(region):
    publish(region)
    assert [row[1:] for row in region.matches("KH")] == [("TH", "BOTH_TOLD", "document")]
    for holder in ("KH", "TH", "Witness"):
        assert [i.kind for i in region.items(f"evaluated.{holder}.KH") if getattr(i, "pair", PAIR) == PAIR] == ["evaluated"]
    assert not [t for t in region.charter.topics if t.name == "evaluate.LA.Witness"]
    assert all(not party._post.status().refused for party in region.parties.values())


def test_all_three_shares_open_a_guess_and_any_two_of_them_nothing_with_the_whole_live_matcher(region):
    publish(region)
    stolen = [secret(region, holder) for holder in HOLDERS]
    assert rows_opened(region, *stolen) > 0
    for left_out in range(3):
        assert rows_opened(region, *(s for i, s in enumerate(stolen) if i != left_out)) == 0


def test_without_the_outside_body_no_token_is_made(region):
    region.kill(OUTSIDE)
    region.publish("KH", person("K1"))
    region.tick(3)
    assert region.tokens("KH", "K1")["TH"] == ("working", "")
    region.start(OUTSIDE)
    region.tick(3)
    assert region.tokens("KH", "K1")["TH"] == ("published", "")


def test_a_wrong_answer_of_the_third_holder_is_named_and_convicts_it(region, monkeypatch):
    honest = shares.evaluate
    monkeypatch.setattr(
        shares, "evaluate",
        lambda s, b: group.multiply(b, group.random_scalars(1)[0]) if s.holder == OUTSIDE else honest(s, b),
    )
    publish(region)
    (record,) = region.nodes["KH"].evaluations.evidence()
    evidence = Evidence.model_validate_json(record if isinstance(record, str) else _json(record))
    verdict = judge(evidence, Region((region.charter,), region.digest))
    assert (evidence.holder, verdict.charge) == (OUTSIDE, "wrong_answer")
    assert region.tokens("KH", "K1")["TH"] == ("approved", "")
    assert region.matches("KH") == []


def _json(record) -> str:
    return Evidence.model_validate(record).model_dump_json()


def test_the_third_holder_counts_each_country_against_a_quota_of_its_own(region):
    publish(region)
    with region.databases[OUTSIDE].reading() as tx:
        spent = dict(tx.execute("SELECT country, spent FROM holder_windows WHERE pair = ?", (PAIR,)))
    assert spent == {"KH": len(region.charter.slots), "TH": len(region.charter.slots)}


def test_the_two_countries_refresh_and_the_third_share_stays_and_tokens_match(region):
    region.publish("KH", person("K1"))
    region.tick(2)
    third = secret(region, OUTSIDE)
    region.holders["KH"].refreshes.ask(PAIR, "custodian")
    region.tick(6)
    assert region.nodes["TH"]._post.directory.active_generation(PAIR, 1) == 1
    region.publish("TH", person("T1"))
    region.tick(4)
    assert [row[1:] for row in region.matches("TH")] == [("KH", "BOTH_TOLD", "document")]
    assert secret(region, OUTSIDE) == third
    assert rows_opened(region, secret(region, "KH.holder", 1), secret(region, "TH.holder", 1)) == 0
    assert rows_opened(region, secret(region, "KH.holder", 1), secret(region, "TH.holder", 1), third) > 0
    assert region.parties[OUTSIDE].refreshes.progress() == []
    assert all(not party._post.status().refused for party in region.parties.values())


def test_a_renewal_takes_all_three_holders_and_the_outside_bodys_custodian_too_where_its_share_is_young(region):
    publish(region)
    for party in HOLDERS[:2]:
        region.parties[party].renewals.ask(PAIR, "compromise", "custodian")
    region.tick(2)
    directory = region.nodes["KH"]._post.directory
    states = [[one.state for one in region.parties[p].renewals.progress() if one.pair == PAIR] for p in HOLDERS]
    assert (directory.epoch(PAIR).number, states) == (1, [["prepared"], ["prepared"], ["awaited"]])
    region.parties[OUTSIDE].renewals.ask(PAIR, "compromise", "custodian")
    region.tick(4)
    assert directory.epoch(PAIR).number == 2
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT DISTINCT epoch FROM slots WHERE pair = ?", (PAIR,)) == [(2,)]
    for party in HOLDERS:
        kept = [v for v in region.ring(party).versions("share") if v.id.startswith(PAIR)]
        assert [(v.id, v.state) for v in kept] == [(f"{PAIR}/1/0", "destroyed"), (f"{PAIR}/2/0", "active")]
    assert all(not party._post.status().refused for party in region.parties.values())


def test_the_outside_body_offers_no_refresh(region):
    offer = RefreshOffered(pair=PAIR, epoch=1, generation=1, base=0, holder=OUTSIDE, public="ab" * 32, seal_to="ab" * 32,
                           reason="custodian")  # fmt: skip
    with region.databases[OUTSIDE].transaction() as tx, pytest.raises(Refused) as refused:
        region.parties[OUTSIDE]._post.announce(tx, offer)
    assert refused.value.code == "not_its_refresh"


def test_a_draft_names_an_outside_body_and_no_countrys_holder(region):
    draft = drafts.next_draft(read_charter(region.region.charter_file), issued=region.clock.now())
    for holder in ("KH.holder", "LA.holder", "LA", "matcher"):
        with pytest.raises(CharterInvalid, match="no outside body's key holder"):
            drafts.with_third_share(draft, PAIR, holder)
    with pytest.raises(CharterInvalid, match="no pair of the draft"):
        drafts.with_third_share(draft, "KH-VN", OUTSIDE)
