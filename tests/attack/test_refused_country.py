"""She refused KH: no share of KH's was ever applied to her, so KH and the whole matcher have nothing to test.

TH protects her, and she allows LA alone. KH's officials have a case of hers too, true in every word, and say `tell`.
"""

import pytest
from attackers import guesses, is_found, share_of
from regions import person, regions_in

from events.messages import EvaluationAsked, Submission

SHE = person("SHE", x_consent_C4="LA")
HERE = person("HERE")
"""The same woman, in another country's file."""


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("refused")) as make:
        region = make("KH", "LA", "TH")
        region.publish("TH", SHE)
        region.publish("KH", HERE)
        region.publish("LA", HERE)
        region.tick(5)
        yield region


@pytest.fixture
def region(published, tmp_path):
    with published.copied(tmp_path / "region") as copy:
        yield copy


def test_there_is_never_a_match_with_the_country_that_she_refused_and_there_is_one_with_the_other(region):
    region.tick(5)
    assert [(country, state) for _, country, state, _ in region.matches("TH")] == [("LA", "BOTH_TOLD")]
    assert [country for _, country, _, _ in region.matches("KH")] == ["LA"]
    assert sorted(country for _, country, _, _ in region.matches("LA")) == ["KH", "TH"]


def test_no_question_about_her_was_ever_put_to_a_holder_under_that_pairs_key(region):
    asked = [i for h in ("KH", "LA", "TH") for i in region.items(f"evaluate.TH.{h}") if isinstance(i, EvaluationAsked)]
    assert {request.pair for request in asked} == {"LA-TH"}
    with region.databases["KH.holder"].reading() as tx:
        assert tx.execute("SELECT COUNT(*) FROM holder_requests WHERE country = 'TH'") == [(0,)]


def test_nothing_of_hers_was_submitted_for_that_pair(region):
    submitted = [i for i in region.items("linkage.TH") if isinstance(i, Submission)]
    assert {s.pair for s in submitted} == {"LA-TH"}
    linkages = region.file("TH", "SHE").person.linkages
    assert set(linkages) == {"LA"}


def test_with_both_shares_of_the_pair_and_the_whole_live_matcher_there_is_nothing_to_find(region):
    """Even the key that the two countries have in common opens nothing: it was never used on her."""
    stolen = [share_of(region, holder, "KH-TH") for holder in ("KH.holder", "TH.holder")]
    for pair in ("KH-TH", "KH-LA", "LA-TH"):
        assert not is_found(region, pair, "TH", guesses(region, SHE, stolen))
    allowed = [share_of(region, holder, "LA-TH") for holder in ("LA.holder", "TH.holder")]
    assert is_found(region, "LA-TH", "TH", guesses(region, SHE, allowed))  # so the lines above can fail


def test_every_share_that_the_refused_country_has_opens_nothing(region):
    own = [share_of(region, "KH.holder", pair) for pair in ("KH-LA", "KH-TH")]
    for secrets in ([own[0]], [own[1]], own):
        for pair in ("KH-TH", "LA-TH"):
            assert not is_found(region, pair, "TH", guesses(region, SHE, secrets))


def test_its_own_token_of_her_meets_nothing_when_it_is_submitted_for_the_pair_she_allowed(region):
    """KH submits the indices that it made of her for KH-TH, and those it made for KH-LA, as if they were LA-TH's."""
    mine = [i for i in region.items("linkage.KH") if isinstance(i, Submission)]
    node = region.nodes["KH"]
    linkage = next(t for t in region.charter.written_by("KH") if t.family == "linkage")
    stolen = [
        row.model_copy(update={"handle": f"{i:032x}", "pair": pair})
        for i, (row, pair) in enumerate((row, pair) for row in mine for pair in ("LA-TH", "KH-TH"))
    ]
    with region.databases["KH"].transaction() as tx:
        node._post.write(tx, linkage, stolen)
    region.tick(5)
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT reason, count FROM matcher_refused") == [("pair_not_agreed", 2)]
        pairs = tx.execute("SELECT pair FROM found WHERE pair = 'KH-TH'")
    assert pairs == []
    assert [country for _, country, _, _ in region.matches("TH")] == ["LA"]


def test_a_refusal_that_comes_later_leaves_nothing_behind_either(region):
    """She allows KH, then takes it back: her row goes, and what was told is closed."""
    region.publish("TH", person("LATER", prs_IdentityNumber="K5550001", prs_FirstName="Nok", x_consent_C4="KH;LA"))
    region.tick(3)
    row = person("X", prs_IdentityNumber="K5550001", prs_FirstName="Nok")
    stolen = [share_of(region, holder, "KH-TH") for holder in ("KH.holder", "TH.holder")]
    assert is_found(region, "KH-TH", "TH", guesses(region, row, stolen))
    region.nodes["TH"].desk.withdraw_consent(
        region.act("TH", "worker"), region.case_id("TH", "LATER"), purpose="C4", by="person"
    )
    region.tick(2)
    assert not is_found(region, "KH-TH", "TH", guesses(region, row, stolen))
    region.publish("KH", row)
    region.tick(5)
    assert [r for r, country, _, _ in region.matches("KH") if country == "TH"] == []
