"""A carrier at its worst and a thief of a signing key, against a whole region at work: it counts, names, and goes on."""

import random

import pytest
from attackers import forged, last_of, log_of, next_header
from regions import LiveRegion, person, regions_in
from structlog.testing import capture_logs

from events.envelope import unpack
from events.messages import Body, GrantChanged, Revocation
from events.post import PostStatus

PEOPLE = [
    person(f"R{i}", prs_IdentityNumber=f"K729041{i}", prs_FirstName=name) for i, name in enumerate(("Nok", "Lek", "Dao"))
]


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    with regions_in(tmp_path_factory.mktemp("streams")) as make:
        yield make("KH", "LA", "TH")


@pytest.fixture
def region(founded, tmp_path):
    with founded.copied(tmp_path / "region") as copy:
        yield copy


def the_job(region: LiveRegion, between=lambda: None, ticks: int = 6) -> dict[str, list]:
    """KH and TH publish the same people; `between` happens before every tick and after it."""
    region.publish("KH", *PEOPLE)
    region.publish("TH", *PEOPLE)
    for _ in range(ticks):
        between()
        region.tick()
    between()
    region.tick(2)
    return {cc: region.matches(cc) for cc in ("KH", "LA", "TH")}


@pytest.fixture(scope="module")
def undisturbed(founded, tmp_path_factory) -> dict[str, list]:
    region = founded.copied(tmp_path_factory.mktemp("undisturbed") / "region")
    outcome = the_job(region)
    region.close()
    assert {cc: [(r, o, s) for r, o, s, _ in rows] for cc, rows in outcome.items()} == {
        "KH": [(f"R{i}", "TH", "BOTH_TOLD") for i in range(3)],
        "LA": [],
        "TH": [(f"R{i}", "KH", "BOTH_TOLD") for i in range(3)],
    }
    return outcome


def posts(region: LiveRegion) -> list[PostStatus]:
    statuses = [party.status() for party in region.parties.values()]
    return [getattr(status, "post", status) for status in statuses]


def refusals(region: LiveRegion) -> dict[str, int]:
    """Over all parties, how often each reason was counted."""
    out: dict[str, int] = {}
    for post in posts(region):
        for reason, count in post.refused.items():
            out[reason] = out.get(reason, 0) + count
    return out


def every_topic(region: LiveRegion) -> list[str]:
    return [t.name for t in region.charter.topics]


# ---- the carrier


def garbage(region: LiveRegion, dice: random.Random) -> None:
    """Bytes that are no envelope, on every topic."""
    for topic in every_topic(region):
        log_of(region, topic).append(dice.randbytes(dice.choice([0, 1, 71, 72, 500])))


def cut(region: LiveRegion, dice: random.Random) -> None:
    """The last envelope of every topic once more, cut short or with something added."""
    for topic in every_topic(region):
        if log := log_of(region, topic):
            log.append(log[-1][: dice.randrange(len(log[-1]))])
            log.append(log[-1] + b"\0")


def flipped(region: LiveRegion, dice: random.Random) -> None:
    """The last envelopes of every topic once more, each with one bit flipped."""
    for topic in every_topic(region):
        for wire in list(log_of(region, topic)[-3:]):
            altered = bytearray(wire)
            bit = dice.randrange(8 * len(wire))
            altered[bit // 8] ^= 1 << bit % 8
            log_of(region, topic).append(bytes(altered))


def replayed(region: LiveRegion, dice: random.Random) -> None:
    """Everything once more, in another order."""
    for topic in every_topic(region):
        log = log_of(region, topic)
        log.extend(dice.sample(log, len(log)))


def moved(region: LiveRegion, dice: random.Random) -> None:
    """Each topic's last envelope on another topic."""
    topics = every_topic(region)
    for topic in topics:
        if log := log_of(region, topic):
            log_of(region, dice.choice([t for t in topics if t != topic])).append(log[-1])


def foreign(region: LiveRegion, _dice: random.Random) -> None:
    """What would be next on every stream, signed by another party of the region."""
    for topic in region.charter.topics:
        if log_of(region, topic.name):
            last = last_of(region, topic.name)
            signer = "LA" if topic.writer != "LA" else "KH"
            log_of(region, topic.name).append(forged(region, last, signer, **next_header(last)))
            name = region.charter.party(topic.writer).signing[0].id
            log_of(region, topic.name).append(forged(region, last, signer, **next_header(last) | {"key_id": name}))


ATTACKS = {
    garbage: {"malformed"},
    cut: {"malformed"},
    flipped: {"malformed", "bad_signature"},
    replayed: set(),
    moved: {"misplaced"},
    foreign: {"unknown_key", "bad_signature"},
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.__name__)
def test_whatever_the_carrier_adds_is_counted_and_named_and_never_applied(region, undisturbed, attack):
    dice = random.Random(7)
    with capture_logs() as logs:
        outcome = the_job(region, lambda: attack(region, dice))
    assert outcome == undisturbed
    counted = refusals(region)
    assert ATTACKS[attack] <= set(counted)
    assert not set(counted) & {"fork", "frozen", "wrong_body", "seal_broken"}
    named = [line for line in logs if line["event"] in {"post.refused", "post.set_aside"}]
    assert len(named) == sum(counted.values()) + sum(post.dropped for post in posts(region)) > 0
    assert all(line["writer"] and line["topic"] and "seq" in line for line in named)
    assert not any(party.status().frozen for party in (*region.holders.values(), region.matcher))


class Swallowing:
    """A carrier that says yes and loses every third record, until it is mended."""

    def __init__(self, inner, mended: list[bool]) -> None:
        self._inner, self._mended, self._count = inner, mended, 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def append(self, records) -> None:
        kept = [record for i, record in enumerate(records, self._count) if i % 3 or self._mended]
        self._count += len(records)
        self._inner.append(kept)


def test_whatever_the_carrier_swallows_is_sent_again_once_a_tick_until_it_has_come(region, undisturbed):
    mended: list[bool] = []
    region.wrap = lambda _party, database, stream: (database, Swallowing(stream, mended))
    for party in list(region.parties):
        region.kill(party)
        region.start(party)
    region.publish("KH", *PEOPLE)
    region.publish("TH", *PEOPLE)
    region.tick(10)  # it comes to rest in each of them: what is lost again and again is not asked for in a circle
    mended.append(True)
    region.tick(8)
    assert {cc: region.matches(cc) for cc in ("KH", "LA", "TH")} == undisturbed
    assert all(not party.status().post.gaps for party in region.nodes.values())


def test_two_who_miss_something_of_each_other_at_once_hear_what_the_other_wants(region, undisturbed):
    """What they want travels in the very streams that have a gap."""
    region.clock.advance(60)
    for party in region.parties.values():
        party._post.tick()
        party._post.send()
    for topic in ("linkage.TH", "notices.TH", "evaluate.KH.KH", "evaluated.KH.KH"):
        log_of(region, topic).pop()  # before anybody has read it
    assert the_job(region) == undisturbed
    assert region.matcher.status().gaps == region.nodes["TH"].status().post.gaps == ()


# ---- the thief of a signing key


def fork(region: LiveRegion, topic: str, body: Body | None = None) -> int:
    """Sign another envelope under the number of the last, as its writer's thief can. Returns the number."""
    last = last_of(region, topic)
    writer = last.header.writer
    log_of(region, topic).append(forged(region, last, writer, body=body or Body()))
    return last.header.seq


def test_a_fork_freezes_that_stream_alone_is_kept_as_evidence_and_named(region, undisturbed):
    """LA's key is stolen and two stories told under one number: KH and TH go on."""
    seq = fork(region, "linkage.LA")
    with capture_logs() as logs:
        assert the_job(region) == undisturbed
    status = region.matcher.status()
    assert status.frozen == ("linkage.LA/0",)
    assert status.forks == (("linkage.LA", 0, 1, seq),)
    forked = [line for line in logs if line["event"] == "post.refused" and line["reason"] == "fork"]
    assert [(line["writer"], line["topic"], line["seq"]) for line in forked] == [("LA", "linkage.LA", seq)]
    with region.databases["matcher"].reading() as tx:
        ((evidence,),) = tx.execute("SELECT envelope FROM inbox_forks")
    assert unpack(bytes(evidence)).header.writer == "LA"


def test_of_a_forked_stream_nothing_more_is_applied_until_its_writer_begins_it_anew(region):
    region.publish("LA", *PEOPLE)
    region.publish("KH", *PEOPLE)
    region.settle()
    fork(region, "linkage.LA")
    region.tick(5)
    assert region.matches("KH") == region.matches("LA") == []
    with region.databases["LA"].transaction() as tx:
        region.nodes["LA"]._post._outbox.begin_epoch(tx, next(t for t in region.charter.topics if t.name == "linkage.LA"))
    region.tick(6)
    assert [(r, o, s) for r, o, s, _ in region.matches("KH")] == [(f"R{i}", "LA", "BOTH_TOLD") for i in range(3)]
    assert region.matcher.status().forks != ()  # remembered


@pytest.mark.parametrize("topic", ["notices.KH", "evaluated.TH.KH", "evaluate.KH.TH", "keys.LA"])
def test_a_fork_of_any_stream_stops_no_process(region, topic):
    region.publish("LA", *PEOPLE)
    region.publish("TH", *PEOPLE)
    fork(region, topic, Body() if topic.startswith("keys") else None)
    region.tick(6)
    assert [(r, o, s) for r, o, s, _ in region.matches("TH")] == [(f"R{i}", "LA", "BOTH_TOLD") for i in range(3)]


def test_what_was_forked_is_never_applied(region):
    """The second story would revoke a row, or set it to `tell`."""
    region.publish("TH", PEOPLE[0], grant="hold")
    region.tick(3)
    (handle,) = [linkage.handle for linkage in region.file("TH", "R0").person.live if linkage.country == "KH"]
    until = region.file("TH", "R0").person.live[0].grant_until
    fork(region, "linkage.TH", Body(items=(
        Revocation(handle=handle), GrantChanged(handle=handle, grant="tell", grant_until=until)
    )))
    region.settle()
    with region.databases["matcher"].reading() as tx:
        assert tx.execute("SELECT state, granted FROM handles WHERE handle = ?", (handle,)) == [("live", "hold")]
