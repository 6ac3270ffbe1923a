"""Which key a party signs with: chosen before it opens, since nobody would believe what another one signs."""

from datetime import datetime, timedelta
from typing import Final

from events.charter import Charter
from events.errors import CharterInvalid
from keys.errors import UnknownKey
from keys.ring import KeyRing

OVERLAP: Final = timedelta(days=7)
"""How long a former key is kept beside its successor, which the charter may have to retire as stolen."""


def choose_signing_key(charter: Charter, me: str, ring: KeyRing, now: datetime) -> None:
    """Make the newest key that both ring and charter have, and that counts now, the one to sign with.

    A successor lies ready in the ring until the roots have introduced it: then it takes over at the next start.
    Raises CharterInvalid: the ring has no signing key, or none that the charter names, or all of them have ended.
    """
    named = {(key.id, key.public): key for key in charter.party(me).signing}
    mine = [named.get((v.id, v.public.hex())) for v in ring.versions("signing") if v.public and v.secret]
    good = [key for key in mine if key and key.last is None and key.valid_from <= now < key.valid_until]
    if good:
        ring.make_primary("signing", max(good, key=lambda key: key.valid_from).id)
        return
    try:
        primary = ring.primary("signing")
    except UnknownKey as error:
        raise CharterInvalid(f"The ring of {me} has no signing key: add the charter's.") from error
    if not any(mine):
        raise CharterInvalid(
            f"The charter (version {charter.version}) names no signing key {primary.id!r} of {me}: nobody"
            " would believe what it signs. Is it the charter of this region, and the ring of this party?"
        )
    raise CharterInvalid(
        f"The signing key {primary.id!r} of {me} is retired, or its time is over or to come (charter version"
        f" {charter.version}): nobody would believe what it signs. Put the new key into the ring."
    )


def destroy_former(charter: Charter, me: str, ring: KeyRing, now: datetime) -> int:
    """Destroy the keys before the one that signs, OVERLAP after that is in force. Returns how many.

    What they signed is believed by their public parts, which stay in ring and charter for ever.
    """
    if not any(v.state == "active" for v in ring.versions("signing")):
        return 0
    since = {key.id: key.valid_from for key in charter.party(me).signing}
    chosen = ring.primary("signing").id
    if chosen not in since or now < max(charter.issued, since[chosen]) + OVERLAP:
        return 0
    over = [
        v for v in ring.versions("signing")
        if v.state == "active" and v.id in since and since[v.id] < since[chosen]
    ]  # fmt: skip
    for version in over:
        ring.destroy("signing", version.id)
    return len(over)
