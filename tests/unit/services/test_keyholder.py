"""A key holder answers those who may ask, as often as they may, and never loses or counts anything twice."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from posts import copy

from events.charter import Allowance
from events.database import open_database
from events.messages import Evaluated, EvaluatedTotal, EvaluationAsked, EvaluationRefused
from keys import dleq, group
from keys.errors import UnknownKey
from services.keyholder import book, views
from services.keyholder.requests import form_refusal, split

HOLDER = "TH.holder"


@pytest.fixture
def small(new_region, tmp_path):
    return new_region(tmp_path, quota_per_day=10, batch_limit=8, totals_seconds=600)


@pytest.fixture
def asker(small, fake_country):
    return fake_country(small, "KH")


@pytest.fixture
def holder(small, open_holder):
    return open_holder(small, HOLDER)


@pytest.fixture
def acquainted(asker, holder, settle):
    """Both know each other's sealing keys."""
    settle(asker, holder)


def verified(region, asker, asked, answer, holder=HOLDER) -> None:
    share = asker.post.directory.share("KH-TH", 1, holder, 0)
    statement = dleq.Statement(
        charter_digest=region.digest, requester="KH", pair="KH-TH", epoch=1, generation=0, purpose=asked.purpose,
        batch=asked.batch.bytes, holder=holder, public=share.public,
    )
    dleq.verify(statement, split(asked.blinded), split(answer.elements), answer.proof)


@pytest.mark.usefixtures("acquainted")
def test_a_request_is_answered_with_a_proof_of_the_announced_share(small, asker, holder, settle, elements):
    asked = asker.asks(HOLDER, elements(5))
    settle(asker, holder)
    (answer,) = asker.answers_to(asked.batch)
    assert isinstance(answer, Evaluated)
    verified(small, asker, asked, answer)


@pytest.mark.usefixtures("acquainted")
def test_the_same_request_at_another_tick_costs_nothing_and_gets_the_same_elements(
    small, asker, holder, settle, elements
):
    first = asker.asks(HOLDER, elements(7))
    settle(asker, holder)
    small.clock.advance(small.charter.tick_seconds)
    asker.says("evaluate.KH.TH", first)
    settle(asker, holder)
    once, again = asker.answers_to(first.batch)
    assert once.elements == again.elements
    assert [q.spent_today for q in views.quotas(holder) if q.country == "KH"] == [7]


@pytest.mark.usefixtures("acquainted")
def test_the_same_request_is_answered_once_a_tick_however_often_it_is_asked(small, asker, holder, settle, elements):
    first = asker.asks(HOLDER, elements(7))
    settle(asker, holder)
    for answers in (1, 2, 3):
        for _ in range(5):
            asker.says("evaluate.KH.TH", first, first)
            settle(asker, holder)
        assert len(asker.answers_to(first.batch)) == answers
        small.clock.advance(small.charter.tick_seconds)
    assert [q.spent_today for q in views.quotas(holder) if q.country == "KH"] == [7]


@pytest.mark.usefixtures("acquainted")
def test_what_is_asked_again_comes_after_all_that_is_new(small, asker, holder, settle, elements):
    olds = [asker.asks(HOLDER, elements(1)) for _ in range(5)]
    settle(asker, holder)
    small.clock.advance(small.charter.tick_seconds)
    asker.says("evaluate.KH.TH", *olds)
    new = asker.asks(HOLDER, elements(1))
    asker.step()
    holder.step()
    asker.step()
    assert len(asker.answers_to(new.batch)) == 1


@pytest.mark.usefixtures("acquainted")
def test_a_country_that_confirms_nothing_is_answered_no_more_again_until_it_does(
    small, asker, holder, settle, elements, monkeypatch
):
    monkeypatch.setattr("services.keyholder.holder._UNCONFIRMED", 6)
    olds = [asker.asks(HOLDER, elements(1)) for _ in range(5)]
    settle(asker, holder)
    for _ in range(3):  # it speaks between ticks, and in none says how far it has heard
        small.clock.advance(small.charter.tick_seconds)
        asker.says("evaluate.KH.TH", *olds)
        asker.post.send()
        settle(holder)
    (place,) = holder._post.places("evaluated.TH.KH")
    assert place.seq - place.acked <= 6 + 3  # the ticks' own
    with holder.database.reading() as tx:
        assert book.waiting(tx) > 0
    fresh = asker.asks(HOLDER, elements(1))  # what costs quota is answered all the same
    small.clock.advance(small.charter.tick_seconds)
    settle(asker, holder)
    assert len(asker.answers_to(fresh.batch)) == 1
    for _ in range(3):
        small.clock.advance(small.charter.tick_seconds)
        settle(asker, holder)
    with holder.database.reading() as tx:
        assert book.waiting(tx) == 0  # and the others now that it confirms


@pytest.mark.usefixtures("acquainted")
def test_answers_are_given_anew_once_a_tick_however_often_their_stream_is_begun_anew(
    small, asker, holder, settle, elements
):
    asked = asker.asks(HOLDER, elements(2))
    settle(asker, holder)
    for answers in (2, 3):
        for _ in range(4):
            with holder.database.transaction() as tx:
                holder._post.open_epoch(tx, small.topic("evaluated.TH.KH"))
            settle(asker, holder)
        assert len(asker.answers_to(asked.batch)) == answers
        small.clock.advance(small.charter.tick_seconds)
        settle(asker, holder)


@pytest.mark.usefixtures("acquainted")
def test_the_same_elements_under_another_batch_are_counted(asker, holder, settle, elements):
    blinded = elements(4)
    asker.asks(HOLDER, blinded)
    asker.asks(HOLDER, blinded)
    settle(asker, holder)
    assert [q.spent_today for q in views.quotas(holder) if q.country == "KH"] == [8]


@pytest.mark.usefixtures("acquainted")
def test_over_quota_is_refused_until_the_next_day_and_then_answered(small, asker, holder, settle, elements):
    asker.asks(HOLDER, elements(8))
    over = asker.asks(HOLDER, elements(3))
    settle(asker, holder)
    (refusal,) = asker.answers_to(over.batch)
    assert (refusal.reason, refusal.retry_at) == ("over_quota", datetime(2026, 3, 2, tzinfo=UTC))
    small.clock.advance((refusal.retry_at - small.clock.now()).total_seconds())
    asker.says("evaluate.KH.TH", over)
    settle(asker, holder)
    assert isinstance(asker.answers_to(over.batch)[-1], Evaluated)


@pytest.mark.usefixtures("acquainted")
def test_a_refused_request_is_not_counted(asker, holder, settle, elements):
    asker.asks(HOLDER, elements(8))
    asker.asks(HOLDER, elements(3))
    asker.asks(HOLDER, elements(2))
    settle(asker, holder)
    assert [q.spent_today for q in views.quotas(holder) if q.country == "KH"] == [10]


@pytest.mark.usefixtures("acquainted")
def test_a_clock_set_back_wins_no_quota_back(small, asker, holder, settle, elements):
    small.clock.advance(86400)
    asker.asks(HOLDER, elements(8))
    settle(asker, holder)
    small.clock.advance(-86400)
    over = asker.asks(HOLDER, elements(3))
    settle(asker, holder)
    (refusal,) = asker.answers_to(over.batch)
    assert (refusal.reason, refusal.retry_at) == ("over_quota", datetime(2026, 3, 3, tzinfo=UTC))


def test_an_allowance_that_stands_adds_to_the_quota(new_region, tmp_path, fake_country, open_holder, settle, elements):
    start = new_region.START
    allowance = Allowance(
        holder=HOLDER, country="KH", pair="KH-TH", count=20, valid_from=start, valid_until=start + timedelta(hours=1),
        reason="a country joins",
    )
    region = new_region(tmp_path, quota_per_day=1, allowances=[allowance])
    asker, holder = fake_country(region, "KH"), open_holder(region, HOLDER)
    settle(asker, holder)
    allowed = asker.asks(HOLDER, elements(15))
    settle(asker, holder)
    assert isinstance(asker.answers_to(allowed.batch)[0], Evaluated)
    region.clock.advance(3600)
    late = asker.asks(HOLDER, elements(1))
    settle(asker, holder)
    assert asker.answers_to(late.batch)[0].reason == "over_quota"


@pytest.mark.usefixtures("acquainted")
@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"pair": "LA-TH"}, "not_your_pair"),
        ({"pair": "LA-VN"}, "not_your_pair"),
        ({"epoch": 2}, "unknown_epoch"),
        ({"epoch": 0}, "unknown_epoch"),
        ({"generation": 1}, "unknown_generation"),
        ({"n": 3}, "bad_size"),
        ({"n": 1, "blinded": b""}, "bad_size"),
        ({"n": 1, "blinded": bytes(31)}, "bad_size"),
        ({"n": 1, "blinded": group.IDENTITY}, "bad_element"),
        ({"n": 1, "blinded": b"\xff" * 32}, "bad_element"),
    ],
)
def test_a_wrong_request_gets_a_signed_reason_and_costs_nothing(asker, holder, settle, elements, changes, reason):
    asked = asker.asks(HOLDER, elements(2), **changes)
    settle(asker, holder)
    (refusal,) = asker.answers_to(asked.batch)
    assert (refusal.reason, refusal.retry_at) == (reason, None)
    assert [q.spent_today for q in views.quotas(holder)] == [0, 0]


@pytest.mark.parametrize("field", ["epoch", "generation", "n"])
def test_a_number_that_no_request_can_be_signed_with_is_no_request(elements, field):
    whole = {
        "batch": str(UUID(int=1)), "pair": "KH-TH", "epoch": 1, "generation": 0, "purpose": "match", "n": 1,
        "blinded": elements(1)[0],
    }
    EvaluationAsked.model_validate(whole)
    with pytest.raises(ValueError, match=field):
        EvaluationAsked.model_validate({**whole, field: -1})


@pytest.mark.usefixtures("acquainted")
def test_more_than_a_batch_is_refused(asker, holder, settle, elements):
    asked = asker.asks(HOLDER, elements(9))
    settle(asker, holder)
    assert asker.answers_to(asked.batch)[0].reason == "bad_size"


def test_more_than_any_day_allows_is_refused_for_good(
    new_region, tmp_path, open_holder, fake_country, settle, elements
):
    region = new_region(tmp_path, quota_per_day=2)
    asker, holder = fake_country(region, "KH"), open_holder(region, HOLDER)
    settle(asker, holder)
    asked = asker.asks(HOLDER, elements(3))
    settle(asker, holder)
    (refusal,) = asker.answers_to(asked.batch)
    assert (refusal.reason, refusal.retry_at) == ("over_quota", None)


def test_a_share_is_drawn_once_for_a_pair_and_announced_once(small, open_holder, fake_country, settle):
    asker = fake_country(small, "KH")
    publics = set()
    for _ in range(3):
        holder = open_holder(small, HOLDER)
        settle(asker, holder)
        publics.add(asker.post.directory.share("KH-TH", 1, HOLDER, 0).public)
    assert len(publics) == 1


def test_a_holder_stops_where_an_announced_share_has_lost_its_secret(small, open_holder, holder):
    (small.folder / f"{HOLDER}.ring").unlink()
    with pytest.raises(UnknownKey):
        open_holder(small, HOLDER)


def test_a_request_waits_until_its_asker_has_a_sealing_key(small, fake_country, open_holder, settle, elements):
    holder = open_holder(small, HOLDER)
    settle(holder)
    asker = fake_country(small, "KH")
    while asker.post.directory.sealing_key(HOLDER, small.clock.now()) is None:
        asker.post.receive({})
    asked = asker.asks(HOLDER, elements(1))
    settle(holder, asker)
    assert len(asker.answers_to(asked.batch)) == 1


@pytest.mark.usefixtures("acquainted")
def test_a_flood_of_one_country_does_not_hold_up_another(small, asker, holder, fake_country, settle, elements):
    other = fake_country(small, "TH")
    settle(asker, other, holder)
    for _ in range(20):
        asker.asks(HOLDER, elements(1))
    asker.step()
    asked = other.asks(HOLDER, elements(1))
    other.step()
    holder.step()
    holder.step()
    other.step()
    assert len(other.answers_to(asked.batch)) == 1


@pytest.mark.usefixtures("acquainted")
def test_totals_are_told_at_the_turn_of_a_span_and_only_when_changed(small, asker, holder, settle, elements):
    def told():
        return [t for w, t in asker.post.directory.totals() if w == HOLDER]

    asker.asks(HOLDER, elements(6))
    settle(asker, holder)
    assert told() == []
    small.clock.advance(600)
    settle(asker, holder)
    assert told() == [EvaluatedTotal(pair="KH-TH", epoch=1, country="KH", count=6, most_in_a_day=6)]
    small.clock.advance(86400)
    asker.asks(HOLDER, elements(4))
    settle(asker, holder)
    small.clock.advance(600)
    settle(asker, holder)
    assert told() == [EvaluatedTotal(pair="KH-TH", epoch=1, country="KH", count=10, most_in_a_day=6)]
    announced = small.stream.end(f"keys.{HOLDER}", 0)
    for _ in range(3):
        small.clock.advance(600)
        settle(asker, holder)
    assert small.stream.end(f"keys.{HOLDER}", 0) == announced + 3  # its ticks alone


@pytest.mark.usefixtures("acquainted")
def test_answers_that_were_lost_are_given_again_and_the_day_counts_as_spent(small, asker, holder, settle, elements):
    asked = asker.asks(HOLDER, elements(2))
    settle(asker, holder)
    with holder.database.transaction() as tx:
        holder._post.open_epoch(tx, small.topic("evaluated.TH.KH"))
    settle(asker, holder)
    assert len(asker.answers_to(asked.batch)) == 2
    over = asker.asks(HOLDER, elements(1))
    settle(asker, holder)
    assert asker.answers_to(over.batch)[0].reason == "over_quota"


def test_elements_of_old_requests_are_dropped_and_their_digests_kept(small, asker, holder, settle, elements):
    settle(asker, holder)
    first = asker.asks(HOLDER, elements(2))
    settle(asker, holder)
    small.clock.advance(86400 * (book.KEPT_DAYS + 2))
    settle(asker, holder)
    with holder.database.reading() as tx:
        assert tx.execute("SELECT COUNT(*) FROM holder_requests WHERE item <> ''") == [(0,)]
    asker.says("evaluate.KH.TH", first)
    settle(asker, holder)
    assert [q.spent_today for q in views.quotas(holder) if q.country == "KH"] == [0]


def test_with_cover_an_answer_and_a_refusal_have_one_size(
    new_region, tmp_path, fake_country, open_holder, settle, elements
):
    region = new_region(tmp_path, cover=True, cover_evaluations=2, tick_seconds=86400, quota_per_day=2, batch_limit=8)
    asker, holder = fake_country(region, "KH"), open_holder(region, HOLDER)
    settle(asker, holder)
    before = region.stream.end("evaluated.TH.KH", 0)
    good = asker.asks(HOLDER, elements(2))
    bad = [
        asker.asks(HOLDER, elements(2)),
        asker.asks(HOLDER, elements(8)),
        asker.asks(HOLDER, elements(9)),
        asker.asks(HOLDER, elements(2), pair="LA-VN"),
        asker.asks(HOLDER, elements(2), epoch=2**53 - 1),
        asker.asks(HOLDER, [b"\xff" * 32, *elements(1)]),
    ]
    settle(asker, holder)
    assert [type(asker.answers_to(a.batch)[0]) for a in (good, *bad)] == [Evaluated, *[EvaluationRefused] * len(bad)]
    sent = region.stream.read({("evaluated.TH.KH", 0): before}, 10)
    assert len(sent) == 1 + len(bad)
    assert len({len(d.value) for d in sent}) == 1


@pytest.mark.parametrize("done", [False, True], ids=["before it is done", "after it was done"])
def test_killed_at_any_point_a_holder_answers_once_and_counts_once(
    small, mortal, killed, open_holder, fake_country, settle, elements, done
):
    """Every transaction and every send, one after another, is the last thing that a holder does."""
    asker = fake_country(small, "KH")
    settle(asker, open_holder(small, HOLDER))
    survived = False
    for at in range(1, 30):
        asked = asker.asks(HOLDER, elements(1))
        small.clock.advance(86400)
        inner = open_database(f"sqlite:///{small.folder}/{HOLDER}.db")
        database, stream = mortal(inner, small.stream, at, done=done)
        try:
            settle(asker, open_holder(small, HOLDER, database=database, stream=stream))
            survived = True
        except killed:
            assert not survived
        inner.close()
        holder = open_holder(small, HOLDER)
        settle(asker, holder)
        assert [type(a) for a in asker.answers_to(asked.batch)] == [Evaluated]
        assert [q.spent_today for q in views.quotas(holder) if q.country == "KH"] == [1]
        assert holder.status().forks == ()
        holder.database.close()
    assert survived


@pytest.mark.parametrize("done", [False, True], ids=["before it is done", "after it was done"])
def test_killed_while_it_draws_its_share_a_holder_announces_one(
    new_region, tmp_path, mortal, killed, open_holder, fake_country, settle, done
):
    for at in range(1, 12):
        folder = tmp_path / str(at)
        folder.mkdir()
        region = new_region(folder)
        asker = fake_country(region, "KH")
        inner = open_database(f"sqlite:///{folder}/{HOLDER}.db")
        database, stream = mortal(inner, region.stream, at, done=done)
        with suppress(killed):
            open_holder(region, HOLDER, database=database, stream=stream)
        settle(asker, open_holder(region, HOLDER))
        assert asker.post.directory.share("KH-TH", 1, HOLDER, 0) is not None
        assert asker.post.status().refused == {}


@pytest.mark.parametrize(
    "requester, holder",
    [
        pytest.param("VN", HOLDER, id="a country that is not of the pair"),
        pytest.param("KH", "VN.holder", id="a holder that has no share of the pair"),
    ],
)
def test_a_pair_is_for_its_two_countries_and_their_two_holders(region, elements, requester, holder):
    asked = EvaluationAsked(
        batch=UUID(int=1), pair="KH-TH", epoch=1, generation=0, purpose="match", n=1, blinded=elements(1)[0]
    )
    charter = region.charter
    fitting = {"holder": HOLDER, "charter": charter, "epochs": {1}, "generations": {0}, "pairs": charter.pairs}
    assert form_refusal(asked, "KH", **fitting) is None
    assert form_refusal(asked, requester, **{**fitting, "holder": holder}).reason == "not_your_pair"


@pytest.mark.usefixtures("acquainted")
def test_put_back_with_a_clock_that_lags_a_holder_opens_no_window_of_a_day_that_it_has_answered(
    small, asker, holder, open_holder, settle, elements
):
    """A machine that wakes from a snapshot has the snapshot's time until it is set right."""
    small.clock.advance(3600)
    settle(asker, holder)
    copy(holder.database, small.folder / "backup.db")
    small.clock.advance(86400)
    last = asker.asks(HOLDER, elements(8))
    settle(asker, holder)
    assert isinstance(asker.answers_to(last.batch)[0], Evaluated)
    holder.database.close()
    small.clock.advance(-86400 + 60)
    restored = open_holder(small, HOLDER, database=open_database(f"sqlite:///{small.folder}/backup.db"))
    settle(asker, restored)
    small.clock.advance(86400)
    over = asker.asks(HOLDER, elements(3))
    settle(asker, restored)
    (refusal,) = asker.answers_to(over.batch)
    assert (refusal.reason, refusal.retry_at) == ("over_quota", datetime(2026, 3, 3, tzinfo=UTC))
