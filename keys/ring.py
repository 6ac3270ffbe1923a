"""The key ring: one file for a node, with every key that the node must keep, and their tombstones.

Secrets stand in it only wrapped, each bound to its purpose and id, and one seal over everything binds states and
dates too: a swapped, altered or removed entry, or the wrong key-encryption key, and the ring does not open at all.
What it cannot see: a whole older ring put back with the same key-encryption key. Destroyed secrets leave the file;
copies of the file from before still hold them, wrapped, until the key-encryption key changes.

The file belongs to one process at a time. Methods may be called from several threads.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from keys import labels, seal
from keys.errors import AlreadyThere, KeyInUse, RingDamaged, SealBroken, UnknownKey
from keys.files import create_private, read_private, replace_private
from keys.kek import Argon2id, Derivation, Kek, Source, TokenMac

Purpose = Literal["signing", "sealing", "share", "refresh", "store", "pepper", "search", "data", "root"]
"""`data`: wraps persons' data keys (keys.persons); `refresh`: what a share is moved by (keys.refresh); `root`: a
custodian's own ring, offline, has nothing else."""
State = Literal["primary", "active", "destroyed"]

ALGORITHMS: Final[Mapping[Purpose, str]] = {
    "signing": "Ed25519",
    "sealing": "X25519",
    "share": "ristretto255",
    "refresh": "ristretto255, X25519",
    "store": "XChaCha20-Poly1305",
    "pepper": "HMAC-SHA256",
    "search": "HMAC-SHA256",
    "data": "XChaCha20-Poly1305",
    "root": "Ed25519",
}


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One key. `primary`: the one to use for new work; a purpose that has one keeps exactly one. `destroyed`: no secret
    any more.
    """

    id: str
    purpose: Purpose
    algorithm: str
    state: State
    secret: bytes | None = field(repr=False)
    public: bytes | None
    valid_from: datetime
    valid_until: datetime | None


_Versions = dict[tuple[Purpose, str], KeyVersion]

_CLOSED: Final = ConfigDict(
    frozen=True, extra="forbid", hide_input_in_errors=True, ser_json_bytes="hex", val_json_bytes="hex"
)


class _Entry(BaseModel):
    """A KeyVersion at rest: `wrapped` is its secret under the key-encryption key."""

    model_config = _CLOSED

    id: str
    purpose: Purpose
    algorithm: str
    state: State
    wrapped: bytes | None
    public: bytes | None
    valid_from: datetime
    valid_until: datetime | None


class _File(BaseModel):
    model_config = _CLOSED

    version: Literal[1]
    kek: Derivation | None = None
    """How the key-encryption key is found again. None: it stands in a file of its own."""
    keys: tuple[_Entry, ...]
    whole: bytes


class KeyRing:
    """The keys of one node, in the order they were added; made by `create` or `open`."""

    def __init__(self, path: Path, kek: Kek, versions: _Versions) -> None:
        self._path = path
        self._kek = kek
        self._versions = versions
        self._lock = RLock()

    def __repr__(self) -> str:
        return f"<KeyRing {self._path} of {len(self._versions)}>"

    @classmethod
    def create(cls, path: Path, kek: bytes, derivation: Argon2id | TokenMac | None = None) -> Self:
        """An empty ring in a new file. Raises AlreadyThere where there is one."""
        under = Kek(kek, derivation)
        create_private(path, _sealed({}, under))
        return cls(path, under, {})

    @classmethod
    def open(cls, path: Path, kek: bytes) -> "KeyRing":
        """The ring in this file. Raises RingDamaged: missing, cut, altered, open to others, or another key's."""
        ring = _opened(path, _read(path), kek)
        if ring is None:
            raise _shut(path)
        return ring

    def add(
        self,
        purpose: Purpose,
        key_id: str,
        secret: bytes,
        *,
        public: bytes | None = None,
        valid_from: datetime,
        valid_until: datetime | None = None,
        primary: bool = False,
    ) -> KeyVersion:
        """Keep a key; durable on return. As primary it takes the place of the former one, which stays active.

        raises   AlreadyThere: the purpose has or had a key of this id
        """
        version = KeyVersion(
            id=key_id,
            purpose=purpose,
            algorithm=ALGORITHMS[purpose],
            state="primary" if primary else "active",
            secret=secret,
            public=public,
            valid_from=valid_from,
            valid_until=valid_until,
        )
        with self._lock:
            if (purpose, key_id) in self._versions:
                raise AlreadyThere(f"The ring has or had a {purpose} key {key_id!r}: an id names one key for ever.")
            kept = _without_primary(self._versions, purpose) if primary else dict(self._versions)
            self._save({**kept, (purpose, key_id): version})
        return version

    def make_primary(self, purpose: Purpose, key_id: str) -> None:
        """Use this key for new work from now on; the former one stays active. Durable on return; twice is once.

        raises   UnknownKey: never there, or destroyed
        """
        with self._lock:
            self.secret(purpose, key_id)
            chosen = replace(self.version(purpose, key_id), state="primary")
            if chosen != self.version(purpose, key_id):
                self._save({**_without_primary(self._versions, purpose), (purpose, key_id): chosen})

    def version(self, purpose: Purpose, key_id: str) -> KeyVersion:
        """The key of this id, destroyed or not. Raises UnknownKey."""
        with self._lock:
            found = self._versions.get((purpose, key_id))
        if found is None:
            raise UnknownKey(f"The ring has no {purpose} key {key_id!r}.")
        return found

    def secret(self, purpose: Purpose, key_id: str) -> bytes:
        """The secret of this key. Raises UnknownKey: never there, or destroyed."""
        found = self.version(purpose, key_id).secret
        if found is None:
            raise UnknownKey(f"The {purpose} key {key_id!r} is destroyed: what was sealed under it stays closed.")
        return found

    def primary(self, purpose: Purpose) -> KeyVersion:
        """The key to use for new work. Raises UnknownKey where the purpose has none."""
        for version in self.versions(purpose):
            if version.state == "primary":
                return version
        raise UnknownKey(f"The ring has no primary {purpose} key: add one.")

    def versions(self, purpose: Purpose) -> tuple[KeyVersion, ...]:
        """All keys of a purpose, destroyed ones too, in the order they were added."""
        with self._lock:
            return tuple(v for v in self._versions.values() if v.purpose == purpose)

    def destroy(self, purpose: Purpose, key_id: str, *, standing: int = 0) -> None:
        """Drop the secret; id, dates and public part stay as a tombstone. Durable on return; twice is once.

        standing  how many objects stand under the key still, as whoever keeps them has counted
        raises    KeyInUse: some do, or it is the primary one, under which new ones come; UnknownKey
        """
        with self._lock:
            before = self.version(purpose, key_id)
            if standing:
                raise KeyInUse(f"The {purpose} key {key_id!r} is not destroyed: {standing} objects stand under it.")
            if before.state == "primary":
                raise KeyInUse(f"The {purpose} key {key_id!r} is not destroyed: make another one primary.")
            if before.state != "destroyed":
                gone = replace(before, state="destroyed", secret=None)
                self._save({**self._versions, (purpose, key_id): gone})

    def rewrap(self, kek: Kek) -> None:
        """Wrap every secret under another key-encryption key, in one replacement of the file; durable on return.

        If we crash, the file is the old one or the new one, whole. What else stands under the old key, and what the
        source of the new one keeps, is the caller's to know: see keys.rotation.
        """
        with self._lock:
            replace_private(self._path, _sealed(self._versions, kek))
            self._kek = kek

    def _save(self, versions: _Versions) -> None:
        # The file first: if we crash, or the disk is full, memory never holds what the file does not.
        replace_private(self._path, _sealed(versions, self._kek))
        self._versions = versions


def open_ring(path: Path, source: Source) -> tuple[KeyRing, bytes]:
    """The ring in this file, and the key-encryption key that opened it. Raises RingDamaged, TokenUnavailable.

    A rotation that was killed after it had replaced the ring is brought to its end here.
    """
    file = _read(path)
    for key in source.find(file.kek):
        ring = _opened(path, file, key)
        if ring is not None:
            source.settle(key)
            return ring, key
    raise _shut(path)


def create_ring(path: Path, source: Source) -> KeyRing:
    """An empty ring in a new file, under a fresh key of this source. Raises AlreadyThere, TokenUnavailable."""
    kek = source.fresh()
    ring = KeyRing.create(path, kek.key, kek.derivation)
    source.settle(kek.key)
    return ring


def _read(path: Path) -> _File:
    try:
        return _File.model_validate_json(read_private(path))
    except ValidationError as error:
        raise RingDamaged(f"{path} is no key ring, or it was cut: restore it from its backup.") from error


def _opened(path: Path, file: _File, key: bytes) -> KeyRing | None:
    """None: another key, or the ring was altered."""
    try:
        seal.unseal(key, file.whole, _bound(file.keys, file.kek))
        return KeyRing(path, Kek(key, file.kek), {(e.purpose, e.id): _unwrapped(e, key) for e in file.keys})
    except SealBroken:
        return None


def _shut(path: Path) -> RingDamaged:
    return RingDamaged(
        f"{path} does not open under this key-encryption key: the key is another one, or the ring was altered."
    )


def _without_primary(versions: _Versions, purpose: Purpose) -> _Versions:
    return {
        place: replace(v, state="active") if v.purpose == purpose and v.state == "primary" else v
        for place, v in versions.items()
    }


def _place(purpose: str, key_id: str) -> bytes:
    return labels.framed(labels.RING_ENTRY, purpose.encode(), key_id.encode())


def _wrapped(version: KeyVersion, kek: bytes) -> _Entry:
    fields = asdict(version)
    secret = fields.pop("secret")
    wrapped = seal.seal(kek, secret, _place(version.purpose, version.id)) if secret is not None else None
    return _Entry(wrapped=wrapped, **fields)


def _unwrapped(entry: _Entry, kek: bytes) -> KeyVersion:
    fields = entry.model_dump(exclude={"wrapped"})
    wrapped = entry.wrapped
    secret = seal.unseal(kek, wrapped, _place(entry.purpose, entry.id)) if wrapped is not None else None
    return KeyVersion(secret=secret, **fields)


def _sealed(versions: _Versions, kek: Kek) -> bytes:
    kept = tuple(_wrapped(version, kek.key) for version in versions.values())
    whole = seal.seal(kek.key, b"", _bound(kept, kek.derivation))
    return _File(version=1, kek=kek.derivation, keys=kept, whole=whole).model_dump_json(indent=1).encode()


def _bound(entries: tuple[_Entry, ...], derivation: Argon2id | TokenMac | None) -> bytes:
    """The associated data of the seal over the whole ring: every field of every entry, in order."""
    listed: list[dict[str, Any]] = [entry.model_dump(mode="json") for entry in entries]
    derived = [derivation.model_dump_json().encode()] if derivation else []
    return labels.framed(labels.RING_WHOLE, json.dumps(listed, sort_keys=True).encode(), *derived)
