"""The key ring: one file for a node, with every key that the node must keep, and their tombstones.

Secrets stand in it only wrapped, each bound to its purpose and id, and one seal over everything binds states and
dates too: a swapped, altered or removed entry, or the wrong key-encryption key, and the ring does not open at all.
What it cannot see: a whole older ring put back with the same key-encryption key. Destroyed secrets leave the file;
copies of the file from before still hold them, wrapped, until the key-encryption key changes.

The file belongs to one process at a time. Methods may be called from several threads.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any, Final, Literal, Self

from nacl.utils import random
from pydantic import BaseModel, ConfigDict, ValidationError

from keys import labels, seal
from keys.errors import AlreadyThere, RingDamaged, SealBroken, UnknownKey
from keys.files import create_private, read_private, replace_private

Purpose = Literal["signing", "sealing", "share", "store", "pepper", "search"]
State = Literal["primary", "active", "destroyed"]

ALGORITHMS: Final[Mapping[Purpose, str]] = {
    "signing": "Ed25519",
    "sealing": "X25519",
    "share": "ristretto255",
    "store": "XChaCha20-Poly1305",
    "pepper": "HMAC-SHA256",
    "search": "HMAC-SHA256",
}


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One key. `primary`: the one to use for new work, at most one a purpose; `destroyed`: no secret any more."""

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
    keys: tuple[_Entry, ...]
    whole: bytes


class KeyRing:
    """The keys of one node, in the order they were added; made by `create` or `open`."""

    def __init__(self, path: Path, kek: bytes, versions: _Versions) -> None:
        self._path = path
        self._kek = kek
        self._versions = versions
        self._lock = RLock()

    def __repr__(self) -> str:
        return f"<KeyRing {self._path} of {len(self._versions)}>"

    @classmethod
    def create(cls, path: Path, kek: bytes) -> Self:
        """An empty ring in a new file. Raises AlreadyThere where there is one."""
        create_private(path, _sealed((), kek))
        return cls(path, kek, {})

    @classmethod
    def open(cls, path: Path, kek: bytes) -> Self:
        """The ring in this file. Raises RingDamaged: missing, cut, altered, open to others, or another key's."""
        try:
            file = _File.model_validate_json(read_private(path))
        except ValidationError as error:
            raise RingDamaged(f"{path} is no key ring, or it was cut: restore it from its backup.") from error
        try:
            seal.unseal(kek, file.whole, _bound(file.keys))
            versions = {(e.purpose, e.id): _unwrapped(e, kek) for e in file.keys}
        except SealBroken as error:
            raise RingDamaged(
                f"{path} does not open under this key-encryption key: the key is another one, or the ring was altered."
            ) from error
        return cls(path, kek, versions)

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

    def destroy(self, purpose: Purpose, key_id: str) -> None:
        """Drop the secret; id, dates and public part stay as a tombstone. Durable on return; twice is once.

        Whether anything still stands under the key is the caller's to know. Raises UnknownKey.
        """
        with self._lock:
            gone = replace(self.version(purpose, key_id), state="destroyed", secret=None)
            self._save({**self._versions, (purpose, key_id): gone})

    def _save(self, versions: _Versions) -> None:
        # The file first: if we crash, or the disk is full, memory never holds what the file does not.
        replace_private(self._path, _sealed((_wrapped(v, self._kek) for v in versions.values()), self._kek))
        self._versions = versions


def new_kek(path: Path) -> bytes:
    """Make a key-encryption key: 32 random bytes in a file of its own, mode 0600. Raises AlreadyThere."""
    kek = random(seal.KEY)
    create_private(path, kek)
    return kek


def load_kek(path: Path) -> bytes:
    """The key-encryption key in this file. Raises RingDamaged: missing, not 32 bytes, or open to others."""
    kek = read_private(path)
    if len(kek) != seal.KEY:
        raise RingDamaged(f"{path} has {len(kek)} bytes; a key-encryption key has {seal.KEY}.")
    return kek


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


def _sealed(entries: Iterable[_Entry], kek: bytes) -> bytes:
    kept = tuple(entries)
    whole = seal.seal(kek, b"", _bound(kept))
    return _File(version=1, keys=kept, whole=whole).model_dump_json(indent=1).encode()


def _bound(entries: tuple[_Entry, ...]) -> bytes:
    """The associated data of the seal over the whole ring: every field of every entry, in order."""
    listed: list[dict[str, Any]] = [entry.model_dump(mode="json") for entry in entries]
    return labels.framed(labels.RING_WHOLE, json.dumps(listed, sort_keys=True).encode())
