"""The signed charter and its history: who must have signed a version, and what may follow what.

A charter file holds every version since the region was founded. Each was signed over its exact bytes by two of the
three root keys of every member that the step concerns; each names the digest of the one before. So whoever has a
file can follow how its members, roots and keys came to be, and whoever has run under one version can refuse another
history. The digest of the first version stands for the region in every proof: later versions change rules, not what
was proved (docs/adr/0013-proofs-are-bound-to-the-founding-of-the-region.md).
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from events.charter import Charter, Party
from events.errors import CharterInvalid
from events.model import Country, Hex32, Value
from keys import labels, sign

QUORUM: Final = 2
"""Of a member's three root keys."""
_FIXED: Final = ("region", "tick_seconds", "linkage_partitions")
"""What streams are made of, or counted by: with another value they would stop, or be read as other streams."""
_NEVER_LOWER: Final = ("matching_epoch", "schema_version")


class RootSignature(Value):
    """One root key's signature (base64) over a version's exact bytes."""

    country: Country
    root: Hex32
    signature: str

    def is_over(self, payload: bytes) -> bool:
        """Whether this root signed these bytes as a charter. What is no base64 is no signature."""
        try:
            signature = base64.b64decode(self.signature, validate=True)
        except ValueError:
            return False
        return sign.is_valid(bytes.fromhex(self.root), labels.CHARTER + payload, signature)


def sign_payload(payload: bytes, country: str, seed: bytes) -> RootSignature:
    """Sign a version's exact bytes with one root secret (Ed25519 seed, 32 bytes) of this member."""
    signature = base64.b64encode(sign.sign(seed, labels.CHARTER + payload)).decode()
    return RootSignature(country=country, root=sign.public_key(seed).hex(), signature=signature)


@dataclass(frozen=True, slots=True)
class Quorum:
    """Two of these three roots of a country must have signed."""

    country: str
    roots: tuple[str, str, str]

    def signed_by(self, signatures: Iterable[RootSignature], payload: bytes) -> frozenset[str]:
        """The roots among them whose signatures are over these bytes."""
        return frozenset(
            s.root for s in signatures if s.country == self.country and s.root in self.roots and s.is_over(payload)
        )


class SignedVersion(Value):
    """One version: its exact bytes (JSON, base64) and the root signatures over them."""

    payload: str
    signatures: tuple[RootSignature, ...]

    @property
    def content(self) -> bytes:
        """The exact bytes that were signed. Raises CharterInvalid."""
        try:
            return base64.b64decode(self.payload, validate=True)
        except ValueError as error:
            raise CharterInvalid("The charter cannot be read: its payload is no base64.") from error

    @property
    def digest(self) -> bytes:
        """SHA-256 of the exact bytes, 32 bytes."""
        return hashlib.sha256(self.content).digest()


class SignedCharter(SignedVersion):
    """The newest version, and all before it, oldest first."""

    earlier: tuple[SignedVersion, ...] = ()

    @property
    def versions(self) -> tuple[SignedVersion, ...]:
        """All of them, oldest first: version n stands at n - 1."""
        return (*self.earlier, SignedVersion(payload=self.payload, signatures=self.signatures))

    @property
    def region_digest(self) -> bytes:
        """32 bytes that stand for this region in every proof: the digest of the first version."""
        return self.versions[0].digest

    def history(self) -> tuple[Charter, ...]:
        """Every version's charter, oldest first, each checked against the one before. Raises CharterInvalid."""
        found: list[Charter] = []
        for number, version in enumerate(self.versions):
            charter = parse_charter(version.content)
            previous = found[-1] if found else None
            check_step(previous, self.versions[number - 1].digest if previous else None, charter)
            _check_signed(quorums(previous, charter), charter, version)
            found.append(charter)
        return tuple(found)

    def verified(self) -> Charter:
        """The newest version, if it and every one before it may stand. Raises CharterInvalid."""
        return self.history()[-1]

    def check_continues(self, version: int, digest: bytes) -> None:
        """Raises CharterInvalid unless this is that version, or came of it.

        version, digest  of a charter that was trusted before
        """
        if len(self.versions) < version:
            raise CharterInvalid(
                f"This charter (version {len(self.versions)}) is older than version {version}, which was in force here"
                " before: somebody has put it back. Take the newest from the other members."
            )
        if self.versions[version - 1].digest != digest:
            raise CharterInvalid(
                f"This charter tells another history: its version {version} is not the one that was in force here."
                " Compare fingerprints with the other members before anything else."
            )


def parse_charter(payload: bytes) -> Charter:
    """A version's bytes as a whole charter. Raises CharterInvalid: malformed, incomplete, or against its rules."""
    try:
        return Charter.model_validate_json(payload)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, found["loc"])) or "the whole"
        raise CharterInvalid(f"The charter cannot be read: {where}: {found['msg']}.") from error


def quorums(previous: Charter | None, charter: Charter) -> tuple[Quorum, ...]:
    """Whose roots must have signed this version.

    A version in which nothing changes but the signing keys of one member's own parties, that member's alone: whoever
    was robbed must not wait for others. Any other: all its members', also with their former roots where these change.
    Whoever leaves is not asked.
    """
    owner = owner_of_changes(previous, charter) if previous else None
    if owner is not None:
        return tuple(Quorum(m.country, m.roots) for m in charter.members if m.country == owner)
    wanted = [(m.country, m.roots) for m in charter.members]
    former = [(m.country, m.roots) for m in previous.members] if previous else []
    staying = {country for country, _ in wanted}
    return tuple(Quorum(*each) for each in dict.fromkeys((*wanted, *(f for f in former if f[0] in staying))))


def owner_of_changes(previous: Charter, charter: Charter) -> str | None:
    """The member whose own parties' signing keys are all that changes; None: there is no such one."""
    own = {"version": charter.version, "previous": charter.previous, "issued": charter.issued}
    if previous.model_copy(update={**own, "parties": charter.parties}) != charter:
        return None
    before = {party.id: party for party in previous.parties}
    if [party.id for party in charter.parties] != list(before):
        return None
    changed = [party for party in charter.parties if party != before[party.id]]
    keys_only = all(p.model_copy(update={"signing": before[p.id].signing}) == before[p.id] for p in changed)
    owners = {party.country for party in changed}
    return owners.pop() if keys_only and len(owners) == 1 else None


def check_step(previous: Charter | None, digest: bytes | None, charter: Charter) -> None:
    """Raises CharterInvalid where this version may not follow that one, whoever signed it.

    previous, digest  the version before and its bytes' SHA-256; None: the region is founded
    """
    if previous is None or digest is None:
        if charter.version != 1 or charter.previous is not None:
            raise CharterInvalid(f"Version {charter.version} comes without the ones before it: the file is cut.")
        return
    if charter.version != previous.version + 1:
        raise _no_step(charter, f"version {previous.version} is followed by version {previous.version + 1}")
    if charter.previous != digest.hex():
        raise _no_step(charter, f"it was not made of the version {previous.version} that it comes with")
    if charter.issued <= previous.issued:
        raise _no_step(charter, "it is issued no later than the one before")
    _check_rules(previous, charter)
    _check_members(previous, charter)
    _check_pairs(previous, charter)
    for party in previous.parties:
        if party.id in {p.id for p in charter.parties}:
            _check_keys(charter, party, charter.party(party.id))


def _check_rules(previous: Charter, charter: Charter) -> None:
    for name in _FIXED:
        if getattr(charter, name) != getattr(previous, name):
            raise _no_step(charter, f"{name} is what a region is founded with, and stays")
    for name in _NEVER_LOWER:
        if getattr(charter, name) < getattr(previous, name):
            raise _no_step(charter, f"{name} never goes back")


def _check_members(previous: Charter, charter: Charter) -> None:
    """One at a time: else the last one left could say that all others are gone."""
    left = sorted(set(previous.countries) - set(charter.countries))
    if len(left) > 1:
        raise _no_step(charter, f"{' and '.join(left)} leave at once: a version for each, that all others sign")


def _check_pairs(previous: Charter, charter: Charter) -> None:
    known = {*previous.pairs, *previous.ended_pairs}
    forgotten = sorted(known - {*charter.pairs, *charter.ended_pairs})
    if forgotten:
        raise _no_step(charter, f"the pair {forgotten[0]} agreed once: name it among ended_pairs")
    again = {*previous.ended_pairs} & {*charter.pairs}
    for pair in sorted(known):
        began = charter.matching_epoch if pair in again else previous.agreed_from(pair)
        if pair in again and charter.matching_epoch == previous.matching_epoch:
            raise _no_step(charter, f"{pair} ended, and agrees again only in a new matching epoch")
        if charter.agreed_from(pair) != began:
            raise _no_step(charter, f"{pair} agrees again from matching epoch {began} on, if it has ended before")
        is_changed = charter.holders_of(pair) != previous.holders_of(pair)
        if is_changed and charter.matching_epoch == previous.matching_epoch:
            raise _no_step(charter, f"a third share of {pair} comes and goes only with a new matching epoch")


def _check_keys(charter: Charter, before: Party, after: Party) -> None:
    """What a key has signed stays checkable for ever, and what was retired stays retired."""
    named = {key.id: key for key in after.signing}
    for key in before.signing:
        kept = named.get(key.id)
        if kept is None:
            raise _no_step(charter, f"the signing key {key.id} is left out: retire it, for what it signed stays")
        if kept.model_copy(update={"last": key.last}) != key:
            raise _no_step(charter, f"the signing key {key.id} is altered: introduce another under an id of its own")
        if key.last is not None and kept.last != key.last:
            raise _no_step(charter, f"the signing key {key.id} is retired, and stays so as it was said")


def _check_signed(wanted: Iterable[Quorum], charter: Charter, version: SignedVersion) -> None:
    for quorum in wanted:
        good = quorum.signed_by(version.signatures, version.content)
        if len(good) < QUORUM:
            raise CharterInvalid(
                f"The charter (version {charter.version}) bears {len(good)} valid root signatures of "
                f"{quorum.country}; two are needed. Ask {quorum.country}'s custodians to sign this version."
            )


def _no_step(charter: Charter, why: str) -> CharterInvalid:
    return CharterInvalid(f"The charter's version {charter.version} may not stand: {why}.")


def read_charter(path: Path) -> SignedCharter:
    """A charter file, not verified yet. Raises CharterInvalid: not there, or no signed charter."""
    try:
        return SignedCharter.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CharterInvalid(f"{path} cannot be read ({error.strerror}); is it the charter file?") from error
    except ValidationError as error:
        raise CharterInvalid(f"{path} is no signed charter: {error.error_count()} fields are wrong.") from error


def load_charter(path: Path) -> tuple[Charter, bytes]:
    """Read and verify a charter file. Returns its newest version and the region's digest. Raises CharterInvalid."""
    signed = read_charter(path)
    return signed.verified(), signed.region_digest
