"""Seal one message and open it again: with a shared key, or to a recipient's public key.

Every seal is bound to associated data: opened in another place it does not open. Opening gives the exact bytes or
SealBroken, nothing in between.
Sources: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), X25519 (RFC 7748), both from libsodium.
"""

import hashlib
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError
from nacl.utils import random

from keys import labels
from keys.errors import SealBroken

KEY: Final = 32
OVERHEAD: Final = 24 + 16
"""Bytes that `seal` adds: nonce and tag."""
OVERHEAD_TO: Final = 32 + OVERHEAD
"""Bytes that `seal_to` adds: the ephemeral public key, nonce and tag."""


def new_key() -> bytes:
    """A fresh key, 32 bytes."""
    return random(KEY)


def seal(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """A nonce (24, random) | XChaCha20-Poly1305 of the plaintext, with `aad` authenticated but not contained."""
    nonce = random(24)
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, aad, nonce, key)


def unseal(key: bytes, box: bytes, aad: bytes) -> bytes:
    """What was sealed under this key for this place.

    raises   SealBroken: altered or cut bytes, other associated data, or another key
    """
    if len(box) < OVERHEAD:
        raise SealBroken(f"A sealed message has at least {OVERHEAD} bytes, this one has {len(box)}: it was cut.")
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(box[24:], aad, box[:24], key)
    except CryptoError as error:
        raise SealBroken("A sealed message does not open: altered, moved elsewhere, or another key's.") from error


def new_sealing_pair() -> tuple[bytes, bytes]:
    """A fresh X25519 key: secret and public, 32 bytes each."""
    secret = random(32)
    return secret, crypto_scalarmult_base(secret)


def seal_to(public: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """An ephemeral public key (32) | `seal` under a key that only the recipient can derive.

    The ephemeral secret is dropped here: the sender cannot open it again, nor whoever seizes the sender.
    raises   SealBroken: `public` is not 32 bytes, or of low order, so that anyone could open the message
    """
    secret, ephemeral = new_sealing_pair()
    return ephemeral + seal(_derived(secret, public, ephemeral, public), plaintext, aad)


def unseal_from(secret: bytes, box: bytes, aad: bytes) -> bytes:
    """What was sealed to this secret's public key for this place. Raises SealBroken."""
    if len(box) < OVERHEAD_TO:
        raise SealBroken(f"A message sealed to a key has at least {OVERHEAD_TO} bytes, this one has {len(box)}.")
    ephemeral = box[:32]
    key = _derived(secret, ephemeral, ephemeral, crypto_scalarmult_base(secret))
    return unseal(key, box[32:], aad)


def _derived(secret: bytes, other: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    """The message's key. Both public keys go in, so that a message re-addressed to another key does not open."""
    if len(other) != 32:
        raise SealBroken(f"An X25519 public key has 32 bytes, this one has {len(other)}.")
    try:
        shared = crypto_scalarmult(secret, other)
    except CryptoError as error:  # libsodium refuses an all-zero result
        raise SealBroken("An X25519 public key of low order: it hides nothing.") from error
    return hashlib.blake2b(labels.framed(labels.SEAL_TO, shared, ephemeral, recipient), digest_size=KEY).digest()
