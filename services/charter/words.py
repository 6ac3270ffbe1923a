"""What changes between two versions of a charter, in sentences. Every field that differs is in one of them."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from events.charter import Charter, Member, Party, SigningKey

_TOLD: Final = frozenset({
    "version", "previous", "issued", "members", "parties", "pairs", "ended_pairs", "agreed_again", "third_shares",
    "allowances",
})  # fmt: skip


def shown(text: str) -> str:
    """A name that somebody chose, without what would move a terminal's cursor or turn its letters round."""
    return "".join(c if c.isprintable() else "?" for c in text)


def differences(previous: Charter, charter: Charter) -> list[str]:
    """One sentence a change, weightiest first."""
    return [
        *_members(previous, charter),
        *_parties(previous, charter),
        *_pairs(previous, charter),
        *_allowances(previous, charter),
        *_rules(previous, charter),
    ]


def _members(previous: Charter, charter: Charter) -> Iterator[str]:
    before, after = ({m.country: m for m in c.members} for c in (previous, charter))
    yield from (f"{shown(m.name)} ({cc}) leaves the region." for cc, m in before.items() if cc not in after)
    for country, member in after.items():
        yield from _member(before.get(country), member)
    if [c for c in before if c in after] != [c for c in after if c in before]:
        yield "The members stand in another order."


def _member(before: Member | None, member: Member) -> Iterator[str]:
    roots = ", ".join(member.roots)
    if before is None:
        yield f"{shown(member.name)} ({member.country}) becomes a member. Its roots: {roots}."
        return
    if before.name != member.name:
        yield f"{member.country} is named {shown(member.name)}, no longer {shown(before.name)}."
    if before.roots != member.roots:
        yield f"{member.country} CHANGES ITS ROOTS, to {roots}."


def _parties(previous: Charter, charter: Charter) -> Iterator[str]:
    before, after = ({p.id: p for p in c.parties} for c in (previous, charter))
    yield from (f"{party} takes part no more, and is not believed." for party in before if party not in after)
    for party in charter.parties:
        yield from _keys(before.get(party.id), party)
    if [p for p in before if p in after] != [p for p in after if p in before]:
        yield "The parties stand in another order."


def _keys(before: Party | None, party: Party) -> Iterator[str]:
    known = {key.id: key for key in before.signing} if before else {}
    if before and before.model_copy(update={"signing": party.signing}) != party:
        yield f"{party.id} is a {party.kind} of {party.country}, no longer a {before.kind} of {before.country}."
    for key in party.signing:
        yield from _key(party.id, known.pop(key.id, None), key)
    yield from (f"{party.id}'s signing key {shown(key)} IS LEFT OUT." for key in known)
    if before and not known and _kept(before, party) != _kept(party, before):
        yield f"The signing keys of {party.id} stand in another order."


def _kept(party: Party, other: Party) -> list[str]:
    return [key.id for key in party.signing if key.id in {k.id for k in other.signing}]


def _key(party: str, before: SigningKey | None, key: SigningKey) -> Iterator[str]:
    name = f"{party}'s signing key {shown(key.id)}"
    if before is None:
        span = f"from {key.valid_from:%Y-%m-%d %H:%M} to {key.valid_until:%Y-%m-%d %H:%M}"
        yield f"{party} may sign with the new key {shown(key.id)}, {span}: {key.public}."
        before = key.model_copy(update={"last": None})
    if before.model_copy(update={"last": key.last}) != key:
        yield f"{name} IS ALTERED: {key.public}, {key.valid_from:%Y-%m-%d %H:%M} to {key.valid_until:%Y-%m-%d %H:%M}."
    if before.last != key.last:
        places = [f"{n.topic}/{n.partition} to number {n.seq} of epoch {n.epoch}" for n in key.last or ()]
        counts = f"Of it counts: {'; '.join(places)}." if places else "Nothing of it counts."
        yield f"{name} is retired. {counts}" if key.last is not None else f"{name} COUNTS AGAIN."


def _pairs(previous: Charter, charter: Charter) -> Iterator[str]:
    before, after = set(previous.pairs), set(charter.pairs)
    yield from (f"{pair.replace('-', ' and ')} agree to match." for pair in sorted(after - before))
    for pair in sorted(before - after):
        yield f"{pair.replace('-', ' and ')} agree no more, and their shares count for nothing."
    listed = set(charter.ended_pairs) ^ set(previous.ended_pairs)
    yield from (f"{pair} is listed otherwise among the pairs that ended." for pair in sorted(listed - (before ^ after)))
    for verb, one, other in (("agrees again", previous, charter), ("does not agree again", charter, previous)):
        for again in sorted({*other.agreed_again} - {*one.agreed_again}, key=str):
            yield f"{again.pair} {verb} from matching epoch {again.epoch} on."
    for verb, one, other in (("has a third share", previous, charter), ("has no third share", charter, previous)):
        for third in sorted({*other.third_shares} - {*one.third_shares}, key=str):
            yield f"{third.pair} {verb}, with {third.holder}."
    for name in ("pairs", "ended_pairs", "agreed_again", "third_shares"):
        before_it, after_it = getattr(previous, name), getattr(charter, name)
        if before_it != after_it and sorted(before_it, key=str) == sorted(after_it, key=str):
            yield f"The {name.replace('_', ' ')} stand in another order."


def _allowances(previous: Charter, charter: Charter) -> Iterator[str]:
    """Counted, since one that stands twice allows twice as much."""
    before, after = Counter(previous.allowances), Counter(charter.allowances)
    for verb, found in (("answers {} {:,} more", after - before), ("answers {} no more the {:,}", before - after)):
        for a in found.elements():
            span = f"{a.valid_from:%Y-%m-%d %H:%M} to {a.valid_until:%Y-%m-%d %H:%M}"
            yield f"{a.holder} {verb.format(a.country, a.count)} for {a.pair}, {span}: {shown(a.reason)}."
    if before == after and previous.allowances != charter.allowances:
        yield "The allowances stand in another order."


def _rules(previous: Charter, charter: Charter) -> Iterator[str]:
    for name in type(charter).model_fields:
        before, after = getattr(previous, name), getattr(charter, name)
        if name not in _TOLD and before != after:
            yield f"{name}: {_value(after)}, no longer {_value(before)}."


def _value(value: Any) -> str:
    write: Callable[[Any], str] = (lambda v: ", ".join(map(str, v))) if isinstance(value, tuple) else str
    return shown(write(value))
