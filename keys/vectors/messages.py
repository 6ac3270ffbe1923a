"""The suites of one message signed, sealed or hashed under a key."""

import hashlib
from collections.abc import Iterator
from functools import partial

from nacl.bindings import crypto_scalarmult_base

from keys import labels, seal, sign
from keys.errors import SealBroken
from keys.pepper import SecretPepper
from keys.vectors.suite import Check, Suite, flipped, refused


class Signed(Suite):
    """Secret seed, public key, message, signature."""

    vectors: tuple[tuple[bytes, bytes, bytes, bytes], ...]

    def checks(self) -> Iterator[Check]:
        return (partial(_is_signed, *v) for v in self.vectors)


class Signatures(Suite):
    """Public key, message, signature, whether it is one."""

    vectors: tuple[tuple[bytes, bytes, bytes, bool], ...]

    def checks(self) -> Iterator[Check]:
        return (partial(_is_judged, *v) for v in self.vectors)


class EdgeSignatures(Suite):
    """The same, in places of the three lists: a few keys, messages and signatures in many combinations."""

    keys: tuple[bytes, ...]
    messages: tuple[str, ...]
    signatures: tuple[bytes, ...]
    vectors: tuple[tuple[int, int, int, bool], ...]

    def checks(self) -> Iterator[Check]:
        return (partial(self._holds, *v) for v in self.vectors)

    def _holds(self, key: int, message: int, signature: int, valid: bool) -> bool:
        return _is_judged(self.keys[key], self.messages[message].encode(), self.signatures[signature], valid)


class Exchanges(Suite):
    """X25519: secret, the other's public key, what they share; all zero: of low order, to be refused."""

    vectors: tuple[tuple[bytes, bytes, bytes], ...]

    def checks(self) -> Iterator[Check]:
        return (partial(_is_exchanged, *v) for v in self.vectors)


class Boxes(Suite):
    """XChaCha20-Poly1305: key, nonce | box | tag, associated data, plaintext; None: it must not open."""

    vectors: tuple[tuple[bytes, bytes, bytes, bytes | None], ...]

    def checks(self) -> Iterator[Check]:
        return (partial(_is_opened, *v) for v in self.vectors)


class Hashes(Suite):
    """HMAC-SHA256, as the pepper uses it: key, message, tag (or its first bytes), whether it is one."""

    vectors: tuple[tuple[bytes, bytes, bytes, bool], ...]

    def checks(self) -> Iterator[Check]:
        return (partial(_is_hashed, *v) for v in self.vectors)


class Sealed(Suite):
    """Ours: one message sealed with a key, and sealed to a public key. What was sealed once must open for ever."""

    key: bytes
    aad: bytes
    plain: bytes
    box: bytes
    secret: bytes
    public: bytes
    box_to: bytes

    def checks(self) -> Iterator[Check]:
        return iter((self._opens, self._opens_to))

    def _opens(self) -> bool:
        made = seal.seal(self.key, self.plain, self.aad)
        return (
            seal.unseal(self.key, self.box, self.aad) == self.plain
            and seal.unseal(self.key, made, self.aad) == self.plain
            and refused(SealBroken, lambda: seal.unseal(self.key, self.box, flipped(self.aad)))
        )

    def _opens_to(self) -> bool:
        made = seal.seal_to(self.public, self.plain, self.aad)
        return (
            seal.unseal_from(self.secret, self.box_to, self.aad) == self.plain
            and seal.unseal_from(self.secret, made, self.aad) == self.plain
            and refused(SealBroken, lambda: seal.unseal_from(self.secret, self.box_to, flipped(self.aad)))
        )


def _is_signed(seed: bytes, public: bytes, message: bytes, signature: bytes) -> bool:
    return (
        sign.public_key(seed) == public
        and sign.sign(seed, message) == signature
        and sign.is_valid(public, message, signature)
    )


def _is_judged(public: bytes, message: bytes, signature: bytes, valid: bool) -> bool:
    return sign.is_valid(public, message, signature) is valid


def _is_exchanged(secret: bytes, other: bytes, shared: bytes) -> bool:
    """Whether `unseal_from` derives the message's key from exactly this: the box is made as a sender with it would."""
    parts = (labels.SEAL_TO, shared, other, crypto_scalarmult_base(secret))
    key = hashlib.blake2b(labels.framed(*parts), digest_size=seal.KEY).digest()
    box = other + seal.seal(key, b"shared", b"")
    if not any(shared):
        return refused(SealBroken, lambda: seal.unseal_from(secret, box, b""))
    return seal.unseal_from(secret, box, b"") == b"shared"


def _is_opened(key: bytes, box: bytes, aad: bytes, plain: bytes | None) -> bool:
    if plain is None:
        return refused(SealBroken, lambda: seal.unseal(key, box, aad))
    return seal.unseal(key, box, aad) == plain


def _is_hashed(key: bytes, message: bytes, tag: bytes, valid: bool) -> bool:
    return (SecretPepper(key).mac(message)[: len(tag)] == tag) is valid
