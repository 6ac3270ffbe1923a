"""Ed25519: sign and check one message.

Refuses nothing by exception on the checking side: a signature is valid or it is not, whatever came.
A signer never signs bare bytes of another format: envelopes go through `pae`, the charter under its label.
Source: RFC 8032; DSSE v1 for `pae`.
"""

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError
from nacl.utils import random

_SIGNATURE = 64
_PUBLIC = 32


def new_seed() -> bytes:
    """A fresh secret seed, 32 bytes."""
    return random(32)


def public_key(seed: bytes) -> bytes:
    """The public key of a seed, 32 bytes."""
    return crypto_sign_seed_keypair(seed)[0]


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature, 64 bytes; the same for the same seed and message."""
    return crypto_sign(message, crypto_sign_seed_keypair(seed)[1])[:_SIGNATURE]


def is_valid(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of `public` signed exactly this message. Wrong sizes and weak keys are simply not valid."""
    if len(public) != _PUBLIC or len(signature) != _SIGNATURE:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except CryptoError:
        return False
    return True


def pae(payload_type: str, payload: bytes) -> bytes:
    """What is signed for a payload of a type, so that no payload passes for one of another type.

    source   DSSE v1, Pre-Authentication Encoding: lengths in decimal ASCII
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
