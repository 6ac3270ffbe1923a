"""What `keys.*` said, taken to heart as every party takes it: sealing keys, shares and their refreshes, totals,
allowances.

The rules are those of `events.directory`, in a directory of the audit's own that lives in memory: what a party refuses
to learn is a finding here, under the same code. Announcements are learned in the order of their writers' chains, and
between writers by the time of sealing.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import merge
from itertools import groupby
from uuid import UUID

from events.charter import Charter, Topic, own_holders
from events.database import Transaction, open_database
from events.directory import Directory
from events.endings import Ended
from events.errors import Refused
from events.generations import Offer, fits
from events.messages import (
    AcceptedTotal,
    AgreementDropped,
    AgreementEnded,
    AllowanceGranted,
    EvaluatedTotal,
    Item,
    SealingKeyIntroduced,
    ShareIntroduced,
)
from services.auditor.findings import Findings

Total = EvaluatedTotal | AcceptedTotal


@dataclass(frozen=True, slots=True)
class Said:
    """The items of one envelope on a topic of keys."""

    topic: Topic
    epoch: int
    seq: int
    at: datetime
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """One total as it was told, and where."""

    topic: Topic
    epoch: int
    seq: int
    at: datetime
    total: Total

    @property
    def count(self) -> int:
        return self.total.count

    @property
    def most_in_a_day(self) -> int:
        """0 for the matcher, which tells no such thing."""
        return self.total.most_in_a_day if isinstance(self.total, EvaluatedTotal) else 0

    @property
    def rotated(self) -> int:
        """As `most_in_a_day`."""
        return self.total.rotated if isinstance(self.total, EvaluatedTotal) else 0


@dataclass(frozen=True, slots=True)
class Introduced:
    """A share whose proof of knowledge holds, and where it was introduced."""

    said: Said
    share: ShareIntroduced


@dataclass(frozen=True, slots=True)
class Granted:
    """An allowance, and when it was announced: before that it excuses nothing, whatever it says."""

    at: datetime
    granted: AllowanceGranted

    def has_begun(self, at: datetime) -> bool:
        return max(self.at, self.granted.valid_from) <= at


@dataclass(slots=True)
class Announcements:
    """What everybody may rely on."""

    sealing: dict[str, dict[str, SealingKeyIntroduced]] = field(default_factory=lambda: defaultdict(dict))
    """Party -> key id -> key."""
    shares: dict[tuple[str, int, int, str], Introduced] = field(default_factory=dict)
    """(pair, epoch, generation, holder) -> share."""
    offers: dict[tuple[str, int], dict[int, dict[str, Offer]]] = field(default_factory=dict)
    """(pair, epoch) -> generation -> holder -> what it offered to the refresh that makes this generation."""
    in_force: dict[str, int] = field(default_factory=dict)
    """Pair -> the epoch that its tokens are made in."""
    active: dict[tuple[str, int], int | None] = field(default_factory=dict)
    """(pair, epoch) -> the generation that tokens are made under; None: a share is missing."""
    totals: list[Told] = field(default_factory=list)
    """In the order of each writer's chain, also those that repeat."""
    ended: dict[str, Ended] = field(default_factory=dict)
    """Pair -> how its agreement ended."""
    drops: list[AgreementDropped] = field(default_factory=list)
    allowances: dict[UUID, Granted] = field(default_factory=dict)
    """By id, as they were first announced."""

    def can_seal_to(self, party: str | None, since: datetime, until: datetime) -> bool:
        """Whether one of the party's keys may be sealed to from the one time to the other. None: all read, unsealed."""
        if party is None:
            return True
        return any(k.valid_from <= since and until <= k.valid_until for k in self.sealing.get(party, {}).values())


def learn(charter: Charter, digest: bytes, chains: Sequence[Sequence[Said]], findings: Findings) -> Announcements:
    """Take what was said to heart.

    chains  what each writer said, in the order of its chain
    """
    said_by_all = merge(*chains, key=lambda said: said.at)
    learned = Announcements()
    with closing(open_database("sqlite:///:memory:")) as database:
        directory = Directory(database, charter, digest)
        directory.create()
        with database.transaction() as tx:
            for said in said_by_all:
                _learn(tx, directory, _of_standing_pairs(charter, said), learned, findings)
            learned.ended = directory.ended(tx)
            for pair, epoch in {(pair, epoch) for pair, epoch, *_ in learned.shares}:
                learned.offers[pair, epoch] = directory.offers(tx, pair, epoch)
                learned.active[pair, epoch] = directory.active_generation(pair, epoch, tx)
            in_force = {pair: directory.epoch(pair, tx) for pair in charter.pairs}
            learned.in_force = {pair: epoch.number for pair, epoch in in_force.items() if epoch}
    return learned


def _of_standing_pairs(charter: Charter, said: Said) -> Said:
    """Without what was said of pairs that the charter has ended, but that they have: parties hold nothing against it,
    and count it no more.
    """
    kept = tuple(
        item
        for item in said.items
        if isinstance(item, AgreementEnded | AgreementDropped)
        or getattr(item, "pair", None) not in charter.ended_pairs
    )
    return replace(said, items=kept)


def _learn(tx: Transaction, directory: Directory, said: Said, learned: Announcements, findings: Findings) -> None:
    for item in said.items:
        try:
            directory.learn(tx, said.topic.writer, item)
        except Refused as refused:
            findings.add_refusal(refused.code, refused.sentence, said.topic, epoch=said.epoch, seq=said.seq)
            continue
        _note(said, item, learned)


def _note(said: Said, item: Item, learned: Announcements) -> None:
    match item:
        case SealingKeyIntroduced():
            learned.sealing[said.topic.writer].setdefault(item.key_id, item)
        case ShareIntroduced():
            learned.shares.setdefault((item.pair, item.epoch, item.generation, item.holder), Introduced(said, item))
        case EvaluatedTotal() | AcceptedTotal():
            learned.totals.append(Told(said.topic, said.epoch, said.seq, said.at, item))
        case AgreementDropped():
            learned.drops.append(item)
        case AllowanceGranted():
            learned.allowances.setdefault(item.id, Granted(said.at, item))


def check_shares(charter: Charter, learned: Announcements, findings: Findings) -> None:
    """Every pair has an epoch in force, and its key stays the same while shares are refreshed."""
    topics = {topic.writer: topic for topic in charter.topics if topic.family == "keys"}
    for pair in (pair for pair in charter.pairs if pair not in learned.ended):
        if pair in learned.in_force:
            continue
        standing = _generations(learned, pair, charter.matching_epoch)
        newest = max(standing, default=0)
        outside = set(standing.get(0, ())) - set(own_holders(pair))  # of one generation alone
        for holder in sorted(set(charter.holders_of(pair)) - set(standing.get(newest, ())) - outside):
            findings.add(
                "share_missing", topics[holder], about=pair,
                holder=holder, pair=pair, key_epoch=charter.matching_epoch, generation=newest,
            )  # fmt: skip
    for pair, epoch in sorted(learned.offers):
        _check_refreshed(learned, pair, epoch, findings)


def _generations(learned: Announcements, pair: str, epoch: int) -> dict[int, dict[str, Introduced]]:
    """Generation -> holder -> share, oldest first."""
    found = sorted((key[2], key[3], share) for key, share in learned.shares.items() if key[:2] == (pair, epoch))
    return {
        generation: {holder: share for _, holder, share in of_it}
        for generation, of_it in groupby(found, key=lambda entry: entry[0])
    }


def _check_refreshed(learned: Announcements, pair: str, epoch: int, findings: Findings) -> None:
    """A refresh moves each share by what both holders offered, so that their sum stays as it was."""
    of_key, offers = _generations(learned, pair, epoch), learned.offers[pair, epoch]
    public = {g: {h: bytes.fromhex(one.share.public) for h, one in of_it.items()} for g, of_it in of_key.items()}
    for generation, introduced in of_key.items():
        for holder, one in introduced.items():
            # None where the other's offer is not known: read later, perhaps. Then nobody uses the share.
            if generation and fits(public, offers.get(generation, {}), generation, holder) is False:
                findings.add(
                    "key_changed", one.said.topic, epoch=one.said.epoch, seq=one.said.seq, about=pair,
                    generation=generation, pair=pair, key_epoch=epoch, holder=holder,
                )  # fmt: skip
