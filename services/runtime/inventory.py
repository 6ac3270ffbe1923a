"""Every key that a party has or has heard of: its version, age and cryptoperiod, who authorised it, what is due. Pure.

Put together from the charter (signing keys), from `keys.*` as the party or an auditor has read it (sealing keys,
shares), and, at home, from the party's own ring, whose word on states goes before what others say. No secret is used.

    condition   ok | due, its last tenth has begun | overdue | over, nothing more is done with it
    periods     those of docs/protocol.md: signing 1 year, sealing the charter's days, shares the charter's days for
                each generation, and others or 2^30 evaluations for each epoch, keys that wrap others 1 year, a pepper
                as its epoch
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from events.charter import Charter, Party, SigningKey, own_holders
from events.introductions import Introduction
from keys.epochs import MOST_EVALUATIONS, State, state_of
from keys.ring import KeyVersion

Condition = Literal["ok", "due", "overdue", "over"]
YEAR: Final = timedelta(days=365)
_NAMED: Final = frozenset({"outbox", "deferred"})
"""Keys with a use of their own (events.outbox, services.matcher), which are no older versions of the primary one."""
_RING_PERIODS: Final[Mapping[str, timedelta]] = {
    "signing": YEAR, "store": YEAR, "data": YEAR, "pepper": YEAR,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key of one party.

    purpose       of the ring; or `pair key`, all generations of a share together, which live an epoch
    version       counts the keys of this party and purpose, for a share its generation, for a pair key its epoch
    period_days   None: it has none of its own
    due_at        when its period ends; None: not known, or nothing is due
    under         how many objects stand under it, and `counted` what was counted; None: cannot be counted from here
    known_from    charter | keys.* | ring
    """

    party: str
    purpose: str
    id: str
    version: int
    algorithm: str
    state: str
    since: datetime | None
    age_days: int | None
    period_days: int | None
    due_at: datetime | None
    condition: Condition
    authorised_by: str
    known_from: str
    under: int | None = None
    counted: str = ""


@dataclass(frozen=True, slots=True)
class SealingKeyKnown:
    """A sealing key as it was introduced."""

    party: str
    id: str
    valid_from: datetime
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Evaluations:
    """How many evaluations a holder has told of one epoch of a pair's key, for all countries together."""

    holder: str
    pair: str
    epoch: int
    count: int


@dataclass(frozen=True, slots=True)
class Told:
    """What `keys.*` said."""

    sealing: Sequence[SealingKeyKnown] = ()
    introductions: Sequence[Introduction] = ()
    active: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """(pair, epoch) -> the generation that tokens are made under; of others, the newest that was introduced."""
    in_force: Mapping[str, int] = field(default_factory=dict)
    """Pair -> the epoch that tokens are made in."""
    ended: frozenset[str] = frozenset()
    """Pairs whose agreement is over."""
    evaluations: Sequence[Evaluations] = ()
    signed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(party, signing key) -> envelopes under it, as whoever read all streams has counted them."""


@dataclass(frozen=True, slots=True)
class Home:
    """A party's own ring.

    counts  (purpose, key id) -> (how many objects stand under it, what they are). Without an id: under the one key of
            that purpose, if there is one alone; of several nothing says under which an object stands
    """

    party: str
    versions: Sequence[KeyVersion]
    counts: Mapping[tuple[str, str | None], tuple[int, str]] = field(default_factory=dict)


def inventory(charter: Charter, told: Told, home: Home | None, now: datetime) -> tuple[KeyRow, ...]:
    """All keys, by party, purpose and version."""
    rows = {(row.party, row.purpose, row.id): row for row in _public(charter, told, now)}
    if home is not None:
        for row in _of_ring(home, charter, now):
            place = (row.party, row.purpose, row.id)
            rows[place] = _joined(rows.get(place), row)
        for name in _epochs_destroyed(home):
            place = (home.party, "pair key", name)
            if place in rows:
                rows[place] = replace(rows[place], state="destroyed", condition="over", due_at=None)
    return tuple(sorted(rows.values(), key=lambda row: (row.party, row.purpose, row.version, row.id)))


def overdue(rows: Iterable[KeyRow]) -> list[KeyRow]:
    """What should have been done already."""
    return [row for row in rows if row.condition == "overdue"]


# ---- what everybody can know


def _public(charter: Charter, told: Told, now: datetime) -> list[KeyRow]:
    rows = [
        replace(_signing(charter, p, v, key, now), **_signed(told, p.id, key.id))
        for p in charter.parties
        for v, key in enumerate(p.signing, start=1)
    ]
    by_party: dict[str, list[SealingKeyKnown]] = {}
    for known in sorted(told.sealing, key=lambda k: (k.party, k.valid_from)):
        by_party.setdefault(known.party, []).append(known)
    rows += [_sealing(charter, key, v, now) for of in by_party.values() for v, key in enumerate(of, start=1)]
    active = {**_newest(told.introductions), **told.active}
    rows += [
        _over(_share(i, told.in_force.get(i.pair), active[i.pair, i.epoch], charter, now), i, told)
        for i in told.introductions
    ]
    first = {(i.holder, i.pair, i.epoch): i for i in sorted(told.introductions, key=lambda i: -i.generation)}
    counts = {(e.holder, e.pair, e.epoch): e.count for e in told.evaluations}
    return rows + [
        _over(_pair_key(i, told.in_force.get(i.pair), counts.get(place, 0), charter, now), i, told)
        for place, i in first.items()
    ]


def _over(row: KeyRow, i: Introduction, told: Told) -> KeyRow:
    """Of an agreement that has ended nothing is due any more."""
    return replace(row, state="ended", condition="over", due_at=None) if i.pair in told.ended else row


def _signed(told: Told, party: str, key_id: str) -> dict[str, Any]:
    count = told.signed.get((party, key_id))
    return {} if count is None else {"under": count, "counted": "envelopes"}


def _newest(introductions: Iterable[Introduction]) -> dict[tuple[str, int], int]:
    found: dict[tuple[str, int], int] = {}
    for i in introductions:
        place = (i.pair, i.epoch)
        found[place] = max(i.generation, found.get(place, 0))
    return found


def _signing(charter: Charter, party: Party, version: int, key: SigningKey, now: datetime) -> KeyRow:
    is_newest = key == party.signing[-1]
    state = (
        "retired" if key.last is not None
        else "expired" if now >= key.valid_until
        else "to come" if now < key.valid_from
        else "active"
    )  # fmt: skip
    condition = condition_of(key.valid_from, key.valid_until, now) if is_newest else "over"
    whose = f"the roots of {party.country}" if party.country else "the roots of all members"
    return _row(
        party.id, "signing", key.id, version, "Ed25519", state, key.valid_from, now,
        period=key.valid_until - key.valid_from, condition=condition,
        authorised_by=f"{whose}, in charter {charter.version}", known_from="charter",
    )  # fmt: skip


def _sealing(charter: Charter, key: SealingKeyKnown, version: int, now: datetime) -> KeyRow:
    gone = key.valid_until + timedelta(days=charter.sealing_acceptance_days)
    state = "active" if now < key.valid_until else "accepted" if now < gone else "over"
    return _row(
        key.party, "sealing", key.id, version, "X25519", state, key.valid_from, now,
        period=key.valid_until - key.valid_from, condition="ok" if state == "active" else "over",
        authorised_by="its signing key, on keys.*", known_from="keys.*",
    )  # fmt: skip


def _share(i: Introduction, in_force: int | None, active: int, charter: Charter, now: datetime) -> KeyRow:
    """A newer one than the active is not in force yet: its refresh waits for the other holder, or was given up."""
    is_outside = i.holder not in own_holders(i.pair)  # it takes no part in refreshes
    period = timedelta(days=charter.renew_days if is_outside else charter.refresh_days)
    of_epoch = _state_of(i, in_force)
    is_former = (i.generation < active and not is_outside) or of_epoch == "DRAINING"
    is_to_come = i.generation > active or of_epoch == "PREPARED"
    state = "former" if is_former else "to come" if is_to_come else "active"
    condition = "over" if is_former else condition_of(i.sealed_at, i.sealed_at + period, now)
    return _row(
        i.holder, "share", f"{i.pair}/{i.epoch}/{i.generation}", i.generation, "ristretto255",
        state, i.sealed_at, now, period=period, condition=condition,
        authorised_by=_by(i), known_from="keys.*",
    )  # fmt: skip


def _state_of(i: Introduction, in_force: int | None) -> State:
    """Of its epoch: what is over is not told on `keys.*`."""
    return state_of(i.epoch, in_force)


def _by(i: Introduction) -> str:
    return f"signing key {i.key_id}" if i.key_id else "its signing key, on keys.*"


def _pair_key(first: Introduction, in_force: int | None, count: int, charter: Charter, now: datetime) -> KeyRow:
    of_epoch, period = _state_of(first, in_force), timedelta(days=charter.renew_days)
    is_current = of_epoch == "ACTIVE"
    condition: Condition = "ok" if of_epoch == "PREPARED" else "over"
    if is_current:
        condition = condition_of(first.sealed_at, first.sealed_at + period, now)
    if is_current and condition != "overdue" and count * 10 >= MOST_EVALUATIONS * 9:
        condition = "overdue" if count >= MOST_EVALUATIONS else "due"
    row = _row(
        first.holder, "pair key", f"{first.pair}/{first.epoch}", first.epoch, "ristretto255",
        of_epoch.lower(), first.sealed_at, now, period=period, condition=condition,
        authorised_by=_by(first), known_from="keys.*",
    )  # fmt: skip
    return replace(row, under=count, counted="evaluations")


# ---- what stands at home


def _of_ring(home: Home, charter: Charter, now: datetime) -> list[KeyRow]:
    by_purpose: dict[str, list[KeyVersion]] = {}
    for version in home.versions:
        by_purpose.setdefault(version.purpose, []).append(version)
    return [
        _kept(home, of, number, charter, now) for of in by_purpose.values() for number in range(len(of))
    ]


def _kept(home: Home, of_purpose: Sequence[KeyVersion], number: int, charter: Charter, now: datetime) -> KeyRow:
    key = of_purpose[number]
    days = {"sealing": charter.sealing_days, "share": charter.refresh_days}.get(key.purpose)
    period = timedelta(days=days) if days is not None else _RING_PERIODS.get(key.purpose)
    if key.purpose == "signing" and key.valid_until is not None:
        period = key.valid_until - key.valid_from
    alive = [one for one in of_purpose if one.state != "destroyed"]
    # Epochs of several pairs have a pepper each, side by side.
    is_newest = key in (alive if key.purpose == "pepper" else alive[-1:]) and not _has_primary(alive)
    is_current = key.state == "primary" or key.id in _NAMED or is_newest
    condition = _condition_at_home(key, period if is_current else None, charter, now)
    row = _row(
        home.party, key.purpose, key.id, number + 1, key.algorithm, key.state, key.valid_from, now,
        period=period if is_current else None, condition=condition, authorised_by="this party itself",
        known_from="ring",
    )  # fmt: skip
    counts = home.counts
    count = counts.get((key.purpose, key.id)) or (counts.get((key.purpose, None)) if alive == [key] else None)
    return replace(row, under=count[0], counted=count[1]) if count else row


def _epochs_destroyed(home: Home) -> set[str]:
    """Pair and epoch of those whose shares are all destroyed at home."""
    states: dict[str, set[str]] = {}
    for version in home.versions:
        if version.purpose == "share":
            states.setdefault(version.id.rpartition("/")[0], set()).add(version.state)
    return {name for name, found in states.items() if found == {"destroyed"}}


def _has_primary(versions: Sequence[KeyVersion]) -> bool:
    return any(version.state == "primary" for version in versions)


def _condition_at_home(key: KeyVersion, period: timedelta | None, charter: Charter, now: datetime) -> Condition:
    """`period` of a key that is used for new work; None: it has none, or is not."""
    if key.state == "destroyed":
        return "over"
    if key.purpose == "sealing":  # old ones are destroyed, so that a recording cannot be opened
        until = (key.valid_until or key.valid_from) + timedelta(days=charter.sealing_acceptance_days)
        return "overdue" if now >= until else "ok" if key.state == "primary" else "over"
    return condition_of(key.valid_from, key.valid_from + period, now) if period else "ok"


def _joined(public: KeyRow | None, kept: KeyRow) -> KeyRow:
    """One key that everybody knows and that stands in the ring: what is due of it the public part says.

    But of an old sealing key everybody knows only that it is over, not whether it was destroyed.
    """
    if public is None:
        return kept
    condition = kept.condition if public.purpose == "sealing" else public.condition
    return replace(
        public,
        state=kept.state if public.state != "retired" else "retired",
        condition="over" if kept.state == "destroyed" else condition,
        known_from=f"{public.known_from}, ring",
        under=kept.under if kept.under is not None else public.under,
        counted=kept.counted or public.counted,
    )


# ---- both


def condition_of(since: datetime, until: datetime, now: datetime) -> Condition:
    """Of a key that is used for new work, from one time to another."""
    if now >= until:
        return "overdue"
    return "due" if now >= until - (until - since) / 10 else "ok"


def _row(
    party: str,
    purpose: str,
    key_id: str,
    version: int,
    algorithm: str,
    state: str,
    since: datetime,
    now: datetime,
    *,
    period: timedelta | None,
    condition: Condition,
    authorised_by: str,
    known_from: str,
) -> KeyRow:
    return KeyRow(
        party=party,
        purpose=purpose,
        id=key_id,
        version=version,
        algorithm=algorithm,
        state=state,
        since=since,
        age_days=max(0, (now - since).days),
        period_days=None if period is None else max(1, round(period / timedelta(days=1))),
        due_at=since + period if period is not None and condition != "over" else None,
        condition=condition,
        authorised_by=authorised_by,
        known_from=known_from,
    )
