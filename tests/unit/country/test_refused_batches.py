"""A key holder that refuses: a quota is waited for; a refusal that no waiting mends stops the pair."""

from datetime import timedelta

import pytest
from asking import asked, charge, published, waits
from regions import LiveRegion, people, person

from events.messages import EvaluationRefused


def midnight_after(region: LiveRegion):
    return (region.clock.now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def test_over_quota_the_batch_waits_until_the_day_it_is_told_and_then_goes_on(new_region):
    region = new_region("KH", "TH", quota_per_day=10, batch_limit=10)
    region.publish("KH", *people(5))
    region.tick(2)
    midnight = midnight_after(region)
    assert published(region) == 2
    assert waits(region) == {"KH-TH": f"TH.holder has put a batch off until {midnight}"}
    refusals = [i for i in region.items("evaluated.TH.KH") if isinstance(i, EvaluationRefused)]
    assert {(r.reason, r.retry_at) for r in refusals} == {("over_quota", midnight)}
    before = len(asked(region, "KH", "TH"))
    region.sleep(hours=12)
    assert (published(region), len(asked(region, "KH", "TH"))) == (2, before)  # it does not nag
    region.sleep(hours=4)
    assert published(region) == 4
    region.sleep(days=1)
    assert published(region) == 5
    assert waits(region) == {}
    again = asked(region, "KH", "TH")
    assert len({r.batch for r in again}) == 3


def test_a_quota_that_is_spent_for_one_pair_holds_up_no_other(new_region):
    region = new_region("KH", "LA", "TH", quota_per_day=5, batch_limit=5)
    region.publish("KH", *people(2, x_consent_C4="TH"))
    region.publish("KH", person("L", x_consent_C4="LA"))
    region.tick(2)
    assert region.tokens("KH", "L")["LA"] == ("published", "")
    assert set(waits(region)) == {"KH-TH"}


def test_a_file_that_takes_many_days_of_quota_stops_no_pair(new_region):
    """Each day the next batch is refused until midnight: that is what a quota is for."""
    region = new_region("KH", "TH", quota_per_day=5, batch_limit=5)
    region.publish("KH", *people(9))
    region.tick(2)
    for day in range(9):
        assert published(region) == day + 1
        assert not any("stopped" in why for why in waits(region).values())
        region.sleep(days=1)
        region.tick(2)
    assert (published(region), waits(region)) == (9, {})


def test_a_holder_whose_clock_is_a_little_behind_is_asked_again_at_each_tick_and_not_stopped(new_region):
    region = new_region("KH", "TH", quota_per_day=5, batch_limit=5)
    holder, ours = region.holders["TH"], region.clock

    class Behind:
        def now(self):
            return ours.now() - timedelta(seconds=2.5 * region.charter.tick_seconds)

    holder.clock = Behind()
    region.publish("KH", *people(2))
    region.tick(2)
    region.sleep(seconds=(midnight_after(region) - ours.now()).total_seconds())
    before = len(asked(region, "KH", "TH"))
    assert published(region) == 1
    region.tick(4)
    assert len(asked(region, "KH", "TH")) - before == 3  # its midnight is two and a half ticks after ours
    assert (published(region), waits(region)) == (2, {})


def test_a_holder_that_goes_away_while_a_batch_waits_for_its_quota_is_waited_for(new_region):
    """Its sealing key grows too old to write to: that is no failure of the node's."""
    region = new_region("KH", "TH", quota_per_day=5, batch_limit=5)
    region.publish("KH", *people(2))
    region.tick(2)
    region.kill("TH.holder")
    for days in (9, 5, 5):
        region.sleep(days=days)
    assert published(region) == 1
    region.start("TH.holder")
    region.tick(3)
    assert published(region) == 2


def test_a_batch_is_never_larger_than_a_day_of_its_quota(new_region):
    region = new_region("KH", "TH", quota_per_day=12, batch_limit=320)
    region.publish("KH", *people(3))
    region.tick(2)
    assert {r.n for r in asked(region, "KH", "TH")} == {10, 5}
    assert published(region) == 2


def refuses(monkeypatch, holder: str, **fields) -> None:
    """Have one holder refuse everything in these words."""
    from services.keyholder import holder as module

    honest = module.KeyHolder._form_refusal
    refusal = module.Refusal(**fields)
    monkeypatch.setattr(
        module.KeyHolder, "_form_refusal",
        lambda self, country, asked: refusal if self.me == holder else honest(self, country, asked),
    )


@pytest.mark.parametrize(
    ("reason", "convicts_of"),
    [
        ("bad_element", "false_refusal"), ("not_your_pair", "false_refusal"),
        ("over_quota", "false_refusal"), ("bad_size", None),
    ],
)
def test_a_refusal_that_no_waiting_mends_stops_the_pair_and_convicts_where_it_is_untrue(
    region, node, monkeypatch, reason, convicts_of
):
    refuses(monkeypatch, "TH.holder", reason=reason, sentence="Because.")
    region.publish("KH", person("A"))
    region.tick(2)
    assert waits(region)["KH-TH"] == f"TH.holder is stopped: It refuses: {reason}."
    assert region.tokens("KH", "A") == {"LA": ("published", ""), "TH": ("approved", "")}
    (record,) = node.evaluations.evidence()
    assert record["answer"]["reason"] == reason
    assert charge(record, region) == convicts_of


@pytest.mark.parametrize("reason", ["unknown_generation", "unknown_epoch"])
def test_a_holder_that_denies_the_key_in_force_is_asked_once_a_tick_and_stopped_in_a_day(
    region, node, monkeypatch, reason
):
    """It may know of a newer one, of which we have not heard; or it does not mean to answer."""
    refuses(monkeypatch, "TH.holder", reason=reason, sentence="Gone.")
    region.publish("KH", person("A"))
    before = len(asked(region, "KH", "TH"))
    region.settle()
    assert len(asked(region, "KH", "TH")) == before + 1
    assert waits(region)["KH-TH"].startswith("TH.holder has put a batch off")
    region.tick(3)
    assert node.evaluations.evidence() == []
    region.tick(2)
    assert waits(region)["KH-TH"] == "TH.holder is stopped: It refused one batch 5 times in a day."
    (record,) = node.evaluations.evidence()
    assert record["answer"]["reason"] == reason
    assert charge(record, region) is None


def test_a_holder_that_puts_us_off_for_two_days_is_waited_for(region, node, monkeypatch):
    until = region.clock.now() + timedelta(days=2)
    refuses(monkeypatch, "TH.holder", reason="over_quota", sentence="Later.", retry_at=until)
    region.publish("KH", person("A"))
    region.settle()
    assert waits(region)["KH-TH"] == f"TH.holder has put a batch off until {until}"
    before = len(asked(region, "KH", "TH"))
    region.sleep(days=1)
    assert (len(asked(region, "KH", "TH")), node.evaluations.evidence()) == (before, [])


def test_a_holder_that_puts_us_off_for_longer_than_two_days_is_stopped(region, node, monkeypatch):
    until = region.clock.now() + timedelta(days=2, seconds=1)
    refuses(monkeypatch, "TH.holder", reason="over_quota", sentence="Later.", retry_at=until)
    region.publish("KH", person("A"))
    region.settle()
    assert waits(region)["KH-TH"] == "TH.holder is stopped: It refuses: over_quota."
    (record,) = node.evaluations.evidence()
    assert charge(record, region) is None  # its window may truly stand there
