from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from events.database import open_database
from events.messages import GrantChanged, MatchEnded, Revocation, Submission
from keys.pepper import SecretPepper
from matching import engine, found
from matching.index import Index
from matching.policy import Allow, Deny

SLOTS = ("DOC", "FULL", "FULL", "BYX", "BYX")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=90)
PEPPER = SecretPepper(b"p" * 32)


def pepper(_pair, epoch):
    return {1: PEPPER, 2: SecretPepper(b"q" * 32)}.get(epoch)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request):
    if request.param == "sqlite":
        opened = open_database("sqlite:///:memory:")
        yield opened
    else:
        schema = f"index_{uuid4().hex}"
        opened = open_database(request.getfixturevalue("postgres_dsn"), schema=schema)
        yield opened
        with opened.transaction() as tx:
            tx.execute(f"DROP SCHEMA {schema} CASCADE")
    opened.close()


@pytest.fixture
def index(database):
    made = Index(database, pepper, SLOTS)
    made.create()
    return made


def handle(name):
    return name.encode().hex().rjust(32, "0")


def submission(name, *values, pair="KH-TH", epoch=1, grant="tell", until=LATER):
    """One value a slot; '' is a value that nobody else holds."""
    row = [(value or f"{name}{slot}").encode().ljust(32) for slot, value in enumerate(values)]
    return Submission(
        handle=handle(name), pair=pair, epoch=epoch, schema_version=1, indices=b"".join(row),
        grant=grant, grant_until=until,
    )


def submit(database, index, country, sent):
    with database.transaction() as tx:
        return index.submit(tx, country, sent, at=NOW)


def revoke(database, index, country, name):
    with database.transaction() as tx:
        return index.revoke(tx, country, Revocation(handle=handle(name)), at=NOW)


def look(database, index, tick=7, at=NOW):
    with database.transaction() as tx:
        while index.company(tx, at=at, tick=tick, limit=2) == 2:
            pass


def told(database, match_ref, *news):
    with database.transaction() as tx:
        found.note_told(tx, match_ref, news, at=NOW)


def to_tell(database):
    with database.reading() as tx:
        return found.to_tell(tx)


@pytest.fixture
def matched(database, index):
    """One match, by document and name."""
    submit(database, index, "KH", submission("a", "d", "", "f", "x", "", grant="hold"))
    submit(database, index, "TH", submission("b", "d", "f", "", "", "x"))
    look(database, index)
    (match,) = to_tell(database)
    return match


def test_a_match_is_found_with_its_band_slots_and_grants(matched):
    assert (matched.pair, matched.epoch, matched.band, matched.found_tick) == ("KH-TH", 1, "document", 7)
    assert matched.first == found.Side(handle("a"), "KH", 0, "hold", LATER, None, ended=False)
    assert matched.second == found.Side(handle("b"), "TH", 0, "tell", LATER, None, ended=False)


def test_the_slots_for_the_proof_are_each_sides_own(database, index):
    submit(database, index, "KH", submission("a", "", "", "f", "", ""))
    submit(database, index, "TH", submission("b", "", "f", "", "", ""))
    look(database, index)
    (match,) = to_tell(database)
    assert (match.band, match.first.slot, match.second.slot) == ("possible", 2, 1)


def test_nothing_is_found_before_one_looks(database, index):
    submit(database, index, "KH", submission("a", "d", "", "", "", ""))
    submit(database, index, "TH", submission("b", "d", "", "", "", ""))
    assert to_tell(database) == []
    with database.reading() as tx:
        assert index.sizes(tx) == {"live": 2, "revoked": 0, "waiting": 5}
    look(database, index)
    assert len(to_tell(database)) == 1
    with database.reading() as tx:
        assert index.sizes(tx)["waiting"] == 0


def test_indices_stand_behind_the_pepper(database, index):
    submit(database, index, "KH", submission("a", "d", "", "", "", ""))
    with database.reading() as tx:
        kept = {bytes(value) for (value,) in tx.execute("SELECT peppered FROM slots")}
    assert len(kept) == 5
    assert b"d".ljust(32) not in kept


def test_the_same_submission_again_changes_nothing(database, index, matched):
    submit(database, index, "TH", submission("b", "d", "f", "", "", "x"))
    look(database, index)
    (again,) = to_tell(database)
    assert (again.first, again.second, again.band) == (matched.first, matched.second, matched.band)


def test_a_corrected_row_takes_the_place_of_the_old_one(database, index, matched):
    submit(database, index, "TH", submission("b", "e", "g", "", "", "x"))
    assert to_tell(database) == []
    look(database, index)
    assert to_tell(database) == []
    submit(database, index, "TH", submission("b", "", "f", "", "", "x"))
    look(database, index)
    assert [m.band for m in to_tell(database)] == ["strong"]


def test_a_revoked_handle_is_told_of_no_more_at_once(database, index, matched):
    assert revoke(database, index, "TH", "b") == Allow()
    assert to_tell(database) == []
    look(database, index)
    assert to_tell(database) == []
    with database.reading() as tx:
        assert tx.execute("SELECT COUNT(*) FROM slots WHERE handle = ?", (handle("b"),)) == [(0,)]
        assert tx.execute("SELECT COUNT(*) FROM grounds") == [(0,)]
        assert tx.execute("SELECT COUNT(*) FROM found") == [(0,)]
        ((state, grant),) = tx.execute("SELECT state, granted FROM handles WHERE handle = ?", (handle("b"),))
    assert (state, grant) == ("revoked", "hold")


def test_a_revocation_again_changes_nothing(database, index, matched):
    assert [revoke(database, index, "TH", "b") for _ in range(3)] == [Allow()] * 3
    with database.reading() as tx:
        assert index.sizes(tx)["revoked"] == 1


def test_a_revoked_handle_lives_again_if_its_country_sends_it(database, index, matched):
    revoke(database, index, "TH", "b")
    assert submit(database, index, "TH", submission("b", "d", "f", "", "", "x")) == Allow()
    look(database, index)
    assert [m.second.handle for m in to_tell(database)] == [handle("b")]


@pytest.mark.parametrize("country, sent, reason", [
    ("VN", submission("a", "", "", "", "", ""), "not_your_pair"),
    ("TH", submission("a", "", "", "", "", ""), "not_your_handle"),
    ("KH", submission("a", "", "", "", "", "", pair="KH-VN"), "other_pair"),
    ("KH", submission("a", "", "", "", "", "", epoch=3), "unknown_epoch"),
    ("KH", submission("a", "", "", "", ""), "wrong_size"),
    ("KH", submission("c", "", "", "", "", "", ""), "wrong_size"),
])
def test_what_a_country_may_not_submit_is_refused_and_changes_nothing(database, index, matched, country, sent, reason):
    assert submit(database, index, country, sent) == Deny(reason)
    look(database, index)
    assert to_tell(database) == [matched]


def test_a_handle_is_its_own_countrys_alone_also_revoked(database, index, matched):
    assert revoke(database, index, "KH", "b") == Deny("not_your_handle")
    revoke(database, index, "TH", "b")
    assert submit(database, index, "KH", submission("b", "d", "", "", "", "")) == Deny("not_your_handle")
    assert revoke(database, index, "TH", "c") == Deny("unknown_handle")


def test_a_grant_is_set_by_its_own_country_while_the_handle_lives(database, index, matched):
    def change(country, name, grant="tell"):
        with database.transaction() as tx:
            return index.set_grant(tx, country, GrantChanged(handle=handle(name), grant=grant, grant_until=NOW))

    assert change("KH", "a") == Allow()
    (match,) = to_tell(database)
    assert (match.first.grant, match.first.grant_until) == ("tell", NOW)
    assert change("TH", "a") == Deny("not_your_handle")
    assert change("KH", "c") == Deny("unknown_handle")
    revoke(database, index, "KH", "a")
    assert change("KH", "a") == Deny("revoked")


def test_what_was_told_is_remembered_through_revocation_and_republication(database, index, matched):
    told(database, matched.match_ref, "this_side", None)
    revoke(database, index, "TH", "b")
    assert to_tell(database) == []
    submit(database, index, "TH", submission("b", "d", "", "", "", ""))
    look(database, index, tick=9)
    (again,) = to_tell(database)
    assert (again.match_ref, again.first.told, again.second.told) == (matched.match_ref, "this_side", None)
    assert again.found_tick == 9


def test_a_match_that_both_were_told_is_told_no_more_and_keeps_when_it_was(database, index, matched):
    told(database, matched.match_ref, "both", None)
    with database.reading() as tx:
        assert found.by_ref(tx, matched.match_ref).both_told_at is None
    told(database, matched.match_ref, None, "both")
    assert to_tell(database) == []
    revoke(database, index, "TH", "b")
    with database.reading() as tx:
        match = found.by_ref(tx, matched.match_ref)
    assert (match.match_ref, match.both_told_at, match.stands) == (matched.match_ref, NOW, False)


def end(database, country, name, ref, tick=9):
    with database.transaction() as tx:
        return found.end(tx, country, MatchEnded(match_ref=ref, handle=handle(name)), tick=tick)


def ends(database, match_ref):
    with database.reading() as tx:
        match = found.by_ref(tx, match_ref)
    return match.first.ended, match.second.ended, match.running


def test_a_side_ends_its_own_match_and_no_other(database, matched):
    assert end(database, "KH", "b", matched.match_ref) == Deny("unknown_match")
    assert end(database, "KH", "a", "M-nothing") == Deny("unknown_match")
    assert ends(database, matched.match_ref) == (False, False, False)


def test_what_both_know_is_over_for_both_once_one_side_says_so_and_both_are_told(database, matched):
    told(database, matched.match_ref, "both", "both")
    assert ends(database, matched.match_ref) == (False, False, True)
    over = end(database, "TH", "b", matched.match_ref)
    assert [(e.country, e.over.match_ref, e.over.handle) for e in over] == [
        ("KH", matched.match_ref, handle("a")), ("TH", matched.match_ref, handle("b")),
    ]
    assert ends(database, matched.match_ref) == (True, True, False)
    assert end(database, "KH", "a", matched.match_ref) == end(database, "TH", "b", matched.match_ref) == []


@pytest.mark.parametrize("how", ["ended", "revoked"])
def test_what_one_side_alone_knows_is_over_on_that_side_and_nobody_is_told(database, matched, how):
    told(database, matched.match_ref, "this_side", None)
    if how == "ended":
        assert end(database, "KH", "a", matched.match_ref) == []
    else:
        with database.transaction() as tx:
            assert found.end_of_handle(tx, handle("a"), tick=9) == []
    assert ends(database, matched.match_ref) == (True, False, False)
    assert to_tell(database) == []


def test_a_side_that_knows_nothing_ends_nothing_with_its_row(database, matched):
    told(database, matched.match_ref, "this_side", None)
    with database.transaction() as tx:
        assert found.end_of_handle(tx, handle("b"), tick=9) == []
    assert ends(database, matched.match_ref) == (False, False, False)


def test_over_a_match_is_to_be_told_when_each_side_has_spoken_since_and_what_was_on_its_way_is_heard(
    database, matched
):
    told(database, matched.match_ref, "both", "both")
    end(database, "KH", "a", matched.match_ref, tick=9)
    for name, waits in (("a", []), ("b", [(matched.match_ref, 9)])):
        with database.transaction() as tx:
            found.renewed(tx, handle(name))
        assert [(m.match_ref, m.found_tick) for m in to_tell(database)] == waits


def test_a_match_that_goes_on_standing_keeps_the_tick_of_its_finding(database, index, matched):
    submit(database, index, "KH", submission("c", "d", "", "", "", ""))
    look(database, index, tick=9, at=NOW + timedelta(hours=1))
    assert [(m.first.handle, m.found_tick) for m in to_tell(database)] == [(handle("a"), 7), (handle("c"), 9)]


def test_a_hot_value_raises_nothing_is_counted_and_cools_down(database):
    index = Index(database, pepper, SLOTS, caps={"DOC": 2, "FULL": 2})
    index.create()
    for country, name in (("KH", "a"), ("TH", "b")):
        submit(database, index, country, submission(name, "d", "", "", "", ""))
    look(database, index)
    assert len(to_tell(database)) == 1
    submit(database, index, "KH", submission("c", "d", "", "", "", ""))
    look(database, index)
    assert to_tell(database) == []
    with database.reading() as tx:
        assert index.hot(tx) == {"DOC": 1, "FULL": 0}
    revoke(database, index, "KH", "a")
    look(database, index)
    assert [m.first.handle for m in to_tell(database)] == [handle("c")]
    with database.reading() as tx:
        assert index.hot(tx) == {"DOC": 0, "FULL": 0}


def test_a_handle_that_holds_a_value_twice_is_one_holder(database):
    index = Index(database, pepper, SLOTS, caps={"DOC": 2, "FULL": 2})
    index.create()
    submit(database, index, "KH", submission("a", "", "f", "f", "", ""))
    submit(database, index, "TH", submission("b", "", "f", "f", "", ""))
    look(database, index)
    assert len(to_tell(database)) == 1
    submit(database, index, "TH", submission("c", "", "f", "f", "", ""))
    look(database, index)
    assert to_tell(database) == []


def test_a_flood_on_one_value_is_looked_at_in_bounded_part(database, index):
    with database.transaction() as tx:
        for number in range(300):
            index.submit(tx, "KH", submission(f"k{number}", "d", "d", "d", "", ""), at=NOW)
        index.submit(tx, "TH", submission("t", "d", "", "", "", ""), at=NOW)
        (value,) = tx.execute(
            "SELECT peppered, recipe, pair, epoch FROM slots WHERE handle = ? AND slot = 0", (handle("t"),)
        )
        assert len(index._holders(tx, value)) <= (engine.CAPS["DOC"] + 1) * len(SLOTS)
    look(database, index)
    assert to_tell(database) == []


def test_a_crash_between_insertion_and_looking_loses_nothing(tmp_path):
    dsn = f"sqlite:///{tmp_path / 'matcher.db'}"
    for country, name in (("KH", "a"), ("TH", "b")):
        opened = open_database(dsn)
        index = Index(opened, pepper, SLOTS)
        index.create()
        submit(opened, index, country, submission(name, "d", "", "", "", ""))
        opened.close()
    opened = open_database(dsn)
    index = Index(opened, pepper, SLOTS)

    def crash_while_looking():
        with opened.transaction() as tx:
            index.company(tx, at=NOW, tick=1)
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        crash_while_looking()
    look(opened, index)
    assert len(to_tell(opened)) == 1
    opened.close()
