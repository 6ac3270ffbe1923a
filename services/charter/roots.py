"""A member's offline root: three Ed25519 keys, each in a key ring of its own, of which two sign."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from events.charter import Member
from keys import sign
from keys.errors import UnknownKey
from keys.kek import Source
from keys.ring import create_ring, open_ring


@dataclass(frozen=True, slots=True)
class Root:
    """A member as its charter names it, and the three secrets (seeds of 32 bytes)."""

    member: Member
    seeds: tuple[bytes, bytes, bytes] = field(repr=False)


def new_root(country: str, name: str) -> Root:
    """Three fresh keys. Raises ValidationError: no country code."""
    seeds = (sign.new_seed(), sign.new_seed(), sign.new_seed())
    one, two, three = (sign.public_key(seed).hex() for seed in seeds)
    return Root(Member(country=country, name=name, roots=(one, two, three)), seeds)


def key_files(folder: Path, country: str) -> list[Path]:
    """Where the three keys of a root stand."""
    return [folder / f"{country}.root-{number}.key" for number in (1, 2, 3)]


def keep_root(folder: Path, root: Root, sources: Sequence[Source], now: datetime) -> None:
    """Write each key to a file of its own (mode 0600), wrapped under its custodian's key-encryption key.

    sources  one a key
    raises   AlreadyThere, RingDamaged, TokenUnavailable
    """
    country = root.member.country
    numbered = zip(key_files(folder, country), root.seeds, sources, strict=True)
    for number, (path, seed, source) in enumerate(numbered, start=1):
        ring = create_ring(path, source)
        public = sign.public_key(seed)
        ring.add("root", f"{country}.root.{number}", seed, public=public, valid_from=now, primary=True)


def open_root_key(path: Path, source: Source) -> tuple[str, bytes]:
    """The id of the root key in this file, and its secret seed.

    raises   UnknownKey: it is a ring, but of no root; RingDamaged, TokenUnavailable
    """
    ring, _ = open_ring(path, source)
    if not ring.versions("root"):
        raise UnknownKey(f"{path} holds no root key: only an offline root signs a charter, never a party's own key.")
    key = ring.primary("root")
    return key.id, ring.secret("root", key.id)
