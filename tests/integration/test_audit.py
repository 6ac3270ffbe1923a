"""The audit of real services: a whole region with all its parties, and one on Apache Kafka."""

from contextlib import ExitStack, closing
from uuid import uuid4

import pytest
from posts import Posts
from regions import LiveRegion, person

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
def test_the_audit_reads_all_of_a_region_on_apache_kafka(tmp_path, kafka_bootstrap):
    name = f"a{uuid4().hex[:12]}"
    with ExitStack() as opened:
        streams = [opened.enter_context(closing(KafkaStream(kafka_bootstrap, f"{name}."))) for _ in range(6)]
        region = Posts(tmp_path, region=name, linkage_partitions=2)
        seats = [region.seat(p.id, stream=stream) for p, stream in zip(region.charter.parties, streams, strict=False)]
        for seat in seats:
            seat.post.send()
        for seat in seats:
            assert seat.post.receive({}, wait=10)
        for seat in seats:
            seat.post.tick()
            seat.post.send()
        report = command.audit_of(streams[-1], region.charter, region.digest, region.clock)
    rows = [row for writer in report.writers for row in writer.streams]
    assert [row.envelopes for row in rows if not row.topic.startswith("keys.")] == [1] * (len(rows) - 5)
    assert {(finding.code, finding.writer) for finding in report.findings} == {
        ("share_missing", "KH.holder"), ("share_missing", "TH.holder"),
    }  # fmt: skip
