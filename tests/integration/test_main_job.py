"""The main job, whole: three countries import files, sign, tokenise, submit, and are told of the people they share.

The same people and the same outcome on every footing: in memory, with several partitions, with cover, with country
stores on PostgreSQL, over Apache Kafka.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from regions import LiveRegion, person

from events.stream import Stream

COUNTRIES = ("KH", "LA", "TH")

FILES = {
    "KH": [
        person("k-doc", prs_FirstName="Somsack", prs_Birthdate="1991"),
        person("k-strong", prs_FirstName="Bounmy", prs_SecondName="Keola", prs_IdentityNumber="", prs_Birthdate="1988-07-19"),
        person("k-possible", prs_FirstName="Chan", prs_SecondName="Sokha", prs_IdentityNumber="", prs_Birthdate="1979-02-11"),
        person("k-three", prs_FirstName="Nok", prs_SecondName="Saelim", prs_IdentityNumber="TH5550123"),
        person("k-held", prs_FirstName="Ying", prs_SecondName="Moua", prs_IdentityNumber="H3141592"),
        person("k-refuses", prs_FirstName="Dao", prs_SecondName="Srisai", prs_IdentityNumber="D2718281", x_consent_C4="LA"),
        person("k-alone", prs_FirstName="Ratha", prs_SecondName="Prum", prs_IdentityNumber="P1618033"),
        person("k-near", prs_FirstName="Malee", prs_SecondName="Boon", prs_Birthdate="1990-05-05", prs_IdentityNumber="N4669201"),
    ],
    "LA": [
        person("l-strong", prs_FirstName="ບຸນມີ", prs_SecondName="ແກ້ວລາ", x_LatinFirstName="KEOLA", x_LatinSecondName="bounmy",
               prs_IdentityNumber="", prs_Birthdate="1988-07-19"),
        person("l-three", prs_FirstName="Nok", prs_SecondName="Sae Lim", prs_IdentityNumber="th 555-0123"),
        person("l-refuses", prs_FirstName="Dao", prs_SecondName="Srisai", prs_IdentityNumber="D2718281", x_consent_C4="refused"),
    ],
    "TH": [
        person("t-doc", prs_FirstName="Somsak", prs_SecondName="", prs_IdentityNumber="k-729 0415"),
        person("t-possible", prs_FirstName="SOKHA", prs_SecondName="Chan", prs_IdentityNumber="", prs_Birthdate="2522-02-11",
               prs_Gender="Male"),
        person("t-three", prs_FirstName="N.", prs_SecondName="", prs_IdentityNumber="TH5550123", prs_Birthdate=""),
        person("t-held", prs_FirstName="Ying", prs_SecondName="Moua", prs_IdentityNumber="H3141592"),
        person("t-refuses", prs_FirstName="Dao", prs_SecondName="Srisai", prs_IdentityNumber="D2718281"),
        person("t-near", prs_FirstName="Malee", prs_SecondName="Boon", prs_Birthdate="1990-05-06", prs_IdentityNumber="N4669202"),
        person("t-other-issuer", prs_FirstName="Lek", prs_SecondName="Chai", prs_IdentityNumber="P1618033", prs_Citizenship="TH"),
    ],
}
TOLD_TO_BOTH = {
    (("KH", "k-doc"), ("TH", "t-doc"), "document"),
    (("KH", "k-strong"), ("LA", "l-strong"), "strong"),
    (("KH", "k-possible"), ("TH", "t-possible"), "possible"),
    (("KH", "k-three"), ("LA", "l-three"), "document"),
    (("KH", "k-three"), ("TH", "t-three"), "document"),
    (("LA", "l-three"), ("TH", "t-three"), "document"),
}
TOLD_ALONE = {("TH", "t-held", "KH", "document")}
"""TH holds her: it hears of KH's record, which tells; KH hears nothing."""


def do_the_job(region: LiveRegion, ticks: int = 5) -> None:
    for country, rows in FILES.items():
        report = region.import_rows(country, rows)
        assert not report.rejects
        held = {"t-held"} if country == "TH" else set()
        desk, act = region.nodes[country].desk, region.act(country, "focal")
        desk.sign(act, [(w.id, "hold" if reference in held else "tell") for w, reference in desk.awaiting(act)])
    region.tick(ticks)


def outcome(region: LiveRegion) -> tuple[set, set]:
    """(pairs told to both, with their band; matches that one side alone was told)."""
    sides: dict[str, list] = {}
    alone = set()
    for country in COUNTRIES:
        for row in region.nodes[country].desk.matches(region.act(country, "focal")):
            if row.match.state == "BOTH_TOLD":
                sides.setdefault(row.match.match_ref, []).append((country, row.reference, row.match.band))
            else:
                alone.add((country, row.reference, row.match.other_country, row.match.band))
    assert all(len(two) == 2 and two[0][2] == two[1][2] for two in sides.values())
    return {((a[0], a[1]), (b[0], b[1]), a[2]) for a, b in sides.values()}, alone


def check(region: LiveRegion) -> None:
    assert outcome(region) == (TOLD_TO_BOTH, TOLD_ALONE)
    region.settle()  # the readings of this very check are in the stores' logs, too
    for country in COUNTRIES:
        status = region.nodes[country].status()
        assert (status.leaving, status.open_batches, status.waits_for) == (0, {}, {})
        assert (status.post.refused, status.post.gaps, status.post.forks) == ({}, (), ())


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Callable[..., LiveRegion]]:
    made: list[LiveRegion] = []

    def make(kind: type[LiveRegion] = LiveRegion, countries: tuple[str, ...] = COUNTRIES, **more: Any) -> LiveRegion:
        made.append(kind(tmp_path / f"r{uuid4().hex[:12]}", countries, **more))
        made[-1].settle()
        made[-1].tick()
        return made[-1]

    yield make
    for region in made:
        region.close()


# ---- in memory


@pytest.mark.parametrize("rules", [{}, {"linkage_partitions": 2}, {"batch_limit": 5}], ids=["plain", "partitions", "batches"])
def test_every_true_pair_is_told_to_both_and_nobody_else(found, rules):
    region = found(**rules)
    do_the_job(region)
    check(region)
    region.tick(3)  # and nothing more comes of it
    check(region)


def test_the_day_after_brings_late_people_corrections_and_farewells(found):
    region = found(linkage_partitions=2)
    do_the_job(region)
    region.sleep(hours=20)
    region.publish("LA", person("l-late", prs_FirstName="Somsak", prs_SecondName="", prs_Birthdate=""), c4={"KH"})
    region.nodes["TH"].desk.withdraw_consent(
        region.act("TH", "worker"), region.case_id("TH", "t-three"), purpose="C4", by="person"
    )
    region.tick(5)
    both, alone = outcome(region)
    gone = {pair for pair in TOLD_TO_BOTH if ("TH", "t-three") in pair}
    assert both == TOLD_TO_BOTH - gone | {(("KH", "k-doc"), ("LA", "l-late"), "document")}
    assert {(country, reference) for country, reference, _, _ in alone - TOLD_ALONE} == {
        ("TH", "t-three"), ("KH", "k-three"), ("LA", "l-three")
    }
    assert {r.match.state for r in region.nodes["LA"].desk.matches(region.act("LA", "focal"))} == {"BOTH_TOLD", "CLOSED"}


# ---- with cover

HIDDEN = ("evaluate", "evaluated", "linkage", "notices")
COVER = {"cover": True, "cover_evaluations": 10, "cover_submissions": 4}


def test_with_cover_the_job_comes_to_the_same(found):
    region = found(**COVER)
    do_the_job(region, ticks=10)
    check(region)


def test_with_cover_a_busy_day_looks_like_an_idle_one(found, tmp_path):
    """What Kafka shows of requests, answers, submissions and notices: as many, as large, at the same times."""
    founded = found(countries=("KH", "TH"), tick_seconds=3600.0, **COVER)
    seen = []
    for day in (idle_day, busy_day):
        region = founded.copied(tmp_path / day.__name__)
        day(region)
        seen.append({
            topic.name: [(e.header.partition, e.header.seq, e.header.sealed_at, len(e.wire)) for e in region.envelopes(topic.name)]
            for topic in region.charter.topics if topic.family in HIDDEN
        })
        region.close()
    idle, busy = seen
    assert busy == idle
    for topic, envelopes in idle.items():
        assert len(envelopes) >= 24, topic
        sizes = sorted({size for *_, size in envelopes[3:]})
        if not topic.startswith("evaluated"):  # those have answers, and ticks between them
            assert sizes[-1] - sizes[0] <= 2, topic  # numbers in the header grow by a digit


def idle_day(region: LiveRegion) -> None:
    region.tick(24)


def busy_day(region: LiveRegion) -> None:
    """People are published, matched, told, corrected, hidden and withdrawn."""
    rows = [
        person(f"R{i}", prs_IdentityNumber=f"K71{i}0{i}53", prs_FirstName=name)
        for i, name in enumerate(("Nok", "Lek", "Dao", "Kaew"))
    ]
    for country in ("KH", "TH"):
        region.publish(country, *rows)
    region.tick(12)
    assert len(region.matches("KH")) == len(region.matches("TH")) == 4
    desk, focal, worker = region.nodes["KH"].desk, region.act("KH", "focal"), region.act("KH", "worker")
    desk.withdraw_consent(worker, region.case_id("KH", "R0"), purpose="C4", by="person")
    desk.set_grant(focal, region.case_id("KH", "R1"), "TH", "hold", "doubt")
    desk.close_match(focal, desk.matches(focal)[0].match.match_ref, "referred")
    region.publish("TH", person("late", prs_IdentityNumber="L7654023"))
    region.tick(12)
    assert sum(state == "CLOSED" for *_, state, _ in region.matches("TH")) >= 1


# ---- PostgreSQL


@pytest.mark.postgres
def test_country_stores_on_postgresql_do_the_same_job_also_over_a_restart(found, postgres_dsn):
    region = found(store=lambda party: postgres_dsn if party in COUNTRIES else None)
    assert {region.databases[cc].dialect for cc in COUNTRIES} == {"postgres"}
    do_the_job(region, ticks=1)
    for country in COUNTRIES:
        region.kill(country)
        region.start(country)
    region.tick(4)
    check(region)
    region.sleep(days=91)  # grants end, matches lapse
    region.tick(2)
    assert {state for *_, state, _ in region.matches("KH")} == {"CLOSED"}


# ---- Apache Kafka


class Counted:
    """A party's own connection; the number of records of each partition is known to all, so that nobody need wait."""

    def __init__(self, inner: Stream, ends: dict[tuple[str, int], int]) -> None:
        self._inner, self._ends = inner, ends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def append(self, records: Any) -> None:
        self._inner.append(records)
        for topic, partition, _ in records:
            self._ends[topic, partition] = self._ends.get((topic, partition), 0) + 1


class OverKafka(LiveRegion):
    """The clock stands still until everything that was sent has been read."""

    def __init__(self, root: Path, countries: tuple[str, ...], bootstrap: str, **rules: Any) -> None:
        from events.kafka import KafkaStream

        self.ends: dict[tuple[str, int], int] = {}
        self.connections: list[KafkaStream] = []
        prefix = f"t{uuid4().hex[:12]}."

        def connect(_party: str) -> Counted:
            self.connections.append(KafkaStream(bootstrap, prefix))
            return Counted(self.connections[-1], self.ends)

        super().__init__(root, countries, stream=connect, **rules)

    def settle(self, rounds: int = 5000) -> None:
        for _ in range(rounds):
            done = [party.step() for party in self.parties.values()]
            if not any(done) and all(self._has_read_all(party) for party in self.parties.values()):
                return
        raise AssertionError("The region does not come to rest.")

    def _has_read_all(self, party: Any) -> bool:
        inbox = party._post._inbox
        positions = inbox.positions({t.family for t in inbox.topics.values()}, ())
        return all(at >= self.ends.get(place, 0) for place, at in positions.items())

    def close(self) -> None:
        super().close()
        for connection in self.connections:
            connection.close()


@pytest.mark.kafka
def test_the_same_job_over_apache_kafka(found, kafka_bootstrap):
    region = found(OverKafka, bootstrap=kafka_bootstrap, linkage_partitions=2)
    do_the_job(region, ticks=1)
    for party in ("KH", "TH.holder", "matcher"):
        region.kill(party)
        region.start(party)
    region.tick(4)
    check(region)
