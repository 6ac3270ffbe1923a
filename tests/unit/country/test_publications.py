"""Two people publish; a handle is for life; what is withdrawn, corrected or refused meanwhile leaves no token behind."""

from datetime import timedelta

import pytest
from desks import refused
from regions import person

from events.base import Actor, Purpose, Role
from events.linkage import GrantSet, TokensPublished, TokensRevoked
from events.messages import GrantChanged, Revocation, Submission
from events.person import Document, Name, person_stream


@pytest.fixture
def focal(region):
    return region.act("KH", "focal")


@pytest.fixture
def history(region, node):
    """The events of a person's record, of these kinds."""

    def make(reference: str, *kinds: type) -> list:
        person_id = region.file("KH", reference).case.person_id
        return [e for e in node._store.history(person_stream(person_id)) if isinstance(e, kinds)]

    return make


def waiting(node, focal) -> dict[str, object]:
    """Country > id of what waits, of one person."""
    return {w.asked.country: w.id for w, _ in node.desk.awaiting(focal)}


def correct(region, reference: str, first: str = "Somsack", country: str = "KH") -> None:
    """Other identifiers for the same person."""
    region.nodes[country].desk.record_identifiers(
        region.act(country, "worker"), region.case_id(country, reference), names=(Name(first=first),),
        birth_date="1991-04-23", documents=(Document(number="K7290415", issuer="LA"),), gender="Feminine",
        citizenships=frozenset({"LA"}),
    )


def ask(region, reference: str, *countries: str) -> int:
    return region.nodes["KH"].desk.ask_publication(
        region.act("KH", "worker"), region.case_id("KH", reference), countries
    )


def consent(region, reference: str, *countries: str, staff: str = "KH-worker") -> None:
    """She is asked again, and names these countries."""
    act = region.act("KH", "worker")
    act = act.model_copy(update={"by": act.by.model_copy(update={"staff": staff})})
    region.nodes["KH"].desk.record_consent(
        act, region.case_id("KH", reference), purpose="C4", answer="given", scope="again", language="km",
        capacity="adult", allowed_countries=frozenset(countries), expires_on=act.today + timedelta(days=300),
    )


def withdraw(region, reference: str, purpose: str = "C4") -> None:
    region.nodes["KH"].desk.withdraw_consent(
        region.act("KH", "worker"), region.case_id("KH", reference), purpose=purpose, by="person"
    )


# ---- two people


def test_without_a_second_person_there_is_no_token_and_the_case_says_that_it_waits(region, history):
    region.import_rows("KH", [person("A")])
    region.tick(3)
    assert region.tokens("KH", "A") == {"LA": ("asked", ""), "TH": ("asked", "")}
    assert history("A", TokensPublished) == []
    assert region.items("evaluate.KH.KH") == region.items("linkage.KH") == []


def test_what_two_people_signed_is_published_by_both_with_the_grant_that_was_set(region, history):
    region.import_rows("KH", [person("A")])
    region.approve("KH", "tell", LA="hold")
    region.settle()
    published = history("A", TokensPublished)
    assert {e.country: e.grant for e in published} == {"LA": "hold", "TH": "tell"}
    assert {(e.by.staff, e.second_by.staff) for e in published} == {("KH-focal", "KH-worker")}
    assert region.tokens("KH", "A") == {"LA": ("published", ""), "TH": ("published", "")}


def test_a_request_that_nobody_signs_in_seven_days_is_over_and_the_case_says_so(region, node, focal):
    region.import_rows("KH", [person("A")])
    region.sleep(days=7)
    assert region.tokens("KH", "A")["TH"] == ("asked", "")
    region.sleep(seconds=1)
    assert region.tokens("KH", "A")["TH"] == ("refused", "not_signed_in_time")
    assert waiting(node, focal) == {}
    assert ask(region, "A", "TH") == 1


def test_a_request_that_is_declined_is_over_and_the_case_says_so(region, node, focal):
    region.import_rows("KH", [person("A")])
    node.desk.decline(focal, [waiting(node, focal)["TH"]])
    region.tick(2)
    assert region.tokens("KH", "A") == {"LA": ("asked", ""), "TH": ("refused", "declined")}
    assert ask(region, "A", "LA", "TH") == 1


def test_nobody_signs_what_they_asked_for_whatever_their_role(region, node, focal):
    region.import_rows("KH", [person("A")])
    same = focal.model_copy(update={"by": focal.by.model_copy(update={"staff": "KH-worker"})})
    with refused("same_person"):
        node.desk.sign(same, [(waiting(node, focal)["TH"], "tell")])
    assert region.tokens("KH", "A")["TH"] == ("asked", "")


@pytest.mark.parametrize("staff", ["worker", "supervisor", "operator", "reviewer", "authority"])
def test_only_a_focal_point_signs_or_declines(region, node, focal, staff):
    region.import_rows("KH", [person("A")])
    (request, *_) = waiting(node, focal).values()
    for act in (lambda: node.desk.sign(region.act("KH", staff), [(request, "tell")]),
                lambda: node.desk.decline(region.act("KH", staff), [request]),
                lambda: node.desk.awaiting(region.act("KH", staff))):
        with refused("role_may_not"):
            act()
    assert len(waiting(node, focal)) == 2


def test_signatures_given_together_stand_or_fall_together(region, node, focal):
    region.import_rows("KH", [person("A")])
    one, other = waiting(node, focal).values()
    node.desk.sign(focal, [(one, "hold")])
    with refused("no_such_request"):
        node.desk.sign(focal, [(other, "tell"), (one, "tell")])
    assert list(waiting(node, focal).values()) == [other]


def test_asking_twice_asks_once(region, node, focal):
    region.import_rows("KH", [person("A")])
    assert ask(region, "A", "LA", "TH") == 0
    region.approve("KH")
    assert ask(region, "A", "TH") == 0
    region.tick()
    assert ask(region, "A", "TH") == 0
    assert waiting(node, focal) == {}


# ---- the person changes her mind


def test_a_consent_taken_back_revokes_tokens_drops_what_waits_and_closes_the_match(region, node, focal, history):
    region.publish("KH", person("A"))
    region.publish("TH", person("B"))
    region.tick(4)
    assert region.matches("KH") == [("A", "TH", "BOTH_TOLD", "document")]
    node.desk.set_grant(focal, region.case_id("KH", "A"), "LA", "tell", "review")
    withdraw(region, "A")
    assert region.matches("KH") == [("A", "TH", "CLOSED", "document")]
    assert region.tokens("KH", "A") == dict.fromkeys(("LA", "TH"), ("revoked", "consent_over"))
    assert {e.reason for e in history("A", TokensRevoked)} == {"consent_over"}
    region.tick(3)
    assert region.matches("TH") == [("B", "KH", "CLOSED", "document")]
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT COUNT(*) FROM slots WHERE country = 'KH'") == [(0,)]
    assert waiting(node, focal) == {}


@pytest.mark.parametrize("purpose", ["C4", "C2"])
@pytest.mark.parametrize("state", ["asked", "approved", "working"])
def test_a_consent_taken_back_ends_what_is_under_way(region, node, focal, history, state, purpose):
    region.import_rows("KH", [person("A")])
    if state != "asked":
        region.approve("KH")
    if state == "working":
        assert node.evaluations.ask() == 2
    assert region.tokens("KH", "A")["TH"][0] == state
    withdraw(region, "A", purpose)
    assert region.tokens("KH", "A") == dict.fromkeys(("LA", "TH"), ("refused", "consent_over"))
    assert waiting(node, focal) == {}
    region.tick(3)
    assert history("A", TokensPublished) == []
    assert region.items("linkage.KH") == []


def test_a_consent_for_fewer_countries_revokes_the_others_alone(region, history):
    region.publish("KH", person("A"))
    region.tick()
    consent(region, "A", "TH")
    assert region.tokens("KH", "A") == {"LA": ("revoked", "consent_over"), "TH": ("published", "")}
    assert len(history("A", TokensRevoked)) == 1


def test_a_consent_recorded_anew_by_another_worker_stops_tokens_that_the_first_asked_for(region, node, history):
    """The two who sign must be the focal point and the one who recorded what she said last."""
    region.import_rows("KH", [person("A")])
    region.approve("KH")
    node.evaluations.ask()
    consent(region, "A", "LA", "TH", staff="KH-another")
    region.settle()
    assert history("A", TokensPublished) == []
    assert region.tokens("KH", "A")["TH"] == ("refused", "second_not_recorder")


# ---- corrections


def test_a_correction_revokes_the_tokens_and_two_people_make_them_anew_under_the_same_handle(region, history):
    region.publish("KH", person("A"))
    region.tick(2)
    before = {e.country: e for e in history("A", TokensPublished)}
    correct(region, "A")
    assert region.tokens("KH", "A") == dict.fromkeys(("LA", "TH"), ("revoked", "correction"))
    region.tick(2)
    assert len(history("A", TokensPublished)) == 2  # not by itself
    assert ask(region, "A", "LA", "TH") == 2
    region.approve("KH", "hold")
    region.tick(2)
    anew = {e.country: e for e in history("A", TokensPublished)[2:]}
    assert {c: e.handle for c, e in anew.items()} == {c: e.handle for c, e in before.items()}
    assert all(anew[c].token_set != before[c].token_set and anew[c].reason == "correction" for c in anew)
    sent = [i for i in region.items("linkage.KH") if i.handle == before["TH"].handle]
    assert [type(i) for i in sent] == [Submission, Revocation, Submission]
    assert sent[0].indices[:32] == sent[2].indices[:32]  # her document is the same
    assert sent[0].indices[32:64] != sent[2].indices[32:64]


def test_a_handle_is_another_for_each_country_and_each_person(region, history):
    region.publish("KH", person("A"), person("B"))
    region.tick()
    handles = [e.handle for name in "AB" for e in history(name, TokensPublished)]
    assert len(set(handles)) == 4


def test_the_same_identifiers_again_revoke_nothing(region, history):
    region.publish("KH", person("A"))
    region.tick()
    correct(region, "A")
    region.tick()
    correct(region, "A")
    assert len(history("A", TokensRevoked)) == 2


@pytest.mark.parametrize("state", ["approved", "working"])
def test_identifiers_corrected_while_tokens_are_made_leave_no_token_of_the_old_ones(region, node, history, state):
    region.import_rows("KH", [person("A")])
    region.approve("KH")
    if state == "working":
        node.evaluations.ask()
    correct(region, "A")
    region.tick(2)
    assert history("A", TokensPublished) == []
    assert region.tokens("KH", "A")["TH"] == ("refused", "correction")


def test_identifiers_corrected_before_the_signature_are_what_is_signed_for(region, history):
    region.import_rows("KH", [person("A")])
    correct(region, "A", "Entirely Another")
    region.approve("KH")
    region.tick()
    assert len(history("A", TokensPublished)) == 2


# ---- grants


def test_a_hold_is_set_at_once_and_leaves_with_the_next_tick(region, node, focal, history):
    region.publish("KH", person("A"))
    region.tick()
    assert node.desk.set_grant(focal, region.case_id("KH", "A"), "TH", "hold", "doubt")
    assert [e.grant for e in history("A", GrantSet)] == ["hold"]
    region.tick()
    assert [i.grant for i in region.items("linkage.KH") if isinstance(i, GrantChanged)] == ["hold"]


def test_a_tell_waits_for_a_second_focal_point(region, node, focal, history):
    region.publish("KH", person("A"), grant="hold")
    region.tick()
    assert not node.desk.set_grant(focal, region.case_id("KH", "A"), "TH", "tell", "person_asked")
    (request,) = waiting(node, focal).values()
    with refused("same_person"):
        node.desk.sign(focal, [(request, "tell")])
    region.tick()
    assert history("A", GrantSet) == []
    with refused("not_what_was_asked"):
        node.desk.sign(region.act("KH", "deputy"), [(request, "hold")])
    node.desk.sign(region.act("KH", "deputy"), [(request, "tell")])
    (grant,) = history("A", GrantSet)
    assert (grant.grant, grant.reason, grant.by.staff, grant.second_by.staff) == (
        "tell", "person_asked", "KH-focal", "KH-deputy"
    )
    region.tick()
    assert [i.grant for i in region.items("linkage.KH") if isinstance(i, GrantChanged)] == ["tell"]


def test_a_tell_that_is_asked_for_again_takes_the_place_of_the_one_that_waits(region, node, focal, history):
    region.publish("KH", person("A"), grant="hold")
    region.tick()
    for reason in ("review", "person_asked"):
        node.desk.set_grant(focal, region.case_id("KH", "A"), "TH", "tell", reason)
    (request,) = waiting(node, focal).values()
    node.desk.sign(region.act("KH", "deputy"), [(request, "tell")])
    assert [e.reason for e in history("A", GrantSet)] == ["person_asked"]


def test_a_hold_counts_for_tokens_that_are_on_their_way_too(region, node, focal, history):
    region.import_rows("KH", [person("A")])
    region.approve("KH", "tell")
    node.evaluations.ask()
    assert node.desk.set_grant(focal, region.case_id("KH", "A"), "TH", "hold", "doubt")
    region.tick(2)
    assert {e.country: e.grant for e in history("A", TokensPublished)} == {"LA": "tell", "TH": "hold"}


def test_a_hold_takes_the_place_of_a_tell_that_waits(region, node, focal):
    region.publish("KH", person("A"), grant="hold")
    region.tick()
    node.desk.set_grant(focal, region.case_id("KH", "A"), "TH", "tell", "review")
    node.desk.set_grant(focal, region.case_id("KH", "A"), "TH", "hold", "doubt")
    assert waiting(node, focal) == {}


def test_a_tell_that_is_declined_changes_nothing(region, node, focal, history):
    region.publish("KH", person("A"), grant="hold")
    region.tick()
    node.desk.set_grant(focal, region.case_id("KH", "A"), "TH", "tell", "review")
    node.desk.decline(region.act("KH", "deputy"), waiting(node, focal).values())
    assert history("A", GrantSet) == []
    assert region.tokens("KH", "A")["TH"] == ("published", "")


def test_a_tell_that_waits_goes_with_the_tokens_that_it_was_about(region, node, focal):
    region.publish("KH", person("A"), grant="hold")
    region.tick()
    for country in ("LA", "TH"):
        node.desk.set_grant(focal, region.case_id("KH", "A"), country, "tell", "review")
    consent(region, "A", "LA")
    assert set(waiting(node, focal)) == {"LA"}


def test_a_tell_for_a_country_without_tokens_cannot_be_signed(region, node, focal):
    region.import_rows("KH", [person("A")], ask=False)
    node.desk.set_grant(focal, region.case_id("KH", "A"), "TH", "tell", "review")
    with refused("not_published"):
        node.desk.sign(region.act("KH", "deputy"), [(waiting(node, focal)["TH"], "tell")])


@pytest.mark.parametrize("state", ["asked", "approved", "working"])
def test_a_person_who_is_taken_out_for_her_safety_gets_no_token_that_was_under_way(region, node, history, state):
    region.import_rows("KH", [person("A")])
    if state != "asked":
        region.approve("KH")
    if state == "working":
        node.evaluations.ask()
    node.desk.revoke(region.act("KH", "focal"), region.case_id("KH", "A"), "TH")
    region.tick(2)
    assert region.tokens("KH", "A")["TH"] == ("refused", "unsafe")
    assert "TH" not in {e.country for e in history("A", TokensPublished)}
    assert region.tokens("KH", "A")["LA"][0] == ("asked" if state == "asked" else "published")


@pytest.mark.parametrize("role", [Role.CASE_WORKER, Role.SUPERVISOR, Role.NODE_OPERATOR, Role.NODE])
def test_only_a_focal_point_sets_a_grant(region, node, role):
    region.publish("KH", person("A"))
    region.tick()
    by = Actor(staff="somebody", organisation="welfare-office", role=role)
    act = region.act("KH", "focal").model_copy(update={"by": by, "purpose": Purpose.MATCHING})
    for grant in ("hold", "tell"):
        with refused("role_may_not"):
            node.desk.set_grant(act, region.case_id("KH", "A"), "TH", grant, "review")


# ---- at rest


def test_the_nodes_own_tables_say_in_clear_neither_who_she_is_nor_which_country_she_fears(region):
    region.publish("KH", person("A", x_consent_C4="LA"), person("B"))
    region.tick(2)
    with region.databases["KH"].reading() as tx:
        tables = [name for (name,) in tx.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        about = [t for t in tables if not t.startswith(("outbox", "inbox", "directory"))]
        cells = [cell for table in about for row in tx.execute(f"SELECT * FROM {table}") for cell in row]
    text = [c.encode() if isinstance(c, str) else bytes(c) for c in cells if isinstance(c, str | bytes)]
    assert len(text) > 80
    for word in (b"Somsak", b"Vongphachan", b"1991", b"K7290415", b"tell"):
        assert not any(word in cell for cell in text), word
    assert not any(cell in {b"LA", b"TH"} for cell in text)
