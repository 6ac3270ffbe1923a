"""Signatures of custodians, each in a file of its own, and the charter that they make together."""

import base64
import hashlib
from collections.abc import Iterable, Sequence

from events.charter import Charter
from events.errors import CharterInvalid
from events.model import Hex32, Value
from events.succession import (
    QUORUM,
    Quorum,
    RootSignature,
    SignedCharter,
    check_step,
    quorums,
    sign_payload,
)
from keys.sign import public_key
from services.charter import drafts


class Signed(Value):
    """One custodian's signature, and of what."""

    digest: Hex32
    """SHA-256 of the draft's exact bytes."""
    signature: RootSignature


def digest_of(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()


def fingerprint(digest: bytes) -> str:
    """A digest as people read it to each other: 16 groups of 4."""
    text = digest.hex()
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def checked(payload: bytes, after: SignedCharter | None) -> tuple[Charter | None, Charter]:
    """The version before, verified, and the one that these bytes would be. Raises CharterInvalid."""
    charter = drafts.whole(payload)
    if charter.version > 1 and after is None:
        raise CharterInvalid(f"Version {charter.version} is looked at beside the one before: name that with --after.")
    previous = after.verified() if after else None
    check_step(previous, after.digest if after else None, charter)
    return previous, charter


def sign(payload: bytes, after: SignedCharter | None, seed: bytes) -> Signed:
    """Sign a draft's exact bytes with one root secret. Raises CharterInvalid: it may not stand, or not by this root."""
    previous, charter = checked(payload, after)
    public = public_key(seed).hex()
    country = next((q.country for q in quorums(previous, charter) if public in q.roots), None)
    if country is None:
        raise CharterInvalid("This root key is of no member that must sign this version. Is it the right key file?")
    return Signed(digest=digest_of(payload).hex(), signature=sign_payload(payload, country, seed))


def standing(payload: bytes, after: SignedCharter | None, signed: Iterable[Signed]) -> list[tuple[Quorum, int]]:
    """Who must sign, and with how many roots each has. Raises CharterInvalid."""
    signatures = _of_this(payload, signed)
    return [(q, len(q.signed_by(signatures, payload))) for q in quorums(*checked(payload, after))]


def collect(payload: bytes, after: SignedCharter | None, signed: Sequence[Signed]) -> SignedCharter:
    """The charter: these bytes, these signatures, and all versions before. Raises CharterInvalid: some are missing."""
    found = SignedCharter(
        payload=base64.b64encode(payload).decode(),
        signatures=tuple(sorted(set(_of_this(payload, signed)), key=lambda s: (s.country, s.root))),
        earlier=after.versions if after else (),
    )
    checked(payload, after)
    found.verified()
    return found


def is_complete(found: Iterable[tuple[Quorum, int]]) -> bool:
    return all(count >= QUORUM for _, count in found)


def _of_this(payload: bytes, signed: Iterable[Signed]) -> list[RootSignature]:
    listed = list(signed)
    for each in listed:
        if each.digest != digest_of(payload).hex():
            raise CharterInvalid(
                f"A signature of {each.signature.country} is over another draft, {each.digest[:9]}...: its custodian"
                " must look at this one, and sign it."
            )
    return [each.signature for each in listed]
