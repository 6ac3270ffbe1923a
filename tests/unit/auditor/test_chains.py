"""One stream's numbers, links and order, without keys or a carrier."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.charter import Topic
from events.envelope import NO_HASH, Envelope, Header
from services.auditor.chains import Chain, check, named
from services.auditor.findings import Findings

TOPIC = Topic(name="linkage.KH", family="linkage", writer="KH", reader="matcher", partitions=1)
START = datetime(2026, 3, 1, tzinfo=UTC)


def written(count: int) -> list[Envelope]:
    """A whole stream, as its writer made it."""
    out: list[Envelope] = []
    for seq in range(count):
        prev = out[-1].hash if out else NO_HASH
        header = Header(
            writer="KH", key_id="KH-1", epoch=1, topic="linkage.KH", partition=0, seq=seq, prev=prev.hex(),
            charter_version=1, recipient="matcher", sealing_key="k", kind="linkage", event_id=UUID(int=seq),
            sealed_at=START + timedelta(seconds=seq),
        )
        out.append(Envelope(header, header.model_dump_json().encode(), b"", b""))
    return out


def chain_of(envelopes, **of) -> Chain:
    chain = Chain(TOPIC, 0, 1, **of)
    for envelope in envelopes:
        chain.take(envelope, envelope.hash)
    return chain


def codes(chain) -> set[str]:
    findings = Findings()
    check(chain, findings)
    return {finding.code for finding in findings.listed()}


STREAM = written(8)


@given(st.lists(st.integers(0, 7)))
def test_a_stream_is_whole_if_and_only_if_a_reader_could_take_all_that_is_there(numbers):
    if not numbers:
        return
    chain = chain_of([STREAM[n] for n in numbers])
    head = -1
    for number in numbers:
        head += number == head + 1
    assert chain.is_whole == (head == max(numbers))
    assert codes(chain) <= {"gap", "out_of_order"}
    assert bool(codes(chain)) != chain.is_whole


@given(st.sets(st.integers(0, 7), min_size=1))
def test_what_is_missing_is_what_is_not_there(numbers):
    chain = chain_of([STREAM[n] for n in sorted(numbers)])
    missing = {n for a, b in chain.missing for n in range(a, b + 1)}
    assert missing == set(range(max(numbers))) - numbers


def test_a_chain_whose_start_is_beyond_retention_is_checked_from_what_there_is():
    assert chain_of(STREAM[3:], is_cut=True).is_whole
    assert codes(chain_of([STREAM[3], *STREAM[5:]], is_cut=True)) == {"gap"}
    assert codes(chain_of(STREAM[3:])) == {"gap"}


def test_a_resend_that_retention_cut_in_two_does_not_matter():
    assert chain_of([*STREAM[5:], *STREAM[3:]], is_cut=True).is_whole


def test_a_number_that_only_a_forgery_claims_is_no_second_finding_but_no_whole_chain():
    chain = chain_of([*STREAM[:3], *STREAM[4:]], claimed={3})
    assert codes(chain) == set()
    assert not chain.is_whole
    assert chain_of(STREAM, claimed={3, 99}).is_whole


def test_resends_are_counted_apart():
    chain = chain_of([*STREAM, *STREAM[2:5]])
    assert (chain.resent, len(chain.links), chain.first, chain.last) == (3, 8, 0, 7)


@pytest.mark.parametrize(("ranges", "said"), [
    ([(3, 3)], "3"), ([(3, 4), (9, 9)], "3-4, 9"),
    ([(n, n) for n in range(0, 40, 2)], "0, 2, 4, 6, 8, 10, 12, 14 and 12 more ranges"),
])  # fmt: skip
def test_ranges_are_named_briefly(ranges, said):
    assert named(ranges) == said
