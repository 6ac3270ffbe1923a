"""What leaves the country, when, in which order: and of whom nothing leaves."""

from datetime import timedelta

import pytest
from regions import person

from events.linkage import TokensPublished
from events.messages import GrantChanged, Outline, Revocation, Submission
from events.person import Name
from services.country import relay


@pytest.fixture
def node(region):
    return region.nodes["KH"]


def people(count: int, **columns: str) -> list[dict[str, str]]:
    return [person(f"R{i}", prs_IdentityNumber=f"K729{i}", **columns) for i in range(count)]


def set_grant(region, grant: str, reference: str = "A") -> None:
    """The focal point sets it towards TH; the deputy signs a `tell`."""
    desk, focal, deputy = region.nodes["KH"].desk, region.act("KH", "focal"), region.act("KH", "deputy")
    if not desk.set_grant(focal, region.case_id("KH", reference), "TH", grant, "review"):
        desk.sign(deputy, [(w.id, grant) for w, _ in desk.awaiting(deputy)])


def withdraw(region, reference: str = "A") -> None:
    region.nodes["KH"].desk.withdraw_consent(
        region.act("KH", "worker"), region.case_id("KH", reference), purpose="C4", by="person"
    )


def answer_c9(region, answer: str, reference: str = "A") -> None:
    act = region.act("KH", "worker")
    region.nodes["KH"].desk.record_consent(
        act, region.case_id("KH", reference), purpose="C9", answer=answer, scope="statistics", language="km",
        capacity="adult", expires_on=act.today + timedelta(days=100),
    )


def outlines(region, country: str = "KH") -> list[Outline]:
    return [i for i in region.items(f"cases.{country}") if isinstance(i, Outline)]


# ---- to the matcher


def test_nothing_leaves_before_the_tick(region):
    region.publish("KH", person("A"))
    region.settle()
    assert region.tokens("KH", "A")["TH"] == ("published", "")
    region.settle()  # the reading is in the log now, too
    assert region.items("linkage.KH") == []
    assert region.nodes["KH"].status().leaving == 2
    region.tick()
    assert len(region.items("linkage.KH")) == 2
    assert region.nodes["KH"].status().leaving == 0


def test_a_submission_says_nothing_of_the_case_and_is_as_long_for_whoever_it_is_about(region):
    region.publish(
        "KH",
        person("A", x_consent_C4="TH"),
        person("B", x_consent_C4="TH", prs_FirstName="", prs_SecondName="X", prs_Birthdate="", prs_IdentityNumber=""),
        person("C", prs_FirstName="Y", x_consent_C4="TH", x_Aliases="One;Two;Three", prs_IdentityNumber="9" * 100),
    )
    region.tick(2)
    submissions = region.items("linkage.KH")
    assert len(submissions) == 3
    assert {frozenset(s.model_dump()) for s in submissions} == {
        frozenset({"kind", "handle", "serial", "pair", "epoch", "schema_version", "indices", "grant", "grant_until"})
    }
    assert {(s.pair, len(s.indices), len(s.model_dump_json())) for s in submissions} == {
        ("KH-TH", 32 * len(region.charter.slots), len(submissions[0].model_dump_json()))
    }
    rows = [s.indices[i : i + 32] for s in submissions for i in range(0, len(s.indices), 32)]
    assert len(set(rows)) == len(rows)  # empty slots are like no other


def test_tokens_stay_only_their_indices_leave(region):
    region.publish("KH", person("A"))
    region.tick(2)
    tokens = [linkage.tokens for linkage in region.file("KH", "A").person.live]
    left = b"".join(i.indices for i in region.items("linkage.KH"))
    assert len(tokens) == 2
    assert not any(row[i : i + 32] in left for row in tokens for i in range(0, len(row), 32))


def test_a_submission_bears_the_grant_that_stands_when_it_leaves(region):
    region.publish("KH", person("A", x_consent_C4="TH"))
    region.settle()
    set_grant(region, "hold")
    region.tick(2)
    submission = next(i for i in region.items("linkage.KH") if isinstance(i, Submission))
    assert submission.grant == "hold"
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT granted FROM handles") == [("hold",)]


def test_of_what_is_revoked_before_it_left_nothing_leaves_but_the_revocation(region):
    region.publish("KH", person("A", x_consent_C4="TH"))
    region.settle()
    withdraw(region)
    region.tick(2)
    assert [type(i) for i in region.items("linkage.KH")] == [Revocation]


def test_of_what_is_corrected_before_it_left_only_the_newest_leaves(region, node):
    region.publish("KH", person("A", x_consent_C4="TH"))
    region.settle()
    worker = region.act("KH", "worker")
    node.desk.record_identifiers(
        worker, region.case_id("KH", "A"), names=(Name(first="Another"),), birth_date=None, documents=(), gender=None,
        citizenships=frozenset(),
    )
    node.desk.ask_publication(worker, region.case_id("KH", "A"), ["TH"])
    region.approve("KH")
    region.settle()
    region.tick(2)
    assert [type(i) for i in region.items("linkage.KH")] == [Revocation, Submission]
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT state FROM handles") == [("live",)]


def test_the_changes_of_one_handle_leave_in_their_order_and_the_last_word_stands(region):
    region.publish("KH", *people(4, x_consent_C4="TH"))
    region.tick(2)
    for i in range(4):
        for grant in ("hold", "tell", "hold"):
            set_grant(region, grant, f"R{i}")
    region.tick(2)
    grants: dict[str, list[str]] = {}
    for item in region.items("linkage.KH"):
        if isinstance(item, GrantChanged):
            grants.setdefault(item.handle, []).append(item.grant)
    assert list(grants.values()) == [["hold", "tell", "hold"]] * 4
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT DISTINCT granted FROM handles") == [("hold",)]


def test_people_leave_in_another_order_than_they_were_published(region, monkeypatch):
    shuffled = []
    monkeypatch.setattr(relay._SHUFFLE, "shuffle", lambda order: (shuffled.append(len(order)), order.reverse()))
    region.publish("KH", *people(6, x_consent_C4="TH"), c9=False)
    region.tick(2)
    log = [event for _, event in region.nodes["KH"]._store.log(0, 1000)]
    in_order = [e.handle for e in log if isinstance(e, TokensPublished)]
    assert shuffled.count(6) == 1
    assert [i.handle for i in region.items("linkage.KH")] == in_order[::-1]


def test_with_more_than_an_envelope_holds_all_leaves_at_one_tick(region, monkeypatch):
    monkeypatch.setattr("services.country.node.AT_ONCE", 4)
    region.publish("KH", *people(5))
    region.settle()
    before = len(region.envelopes("linkage.KH"))
    region.tick()
    bodies = region.bodies("linkage.KH")[before:]
    assert [len(b.items) for b in bodies] == [4, 4, 2]
    assert [b.tick is not None for b in bodies] == [False, False, True]


def test_each_partition_has_its_own_handles_and_a_handle_has_one_partition(new_region):
    region = new_region("KH", "TH", linkage_partitions=3)
    region.publish("KH", *people(12))
    region.tick(2)
    for i in range(0, 12, 3):
        withdraw(region, f"R{i}")
    region.tick(2)
    where: dict[str, set[int]] = {}
    for envelope in region.envelopes("linkage.KH"):
        for item in region._opened(envelope).items:
            where.setdefault(item.handle, set()).add(envelope.header.partition)
    assert len(where) == 12
    assert all(len(partitions) == 1 for partitions in where.values())
    assert len({p for partitions in where.values() for p in partitions}) > 1  # handles are drawn: never all in one
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT state, COUNT(*) FROM handles GROUP BY state ORDER BY state") == [
            ("live", 8), ("revoked", 4)
        ]


def test_with_little_room_grants_and_revocations_leave_before_submissions(new_region):
    """A late `hold` may tell; with cover there is room for so many items a tick and no more."""
    region = new_region("KH", "TH", cover=True, cover_evaluations=20, cover_submissions=2)
    region.publish("KH", *people(2))
    region.tick(4)
    region.publish("KH", *people(6)[2:])
    region.tick(2)
    assert region.nodes["KH"].status().leaving >= 2
    waiting = len(region.items("linkage.KH"))
    set_grant(region, "hold", "R0")
    withdraw(region, "R1")
    region.tick()
    assert {type(i) for i in region.items("linkage.KH")[waiting:]} == {GrantChanged, Revocation}
    region.tick(4)
    assert region.nodes["KH"].status().leaving == 0


def test_a_stream_that_begins_anew_gets_the_live_state_and_every_revocation(region, node):
    region.publish("KH", *people(4, x_consent_C4="TH"))
    region.tick(2)
    withdraw(region, "R0")
    set_grant(region, "hold", "R1")
    region.tick(2)
    linkage = next(t for t in region.charter.written_by("KH") if t.family == "linkage")
    with region.databases["KH"].transaction() as tx:
        node._post.open_epoch(tx, linkage)
        node._post._outbox.begin_epoch(tx, linkage)
    region.tick(3)
    anew = [
        item for envelope in region.envelopes("linkage.KH") if envelope.header.epoch == 3
        for item in region._opened(envelope).items
    ]
    assert sorted(type(i).__name__ for i in anew) == ["Revocation", *["Submission"] * 3]
    assert sorted(i.grant for i in anew if isinstance(i, Submission)) == ["hold", "tell", "tell"]
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT state, granted, COUNT(*) FROM handles GROUP BY 1, 2 ORDER BY 1, 2") == [
            ("live", "hold", 1), ("live", "tell", 2), ("revoked", "hold", 1)
        ]


def begins_anew(region, node) -> None:
    with region.databases["KH"].transaction() as tx:
        node._post.open_epoch(tx, next(t for t in region.charter.written_by("KH") if t.family == "linkage"))


def test_a_word_bears_the_same_number_however_often_it_is_said(region, node):
    region.publish("KH", *people(2, x_consent_C4="TH"))
    region.tick(2)
    withdraw(region, "R0")
    region.tick(2)
    said = {(type(i), i.handle, i.serial) for i in region.items("linkage.KH")}
    revoked, (published, *_) = (
        [s for s in said if s[0] is kind] for kind in (Revocation, Submission)
    )
    assert {s[2] for s in revoked} == {published[2] + 1}
    before = len(region.items("linkage.KH"))
    begins_anew(region, node)
    region.tick(2)
    again = {(type(i), i.handle, i.serial) for i in region.items("linkage.KH")[before:]}
    assert len(again) == 2
    assert again < said


def test_an_end_that_the_old_epoch_lost_is_said_again_and_one_told_anew_since_is_not(region, node, monkeypatch):
    region.publish("KH", person("A", x_consent_C4="TH"))
    region.publish("TH", person("A", x_consent_C4="KH"))
    region.tick(5)
    with region.databases["KH"].reading() as tx:
        ((match_ref,),) = tx.execute("SELECT match_ref FROM matches")
    node.desk.close_match(region.act("KH", "focal"), match_ref, "referred")
    region.clock.advance(60)
    with monkeypatch.context() as lost:
        lost.setattr(node._post, "send", lambda: 0)
        node.step()
    begins_anew(region, node)
    region.tick(3)
    assert [m[2] for m in region.matches("TH")] == ["CLOSED"]
    for country in ("KH", "TH"):
        desk, focal = region.nodes[country].desk, region.act(country, "focal")
        other = "TH" if country == "KH" else "KH"
        desk.set_grant(focal, region.case_id(country, "A"), other, "tell", "review")
        deputy = region.act(country, "deputy")
        desk.sign(deputy, [(w.id, "tell") for w, _ in desk.awaiting(deputy)])
    region.tick(3)
    begins_anew(region, node)
    region.tick(3)
    assert [region.matches(c)[0][2] for c in ("KH", "TH")] == ["BOTH_TOLD", "BOTH_TOLD"]


def test_what_was_set_before_a_tick_leaves_with_it_however_long_the_log_is(region, node, monkeypatch):
    """The tick says that all before it has been sent: a `hold` behind a long import must not come after it."""
    region.publish("KH", person("A", x_consent_C4="TH"))
    region.tick(2)
    monkeypatch.setattr("services.country.relay._LOG_PAGE", 2)
    region.import_rows("KH", people(3))
    set_grant(region, "hold")
    region.clock.advance(60)
    before = len(region.items("linkage.KH"))
    node.step()
    assert [type(i) for i in region.items("linkage.KH")[before:]] == [GrantChanged]


# ---- outlines


def test_an_outline_leaves_only_with_consent_c9(region):
    region.import_rows("KH", [person("A"), person("B", x_consent_C9="refused", prs_IdentityNumber="K2")])
    region.tick(2)
    assert [o.event for o in outlines(region)] == ["CaseReported"]
    region.nodes["KH"].desk.close(region.act("KH", "worker"), region.case_id("KH", "A"), outcome="completed")
    region.nodes["KH"].desk.close(region.act("KH", "worker"), region.case_id("KH", "B"), outcome="completed")
    region.tick(2)
    assert [(o.event, o.fields) for o in outlines(region)] == [
        ("CaseReported", {"age_status": "adult"}), ("CaseClosed", {"outcome": "completed"})
    ]


def test_an_outline_of_somebody_who_was_not_asked_waits_for_her_answer(region):
    region.import_rows("KH", [person("A"), person("B", prs_IdentityNumber="K2")], c9=False)
    region.tick(3)
    assert outlines(region) == []
    answer_c9(region, "given", "A")
    answer_c9(region, "refused", "B")
    region.tick(2)
    assert [o.event for o in outlines(region)] == ["CaseReported"]
    answer_c9(region, "given", "B")  # what she refused once is gone
    region.tick(2)
    assert len(outlines(region)) == 1


def test_those_who_were_not_asked_hold_up_nobody(region, monkeypatch):
    monkeypatch.setattr("services.country.node.AT_ONCE", 3)
    region.import_rows("KH", people(5), c9=False)
    region.tick(2)
    region.import_rows("KH", [person("A")])
    region.tick(2)
    assert len(outlines(region)) == 1
    answer_c9(region, "given", "R4")
    region.tick(2)
    assert len(outlines(region)) == 2


def test_an_outline_bears_months_and_a_pseudonym_that_nothing_else_bears(region, node):
    region.publish("KH", person("A"))
    region.tick(2)
    authority = region.act("KH", "authority")
    node.desk.identify(
        authority, region.case_id("KH", "A"), decided_by="Police", decided_on=authority.today, legal_basis="the law",
        informed_in="km",
    )
    region.tick(2)
    said = outlines(region)
    assert [(o.event, o.fields) for o in said] == [
        ("CaseReported", {"age_status": "adult"}), ("VictimIdentified", {"decided_on": "2026-03"})
    ]
    (pseudonym,) = {o.pseudonym for o in said}
    file = region.file("KH", "A")
    known = {*(linkage.handle for linkage in file.person.live), file.case.person_id.hex, file.case.case_id.hex}
    assert pseudonym not in known


def test_outlines_leave_in_batches_of_their_own_span(new_region):
    region = new_region("KH", "TH", outline_seconds=300.0)
    region.import_rows("KH", [person("A")])
    seen = []
    for _ in range(6):
        region.tick()
        seen.append(len(outlines(region)))
    assert seen.count(0) > 0
    assert seen[-1] == 1
    changed = next(i for i, n in enumerate(seen) if n)
    assert (region.charter.tick_at(region.clock.now()) - (len(seen) - 1 - changed)) % 5 == 0
