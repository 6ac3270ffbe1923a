"""Whether the key that a party would sign with counts: asked before it opens, since nobody would believe the rest."""

from datetime import datetime

from events.charter import Charter
from events.errors import CharterInvalid
from keys.errors import UnknownKey
from keys.ring import KeyRing


def check_signing_key(charter: Charter, me: str, ring: KeyRing, now: datetime) -> None:
    """Raises CharterInvalid: the ring has no signing key, or one that the charter does not name, or that has ended."""
    try:
        mine = ring.primary("signing")
    except UnknownKey as error:
        raise CharterInvalid(f"The ring of {me} has no signing key: add the charter's.") from error
    named = {(key.id, key.public): key for key in charter.party(me).signing}
    key = named.get((mine.id, mine.public.hex())) if mine.public is not None else None
    if key is None:
        raise CharterInvalid(
            f"The charter (version {charter.version}) names no signing key {mine.id!r} of {me}: nobody"
            " would believe what it signs. Is it the charter of this region, and the ring of this party?"
        )
    if key.last is not None or now >= key.valid_until:
        raise CharterInvalid(
            f"The signing key {mine.id!r} of {me} is retired, or its time is over (charter version"
            f" {charter.version}): nobody would believe what it signs. Put the new key into the ring."
        )
