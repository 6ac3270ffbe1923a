"""No country is told against a hold: not in a burst, not by an older signature, not before the tokens are out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from regions import LiveRegion, person

from events.errors import Refused


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., LiveRegion]]:
    made: list[LiveRegion] = []

    def founded(**rules: Any) -> LiveRegion:
        made.append(LiveRegion(tmp_path / f"r{len(made)}", ("LA", "TH"), **rules))
        made[-1].tick(2)
        return made[-1]

    yield founded
    for live in made:
        live.close()


def people(country: str, count: int) -> list[dict[str, str]]:
    return [person(f"{country}{i}", prs_IdentityNumber=f"K72904{i:02}", prs_FirstName=f"Name{i:02}") for i in range(count)]


def cases(region: LiveRegion, country: str) -> dict[str | None, Any]:
    desk, worker = region.nodes[country].desk, region.act(country, "worker")
    return {desk.read_case(worker, row.case_id).case.reference: row.case_id for row in desk.cases(worker)}


def test_a_burst_of_holds_is_heard_whole_at_the_next_tick_though_cover_has_little_room(make):
    region = make(cover=True, cover_evaluations=70, cover_submissions=4, batch_limit=70, quota_per_day=1_000_000)
    region.import_rows("LA", people("L", 14))
    region.approve("LA")
    region.tick(9)
    desk, focal = region.nodes["LA"].desk, region.act("LA", "focal")
    for case_id in cases(region, "LA").values():
        assert desk.set_grant(focal, case_id, "TH", "hold", "unsafe_country")
    region.tick()
    region.import_rows("TH", people("T", 14))
    region.approve("TH")
    region.tick(14)
    assert region.matches("TH") == []
    assert len(region.matches("LA")) == 14


def published(region: LiveRegion, grant: str) -> Any:
    region.import_rows("LA", people("L", 1))
    region.approve("LA", grant)
    region.tick(3)
    (case_id,) = cases(region, "LA").values()
    return case_id


@pytest.mark.parametrize("later", ["hold", "revoked"])
def test_a_tell_that_waits_for_a_signature_falls_with_a_newer_hold_or_revocation(make, later):
    region = make()
    case_id, desk, focal = published(region, "hold"), region.nodes["LA"].desk, region.act("LA", "focal")
    desk.set_grant(focal, case_id, "TH", "tell", "review")
    ((waiting, _),) = desk.awaiting(focal)
    if later == "hold":
        desk.set_grant(focal, case_id, "TH", "hold", "unsafe_country")
    else:
        desk.revoke(region.act("LA", "worker"), case_id, "TH")
    with pytest.raises(Refused, match="waits for a second person"):
        desk.sign(region.act("LA", "deputy"), [(waiting.id, "tell")])


def test_a_tell_is_signed_as_tell_or_not_at_all(make):
    region = make()
    case_id, desk, focal = published(region, "hold"), region.nodes["LA"].desk, region.act("LA", "focal")
    desk.set_grant(focal, case_id, "TH", "tell", "review")
    ((waiting, _),) = desk.awaiting(focal)
    with pytest.raises(Refused, match="sign it as `tell`"):
        desk.sign(region.act("LA", "deputy"), [(waiting.id, "hold")])
    region.import_rows("TH", people("T", 1))
    region.approve("TH")
    region.tick(5)
    assert region.matches("TH") == []


def test_a_hold_set_after_the_approval_leaves_with_the_tokens(make):
    region = make()
    region.import_rows("TH", people("T", 1))
    region.approve("TH")
    region.tick(3)
    region.import_rows("LA", people("L", 1))
    region.approve("LA", "tell")
    (case_id,) = cases(region, "LA").values()
    region.nodes["LA"].desk.set_grant(region.act("LA", "focal"), case_id, "TH", "hold", "unsafe_country")
    region.tick(6)
    assert region.matches("TH") == []
    assert [m[1:3] for m in region.matches("LA")] == [("TH", "TOLD")]


@pytest.mark.parametrize("state", ["asked", "approved"])
def test_pulling_tokens_out_stops_those_that_are_not_out_yet(make, state):
    region = make()
    region.import_rows("TH", people("T", 1))
    region.approve("TH")
    region.tick(3)
    region.import_rows("LA", people("L", 1))
    if state == "approved":
        region.approve("LA", "tell")
    (case_id,) = cases(region, "LA").values()
    region.nodes["LA"].desk.revoke(region.act("LA", "worker"), case_id, "TH")
    region.tick(6)
    assert region.matches("TH") == []


@pytest.mark.parametrize("newer", ["approval as hold", "hold"])
def test_a_tell_asked_before_the_tokens_are_out_is_not_signed_over_a_newer_hold(make, newer):
    region = make()
    region.publish("TH", *people("L", 1))
    region.tick(3)
    region.import_rows("LA", people("L", 1))
    (case_id,) = cases(region, "LA").values()
    desk, focal, deputy = region.nodes["LA"].desk, region.act("LA", "focal"), region.act("LA", "deputy")
    if newer == "hold":
        region.approve("LA")
    desk.set_grant(focal, case_id, "TH", "tell", "review")
    waiting = {w.kind: w.id for w, _ in desk.awaiting(deputy)}
    if newer == "hold":
        desk.set_grant(focal, case_id, "TH", "hold", "unsafe_country")
    else:
        desk.sign(deputy, [(waiting["publish"], "hold")])
    region.tick(4)
    with pytest.raises(Refused) as refused:
        desk.sign(deputy, [(waiting["tell"], "tell")])
    assert refused.value.code == "no_such_request"
    region.tick(4)
    assert region.matches("TH") == []
    assert [match[2] for match in region.matches("LA")] == ["TOLD"]
