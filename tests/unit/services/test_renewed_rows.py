"""A renewal seen from the matcher: rows of two epochs side by side, of epochs to come, and of those that are over."""

import pytest
from ending import ask_end
from refreshing import PAIR
from regions import people, person
from renewing import COUNTRIES, pair_region, renew, rows, steps

from events.messages import Submission
from keys import epochs
from keys.errors import TokenUnavailable
from services.matcher.peppers import Peppers

new_region, founded, region = pair_region(batch_limit=10)


def test_a_replay_that_comes_after_the_former_rows_are_gone_is_no_news_either(region, monkeypatch):
    region.publish("KH", *people(1))
    region.tick(2)
    (sent,) = [item for item in region.items("linkage.KH") if isinstance(item, Submission)]
    intake, (before,) = region.matcher._intake, {e.header.epoch for e in region.envelopes("linkage.KH")}
    reopened = []
    monkeypatch.setattr("services.matcher.intake.found.renewed", lambda _, handle: reopened.append(handle))
    with region.databases["matcher"].transaction() as tx:
        region.matcher._index.retire(tx, PAIR, 1)
        intake.submit(tx, "KH", before, sent.model_copy(update={"epoch": 2}))
    assert reopened == []


def test_a_row_of_any_epoch_to_come_waits_and_is_not_lost(region):
    region.publish("KH", *people(1))
    region.tick(2)
    (sent,) = [item for item in region.items("linkage.KH") if isinstance(item, Submission)]
    with region.databases["matcher"].reading() as tx:
        for number in (2, 3, epochs.MOST):
            assert region.matcher._epochs.refusal(tx, sent.model_copy(update={"epoch": number})) is None
        beyond = sent.model_copy(update={"epoch": epochs.MOST + 1})
        assert region.matcher._epochs.refusal(tx, beyond) == "unknown_epoch"


def test_a_pepper_that_is_not_to_be_had_at_first_is_tried_for_again(region, monkeypatch):
    region.publish("KH", *people(2))
    region.tick(2)
    region.kill("matcher")
    renew(region)
    region.tick(2)
    region.start("matcher")
    with monkeypatch.context() as patch:
        patch.setattr(Peppers, "begin", lambda *_: (_ for _ in ()).throw(TokenUnavailable("The token is away.")))
        with pytest.raises(TokenUnavailable):
            steps(region, 5)
    region.tick(3)
    assert rows(region) == {("KH", 2): 2}


def test_rows_made_anew_wait_for_no_day_and_the_former_ones_stand_until_they_are_taken(new_region):
    region = new_region(*COUNTRIES, batch_limit=10, intake_per_day=10)
    region.publish("KH", *people(2))
    region.tick(2)
    region.publish("KH", person("W"))
    region.tick(2)
    region.kill("matcher")
    renew(region)
    region.tick(3)
    region.start("matcher")
    region.tick(4)
    stand = rows(region)
    assert (stand[("KH", 2)], ("KH", 1) in stand) == (2, False)


def test_a_row_made_anew_with_a_tell_loosens_no_hold_that_stands(region):
    region.publish("KH", *people(1))
    region.tick(2)
    (sent,) = [item for item in region.items("linkage.KH") if isinstance(item, Submission)]
    region.nodes["KH"].desk.set_grant(region.act("KH", "focal"), region.case_id("KH", "R0"), "TH", "hold", "doubt")
    region.tick(2)
    region.kill("KH")
    renew(region)
    region.settle()
    intake, (before,) = region.matcher._intake, {e.header.epoch for e in region.envelopes("linkage.KH")}
    with region.databases["matcher"].transaction() as tx:
        intake.submit(tx, "KH", before, sent.model_copy(update={"epoch": 2}))
        assert region.matcher._index.grant_of(tx, sent.handle)[0] == "hold"
    assert rows(region) == {("KH", 1): 1, ("KH", 2): 1}


def test_when_the_agreement_ends_nothing_of_any_epoch_is_left_at_the_matcher(region):
    region.publish("KH", *people(2))
    region.tick(2)
    region.kill("TH")
    renew(region)
    region.tick(2)
    assert rows(region) == {("KH", 1): 2, ("KH", 2): 2}
    ask_end(region, "KH")
    region.tick(2)
    assert rows(region) == {}
    assert [v.state for v in region.ring("matcher").versions("pepper")] == ["destroyed", "destroyed"]
    assert [v.state for v in region.ring("KH.holder").versions("share")] == ["destroyed", "destroyed"]
