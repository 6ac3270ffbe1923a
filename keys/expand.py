"""A message and a tag to uniform bytes: expand_message_xmd with SHA-512, pure. Source: RFC 9380 section 5.3.1."""

import hashlib
from typing import Final

_HASH: Final = 64
_PADDED = hashlib.sha512(bytes(128))
"""Every expansion begins with one block of zeros: hashed once."""


def expand_message_xmd(message: bytes, dst: bytes, size: int) -> bytes:
    """`size` bytes that look random to whoever does not know the message.

    dst     1 to 255 bytes; one tag for one use
    size    1 to 16,320 bytes
    raises  ValueError: outside those
    """
    if not 0 < len(dst) < 256 or not 0 < size <= 255 * _HASH:
        raise ValueError(f"A tag of 1 to 255 bytes and 1 to 16320 bytes of output; got {len(dst)} and {size}.")
    tag = dst + len(dst).to_bytes(1, "big")
    start = _PADDED.copy()
    start.update(message + size.to_bytes(2, "big") + b"\0" + tag)
    first = start.digest()
    block = hashlib.sha512(first + b"\1" + tag).digest()
    out = block
    for i in range(2, -(-size // _HASH) + 1):
        mixed = bytes(a ^ b for a, b in zip(first, block, strict=True))
        block = hashlib.sha512(mixed + i.to_bytes(1, "big") + tag).digest()
        out += block
    return out[:size]
