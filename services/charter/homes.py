"""A party's home on its own machine: the key ring, and the online signing keys, whose public parts alone leave it."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from events.charter import SigningKey
from events.model import PartyId, Value
from keys import seal, sign
from keys.errors import UnknownKey
from keys.kek import Source
from keys.ring import KeyRing, KeyVersion, Purpose, create_ring, open_ring

YEAR: Final = timedelta(days=365)
"""How long a signing key lives."""
MATCHER: Final = "matcher"


class Offer(Value):
    """The public part of a party's online key, as it is handed to whoever writes the charter."""

    party: PartyId
    key: SigningKey


def open_home(home: Path, party: str, source: Source, *, now: datetime) -> KeyRing:
    """The key ring of a party's home, with what its store and searches stand under; made where it is not there yet.

    If we crash half-way, the next call makes the rest. Raises RingDamaged, TokenUnavailable; OSError: of the folder.
    """
    home.mkdir(mode=0o700, exist_ok=True)
    path = home / "ring.json"
    ring = open_ring(path, source)[0] if path.exists() else create_ring(path, source)
    for purpose in _further_purposes(party):
        if not ring.versions(purpose):
            ring.add(purpose, f"{party}.{purpose}.1", seal.new_key(), valid_from=now, primary=True)
    return ring


def new_signing_key(ring: KeyRing, party: str, *, now: datetime, life: timedelta = YEAR) -> Offer:
    """Draw the party's next online key into its ring. It signs nothing until a charter has introduced it.

    raises   AlreadyThere: the id is taken
    """
    seed, before = sign.new_seed(), ring.versions("signing")
    key = SigningKey(
        id=f"{party}.signing.{len(before) + 1}",
        public=sign.public_key(seed).hex(),
        valid_from=now,
        valid_until=now + life,
    )
    public, until = bytes.fromhex(key.public), key.valid_until
    kept = ring.add("signing", key.id, seed, public=public, valid_from=now, valid_until=until, primary=not before)
    return offer_of(party, kept)


def offer_of(party: str, kept: KeyVersion) -> Offer:
    """The public part of an online key of the ring. Raises UnknownKey: it has none, or no end."""
    if kept.public is None or kept.valid_until is None:
        raise UnknownKey(f"The ring's signing key {kept.id!r} has no public part or no end: add it anew.")
    key = SigningKey(id=kept.id, public=kept.public.hex(), valid_from=kept.valid_from, valid_until=kept.valid_until)
    return Offer(party=party, key=key)


def _further_purposes(party: str) -> tuple[Purpose, ...]:
    """The matcher makes its peppers itself, in its ring or in a token (services.matcher.peppers)."""
    return ("store",) if party == MATCHER or party.endswith(".holder") else ("store", "search")
