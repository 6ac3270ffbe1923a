"""Nobody but two custodians of the protecting country raises what its key holder answers beyond the daily quota."""

from datetime import timedelta
from uuid import uuid4

import pytest
from attackers import forged
from audited import World
from regions import person
from starlette.testclient import TestClient

from events.base import Actor, Role
from events.directory import Directory
from events.envelope import unpack
from events.errors import Refused
from events.messages import AllowanceGranted, Body
from services.keyholder import main
from services.keyholder.allowances import Wish
from services.keyholder.settings import KeyHolderSettings
from services.runtime.logs import silent
from services.runtime.loop import Pump

HOLDER = "TH.holder"


@pytest.fixture
def region(live):
    return live("KH", "TH", quota_per_day=10, batch_limit=64)


def wish(at, **changes) -> Wish:
    fields = {
        "country": "KH", "pair": "KH-TH", "count": 1000, "valid_from": at, "valid_until": at + timedelta(days=5),
        "reason": "so that we may guess",
    }
    return Wish(**{**fields, **changes})


def granted(at, **changes) -> AllowanceGranted:
    fields = {"id": uuid4(), "holder": HOLDER, **wish(at).model_dump(), "custodians": ("ann", "ben")}
    return AllowanceGranted(**{**fields, **changes})


def of(name: str, role: Role = Role.KEY_CUSTODIAN) -> Actor:
    return Actor(staff=name, organisation="key-custody", role=role)


def limits(region) -> tuple[int, int]:
    """What TH's holder would answer KH today, and what the matcher would take in of KH."""
    with region.databases["matcher"].reading() as tx:
        intake = region.matcher._intake.account._limit(tx, "KH", "KH-TH")
    return region.holders["TH"].limit("KH", "KH-TH"), intake - region.charter.intake_per_day


# ---- at the holder


def test_one_custodian_alone_raises_nothing_however_often_and_in_whatever_role(region):
    allowances = region.holders["TH"].allowances
    name = allowances.ask(of("ann"), wish(region.clock.now()))
    allowances.approve(of("ann"), name)
    for actor in (of("ann"), Actor(staff="ann", organisation="elsewhere", role=Role.KEY_CUSTODIAN)):
        with pytest.raises(Refused) as refused:
            allowances.approve(actor, name)
        assert refused.value.code == "same_person"
    again = allowances.ask(of("ann"), wish(region.clock.now()))  # half of one and half of another are none
    allowances.approve(of("ann"), again)
    region.tick()
    assert limits(region) == (10, 0)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.KEY_CUSTODIAN])
def test_no_other_role_is_the_second_custodian(region, role):
    allowances = region.holders["TH"].allowances
    name = allowances.ask(of("ann"), wish(region.clock.now()))
    allowances.approve(of("ann"), name)
    with pytest.raises(Refused) as refused:
        allowances.approve(of("ope", role), name)
    assert refused.value.code == "role_may_not"
    region.tick()
    assert limits(region) == (10, 0)


def test_whoever_signs_in_elsewhere_is_nobody_here(region):
    """The asking country's own custodians, and everybody of the protecting country's node."""
    holder, home = region.holders["TH"], region.region.home(HOLDER)
    settings = KeyHolderSettings(home=home, charter=region.region.charter_file)
    app = main.create(holder, settings, silent(), Pump(holder.step, silent()))
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    name = holder.allowances.ask(of("ann"), wish(region.clock.now()))
    others = [
        (party, file.name) for party in ("KH", "KH.holder", "TH", "matcher")
        for file in (region.region.root / "access" / party).iterdir()
    ]
    assert ("KH.holder", "custodian") in others
    for party, staff in others:
        bearer = {"Authorization": f"Bearer {region.region.token(party, staff)}"}
        assert client.post(f"/api/allowances/{name}/approval", headers=bearer).status_code == 401
        form = wish(region.clock.now()).model_dump(mode="json")
        assert client.post("/api/allowances", headers=bearer, json=form).status_code == 401
    region.tick()
    assert limits(region) == (10, 0)


def test_what_was_approved_cannot_be_changed_nor_used_again(region):
    allowances = region.holders["TH"].allowances
    name = allowances.ask(of("ann"), wish(region.clock.now(), count=5))
    allowances.approve(of("ann"), name)
    allowances.approve(of("ben"), name)
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            allowances.approve(of("cat"), name)
        assert refused.value.code == "not_waiting"
        region.tick()
    assert limits(region)[0] == 15


def test_with_what_two_custodians_of_the_asking_country_approve_the_protecting_one_answers_no_more(region):
    allowances = region.holders["KH"].allowances
    name = allowances.ask(of("ann"), wish(region.clock.now()))
    allowances.approve(of("ann"), name)
    allowances.approve(of("ben"), name)
    region.tick()
    assert region.holders["KH"].limit("KH", "KH-TH") == 1010
    assert limits(region) == (10, 0)
    region.publish("KH", *(person(f"R{i}", prs_IdentityNumber=f"X{i}") for i in range(4)))
    region.tick(2)
    assert region.nodes["KH"].status().publications["published"] == 2  # five slots a person, of both holders


# ---- by what is announced


@pytest.mark.parametrize("thief", ["KH", "KH.holder", "matcher"])
def test_what_another_party_announces_in_the_holders_name_counts_nowhere(region, thief):
    body = Body(items=(granted(region.clock.now()),))
    like = region.envelopes(f"keys.{thief}")[-1]
    wire = forged(region, like, thief, body=body, seq=like.header.seq + 1, prev=like.hash.hex(), event_id=uuid4())
    assert unpack(wire).header.writer == thief
    region.stream.append([(f"keys.{thief}", 0, wire)])
    region.settle()
    assert limits(region) == (10, 0)


def test_a_thief_of_the_holders_own_key_makes_it_answer_no_more(region):
    """It reads its own topic, and believes nothing of it that it has not approved itself."""
    like = region.envelopes(f"keys.{HOLDER}")[-1]
    body = Body(items=(granted(region.clock.now()),))
    wire = forged(region, like, HOLDER, body=body, seq=like.header.seq + 1, prev=like.hash.hex(), event_id=uuid4())
    region.stream.append([(f"keys.{HOLDER}", 0, wire)])
    for party in (HOLDER, "KH"):
        region.parties[party].step()
    now = region.clock.now()
    assert region.nodes["KH"]._post.directory.allowances(HOLDER, "KH", "KH-TH", now) != ()  # others are taken in
    assert region.holders["TH"].limit("KH", "KH-TH") == 10
    assert region.holders["TH"]._post.directory.allowances(HOLDER, "KH", "KH-TH", now) == ()
    region.kill(HOLDER)
    region.start(HOLDER)
    assert region.holders["TH"].limit("KH", "KH-TH") == 10


@pytest.fixture
def directory(region):
    """The matcher's, which counts with what holders announce."""
    return region.matcher._post.directory


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"holder": "KH.holder"}, "not_its_own"), ({"pair": "KH-LA"}, "not_its_own"), ({"country": "LA"}, "not_of_the_pair"),
        ({"custodians": ("ann", "ann")}, "same_person"),
    ],
    ids=lambda c: c if isinstance(c, str) else next(iter(c)),
)
def test_an_announcement_that_is_not_in_order_is_learned_by_nobody(region, directory, changes, code):
    with region.databases["matcher"].transaction() as tx, pytest.raises(Refused) as refused:
        directory.learn(tx, HOLDER, granted(region.clock.now(), **changes))
    assert refused.value.code == code
    assert limits(region) == (10, 0)


def test_an_announcement_lasts_a_year_at_most_and_is_never_changed(region, directory):
    now = region.clock.now()
    first = granted(now, count=5)
    with region.databases["matcher"].transaction() as tx:
        directory.learn(tx, HOLDER, first)
        directory.learn(tx, HOLDER, first)
        for wrong, code in (
            (first.model_copy(update={"count": 5000}), "allowance_repeated"),
            (granted(now, valid_until=now + timedelta(days=367)), "bad_span"),
            (granted(now, valid_until=now), "bad_span"),
        ):
            with pytest.raises(Refused) as refused:
                directory.learn(tx, HOLDER, wrong)
            assert refused.value.code == code
    assert sum(a.count for a in directory.allowances(HOLDER, "KH", "KH-TH", now)) == 5


def test_an_allowance_of_a_pair_that_has_ended_is_no_offence_and_counts_nothing(region):
    ended = region.charter.model_copy(update={"pairs": (), "ended_pairs": ("KH-TH",)})
    directory = Directory(region.databases["matcher"], ended, region.digest)
    with region.databases["matcher"].transaction() as tx:
        directory.learn(tx, HOLDER, granted(region.clock.now()))
    assert directory.allowances(HOLDER, "KH", "KH-TH", region.clock.now()) == ()


def test_no_holder_fills_others_stores_with_allowances(region, directory, monkeypatch):
    monkeypatch.setattr("events.allowances.MOST", 3)
    with region.databases["matcher"].transaction() as tx:
        for _ in range(3):
            directory.learn(tx, HOLDER, granted(region.clock.now()))
        with pytest.raises(Refused) as refused:
            directory.learn(tx, HOLDER, granted(region.clock.now()))
        assert refused.value.code == "too_many"
        directory.learn(tx, HOLDER, granted(region.clock.now(), country="TH"))


# ---- before an auditor


@pytest.fixture
def world(tmp_path):
    from posts import Posts

    return World(Posts(tmp_path, quota_per_day=10))


def test_an_announced_allowance_is_what_a_total_is_held_against(world):
    world.announce(HOLDER, granted(world.region.clock.now(), count=50))
    world.tells(HOLDER, 60)
    assert world.found() == []
    world.tells(HOLDER, 61)
    assert [code for code, *_ in world.found()] == ["over_quota"]


def test_an_allowance_that_is_announced_afterwards_excuses_nothing_that_was_told_before(world):
    start = world.region.clock.now() - timedelta(days=2)
    world.tells(HOLDER, 60)
    world.live(1)
    world.announce(HOLDER, granted(start, count=5000))
    world.live(1)
    assert [code for code, *_ in world.found()] == ["over_quota"]
    world.tells(HOLDER, 61)
    assert [code for code, *_ in world.found()] == ["over_quota"]  # from now on it counts


def test_an_auditor_names_who_grants_in_anothers_name(world):
    world.say("KH.holder", granted(world.region.clock.now()))
    world.tells(HOLDER, 60)
    assert sorted(code for code, *_ in world.found()) == ["not_its_own", "over_quota"]


def test_an_allowance_that_is_said_again_in_a_new_stream_epoch_counts_once(world):
    world.announce(HOLDER, granted(world.region.clock.now(), count=50))
    world.live(1)
    seat = world.seats[HOLDER]
    with seat.database.transaction() as tx:
        seat.post.open_epoch(tx, world.region.topic(f"keys.{HOLDER}"))
    world.settle()
    world.tells(HOLDER, 61)
    assert "over_quota" in [code for code, *_ in world.found()]
