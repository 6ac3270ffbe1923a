"""A party's own sealing keys: made, renewed before their end, and destroyed when they are accepted no longer.

They are never in a backup and do not outlive the charter's days, so that a recording of the carrier cannot be opened
later, by whoever seizes the party. Refuses to keep an old key for what has not been read in time: that is asked for
again (events.inbox).
"""

import secrets
from datetime import datetime, timedelta
from typing import Final

from events.charter import Charter
from events.messages import SealingKeyIntroduced
from keys import seal
from keys.errors import UnknownKey
from keys.ring import KeyRing, KeyVersion

_RENEW_EARLY: Final = 14
"""A key gets its successor this fraction of its life before its end, so that writers never lack one."""


class SealingKeys:
    """The X25519 keys of one party, in its ring."""

    def __init__(self, *, me: str, charter: Charter, ring: KeyRing) -> None:
        self._me = me
        self._ring = ring
        self._life = timedelta(days=charter.sealing_days)
        self._acceptance = timedelta(days=charter.sealing_acceptance_days)

    def current(self, now: datetime, asked: datetime | None = None) -> SealingKeyIntroduced:
        """The introduction of the key that others should seal to: a new key, where none is young enough.

        asked   since when a custodian wants another one; the former is accepted for its time all the same
        If we crash before the introduction is written, the key is in the ring, and is introduced at the next start.
        """
        try:
            version = self._ring.primary("sealing")
        except UnknownKey:
            version = self._make(now)
        too_old = version.valid_until is None or now >= version.valid_until - self._life / _RENEW_EARLY
        if too_old or (asked and version.valid_from < asked):
            version = self._make(now)
        return _introduction(version)

    def destroy_old(self, now: datetime) -> int:
        """Destroy the keys whose acceptance is over, but the one in use: ask for `current` first. Returns how many."""
        old = [
            version
            for version in self._ring.versions("sealing")
            if version.state == "active" and version.valid_until and now >= version.valid_until + self._acceptance
        ]
        for version in old:
            self._ring.destroy("sealing", version.id)
        return len(old)

    def _make(self, now: datetime) -> KeyVersion:
        secret, public = seal.new_sealing_pair()
        key_id = f"{self._me}.seal.{now:%Y%m%d}.{secrets.token_hex(4)}"
        return self._ring.add(
            "sealing", key_id, secret, public=public, valid_from=now, valid_until=now + self._life, primary=True
        )


def _introduction(version: KeyVersion) -> SealingKeyIntroduced:
    if version.public is None or version.valid_until is None:
        raise UnknownKey(f"The ring's sealing key {version.id!r} has no public part or no end: add it anew.")
    return SealingKeyIntroduced(
        key_id=version.id,
        public=version.public.hex(),
        valid_from=version.valid_from,
        valid_until=version.valid_until,
    )
