"""An allowance is granted once, for its whole span: what one day draws of it is gone for the next."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from regions import START, LiveRegion, person

from events.base import Actor, Role
from events.charter import Allowance
from services.keyholder.allowances import Wish

DAY = 86_400.0


def allowance(holder: str, count: int) -> Allowance:
    return Allowance(
        holder=f"{holder}.holder", country="KH", pair="KH-LA", count=count, valid_from=START - timedelta(hours=1),
        valid_until=START + timedelta(days=10), reason="a shelter hands over its register",
    )


@pytest.fixture
def region(tmp_path: Path) -> Iterator[LiveRegion]:
    live = LiveRegion(
        tmp_path / "region", ("KH", "LA"), quota_per_day=10, batch_limit=40,
        allowances=(allowance("KH", 20), allowance("LA", 20)),
    )
    live.tick(2)
    yield live
    live.close()


def published(region: LiveRegion) -> int:
    return region.nodes["KH"].status().publications.get("published", 0)


def test_an_allowance_lets_more_through_on_one_day_and_is_then_used_up(region: LiveRegion):
    region.import_rows("KH", [person(f"K{i}", prs_IdentityNumber=f"K72904{i:02}") for i in range(10)])
    region.approve("KH")
    region.tick(3)
    assert published(region) == 6  # 10 a day and 20 more, 5 slots a person
    region.clock.advance(DAY)
    region.tick(3)
    assert published(region) == 8  # the daily 10 again, and nothing of the allowance
    region.clock.advance(DAY)
    region.tick(3)
    assert published(region) == 10


def test_what_was_not_drawn_stays_for_another_day(region: LiveRegion):
    region.import_rows("KH", [person("K0"), person("K1", prs_IdentityNumber="K7290401")])
    region.approve("KH")
    region.tick(3)
    assert published(region) == 2
    region.clock.advance(DAY)
    region.import_rows("KH", [person(f"L{i}", prs_IdentityNumber=f"L72904{i:02}") for i in range(6)])
    region.approve("KH")
    region.tick(3)
    assert published(region) == 8


def test_what_is_granted_later_lets_more_through_though_the_first_was_used_up(region: LiveRegion):
    region.import_rows("KH", [person(f"K{i}", prs_IdentityNumber=f"K72904{i:02}") for i in range(12)])
    region.approve("KH")
    region.tick(3)
    assert published(region) == 6  # 10 a day and 20 more: the charter's allowance is used up
    for country in ("KH", "LA"):
        approve(region, country, 25)
    region.tick(3)
    assert published(region) == 6  # what was put off to tomorrow waits until then
    region.clock.advance(DAY)
    region.tick(3)
    assert published(region) == 12


def approve(region: LiveRegion, country: str, count: int) -> None:
    now, allowances = region.clock.now(), region.holders[country].allowances
    wish = Wish(
        country="KH", pair="KH-LA", count=count, valid_from=now, valid_until=now + timedelta(days=2), reason="more of it"
    )
    ann, ben = (
        Actor(staff=name, organisation="key-custody", role=Role.KEY_CUSTODIAN) for name in ("ann", "ben")
    )
    name = allowances.ask(ann, wish)
    allowances.approve(ann, name)
    allowances.approve(ben, name)
