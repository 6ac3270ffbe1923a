"""Tokens go out, and grants are set, by two people each."""

from datetime import date
from functools import reduce
from uuid import uuid4

import pytest

from events import consent, person, publication


def after(now, events):
    return reduce(person.evolve, events, now)


@pytest.fixture
def ledger(desk):
    return desk.consents("C2", "C4")


def test_tokens_go_out_with_the_grant_that_was_set(desk):
    now = desk.published(grant="tell")
    linkage = now.linkages["TH"]
    assert (linkage.state, linkage.grant, linkage.handle, linkage.tokens) == ("TELL", "tell", desk.handle, b"t" * 64)
    assert (linkage.epoch, linkage.schema_version, linkage.was_tell) == (1, 1, True)


@pytest.mark.parametrize("purposes", [("C2",), ("C4",), ("C1",)])
def test_no_consent_no_token(desk, refused, purposes):
    now = desk.held(desk.consents("C2"))
    with refused("consent_missing"):
        desk.publishing(now, desk.consents(*purposes), desk.approval())


def test_no_token_towards_a_country_that_was_not_allowed(desk, ledger, refused):
    with refused("country_not_allowed"):
        desk.publishing(desk.held(), ledger, country="VN")


def test_no_token_without_identifiers(desk, ledger, refused):
    with refused("no_identifiers"):
        desk.publishing(person.Person(), ledger)


def test_one_person_alone_publishes_nothing(desk, ledger, refused):
    with refused("second_needed"):
        desk.publishing(desk.held(), ledger, desk.act("trm_focal_point"))
    with refused("same_person"):
        act = desk.act("trm_focal_point", desk.actor("case_worker", "worker"), staff="worker")
        desk.publishing(desk.held(), ledger, act)


def test_a_case_worker_asks_and_does_not_approve(desk, ledger, refused):
    with refused("role_may_not"):
        desk.publishing(desk.held(), ledger, desk.act("case_worker", desk.actor("trm_focal_point")))


def test_the_second_is_a_case_worker(desk, ledger, refused):
    with refused("second_role_may_not"):
        act = desk.act("trm_focal_point", desk.actor("supervisor", "case_worker"), staff="focal point")
        desk.publishing(desk.held(), ledger, act)


def test_the_second_is_the_one_who_recorded_c4(desk, ledger, refused):
    with refused("second_not_recorder"):
        act = desk.act("trm_focal_point", desk.actor("case_worker", "a colleague"))
        desk.publishing(desk.held(), ledger, act)


@pytest.mark.parametrize("age", ["child", "disputed", "unknown"])
def test_a_childs_tokens_need_the_best_interest_decision_in_c4(desk, ledger, refused, age):
    with refused("best_interest_missing"):
        desk.publishing(desk.held(), ledger, age_status=age)
    child = {
        "age_status": "child",
        "capacity": "child_assent_plus_guardian",
        "guardian": "aunt",
        "best_interest_ref": uuid4(),
    }
    assert desk.publishing(desk.held(), desk.consents("C2", "C4", **child), age_status=age)


def test_tokens_do_not_outlive_consent_c4(desk, ledger, refused):
    with refused("outlives_consent"):
        desk.publishing(desk.held(), ledger, expires_on=date(2027, 2, 2))


@pytest.mark.parametrize(
    "dates",
    [{"review_on": date(2026, 3, 1)}, {"expires_on": date(2026, 3, 1)}, {"grant_until": "now"}],
)
def test_a_publications_dates_lie_ahead(desk, ledger, refused, dates):
    given = {name: desk.now if value == "now" else value for name, value in dates.items()}
    with refused("date_past"):
        desk.publishing(desk.held(), ledger, **given)


def test_a_handle_is_kept_for_life_through_correction_and_renewed_consent(desk, ledger, refused):
    now = desk.published(ledger)
    now = after(now, person.decide_revoke_tokens(now, desk.act(), reason="consent_over"))
    with refused("other_handle"):
        desk.publishing(now, ledger, handle="b" * 32)
    now = after(now, desk.publishing(now, ledger))
    assert now.linkages["TH"].handle == desk.handle


def test_a_handle_is_for_one_country(desk, refused):
    ledger = desk.consents("C2", "C4", countries=("TH", "VN"))
    with refused("other_handle"):
        desk.publishing(desk.published(ledger), ledger, country="VN")


def test_the_same_publication_again_changes_nothing(desk, ledger):
    assert desk.publishing(desk.published(ledger), ledger) == []


def test_a_first_publication_is_not_made_over_another(desk, ledger, refused):
    with refused("already_published"):
        desk.publishing(desk.published(ledger), ledger, token_set=b"u" * 64)


@pytest.mark.parametrize("reason", ["correction", "epoch"])
def test_what_was_never_published_is_published_for_the_first_time(desk, ledger, refused, reason):
    with refused("not_published"):
        desk.publishing(desk.held(), ledger, reason=reason)


def test_after_a_correction_two_people_publish_again(desk, ledger):
    now = desk.published(ledger, grant="tell")
    now = after(now, desk.identifying(now, ledger, birth_date="1994-02-27"))
    now = after(now, desk.publishing(now, ledger, reason="correction", token_set=b"u" * 64))
    assert (now.linkages["TH"].state, now.linkages["TH"].was_tell) == ("HOLD", True)


def test_the_node_alone_renews_an_epoch_with_the_same_grant_and_dates(desk, ledger):
    now = desk.published(ledger, grant="tell")
    renewal = {"reason": "epoch", "epoch": 2, "token_set": b"u" * 64, "grant": "tell"}
    now = after(now, desk.publishing(now, ledger, desk.act("node"), **renewal))
    assert (now.linkages["TH"].epoch, now.linkages["TH"].grant) == (2, "tell")
    assert desk.publishing(now, ledger, desk.act("node"), **{**renewal, "token_set": b"v" * 64}) == []


def serial(of):
    return of.linkages["TH"].serial


def test_publications_and_revocations_are_numbered_by_the_day_and_one_after_another_within_it(desk, ledger):
    now = desk.published(ledger)
    first = serial(now)
    assert first == desk.now.date().toordinal()
    now = after(now, person.decide_revoke_tokens(now, desk.act(), reason="correction"))
    assert serial(now) == first + 1
    now = after(now, desk.publishing(now, ledger, reason="correction"))
    assert serial(now) == first + 2
    now = after(now, person.decide_revoke_tokens(now, desk.act(at=desk.later(days=9)), reason="expired"))
    assert serial(now) == first + 9


def test_what_is_said_after_a_backup_was_put_back_is_numbered_above_all_that_the_backup_lost(desk, ledger):
    backup = now = desk.published(ledger)
    for _ in range(3):
        now = after(now, person.decide_revoke_tokens(now, desk.act(), reason="correction"))
        now = after(now, desk.publishing(now, ledger, reason="correction"))
    said = after(backup, person.decide_revoke_tokens(backup, desk.act(at=desk.later(days=7)), reason="correction"))
    assert serial(said) > serial(now)


def test_neither_a_grant_nor_a_new_epoch_is_a_publication_of_its_own(desk, ledger):
    now = desk.published(ledger, grant="tell")
    renewal = {"reason": "epoch", "epoch": 2, "token_set": b"u" * 64, "grant": "tell"}
    renewed = after(now, desk.publishing(now, ledger, desk.act("node"), **renewal))
    assert serial(renewed) == serial(now)
    granted = after(now, desk.granting(now, ledger, desk.act("trm_focal_point"), grant="hold"))
    assert serial(granted) == serial(now)


@pytest.mark.parametrize(
    "change", [{"grant": "tell"}, {"review_on": date(2026, 5, 1)}, {"expires_on": date(2027, 1, 2)}]
)
def test_the_node_changes_no_grant_and_no_date(desk, ledger, refused, change):
    renewal = {"reason": "epoch", "epoch": 2, "token_set": b"u" * 64, **change}
    with refused("node_may_not"):
        desk.publishing(desk.published(ledger), ledger, desk.act("node"), **renewal)


def test_the_node_renews_for_a_new_epoch_and_no_other_reason(desk, ledger, refused):
    now = desk.published(ledger)
    with refused("second_needed"):
        desk.publishing(now, ledger, desk.act("node"), reason="correction", token_set=b"u" * 64)
    with refused("node_may_not"):
        signed = desk.act("node", desk.actor("case_worker"))
        desk.publishing(now, ledger, signed, reason="correction", token_set=b"u" * 64)


def test_the_node_renews_nothing_that_is_not_out(desk, ledger, refused):
    now = desk.published(ledger)
    now = after(now, person.decide_revoke_tokens(now, desk.act(), reason="consent_over"))
    with refused("node_may_not"):
        desk.publishing(now, ledger, desk.act("node"), reason="epoch", epoch=2)


def test_the_node_does_not_publish_for_the_first_time_even_when_signed(desk, ledger, refused):
    with refused("node_may_not"):
        desk.publishing(desk.held(), ledger, desk.act("node", desk.actor("case_worker")))


def test_a_tell_takes_a_second_person(desk, ledger, refused):
    now = desk.published(ledger)
    with refused("second_needed"):
        desk.granting(now, ledger, desk.act("trm_focal_point"))
    with refused("same_person"):
        desk.granting(now, ledger, desk.act("trm_focal_point", desk.actor("supervisor", "one"), staff="one"))
    with refused("second_role_may_not"):
        desk.granting(now, ledger, desk.act("trm_focal_point", desk.actor("case_worker")))
    assert after(now, desk.granting(now, ledger)).linkages["TH"].state == "TELL"


def test_a_hold_takes_one_person_and_no_consent(desk, ledger):
    now = desk.published(ledger, grant="tell")
    events = desk.granting(now, consent.Consents(), desk.act("trm_focal_point"), grant="hold", reason="doubt")
    assert after(now, events).linkages["TH"].state == "HOLD"


def test_a_review_that_keeps_a_hold_sets_it_again(desk, ledger):
    now = desk.published(ledger)
    events = desk.granting(
        now, ledger, desk.act("trm_focal_point"), grant="hold", reason="review", review_on=date(2026, 5, 1)
    )
    assert after(now, events).linkages["TH"].review_on == date(2026, 5, 1)


def test_a_tell_needs_c4_for_that_country(desk, ledger, refused):
    now = desk.published(ledger)
    with refused("country_not_allowed"):
        desk.granting(now, desk.consents("C2", "C4", countries=("VN",)))
    with refused("country_not_allowed"):
        desk.granting(now, consent.Consents())


def test_a_case_worker_sets_no_grant(desk, ledger, refused):
    with refused("role_may_not"):
        desk.granting(desk.published(ledger), ledger, desk.act("case_worker", desk.actor("supervisor")))


def test_there_is_no_grant_where_nothing_is_out(desk, ledger, refused):
    with refused("not_published"):
        desk.granting(desk.held(), ledger)
    now = desk.published(ledger)
    now = after(now, person.decide_revoke_tokens(now, desk.act(), reason="unsafe"))
    with refused("not_published"):
        desk.granting(now, ledger)


@pytest.mark.parametrize("grant", ["tell", "hold"])
def test_the_node_sets_no_grant(desk, ledger, refused, grant):
    with refused("node_may_not"):
        desk.granting(desk.published(ledger), ledger, desk.act("node", desk.actor("supervisor")), grant=grant)


def test_a_grants_dates_lie_ahead(desk, ledger, refused):
    with refused("date_past"):
        desk.granting(desk.published(ledger), ledger, grant_until=desk.now)
    with refused("date_past"):
        desk.granting(desk.published(ledger), ledger, review_on=date(2026, 3, 1))


def test_the_node_makes_a_tell_a_hold_at_its_end_and_not_before(desk, ledger):
    now = desk.published(ledger, grant="tell", grant_until=desk.later(days=90))
    assert publication.decide_expire_grants(now, desk.act("node", at=desk.later(days=89))) == []
    (event,) = publication.decide_expire_grants(now, desk.act("node", at=desk.later(days=90)))
    assert (event.grant, event.reason, event.review_on) == ("hold", "expired", date(2026, 6, 30))
    now = after(now, [event])
    assert (now.linkages["TH"].state, now.linkages["TH"].was_tell) == ("HOLD", True)
    assert publication.decide_expire_grants(now, desk.act("node", at=desk.later(days=91))) == []


def test_several_grants_that_end_together_follow_one_another_without_a_gap(desk):
    ledger = desk.consents("C2", "C4", countries=("TH", "VN", "KH"))
    now = desk.published(ledger, grant="tell")
    now = after(now, desk.publishing(now, ledger, country="VN", handle="b" * 32))
    now = after(now, desk.publishing(now, ledger, country="KH", handle="c" * 32, grant="tell"))
    events = publication.decide_expire_grants(now, desk.act("node", at=desk.later(days=90)))
    assert [(e.country, e.seq) for e in events] == [("TH", now.seq + 1), ("KH", now.seq + 2)]
