"""The matcher and a key holder on PostgreSQL: the same as on SQLite."""

from datetime import timedelta
from uuid import uuid4

import pytest
from changes import BOTH, PEOPLE, ask, states
from regions import LiveRegion, person

from events.base import Actor, Role
from events.database import open_database
from events.messages import Evaluated
from services.keyholder import views as holder_views
from services.keyholder.allowances import Wish
from services.matcher import views

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(postgres_dsn):
    database = open_database(postgres_dsn, schema=f"t_{uuid4().hex}")
    yield database
    database.close()


def test_a_holder_counts_answers_and_tells_its_totals(
    new_region, tmp_path, database, fake_country, open_holder, settle, elements
):
    region = new_region(tmp_path, quota_per_day=4, totals_seconds=600)
    asker, holder = fake_country(region, "KH"), open_holder(region, "TH.holder", database=database)
    settle(asker, holder)
    first = asker.asks("TH.holder", elements(3))
    over = asker.asks("TH.holder", elements(2))
    settle(asker, holder)
    region.clock.advance(region.charter.tick_seconds)
    asker.says("evaluate.KH.TH", first)
    settle(asker, holder)
    assert [type(a) for a in asker.answers_to(first.batch)] == [Evaluated, Evaluated]
    assert asker.answers_to(over.batch)[0].reason == "over_quota"
    region.clock.advance(86400)
    settle(asker, holder)
    assert [t.count for _, t in asker.post.directory.totals()] == [3]
    assert [q.total for q in holder_views.quotas(holder)] == [3, 0]


def test_the_matcher_takes_tells_ends_and_counts(
    new_region, tmp_path, database, fake_country, open_matcher, pass_ticks
):
    region = new_region(tmp_path, intake_per_day=4, small_cell=1, analyst_batch_seconds=600, totals_seconds=600)
    kh, th, matcher = fake_country(region, "KH"), fake_country(region, "TH"), open_matcher(region, database=database)
    pass_ticks(region, kh, th, matcher, ticks=2)
    for i in range(3):
        kh.submits(f"k{i}", doc=f"A{i}")
    th.submits("t0", doc="A0")
    th.submits("t2", doc="A2")
    pass_ticks(region, kh, th, matcher, ticks=3)
    assert dict(views.operation(matcher).waiting) == {"KH": 1}
    region.clock.advance(timedelta(days=1).total_seconds())
    pass_ticks(region, kh, th, matcher, ticks=3)
    assert (kh.told(), th.told()) == (["both", "both"], ["both", "both"])
    th.revokes("t0")
    pass_ticks(region, kh, th, matcher, ticks=2)
    assert kh.told() == ["both", "both", "over"]
    region.clock.advance(600)
    pass_ticks(region, kh, th, matcher)
    assert [t.count for _, t in kh.post.directory.totals()] == [6, 4]


def test_a_holder_grants_alarms_and_shows_its_keys(
    new_region, tmp_path, database, fake_country, open_holder, settle, elements
):
    region = new_region(tmp_path, quota_per_day=4)
    asker, holder = fake_country(region, "KH"), open_holder(region, "TH.holder", database=database)
    settle(asker, holder)
    now = region.clock.now()
    wish = Wish(
        country="KH", pair="KH-TH", count=6, valid_from=now, valid_until=now + timedelta(days=1), reason="a file"
    )
    name = holder.allowances.ask(custodian("ann"), wish)
    for staff in ("ann", "ben"):
        holder.allowances.approve(custodian(staff), name)
    settle(holder, asker)
    asker.asks("TH.holder", elements(9))
    settle(asker, holder)
    assert [(a.spent, a.limit) for a in holder_views.alarms_today(holder)] == [(9, 10)]
    assert {row.purpose for row in holder.keys().keys} >= {"signing", "sealing", "share", "pair key"}
    assert [q.spent_today for q in holder.keys().quotas] == [9]
    assert [row.under for row in holder.keys().keys if row.purpose == "pair key"] == [9]  # counted, not told yet


def custodian(name: str) -> Actor:
    return Actor(staff=name, organisation="key-custody", role=Role.KEY_CUSTODIAN)


def test_a_node_counts_what_stands_under_its_keys(tmp_path, postgres_dsn):
    with LiveRegion(tmp_path / f"r{uuid4().hex}", ("KH", "TH"), store=lambda party: postgres_dsn if party == "KH" else None) as live:
        live.meet()
        live.publish("KH", person("A"))
        (row,) = [r for r in live.nodes["KH"].keys().keys if (r.party, r.id) == ("KH", "KH.store.1")]
        assert row.counted == "events"
        assert row.under > 0


def test_a_pepper_is_changed_and_the_same_people_are_found(tmp_path, postgres_dsn):
    def store(party):
        return postgres_dsn if party == "matcher" else None

    with LiveRegion(tmp_path / f"r{uuid4().hex}", ("KH", "TH"), store=store, batch_limit=5) as region:
        region.meet()
        region.publish("KH", *PEOPLE)
        region.publish("TH", PEOPLE[0])
        region.tick(3)
        ask(region)
        region.tick(4)
        region.publish("TH", *PEOPLE[1:])
        region.tick(4)
        assert list(states(region).values()) == ["destroyed", "current, kept"]
        assert {cc: region.matches(cc) for cc in BOTH} == BOTH
