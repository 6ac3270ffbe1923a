"""A person who has become unsafe is taken out at once, by one person, for one country or all."""

import pytest
from regions import person

from events.base import Role
from events.errors import Refused


@pytest.fixture
def published(region):
    """K1 of KH, published towards LA and TH, matched with LA."""
    region.import_rows("KH", [person("K1")])
    region.approve("KH")
    region.import_rows("LA", [person("L1")])
    region.approve("LA")
    region.tick(6)
    assert [m[1:3] for m in region.matches("KH")] == [("LA", "BOTH_TOLD")]
    (case,) = region.nodes["KH"].desk.cases(region.act("KH", "worker"))
    return case.case_id


def states(region, case_id):
    return {c: s for c, s, _ in region.nodes["KH"].desk.read_case(region.act("KH", "worker"), case_id).publications}


def test_tokens_towards_one_country_go_and_the_match_ends_on_both_sides(region, published):
    region.nodes["KH"].desk.revoke(region.act("KH", "focal"), published, "LA")
    region.tick(4)
    assert states(region, published) == {"LA": "revoked", "TH": "published"}
    assert [m[2] for country in ("KH", "LA") for m in region.matches(country)] == ["CLOSED", "CLOSED"]


def test_tokens_towards_every_country_go_at_once(region, published):
    region.nodes["KH"].desk.revoke(region.act("KH", "worker"), published, None)
    assert states(region, published) == {"LA": "revoked", "TH": "revoked"}


def test_another_role_revokes_nothing(region, published):
    with pytest.raises(Refused, match="may not do this"):
        region.nodes["KH"].desk.revoke(region.act("KH", "supervisor", role=Role.SUPERVISOR), published, None)
    assert states(region, published) == {"LA": "published", "TH": "published"}
