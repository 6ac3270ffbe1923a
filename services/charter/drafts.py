"""A charter in the making: from draft to draft, until it is whole. Pure.

A draft's file is what the roots sign, byte for byte, in the one form that `payload` writes: so nothing can stand in it
that a custodian is not shown.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import combinations
from typing import Any, Final, Literal

from pydantic import ValidationError

from events.charter import AgreedAgain, Charter, Draft, LastSigned, Member, Party, ThirdShare, own_holders
from events.errors import CharterInvalid
from events.model import countries_of, pair_of
from events.succession import SignedCharter, parse_charter
from services.charter.homes import MATCHER, Offer

SLOTS: Final = ("DOC", "FULL", "FULL", "BYX", "BYX")
"""The row of recipes that a region begins with, unless it says otherwise."""
NO_RULES: Final = frozenset({
    "version", "previous", "region", "issued", "members", "parties", "pairs", "ended_pairs", "agreed_again",
    "third_shares",
})  # fmt: skip
"""Fields of a charter that have steps of their own."""


def new_draft(region: str, *, issued: datetime, rules: Mapping[str, Any] | None = None) -> Draft:
    """The first version, with nobody in it. Raises CharterInvalid: a rule is none, or its value is wrong."""
    return _validated({"version": 1, "region": region, "issued": issued, "slots": SLOTS}, rules or {})


def next_draft(signed: SignedCharter, *, issued: datetime, rules: Mapping[str, Any] | None = None) -> Draft:
    """The version after a charter's newest, which is verified here. Raises CharterInvalid."""
    charter = signed.verified()
    step = {"version": charter.version + 1, "previous": signed.digest.hex(), "issued": issued}
    return _validated({**charter.model_dump(), **step}, rules or {})


def with_member(draft: Draft, member: Member) -> Draft:
    """A country becomes a member, or changes its roots or its name."""
    if member.country in {m.country for m in draft.members}:
        kept = tuple(member if m.country == member.country else m for m in draft.members)
    else:
        kept = (*draft.members, member)
    return draft.model_copy(update={"members": kept})


def with_key(draft: Draft, offer: Offer) -> Draft:
    """A party gets an online key; the party itself, if it is not there yet. The same key again changes nothing.

    raises   CharterInvalid: another key stands under its id, or it comes as a retired one
    """
    if offer.key.last is not None:
        raise CharterInvalid(f"{offer.key.id} is handed in as a retired key: hand in a new one.")
    party = next((p for p in draft.parties if p.id == offer.party), None)
    if party is None:
        owner = _country_of(offer.party)
        fresh = Party(id=offer.party, kind=_kind(offer.party), country=owner, signing=(offer.key,))
        return draft.model_copy(update={"parties": (*draft.parties, fresh)})
    for key in party.signing:
        if key.id == offer.key.id and key.model_copy(update={"last": None}) != offer.key:
            raise CharterInvalid(f"Another key stands under the id {offer.key.id} already: an id names one for ever.")
    if offer.key.id in {key.id for key in party.signing}:
        return draft
    return _with_party(draft, party.model_copy(update={"signing": (*party.signing, offer.key)}))


def with_pairs(draft: Draft, pairs: Iterable[str]) -> Draft:
    """These pairs agree to match; one that ended, again. Raises CharterInvalid: not two members, or no new epoch."""
    wanted = list(pairs)
    countries = {m.country for m in draft.members}
    for pair in wanted:
        first, _, second = pair.partition("-")
        if first == second or not {first, second} <= countries:
            raise CharterInvalid(f"A pair is of two members of the draft, as KH-TH: {pair} is none.")
    agreed = {pair_of(*pair.split("-")) for pair in wanted} | set(draft.pairs)
    ended = tuple(pair for pair in draft.ended_pairs if pair not in agreed)
    again = sorted(agreed & {*draft.ended_pairs})
    if again and draft.matching_epoch < 2:
        raise CharterInvalid(
            f"{again[0]} ended, and agrees again only in a new matching epoch: raise matching_epoch above all it had."
        )
    kept = tuple(one for one in draft.agreed_again if one.pair not in again)
    return draft.model_copy(update={
        "pairs": tuple(sorted(agreed)),
        "ended_pairs": ended,
        "agreed_again": (*kept, *(AgreedAgain(pair=pair, epoch=draft.matching_epoch) for pair in again)),
    })  # fmt: skip


def with_third_share(draft: Draft, pair: str, holder: str) -> Draft:
    """An outside body's holder gets a share of a pair's key. Raises CharterInvalid: no pair, or a country's holder."""
    if pair not in draft.pairs:
        raise CharterInvalid(f"{pair} is no pair of the draft that agrees: name it as KH-TH, with --pairs first.")
    if holder in own_holders(pair) or _country_of(holder) is not None or _kind(holder) != "keyholder":
        raise CharterInvalid(f"{holder} is no outside body's key holder: it is named as Witness.holder.")
    kept = tuple(third for third in draft.third_shares if third.pair != pair)
    return draft.model_copy(update={"third_shares": (*kept, ThirdShare(pair=pair, holder=holder))})


def every_pair(draft: Draft) -> list[str]:
    """Every two of the draft's members."""
    return [pair_of(a, b) for a, b in combinations([m.country for m in draft.members], 2)]


def without(draft: Draft, who: str) -> Draft:
    """A member leaves, with its parties and pairs; or one pair ends. Raises CharterInvalid: neither is there."""
    if who in draft.pairs:
        return _ended(draft, {who})
    if who not in {m.country for m in draft.members}:
        raise CharterInvalid(f"The draft has neither a member nor a pair {who}: a country is KH, a pair KH-TH.")
    left = {
        "members": tuple(m for m in draft.members if m.country != who),
        "parties": tuple(p for p in draft.parties if p.country != who),
    }
    return _ended(draft.model_copy(update=left), {pair for pair in draft.pairs if who in countries_of(pair)})


def with_retired(draft: Draft, key_id: str, last: Iterable[LastSigned]) -> Draft:
    """A signing key counts no more, but for what stands up to these places. Raises CharterInvalid: no such key."""
    for party in draft.parties:
        for key in party.signing:
            if key.id == key_id:
                retired = key.model_copy(update={"last": tuple(last)})
                signing = tuple(retired if k.id == key_id else k for k in party.signing)
                return _with_party(draft, party.model_copy(update={"signing": signing}))
    raise CharterInvalid(f"No party of the draft has a signing key {key_id!r}.")


def payload(draft: Draft) -> bytes:
    """The exact bytes of a draft: JSON that people can read."""
    return draft.model_dump_json(indent=2).encode() + b"\n"


def parse_draft(content: bytes) -> Draft:
    """What a draft's file says, in whatever form. Raises CharterInvalid."""
    try:
        return Draft.model_validate_json(content)
    except ValidationError as error:
        raise CharterInvalid(f"This is no draft of a charter: {error.error_count()} fields are wrong.") from error


def whole(content: bytes) -> Charter:
    """The charter that these exact bytes would be. Raises CharterInvalid: not whole, or written otherwise."""
    charter = parse_charter(content)
    if payload(charter) != content:
        raise CharterInvalid(
            "The draft was written by hand, or by another release: what is signed must be as this command writes it."
            " Say `samaki charter join DRAFT` without more to have it written anew, and look at it again."
        )
    return charter


def _ended(draft: Draft, pairs: set[str]) -> Draft:
    """Also what is allowed for them, which would speak of nothing. In a first version they never agreed."""
    ended = () if draft.version == 1 else tuple(sorted({*draft.ended_pairs, *pairs}))
    return draft.model_copy(update={
        "pairs": tuple(pair for pair in draft.pairs if pair not in pairs),
        "ended_pairs": ended,
        "allowances": tuple(a for a in draft.allowances if a.pair not in pairs),
    })  # fmt: skip


def _with_party(draft: Draft, party: Party) -> Draft:
    return draft.model_copy(update={"parties": tuple(party if p.id == party.id else p for p in draft.parties)})


def _validated(fields: Mapping[str, Any], rules: Mapping[str, Any]) -> Draft:
    wrong = sorted(rules.keys() & NO_RULES | (rules.keys() - Draft.model_fields.keys()))
    if wrong:
        raise CharterInvalid(f"{wrong[0]} is no rule of a charter; rules are its quotas, ticks, sizes and slots.")
    try:
        return Draft.model_validate({**fields, **rules})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise CharterInvalid(f"{'.'.join(map(str, found['loc']))}: {found['msg']}.") from error


def _country_of(party: str) -> str | None:
    """Whose party it is; None: of the region, or an outside body's."""
    country = party.removesuffix(".holder")
    return country if len(country) == 2 else None


def _kind(party: str) -> Literal["country", "keyholder", "matcher"]:
    if party == MATCHER:
        return "matcher"
    return "keyholder" if party.endswith(".holder") else "country"
