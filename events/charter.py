"""The charter: what one version of the file that names the region says, and what may not be said in it.

Members with their offline roots, parties with their online signing keys, the pairs that agree to match, quotas,
ticks and sizes. Who must have signed it, and what may follow what, is in events.succession.
"""

import re
from datetime import datetime
from functools import cached_property
from typing import Final, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from events.errors import CharterInvalid
from events.model import Country, Hex32, PairName, PartyId, Value, countries_of, pair_of

MONTH: Final = 30 * 86400
"""Seconds."""
Family = Literal["keys", "cases", "linkage", "notices", "evaluate", "evaluated"]


class LastSigned(Value):
    """The last envelope of one stream that counts under a retired key."""

    topic: str
    partition: int = Field(ge=0)
    epoch: int = Field(ge=1)
    seq: int = Field(ge=0)


class SigningKey(Value):
    """A party's online Ed25519 key: what it signed from `valid_from` up to `valid_until` counts, for ever.

    last  None: the key is not retired. Else it is, for compromise: of each stream that is named, what stands up to
          there counts, and of any other nothing
    """

    id: str
    public: Hex32
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    last: tuple[LastSigned, ...] | None = None

    def counts_at(self, topic: str, partition: int, epoch: int, seq: int) -> bool:
        """Whether a signature of this key counts in this place of a stream."""
        return self.last is None or any(
            (named.topic, named.partition) == (topic, partition) and (epoch, seq) <= (named.epoch, named.seq)
            for named in self.last
        )


class Member(Value):
    """A country and its three offline root keys (Ed25519), of which two must sign."""

    country: Country
    name: str
    roots: tuple[Hex32, Hex32, Hex32]


class Party(Value):
    """A process that writes streams: a country node, a key holder, or the matcher."""

    id: PartyId
    kind: Literal["country", "keyholder", "matcher"]
    country: Country | None
    signing: tuple[SigningKey, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_each_key_once(self) -> Self:
        """A key that stood there again under another id, or beside itself, would not be retired."""
        for names in ([key.id for key in self.signing], [key.public for key in self.signing]):
            if len(set(names)) != len(names):
                raise ValueError(f"a signing key of {self.id} stands twice")
        return self


class Allowance(Value):
    """Evaluations that a holder grants a country beyond the daily quota, for a stated reason, in a span of time."""

    holder: PartyId
    country: Country
    pair: PairName
    count: int = Field(gt=0)
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    reason: str

    def stands_at(self, at: datetime) -> bool:
        return self.valid_from <= at < self.valid_until


class ThirdShare(Value):
    """An outside body's holder that has a third share of a pair's key: k = k_A + k_B + k_C."""

    pair: PairName
    holder: PartyId


class AgreedAgain(Value):
    """A pair that ended and agrees anew, under keys of this matching epoch and later ones alone."""

    pair: PairName
    epoch: int = Field(ge=2)


class Topic(Value):
    """One writer, one purpose. `reader` is None where everyone reads."""

    name: str
    family: Family
    writer: PartyId
    reader: PartyId | None
    partitions: int


class Draft(Value):
    """The fields of a charter, which need not be whole yet. Times are in seconds, sizes in bytes."""

    version: int = Field(ge=1)
    previous: Hex32 | None = None
    """SHA-256 of the exact bytes of the version before; None in the first."""
    region: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    issued: AwareDatetime
    """From then on this version counts, and the one before no more."""
    members: tuple[Member, ...] = ()
    parties: tuple[Party, ...] = ()
    pairs: tuple[PairName, ...] = ()
    ended_pairs: tuple[PairName, ...] = ()
    """Pairs that agreed once: what was said of them on `keys.*` counts no more, and is no offence."""
    agreed_again: tuple[AgreedAgain, ...] = ()
    """Pairs that ended once and agree again: what was said of their earlier epochs counts no more."""
    third_shares: tuple[ThirdShare, ...] = ()
    """Pairs whose key has a third share, with an outside body."""
    matching_epoch: int = Field(default=1, ge=1)
    """The first epoch of pairs' keys; later ones of each pair are begun on `keys.*`. In none below are tokens made."""
    schema_version: int = Field(default=1, ge=1)
    slots: tuple[str, ...] = Field(min_length=1, max_length=16)
    """The recipe of each slot of a submission, in order."""
    batch_limit: int = Field(default=320, ge=1, le=65536)
    """Most elements of one evaluation request."""
    quota_per_day: int = Field(default=320, ge=0)
    """Evaluations that a holder answers one country, for one pair, in one day."""
    allowances: tuple[Allowance, ...] = ()
    intake_per_day: int = Field(default=320, ge=0)
    """Slots that the matcher accepts from one country, for one pair, in one day, beyond allowances."""
    tick_seconds: float = Field(default=3600, gt=0)
    cover: bool = True
    cover_evaluations: int = Field(default=10, ge=1)
    """With cover: exactly so many elements a tick and pair."""
    cover_submissions: int = Field(default=4, ge=1)
    """With cover: room for so many linkage items a tick and partition."""
    notices_per_tick: int = Field(default=16, ge=1)
    linkage_partitions: int = Field(default=1, ge=1, le=64)
    grant_days: int = Field(default=90, ge=1)
    decide_days: int = Field(default=90, ge=2)
    outline_seconds: float = Field(default=86400, gt=0)
    """How often a country sends the outlines of its cases, for statistics."""
    totals_seconds: float = Field(default=MONTH, gt=0)
    """How often holders and the matcher publish their totals; with cover no more often than that."""
    analyst_batch_seconds: float = Field(default=604800, gt=0)
    """Analysts see a told match only when the span of this length in which it was told is over."""
    small_cell: int = Field(default=11, ge=1)
    refresh_days: int = Field(default=30, ge=1)
    """How old the shares of a pair's key get before they are refreshed."""
    refresh_overlap_days: int = Field(default=7, ge=1)
    """How long, at most, requests under the former generation are answered."""
    renew_days: int = Field(default=365, ge=1)
    """How old the shares of a pair's epoch get before a new one is begun."""
    renew_least_days: int = Field(default=30, ge=1)
    """How old they must be for a holder to follow the other into a new one by itself."""
    renew_overlap_days: int = Field(default=90, ge=1)
    """How long, at most, rows of a former epoch stand at the matcher."""
    sealing_days: int = Field(default=7, ge=1)
    sealing_acceptance_days: int = Field(default=14, ge=1)


class Charter(Draft):
    """The region's rules, whole."""

    members: tuple[Member, ...] = Field(min_length=2)
    parties: tuple[Party, ...]
    pairs: tuple[PairName, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        countries = {m.country for m in self.members}
        if len(countries) != len(self.members):
            raise ValueError("a country is a member twice")
        ids = [p.id for p in self.parties]
        expected = {*countries, *(f"{c}.holder" for c in countries), "matcher"}
        outside = {p.id for p in self.parties if p.kind == "keyholder" and p.country is None}
        if len(set(ids)) != len(ids) or set(ids) - outside != expected:
            raise ValueError("the parties are not one node and one holder a member, and one matcher")
        for pair in self.pairs:
            first, second = countries_of(pair)
            if pair != pair_of(first, second) or not {first, second} <= countries:
                raise ValueError("a pair is not of two members in alphabetical order")
        every_pair = (*self.pairs, *self.ended_pairs)
        if len(set(every_pair)) != len(every_pair):
            raise ValueError("a pair stands twice")
        self._check_third_shares(outside)
        if any(again.pair not in every_pair for again in self.agreed_again):
            raise ValueError("a pair that agrees again is none of the pairs")
        self._check_keys()
        self._check_retired()
        if self.cover and not len(self.slots) <= self.cover_evaluations <= self.batch_limit:
            raise ValueError("with cover, a tick's evaluations hold one record's slots and no more than a batch")
        if self.cover and self.totals_seconds < MONTH:
            raise ValueError("with cover, totals more often than each 30 days would show what the cover hides")
        if self.cover and self.cover_evaluations * 86400 / self.tick_seconds > self.quota_per_day:
            raise ValueError("with cover, the ticks of a day ask for more than its quota")
        return self

    def _check_third_shares(self, outside: set[str]) -> None:
        """A body with a country's name would be taken for the country's holder where topics are named."""
        if any(re.fullmatch(r"[A-Za-z]{3,}\.holder", name) is None for name in outside):
            raise ValueError("an outside body's holder is named by three letters or more, and .holder")
        pairs = [third.pair for third in self.third_shares]
        if len(set(pairs)) != len(pairs) or not set(pairs) <= {*self.pairs, *self.ended_pairs}:
            raise ValueError("a third share is of one of the pairs, and each pair has one at most")
        if not {third.holder for third in self.third_shares} <= outside:
            raise ValueError("a third share is held by a key holder of no country")

    def _check_keys(self) -> None:
        """One key in two places would let one hand sign for two, or an online machine for an offline root."""
        roots = [root for member in self.members for root in member.roots]
        online = [key.public for party in self.parties for key in party.signing]
        if len({*roots, *online}) != len(roots) + len(online):
            raise ValueError("a key stands in two places: each root and each signing key is one of its own")

    def _check_retired(self) -> None:
        for party in self.parties:
            for key in (key for key in party.signing if key.last):
                places = [(named.topic, named.partition) for named in key.last or ()]
                if len(set(places)) != len(places):
                    raise ValueError(f"the retired key {key.id} names a stream twice")
                # By form: a stream of a pair that ended since is none of the topics any more, and stays named.
                form = _WRITTEN[party.kind].format(short_name(party.id))
                if not all(re.fullmatch(form, topic) for topic, _ in places):
                    raise ValueError(f"the retired key {key.id} names a topic that {party.id} does not write")

    @property
    def countries(self) -> tuple[str, ...]:
        return tuple(m.country for m in self.members)

    def party(self, party_id: str) -> Party:
        """The party of this id. Raises CharterInvalid where there is none."""
        for party in self.parties:
            if party.id == party_id:
                return party
        raise CharterInvalid(f"The charter (version {self.version}) names no party {party_id!r}.")

    def pairs_of(self, country: str) -> tuple[str, ...]:
        return tuple(p for p in self.pairs if country in countries_of(p))

    def holders_of(self, pair: str) -> tuple[str, ...]:
        """The key holders of a pair's shares: the two countries', and the outside body's, if there is one."""
        outside = tuple(third.holder for third in self.third_shares if third.pair == pair)
        return (*own_holders(pair), *outside)

    def agreed_from(self, pair: str) -> int:
        """The matching epoch with which the agreement of a pair began that stands now, or stood last."""
        return max((again.epoch for again in self.agreed_again if again.pair == pair), default=1)

    @cached_property
    def topics(self) -> tuple[Topic, ...]:
        """Every topic of the region: one a writer and purpose, so that an access rule is one line."""
        return tuple(_topics(self))

    def written_by(self, party: str) -> tuple[Topic, ...]:
        return tuple(t for t in self.topics if t.writer == party)

    def read_by(self, party: str) -> tuple[Topic, ...]:
        """The topics that a party reads: those addressed to it, and the keys of those it deals with.

        The matcher reads the holders' too, who announce what they allow beyond the daily quota.
        """
        to_me = [t for t in self.topics if t.reader == party]
        partners = {t.writer for t in to_me} | {t.reader for t in self.written_by(party) if t.reader}
        if party == "matcher":
            partners |= {p.id for p in self.parties if p.kind == "keyholder"}
        # Two holders of one pair refresh its key with each other, on their topics of keys.
        partners |= {h for pair in self.pairs if party in self.holders_of(pair) for h in self.holders_of(pair)}
        return (*(t for t in self.topics if t.family == "keys" and t.writer in partners | {party}), *to_me)

    def tick_at(self, at: datetime) -> int:
        """The number of the tick that runs at this time; the same for every party with a true clock."""
        return int(at.timestamp() // self.tick_seconds)


_WRITTEN: Final = {
    "country": r"(keys|cases|linkage)\.{0}|evaluate\.{0}\.[A-Za-z]+",
    "keyholder": r"keys\.{0}\.holder|evaluated\.{0}\.[A-Z][A-Z]",
    "matcher": r"keys\.matcher|notices\.[A-Z][A-Z]",
}
"""Topics that a party of each kind may ever write, by its country."""


def _topics(charter: Charter) -> list[Topic]:
    out = [Topic(name=f"keys.{p.id}", family="keys", writer=p.id, reader=None, partitions=1) for p in charter.parties]
    for cc in charter.countries:
        out += [
            Topic(name=f"cases.{cc}", family="cases", writer=cc, reader="matcher", partitions=1),
            Topic(name=f"linkage.{cc}", family="linkage", writer=cc, reader="matcher",
                  partitions=charter.linkage_partitions),
            Topic(name=f"notices.{cc}", family="notices", writer="matcher", reader=cc, partitions=1),
        ]
        for holder in sorted({h for p in charter.pairs_of(cc) for h in charter.holders_of(p)}):
            out += [
                Topic(name=f"evaluate.{cc}.{short_name(holder)}", family="evaluate", writer=cc, reader=holder,
                      partitions=1),
                Topic(name=f"evaluated.{short_name(holder)}.{cc}", family="evaluated", writer=holder, reader=cc,
                      partitions=1),
            ]
    return out


def own_holders(pair: str) -> tuple[str, str]:
    """The holders of a pair's two countries, who alone refresh its key."""
    first, second = countries_of(pair)
    return f"{first}.holder", f"{second}.holder"


def share_generation(pair: str, holder: str, generation: int) -> int:
    """The generation of the share that a holder uses in a generation of the pair's key.

    An outside body's share takes no part in refreshes: it is the first one for a whole epoch.
    """
    return generation if holder in own_holders(pair) else 0


def short_name(holder: str) -> str:
    """A holder as the topics name it: `KH` of `KH.holder`."""
    return holder.removesuffix(".holder")
