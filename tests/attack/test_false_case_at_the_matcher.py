"""An official of KH files a false case, older than the true one, on a woman whom TH protects under `hold`, and waits.

Run with and without the true case, everything that the matcher sends to KH is equal in kind, number and size.
"""

import hashlib
from datetime import timedelta

import pytest
from posts import Posts

from events.database import open_database
from events.envelope import unpack
from events.messages import GrantChanged, Submission
from events.post import Fill
from services.matcher.matcher import Matcher

SHE, ANOTHER = b"the woman he looks for", b"somebody else"


class Node:
    """A country as the matcher sees it: it submits and grants at ticks, and keeps what it is told."""

    def __init__(self, region, me: str) -> None:
        self.me, self.region, self.notices, self.said = me, region, [], []
        self.post = region.seat(me, database=open_database("sqlite:///:memory:")).post

    def files(self, who: bytes, grant: str) -> None:
        until = self.region.clock.now() + timedelta(days=90)
        self.said.append(
            Submission(
                handle=hashlib.sha256(who + self.me.encode()).hexdigest()[:32], pair="KH-TH", epoch=1, schema_version=1,
                indices=hashlib.sha256(who).digest() * 2, grant=grant, grant_until=until,
            )
        )

    def grants(self, who: bytes, grant: str) -> None:
        until = self.region.clock.now() + timedelta(days=90)
        handle = hashlib.sha256(who + self.me.encode()).hexdigest()[:32]
        self.said.append(GrantChanged(handle=handle, grant=grant, grant_until=until))

    def step(self) -> bool:
        done = self.post.receive({"notices": lambda _tx, _header, body: self.notices.extend(body.items)})
        done += self.post.tick(self._fill)
        return bool(done + self.post.send())

    def _fill(self, _tx, topic, _partition, _tick):
        items, self.said = (self.said, []) if topic.family == "linkage" else ([], self.said)
        return Fill(items)


def what_kh_gets(folder, true_case: bytes | None, false_grant: str) -> tuple:
    folder.mkdir()
    region = Posts(folder, totals_seconds=600)
    matcher = Matcher(
        "matcher", charter=region.charter, digest=region.digest, ring=region.ring("matcher"),
        database=open_database("sqlite:///:memory:"), stream=region.stream, clock=region.clock,
    )
    matcher.open()
    kh, th = Node(region, "KH"), Node(region, "TH")

    def ticks(n: int) -> None:
        for _ in range(n):
            region.clock.advance(60)
            while any([party.step() for party in (kh, th, matcher)]):  # noqa: C419  all of them
                pass

    ticks(2)
    kh.files(SHE, false_grant)
    th.files(b"some other woman", "tell")
    ticks(3)
    if true_case:
        th.files(true_case, "hold")
    ticks(5)
    kh.grants(SHE, "tell")
    ticks(15)
    envelopes = {
        t.name: [_form(d.value, sealed=t.reader is not None) for d in region.stream.read({(t.name, 0): 0}, 10_000)]
        for t in region.charter.written_by("matcher")
        if t.reader in {"KH", None}
    }
    return kh.notices, envelopes


def _form(wire: bytes, *, sealed: bool) -> tuple:
    header = unpack(wire).header
    return header.kind, header.seq, header.sealed_at, len(unpack(wire).box) if sealed else None


@pytest.mark.parametrize("false_grant", ["tell", "hold"])
def test_whether_she_is_there_changes_nothing_that_he_gets(tmp_path, false_grant):
    there = what_kh_gets(tmp_path / "there", SHE, false_grant)
    other = what_kh_gets(tmp_path / "other", ANOTHER, false_grant)
    nobody = what_kh_gets(tmp_path / "nobody", None, false_grant)
    assert there == other == nobody
    assert there[0] == []
