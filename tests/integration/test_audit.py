"""The audit of real services: a whole region with all its parties, and one on Apache Kafka."""

import json
import time
from contextlib import closing
from uuid import uuid4

import pytest
from regions import LiveRegion, person

from events.clock import SystemClock
from events.kafka import KafkaStream
from services.auditor import command


@pytest.fixture
def matched(tmp_path):
    """Three countries that have published and matched one person."""
    region = LiveRegion(tmp_path / "region", ("KH", "LA", "TH"))
    region.settle()
    for country in region.nodes:
        region.import_rows(country, [person(f"{country}-1"), person(f"{country}-2", prs_IdentityNumber=f"{country}01")])
        region.approve(country)
    region.tick(8)
    assert all(region.matches(country) for country in region.nodes)
    yield region
    region.close()


def report_of(region: LiveRegion):
    return command.audit_of(region.stream, region.charter, region.digest, region.clock)


def test_a_region_that_does_its_work_has_no_finding(matched):
    report = report_of(matched)
    assert report.findings == ()
    assert {row.country: (row.verdict, row.accepted) for row in report.totals if row.pair == "KH-LA"} == {
        "KH": ("holds", 10), "LA": ("holds", 10),
    }  # fmt: skip
    assert len(report.shares) == 2 * len(matched.charter.pairs)


def test_parties_that_are_killed_and_come_back_have_no_finding(matched):
    for party in ("KH", "TH.holder", "matcher"):
        matched.kill(party)
        matched.tick(1)
        matched.start(party)
        matched.tick(2)
    assert report_of(matched).findings == ()


@pytest.mark.kafka
def test_the_audit_reads_all_of_a_region_on_apache_kafka(tmp_path, kafka_bootstrap, capsys):
    name = f"a{uuid4().hex[:12]}"
    with closing(KafkaStream(kafka_bootstrap, f"{name}.")) as stream:
        region = LiveRegion(
            tmp_path / "region", ("KH", "TH"), stream=stream, region=name, tick_seconds=3600.0, linkage_partitions=2
        )
        region.clock.advance((SystemClock().now() - region.clock.now()).total_seconds())
        deadline = time.monotonic() + 60
        while not _all_written(region) and time.monotonic() < deadline:
            for party in region.parties.values():
                party.step()
        assert command.audit_streams(region.region.charter_file, kafka_bootstrap, as_json=True)
        report = json.loads(capsys.readouterr().out)
        region.close()
    streams = [row for writer in report["writers"] for row in writer["streams"]]
    assert len(streams) == sum(topic.partitions for topic in region.charter.topics)
    assert all(row["envelopes"] for row in streams)


def _all_written(region: LiveRegion) -> bool:
    places = [(t.name, p) for t in region.charter.topics for p in range(t.partitions)]
    return all(region.stream.end(*place) > 0 for place in places)
