"""One stream as it was carried: which numbers are there, whether each names the one before, what is missing. Pure.

Readers judge envelope by envelope and stop at the first that does not fit (events.chain). Here everything that is there
is looked at, also beyond a gap. Only authentic envelopes come here; of each is kept what the chain needs, some 300
bytes, nothing of its body. Work and memory grow with what was written, not with the numbers it bears: a writer that
signs number 2^52 costs no more than one that signs number 5.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from events.charter import Topic
from events.envelope import NO_HASH, Envelope
from services.auditor.findings import Findings

_RANGES_NAMED = 8


@dataclass(frozen=True, slots=True)
class Link:
    """What is kept of one envelope."""

    hash: bytes
    prev: bytes
    sealed_at: datetime


@dataclass(slots=True)
class SealedTo:
    """The use of one sealing key in one stream: the first number, the earliest and the latest time."""

    seq: int
    earliest: datetime
    latest: datetime


@dataclass(slots=True)
class Chain:
    """A stream epoch of one topic and partition.

    links     number -> the different envelopes that bear it, as they came; more than one is a fork
    arrivals  the numbers in the carrier's order, with resends
    claimed   numbers that records claim which are not the writer's word; each is a finding already
    is_cut    the carrier's retention has dropped what came before: the chain is checked from what there is
    """

    topic: Topic
    partition: int
    epoch: int
    is_cut: bool = False
    links: dict[int, list[Link]] = field(default_factory=dict)
    arrivals: list[int] = field(default_factory=list)
    claimed: set[int] = field(default_factory=set)
    sealed_to: dict[str, SealedTo] = field(default_factory=dict)

    def take(self, envelope: Envelope, digest: bytes) -> bool:
        """Note an authentic envelope of this stream. Returns whether it is a new one: a resend is not."""
        header = envelope.header
        self.arrivals.append(header.seq)
        known = self.links.setdefault(header.seq, [])
        if any(link.hash == digest for link in known):
            return False
        known.append(Link(digest, bytes.fromhex(header.prev), header.sealed_at))
        if header.sealing_key is not None:
            at = header.sealed_at
            use = self.sealed_to.setdefault(header.sealing_key, SealedTo(header.seq, at, at))
            use.earliest, use.latest = min(use.earliest, at), max(use.latest, at)
        return True

    def has_another(self, number: int, digest: bytes) -> bool:
        """Whether this number stands here, and under other hashes only."""
        links = self.links.get(number, [])
        return bool(links) and all(link.hash != digest for link in links)

    @property
    def first(self) -> int:
        return min(self.links)

    @property
    def last(self) -> int:
        return max(self.links)

    @property
    def resent(self) -> int:
        """How many records repeated an envelope byte for byte."""
        return len(self.arrivals) - sum(map(len, self.links.values()))

    @property
    def forks(self) -> list[int]:
        return sorted(number for number, links in self.links.items() if len(links) > 1)

    @property
    def missing(self) -> list[tuple[int, int]]:
        """The ranges, both ends included, of which nothing is there at all, up to the last number."""
        begin, last = (self.first if self.is_cut else 0), self.last
        there = sorted({*self.links, *(number for number in self.claimed if begin <= number < last)})
        return [(a + 1, b - 1) for a, b in pairwise([begin - 1, *there]) if b - a > 1]

    @property
    def unread(self) -> tuple[int, int] | None:
        """The range that a reader cannot come to: its first number came only before one that it needs first.

        What is missing is passed over here; it is named by itself.
        """
        order, reached = sorted(self.links), 0
        for number in self.arrivals:
            if reached < len(order) and number == order[reached]:
                reached += 1
        return (order[reached], order[-1]) if reached < len(order) else None

    @property
    def unlinked(self) -> list[int]:
        """The numbers of which no envelope names the one before, where the one before is there."""
        return sorted(
            number
            for number, links in self.links.items()
            if (before := self._hashes(number - 1)) and not any(link.prev in before for link in links)
        )

    @property
    def backward(self) -> list[int]:
        """The numbers that say they were sealed before the number before them."""
        order = sorted(self.links)
        return [b for a, b in pairwise(order) if self.links[b][0].sealed_at < self.links[a][0].sealed_at]

    @property
    def is_whole(self) -> bool:
        """Contiguous, linked, one envelope a number, in an order that readers can follow."""
        lost = any(number < self.last and number not in self.links for number in self.claimed)
        return not (lost or self.missing or self.forks or self.unlinked or self.unread)

    def _hashes(self, number: int) -> set[bytes]:
        return {NO_HASH} if number < 0 else {link.hash for link in self.links.get(number, ())}


def check(chain: Chain, findings: Findings) -> None:
    """Say what is amiss with a chain that has at least one envelope."""
    topic, partition, epoch = chain.topic, chain.partition, chain.epoch
    if chain.missing:
        first = chain.missing[0][0]
        findings.add("gap", topic, partition, epoch=epoch, seq=first, numbers=named(chain.missing))
    if chain.unread:
        stuck, first = named([chain.unread]), chain.unread[0]
        findings.add("out_of_order", topic, partition, epoch=epoch, seq=first, numbers=stuck)
    for code, numbers in (
        ("fork", chain.forks),
        ("broken_chain", chain.unlinked),
        ("backdated", chain.backward),
    ):
        for number in numbers:
            findings.add(code, topic, partition, epoch=epoch, seq=number)


def named(ranges: Iterable[tuple[int, int]]) -> str:
    """`3, 7-9`: the first few ranges, and how many more there are."""
    said = [str(a) if a == b else f"{a}-{b}" for a, b in ranges]
    more = len(said) - _RANGES_NAMED
    return ", ".join(said[:_RANGES_NAMED]) + (f" and {more} more ranges" if more > 0 else "")
