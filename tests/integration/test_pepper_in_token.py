"""The matcher's pepper in a PKCS#11 token, on SoftHSM2: a region finds its people, and a token that is away loses nothing."""

import pytest
from changes import BOTH, PEOPLE, ask, both_told
from regions import LiveRegion

from keys.errors import TokenUnavailable
from keys.hsm import TokenAddress, TokenKey
from services.matcher.main import build
from services.matcher.peppers import named
from services.matcher.settings import MatcherSettings
from services.runtime.errors import InputInvalid, SettingsInvalid
from services.runtime.process import _with_tables


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with LiveRegion(tmp_path_factory.mktemp("token") / "region", ("KH", "TH"), batch_limit=5) as region:
        region.kill("matcher")
        yield region


@pytest.fixture
def address(softhsm, request):
    return softhsm.address(request.node.name[:40])


@pytest.fixture
def region(founded, address, tmp_path):
    """Its matcher was started with a token from the first."""
    with founded.copied(tmp_path / "region") as region:
        region.kill("matcher")
        (region.region.home("matcher") / "store.db").unlink()
        for version in region.ring("matcher").versions("pepper"):
            region.ring("matcher").destroy("pepper", version.id)
        region.pepper = TokenAddress.of(address)
        region.start("matcher")
        region.meet()
        yield region


def peppers(region):
    with region.databases["matcher"].reading() as tx:
        return [(n.name, n.place, n.state) for n in named(tx)]


def found_both(region):
    region.publish("KH", *PEOPLE)
    region.publish("TH", *PEOPLE)
    region.tick(4)
    return {cc: region.matches(cc) for cc in BOTH}


def test_a_region_finds_its_people_behind_a_pepper_that_stands_in_no_ring(region):
    assert found_both(region) == BOTH
    assert [place for _, place, _ in peppers(region)] == ["token"]
    assert [v.secret for v in region.ring("matcher").versions("pepper")] == [None] * len(
        region.ring("matcher").versions("pepper")
    )
    ((name, _, _),) = peppers(region)
    key = TokenAddress.of(f"{region_address(region, name)}").open()
    with region.databases["matcher"].reading() as tx:
        stored = {bytes(value) for (value,) in tx.execute("SELECT peppered FROM slots")}
    submitted = region.items("linkage.KH")
    indices = {s.indices[i : i + 32] for s in submitted for i in range(0, len(s.indices), 32)}
    assert {key.mac(index) for index in indices} <= stored


def region_address(region, name):
    token = region.pepper
    return (
        f"pkcs11:token={token.token};object={token.object} {name}?module-path={token.module}&pin-source={token.pin}"
    )


def test_while_the_token_does_not_answer_nothing_is_taken_and_when_it_is_back_nobody_is_missing(region, monkeypatch):
    region.publish("KH", *PEOPLE)
    region.tick(2)

    def away(*_args):
        raise TokenUnavailable("The token does not answer.")

    region.publish("TH", *PEOPLE)
    with monkeypatch.context() as broken:
        broken.setattr(TokenKey, "mac", away)
        for _ in range(3):
            with pytest.raises(TokenUnavailable):
                region.tick(2)
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT DISTINCT country FROM slots") == [("KH",)]
    region.tick(4)
    assert {cc: region.matches(cc) for cc in BOTH} == BOTH
    assert both_told(region) == {"KH": len(PEOPLE), "TH": len(PEOPLE)}


def test_a_pepper_is_changed_within_the_token_and_the_old_key_is_gone_from_it(region):
    region.publish("KH", *PEOPLE)
    region.publish("TH", PEOPLE[0])
    region.tick(3)
    ((old, _, _),) = peppers(region)
    ask(region)
    region.tick(4)
    assert [state for *_, state in peppers(region)] == ["destroyed", "current"]
    with pytest.raises(TokenUnavailable, match="exactly one key"):
        TokenAddress.of(region_address(region, old)).open()
    region.publish("TH", *PEOPLE[1:])
    region.tick(4)
    assert {cc: region.matches(cc) for cc in BOTH} == BOTH


def test_a_pepper_goes_from_the_ring_into_a_token_and_no_secret_stays_in_the_ring(founded, address, tmp_path):
    with founded.copied(tmp_path / "region") as region:
        region.meet()
        assert found_both(region) == BOTH
        region.kill("matcher")
        region.pepper = TokenAddress.of(address)
        region.start("matcher")
        ask(region)
        region.tick(4)
        assert [(place, state) for _, place, state in peppers(region)] == [("ring", "destroyed"), ("token", "current")]
        assert not any(v.secret for v in region.ring("matcher").versions("pepper"))
        assert {cc: region.matches(cc) for cc in BOTH} == BOTH


@pytest.mark.parametrize("lost", ["the setting", "the token"])
def test_a_matcher_whose_pepper_is_not_to_be_had_does_not_start_and_says_why(region, address, lost):
    home = region.region.home("matcher")
    region.kill("matcher")
    pepper = None if lost == "the setting" else address.replace("samaki%20tests", "nowhere").replace("samaki tests", "nowhere")
    settings = MatcherSettings.load(home=home, charter=region.region.charter_file, pepper=pepper)
    with pytest.raises(InputInvalid, match="SAMAKI_PEPPER" if lost == "the setting" else "no token nowhere"):
        _with_tables(build(settings))


def test_a_setting_that_names_no_token_is_refused_and_not_repeated():
    with pytest.raises(SettingsInvalid, match="SAMAKI_PEPPER") as refused:
        MatcherSettings.load(home="/h", charter="/c", pepper="pkcs11:token=T;object=O?module-path=/m&pin-value=20250317")
    assert "20250317" not in str(refused.value)
