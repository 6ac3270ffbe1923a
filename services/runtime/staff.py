"""The register of one party's staff: who shows this token, and in which roles may that person act.

It holds a SHA-256 of each token, never the token: that is 256 random bits, so a plain hash of it is not guessable. It
is read once, at the start: to let somebody go, write the register and start the service again.
"""

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from events.base import Role
from events.model import Hex32, StaffId, Value
from services.runtime.errors import StaffInvalid

MACHINES = frozenset({Role.NODE, Role.MATCHER})
"""Roles of software; nobody signs in with one."""


def new_token() -> str:
    """256 random bits, 43 letters. Show it once, to whom it is for; keep `digest_of` it."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """SHA-256, 64 hex digits."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True)
class Officer:
    """A member of staff who has shown a token. `roles` in the register's order."""

    staff: str
    organisation: str
    roles: tuple[Role, ...]


class Entry(Value):
    """One line of the register."""

    staff: StaffId
    organisation: StaffId
    roles: tuple[Role, ...]
    token_sha256: Hex32


class _File(Value):
    staff: tuple[Entry, ...]


class Register:
    """One party's staff, read once from `staff.json`."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Raises StaffInvalid where an id or a token stands twice, or someone has no role, or a machine's."""
        self.entries = tuple(entries)
        for what, values in (
            ("staff id", [e.staff for e in self.entries]),
            ("token", [e.token_sha256 for e in self.entries]),
        ):
            if len(set(values)) != len(values):
                raise StaffInvalid(f"The staff register has the same {what} twice; give each officer one of their own.")
        if not all(e.roles for e in self.entries):
            raise StaffInvalid("The staff register has an officer without a role; name one or remove the entry.")
        if any(MACHINES.intersection(e.roles) for e in self.entries):
            raise StaffInvalid("The staff register gives an officer the role of a machine; name a person's role.")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises StaffInvalid: unreadable, malformed, or a file that others may write."""
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o022:
                raise StaffInvalid(f"Others may write the staff register {path}: chmod 600 it.")
            return cls(_File.model_validate_json(path.read_bytes()).staff)
        except OSError as error:
            raise StaffInvalid(f"The staff register {path} cannot be read ({error.strerror}).") from error
        except ValidationError as error:
            raise StaffInvalid(f"{path} is no staff register: {error.error_count()} fields are wrong.") from error

    def save(self, path: Path) -> None:
        """Write atomically, mode 0600. A crash leaves the old register or the new one."""
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_File(staff=self.entries).model_dump_json(indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    def authenticate(self, token: str) -> Officer | None:
        """The officer whose token this is. Every entry is compared, each in constant time, whichever fits."""
        digest = digest_of(token)
        found = None
        for entry in self.entries:
            if hmac.compare_digest(entry.token_sha256, digest):
                found = Officer(entry.staff, entry.organisation, entry.roles)
        return found
