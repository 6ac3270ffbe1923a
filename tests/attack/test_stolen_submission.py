"""What one country sent, in the hands of another writer: its handle, its sealed body, its indices.

The thief is KH, a member with keys of its own; the row is TH's, of a woman whom it protects.
"""

import pytest
from attackers import forged, last_of, log_of, next_header
from regions import LiveRegion, person, regions_in

from events.messages import Body, GrantChanged, MatchEnded, Revocation, Submission

SHE = person("SHE")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("stolen")) as make:
        region = make("KH", "LA", "TH")
        region.publish("TH", SHE, grant="hold")
        region.tick(3)
        yield region


@pytest.fixture
def region(published, tmp_path):
    with published.copied(tmp_path / "region") as copy:
        yield copy


@pytest.fixture
def row(region) -> Submission:
    """Her row for the pair KH-TH, as the thief got hold of it."""
    return next(i for i in region.items("linkage.TH") if isinstance(i, Submission) and i.pair == "KH-TH")


@pytest.fixture
def say(region):
    """KH writes this on its own stream, in its own name."""

    def make(*items, topic: str = "linkage.KH") -> None:
        found = next(t for t in region.charter.topics if t.name == topic)
        with region.databases["KH"].transaction() as tx:
            region.nodes["KH"]._post.write(tx, found, items)
        region.settle()

    return make


def stands(region: LiveRegion) -> list[tuple]:
    """What the matcher holds of TH."""
    with region.databases["matcher"].reading() as tx:
        return tx.execute(
            "SELECT h.handle, h.country, h.pair, h.granted, h.state, s.slot, s.peppered FROM handles h"
            " JOIN slots s ON s.handle = h.handle WHERE h.country = 'TH' ORDER BY h.handle, s.slot"
        )


def refused(region: LiveRegion) -> dict[str, int]:
    with region.databases["matcher"].reading() as tx:
        return dict(tx.execute("SELECT reason, count FROM matcher_refused"))


# ---- the handle


def test_a_submission_under_anothers_handle_is_refused_and_hers_stands(region, row, say):
    before = stands(region)
    say(row, row.model_copy(update={"grant": "tell"}), row.model_copy(update={"indices": bytes(len(row.indices))}))
    assert stands(region) == before
    assert refused(region) == {"not_your_handle": 3}


def test_anothers_handle_in_a_pair_of_ones_own_is_refused(region, row, say):
    before = stands(region)
    say(row.model_copy(update={"pair": "KH-LA"}))
    say(row.model_copy(update={"pair": "LA-TH"}))
    assert stands(region) == before
    assert refused(region) == {"not_your_handle": 1, "pair_not_agreed": 1}


def test_a_grant_a_revocation_or_an_end_of_anothers_handle_is_refused(region, row, say):
    before = stands(region)
    say(
        GrantChanged(handle=row.handle, grant="tell", grant_until=row.grant_until),
        Revocation(handle=row.handle),
        MatchEnded(match_ref="M-1", handle=row.handle),
    )
    assert stands(region) == before
    assert refused(region) == {"not_your_handle": 2, "unknown_match": 1}


def test_a_revoked_handle_is_brought_back_by_nobody_else(region, row, say):
    region.nodes["TH"].desk.withdraw_consent(
        region.act("TH", "worker"), region.case_id("TH", "SHE"), purpose="C4", by="person"
    )
    region.tick(2)
    assert stands(region) == []
    say(row)
    assert stands(region) == []
    assert refused(region) == {"not_your_handle": 1}


# ---- the envelope


def test_an_envelope_of_anothers_stream_counts_nothing_on_ones_own(region):
    before = stands(region)
    wire = log_of(region, "linkage.TH")[-2]
    log_of(region, "linkage.KH").append(wire)
    region.settle()
    assert stands(region) == before
    assert region.matcher.status().refused == {"misplaced": 1}


def test_anothers_sealed_body_under_ones_own_header_and_signature_stays_closed(region):
    """The body is sealed together with its header: nobody can take it over."""
    before = stands(region)
    theirs, mine = last_of(region, "linkage.TH"), last_of(region, "linkage.KH")
    wire = forged(region, mine, "KH", box=theirs.box, sealing_key=theirs.header.sealing_key, **next_header(mine))
    log_of(region, "linkage.KH").append(wire)
    region.settle()
    assert stands(region) == before
    assert region.matcher.status().refused == {"seal_broken": 1}


NAMES = {
    "in ones own name on anothers topic": ({"writer": "KH"}, "wrong_writer"),
    "in the others name with ones own key": ({}, "unknown_key"),
    "in the others name and under its keys name": ({"key_id": "TH.signing.1"}, "bad_signature"),
}


@pytest.mark.parametrize("how", NAMES)
def test_nobody_writes_in_anothers_name(region, row, how):
    header, reason = NAMES[how]
    before = stands(region)
    last = last_of(region, "linkage.TH")
    body = Body(items=(Revocation(handle=row.handle),))
    log_of(region, "linkage.TH").append(forged(region, last, "KH", body=body, **next_header(last), **header))
    region.settle()
    assert stands(region) == before
    assert region.matcher.status().refused == {reason: 1}
    region.nodes["TH"].desk.withdraw_consent(
        region.act("TH", "worker"), region.case_id("TH", "SHE"), purpose="C4", by="person"
    )
    region.tick(2)
    assert stands(region) == []  # TH's own word still counts


def test_an_old_envelope_sent_again_by_the_carrier_brings_nothing_back(region, row):
    """The thief is the broker: it repeats the submission after the revocation."""
    old = list(log_of(region, "linkage.TH"))
    region.nodes["TH"].desk.withdraw_consent(
        region.act("TH", "worker"), region.case_id("TH", "SHE"), purpose="C4", by="person"
    )
    region.tick(2)
    log_of(region, "linkage.TH").extend(old)
    region.tick(2)
    assert stands(region) == []
    assert region.matcher.status().dropped == len(old)


# ---- the indices


def test_stolen_indices_under_a_handle_of_ones_own_are_told_by_her_countrys_grant_alone(region, row, say):
    """What is left over: they match like a false case. Her country says `hold`, so the thief learns nothing."""
    stolen = row.model_copy(update={"handle": "c" * 32, "grant": "tell"})
    say(stolen)
    region.tick(6)
    assert region.matches("KH") == []
    assert region.items("notices.KH") == []
    assert [state for *_, state, _ in region.matches("TH")] == ["TOLD"]  # and TH hears of it


def test_a_match_of_stolen_indices_is_refused_by_the_thiefs_own_node_if_it_is_honest(region, row, say):
    """Nobody of its people stands behind the handle: the notice is refused and logged there."""
    desk, focal = region.nodes["TH"].desk, region.act("TH", "focal")
    desk.set_grant(focal, region.case_id("TH", "SHE"), "KH", "tell", "review")
    desk.sign(region.act("TH", "deputy"), [(w.id, "tell") for w, _ in desk.awaiting(focal)])
    say(row.model_copy(update={"handle": "c" * 32}))
    region.tick(6)
    assert region.matches("KH") == []


def test_stolen_indices_meet_nothing_in_another_pair(region, row, say):
    say(row.model_copy(update={"handle": "c" * 32, "pair": "KH-LA", "grant": "tell"}))
    region.tick(5)
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT COUNT(*) FROM found") == [(0,)]


def test_indices_are_no_tokens_so_nobody_can_compute_another_pairs_from_them(region, row):
    tokens = [linkage.tokens for linkage in region.file("TH", "SHE").person.live]
    rows = [i.indices for i in region.items("linkage.TH") if isinstance(i, Submission)]
    assert len(rows) == 2
    cut = [{row[i : i + 32] for i in range(0, len(row), 32)} for row in rows]
    assert cut[0].isdisjoint(cut[1])
    assert not any(token[i : i + 32] in cut[0] | cut[1] for token in tokens for i in range(0, len(token), 32))
