"""Charters to try things on: members with roots in hand, and a live region that changes to a version that they sign."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from posts import LINKAGE
from regions import LiveRegion

from events.charter import Draft, LastSigned, SigningKey
from events.outbox import last_sealed
from events.succession import SignedCharter, load_charter, read_charter
from keys import sign
from services.charter import drafts, homes, signing
from services.charter.roots import Root, new_root
from services.demo import region as demo

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
ROOTS = {country: new_root(country, name) for country, name in
         {"KH": "Cambodia", "TH": "Thailand", "LA": "Lao PDR", "VN": "Viet Nam"}.items()}  # fmt: skip
"""Whoever founds with these can sign further versions."""
HELD = LastSigned(topic=LINKAGE, partition=0, epoch=1, seq=5)


def offer(party: str, number: int = 1) -> homes.Offer:
    """The public part of a fresh online key, whose secret nobody needs."""
    public = sign.public_key(sign.new_seed()).hex()
    until = START + timedelta(days=365)
    key = SigningKey(id=f"{party}.signing.{number}", public=public, valid_from=START, valid_until=until)
    return homes.Offer(party=party, key=key)


def first_draft(*countries: str, **rules: object) -> Draft:
    draft = drafts.new_draft("test", issued=START, rules=rules)
    for country in countries:
        draft = drafts.with_member(draft, ROOTS[country].member)
    for party in demo.party_ids(countries):
        draft = drafts.with_key(draft, offer(party))
    return drafts.with_pairs(draft, drafts.every_pair(draft))


def founded(*countries: str, **rules: object) -> SignedCharter:
    return signed(drafts.payload(first_draft(*countries, **rules)), None, countries)


def following(before: SignedCharter, change: Callable[[Draft], Draft] = lambda draft: draft) -> bytes:
    """The exact bytes of the next version, a day later."""
    issued = before.verified().issued + timedelta(days=1)
    return drafts.payload(change(drafts.next_draft(before, issued=issued)))


def signatures(payload: bytes, countries: Iterable[str], roots: Mapping[str, Root] = ROOTS) -> list[signing.Signed]:
    """Two a country, over these bytes, whatever they say."""
    digest = signing.digest_of(payload).hex()
    return [
        signing.Signed(digest=digest, signature=signing.sign_payload(payload, country, seed))
        for country in countries
        for seed in roots[country].seeds[:2]
    ]


def signed(payload: bytes, after: SignedCharter | None, countries: Iterable[str]) -> SignedCharter:
    """Raises CharterInvalid."""
    return signing.collect(payload, after, signatures(payload, countries))


# ---- a region that lives


def adopt(region: LiveRegion, change: Callable[[Draft], Draft], countries: Iterable[str], *, start: bool = True) -> None:
    """These members sign a next version that counts from now on; all parties start again under it."""
    region.clock.advance(1)  # what was sealed until now was sealed before it
    before = read_charter(region.region.charter_file)
    draft = change(drafts.next_draft(before, issued=region.clock.now()))
    after = signed(drafts.payload(draft), before, countries)
    region.region.charter_file.write_text(after.model_dump_json())
    region.charter, region.digest = load_charter(region.region.charter_file)
    for party in list(region.parties) if start else []:
        region.kill(party)
    for party in region.charter.parties if start else []:
        region.start(party.id)


def joining(region: LiveRegion, country: str) -> Callable[[Draft], Draft]:
    """The change by which a country becomes a member, with homes of its own, and agrees with everybody."""

    def change(draft: Draft) -> Draft:
        draft = drafts.with_member(draft, ROOTS[country].member)
        for party in (country, f"{country}.holder"):
            draft = drafts.with_key(draft, demo.furnish(region.region.home(party), party, region.clock.now()))
        return drafts.with_pairs(draft, drafts.every_pair(draft))

    return change


def retiring(region: LiveRegion, party: str) -> Callable[[Draft], Draft]:
    """The change by which a party's first key is retired at what its store knows, and another follows."""
    with region.databases[party].reading() as tx:
        last = last_sealed(tx)
    ring = region.ring(party)
    (before,) = ring.versions("signing")
    following_key = homes.new_signing_key(ring, party, now=region.clock.now())
    return lambda draft: drafts.with_retired(drafts.with_key(draft, following_key), before.id, last)


def file_of(charter: SignedCharter, folder: Path) -> Path:
    path = folder / "charter.json"
    path.write_text(charter.model_dump_json())
    return path
