"""The matcher's pepper: what an index stands behind, HMAC-SHA256 under a key that only the matcher can use.

Two kinds: a secret of the ring, or a key inside a PKCS#11 token (`keys.hsm.TokenKey` is one as it stands), which a
thief of the matcher's disk and memory does not get.
"""

import hmac
from dataclasses import dataclass, field
from typing import Protocol


class Pepper(Protocol):
    """A keyed hash. May be called from several threads."""

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 of this message, 32 bytes, always the same. Raises TokenUnavailable, if it stands in a token."""
        ...


@dataclass(frozen=True, slots=True)
class SecretPepper:
    """A pepper in memory. `secret`: 32 bytes."""

    secret: bytes = field(repr=False)

    def mac(self, message: bytes) -> bytes:
        return hmac.digest(self.secret, message, "sha256")
