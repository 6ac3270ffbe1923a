"""Where the key-encryption key of a ring comes from: a file, a passphrase, or a key inside a PKCS#11 token.

A file holds the key itself. From a passphrase (Argon2id, RFC 9106) and inside a token (HMAC-SHA256 over a salt) it is
derived; salt and parameters stand in the ring, so that whoever replaces the ring replaces them with it. Every use of a
source gives the key in memory, 32 bytes: a token keeps the ring shut while it is away, it does not hide the key
from the machine that opened the ring.

A passphrase or a PIN is read from a file, a descriptor or a terminal, never from an argument or the environment.
"""

import getpass
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.utils import random
from pydantic import BaseModel, ConfigDict, Field

from keys import labels, seal
from keys.errors import AlreadyThere, RingDamaged, SourceInvalid
from keys.files import create_private, read_credential, read_private, remove, sync_folder
from keys.hsm import TokenAddress

SHORTEST: Final = 16
"""Bytes of a passphrase at least. Count words instead: six drawn by lot from a long list."""
_OPS: Final = argon2id.OPSLIMIT_MODERATE
_MEMORY: Final = argon2id.MEMLIMIT_MODERATE
"""Three passes over 256 MiB: about a second, once, when a process starts."""
_TERMINAL: Final = "/dev/tty"

_CLOSED: Final = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="hex", val_json_bytes="hex")


class Argon2id(BaseModel):
    """How the key came from a passphrase. `memory` in bytes; the bounds keep an altered ring from taking all of it."""

    model_config = _CLOSED

    kind: Literal["argon2id"] = "argon2id"
    salt: Annotated[bytes, Field(min_length=16, max_length=16)]
    ops: Annotated[int, Field(ge=1, le=64)]
    memory: Annotated[int, Field(ge=8 << 10, le=4 << 30)]


class TokenMac(BaseModel):
    """How the key came from a token: the HMAC-SHA256 of this salt, under its label, by a key that stays in there."""

    model_config = _CLOSED

    kind: Literal["token-hmac-sha256"] = "token-hmac-sha256"
    salt: Annotated[bytes, Field(min_length=32, max_length=32)]


Derivation = Annotated[Argon2id | TokenMac, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Kek:
    """A key-encryption key, 32 bytes, and what its source needs to find it again. None: the source holds it itself."""

    key: bytes = field(repr=False)
    derivation: Argon2id | TokenMac | None = None


class Source(Protocol):
    """Where a ring's key-encryption key comes from."""

    def find(self, derivation: Argon2id | TokenMac | None) -> Sequence[bytes]:
        """The keys that may open a ring that says this, likeliest first. Raises RingDamaged, TokenUnavailable."""
        ...

    def fresh(self, *, again: bool = False) -> Kek:
        """A key that no ring stood under before.

        again    the ring stands under this source already, and is to be rewrapped under it
        raises   AlreadyThere: the source holds a key, perhaps another ring's; RingDamaged, TokenUnavailable
        """
        ...

    def settle(self, key: bytes) -> None:
        """The ring stands under this key now, durably: drop what the source kept for the other case."""
        ...

    def forget(self, was: Callable[[bytes], bool]) -> None:
        """The ring stands under another source now: destroy the key that it stood under, where that is a file."""
        ...


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of 32 random bytes, mode 0600.

    A fresh key waits in `<name>.next` until the ring stands under it, and then takes the file's place. If we crash
    before, the ring opens under the file; after, under `.next`, and the next opening puts it in its place.
    """

    path: Path

    def find(self, derivation: Argon2id | TokenMac | None) -> Sequence[bytes]:
        if derivation is not None:
            raise _other(derivation, "a file")
        there = [path for path in (self.path, self._next) if path.exists()]
        return [load_kek(path) for path in there or [self.path]]

    def fresh(self, *, again: bool = False) -> Kek:
        if self.path.exists() and not again:
            raise AlreadyThere(f"{self.path} exists: name a file for the new key that is not there yet.")
        with suppress(FileNotFoundError):
            self._next.unlink()  # of a rotation that was killed before the ring stood under it
        return Kek(new_kek(self._next))

    def settle(self, key: bytes) -> None:
        if not self._next.exists():
            return
        try:
            if load_kek(self._next) == key:
                self._next.replace(self.path)
            else:
                self._next.unlink()
            sync_folder(self.path.parent)
        except OSError as error:
            raise RingDamaged(f"{self._next} cannot take the place of {self.path}: {error.strerror}.") from error

    def forget(self, was: Callable[[bytes], bool]) -> None:
        for path in (self.path, self._next):
            if path.exists() and was(load_kek(path)):
                remove(path)

    @property
    def _next(self) -> Path:
        return self.path.with_name(f"{self.path.name}.next")


class PassphraseSource:
    """A passphrase, read when it is first needed.

    read     gives it
    confirm  asks for it once more before a new ring stands under it, where a person types it
    """

    def __init__(
        self, read: Callable[[], bytes], *, confirm: Callable[[], bytes] | None = None, ops: int = _OPS,
        memory: int = _MEMORY,
    ) -> None:
        self._read = read
        self._confirm = confirm
        self._cost = (ops, memory)

    def find(self, derivation: Argon2id | TokenMac | None) -> Sequence[bytes]:
        if not isinstance(derivation, Argon2id):
            raise _other(derivation, "a passphrase")
        return [self._key(derivation)]

    def fresh(self, *, again: bool = False) -> Kek:
        del again  # a fresh salt makes a fresh key; nothing is overwritten
        if self._confirm is not None and self._passphrase != self._confirm():
            raise RingDamaged("The two passphrases differ. Nothing was changed; try again.")
        ops, memory = self._cost
        derivation = Argon2id(salt=random(16), ops=ops, memory=memory)
        return Kek(self._key(derivation), derivation)

    def settle(self, key: bytes) -> None:
        """Nothing is kept."""

    def forget(self, was: Callable[[bytes], bool]) -> None:
        """Nothing is kept."""

    def _key(self, derivation: Argon2id) -> bytes:
        try:
            return argon2id.kdf(seal.KEY, self._passphrase, derivation.salt, derivation.ops, derivation.memory)
        except (CryptoError, MemoryError) as error:
            raise RingDamaged(f"Argon2id needs {derivation.memory >> 20} MiB of memory and did not get it.") from error

    @cached_property
    def _passphrase(self) -> bytes:
        found = self._read().rstrip(b"\r\n")
        if len(found) < SHORTEST:
            raise RingDamaged(f"The passphrase is too short: a key's has at least {SHORTEST} bytes.")
        return found


@dataclass(frozen=True, slots=True)
class TokenSource:
    """A key inside a PKCS#11 token: the ring opens only where the token is, and its PIN."""

    address: TokenAddress

    def find(self, derivation: Argon2id | TokenMac | None) -> Sequence[bytes]:
        if not isinstance(derivation, TokenMac):
            raise _other(derivation, "a token")
        return [self._key(derivation)]

    def fresh(self, *, again: bool = False) -> Kek:
        del again  # a fresh salt makes a fresh key; the token's own key stays
        derivation = TokenMac(salt=random(32))
        return Kek(self._key(derivation), derivation)

    def settle(self, key: bytes) -> None:
        """Nothing is kept."""

    def forget(self, was: Callable[[bytes], bool]) -> None:
        """Nothing is kept."""

    def _key(self, derivation: TokenMac) -> bytes:
        return self.address.open().mac(labels.framed(labels.TOKEN_KEK, derivation.salt))


def source(text: str) -> Source:
    """The source that a setting names. Reads nothing yet.

    text     file:/PATH | passphrase:/PATH | passphrase:fd:N | passphrase:prompt |
             pkcs11:token=T;object=O?module-path=/PATH&pin-source=/PATH (RFC 7512)
    raises   SourceInvalid
    """
    kind, _, rest = text.partition(":")
    if kind == "file":
        return FileSource(_absolute(rest))
    if kind == "pkcs11":
        return TokenSource(TokenAddress.of(text))
    if kind != "passphrase":
        raise SourceInvalid("a key-encryption key comes from file:/PATH, passphrase:... or pkcs11:...")
    if rest == "prompt":
        return PassphraseSource(lambda: _asked("Passphrase: "), confirm=lambda: _asked("The same again: "))
    if rest.startswith("fd:"):
        return PassphraseSource(_from_descriptor(rest[3:]))
    path = _absolute(rest)
    return PassphraseSource(lambda: read_credential(path))


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


def _other(derivation: Argon2id | TokenMac | None, named: str) -> RingDamaged:
    came = {Argon2id: "a passphrase", TokenMac: "a token", type(None): "a file"}[type(derivation)]
    return RingDamaged(f"The ring's key-encryption key comes from {came}, the setting names {named}: set it right.")


def _absolute(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise SourceInvalid("files of keys are named by their whole path, from the root")
    return path


def _from_descriptor(text: str) -> Callable[[], bytes]:
    if not text.isdecimal() or int(text) in {1, 2}:
        raise SourceInvalid("passphrase:fd:N names a descriptor that the process was given to read")

    def read() -> bytes:
        try:
            with os.fdopen(int(text), "rb") as file:
                return file.read()
        except OSError as error:
            raise RingDamaged(f"The passphrase cannot be read from descriptor {text}: {error.strerror}.") from error

    return read


def _asked(prompt: str) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would be shown while typed
        try:
            return getpass.getpass(prompt).encode()
        except (getpass.GetPassWarning, EOFError, OSError) as error:
            raise RingDamaged("There is no terminal to ask for the passphrase: name a file or descriptor.") from error
