"""Keys that stay inside a PKCS#11 token, such as an HSM: HMAC-SHA256 under a key that nobody can copy out.

Refuses a key that the token would hand out. Needs the extra `hsm` (python-pkcs11), loaded only when a token is named.
A token is logged in to once a process and stays so until the process ends: closing one session would log out all.
A process that forks must open its tokens afterwards.
Source: PKCS#11 2.40 (CKM_SHA256_HMAC, CKM_GENERIC_SECRET_KEY_GEN); addresses as in RFC 7512.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Final, Self
from urllib.parse import unquote

from keys.errors import AlreadyThere, SourceInvalid, TokenUnavailable
from keys.files import read_credential

_BITS: Final = 256
_lock: Final = RLock()
"""One call at a time, over all tokens: the library is not told of our threads (C_Initialize without arguments)."""
_sessions: Final[dict[tuple[Path, str], Any]] = {}


class TokenKey:
    """One secret key inside a token. Its methods may be called from several threads, one after the other."""

    def __init__(self, address: "TokenAddress", key: Any, mechanism: Any) -> None:
        self._address = address
        self._key = key
        self._mechanism = mechanism

    def __repr__(self) -> str:
        return f"<TokenKey {self._address.object} in {self._address.token}>"

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 of this message, 32 bytes. Raises TokenUnavailable: start again once the token is back.

        cost  a call into the token: 60 us in SoftHSM2, a round trip where it is on a network
        """
        with _lock, _failures(self._address):
            return bytes(self._key.sign(message, mechanism=self._mechanism))


@dataclass(frozen=True, slots=True)
class TokenAddress:
    """Where a key stands: the token's label, the object's, the maker's library, and the file with the user's PIN."""

    token: str
    object: str
    module: Path
    pin: Path

    @classmethod
    def of(cls, uri: str) -> Self:
        """The address in a PKCS#11 URI. Raises SourceInvalid: a part is missing, unknown, or the PIN itself.

        uri  pkcs11:token=T;object=O?module-path=/PATH&pin-source=/PATH
        """
        path, _, query = uri.removeprefix("pkcs11:").partition("?")
        parts = dict(_pair(part) for part in (*path.split(";"), *query.split("&")))
        if "pin-value" in parts:
            raise SourceInvalid("a PIN stands in a file (pin-source), never in a setting")
        if set(parts) != {"token", "object", "module-path", "pin-source"} or not all(parts.values()):
            raise SourceInvalid(
                "a token's key is named pkcs11:token=LABEL;object=LABEL?module-path=/LIBRARY.so&pin-source=/FILE"
            )
        module, pin = Path(parts["module-path"]), Path(parts["pin-source"].removeprefix("file:"))
        if not module.is_absolute() or not pin.is_absolute():
            raise SourceInvalid("module-path and pin-source are whole paths, from the root")
        return cls(parts["token"], parts["object"], module, pin)

    def open(self) -> TokenKey:
        """The key that stands there. Raises TokenUnavailable: no such key, or one that could be copied out."""
        with _lock, _failures(self):
            pkcs11 = _library()
            key = _session(self).get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=self.object)
            if key[pkcs11.Attribute.EXTRACTABLE] or not key[pkcs11.Attribute.SENSITIVE]:
                raise TokenUnavailable(
                    f"The token {self.token} would hand out its key {self.object}: make one that is sensitive and not "
                    "extractable."
                )
            return TokenKey(self, key, pkcs11.Mechanism.SHA256_HMAC)

    def make(self) -> TokenKey:
        """Make the key inside the token, not extractable, and open it. Raises AlreadyThere, TokenUnavailable."""
        with _lock, _failures(self):
            pkcs11 = _library()
            session = _session(self)
            wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, pkcs11.Attribute.LABEL: self.object}
            if any(True for _ in session.get_objects(wanted)):
                raise AlreadyThere(f"The token {self.token} has a key {self.object}; keys are never overwritten.")
            session.generate_key(
                pkcs11.KeyType.GENERIC_SECRET, _BITS, label=self.object, store=True,
                capabilities=pkcs11.MechanismFlag.SIGN,
                template={
                    pkcs11.Attribute.PRIVATE: True,
                    pkcs11.Attribute.SENSITIVE: True,
                    pkcs11.Attribute.EXTRACTABLE: False,
                },
            )
            return self.open()

    def destroy(self) -> None:
        """Destroy the key inside the token, whatever its attributes; twice is once. Raises TokenUnavailable."""
        with _lock, _failures(self):
            pkcs11 = _library()
            wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, pkcs11.Attribute.LABEL: self.object}
            for key in list(_session(self).get_objects(wanted)):
                key.destroy()


def _session(address: TokenAddress) -> Any:
    """The process's one session with this token. Logged in for writing, so that a key can be made in it."""
    place = (address.module, address.token)
    if place not in _sessions:
        token = _library().lib(str(address.module)).get_token(token_label=address.token)
        pin = read_credential(address.pin).rstrip(b"\r\n").decode(errors="replace")
        _sessions[place] = token.open(rw=True, user_pin=pin)
    return _sessions[place]


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name, unquote(value)


def _library() -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise TokenUnavailable("Tokens need the extra `hsm`: pip install 'samaki[hsm]'.") from error
    return pkcs11


@contextmanager
def _failures(address: TokenAddress) -> Iterator[None]:
    errors = _library().exceptions
    try:
        yield
    except errors.NoSuchToken as error:
        raise TokenUnavailable(f"{address.module} has no token {address.token}: is it there and set up?") from error
    except (errors.NoSuchKey, errors.MultipleObjectsReturned) as error:
        raise TokenUnavailable(f"The token {address.token} has not exactly one key {address.object}.") from error
    except (errors.PinIncorrect, errors.PinLocked, errors.PinLenRange, errors.PinInvalid) as error:
        raise TokenUnavailable(
            f"The token {address.token} refuses the PIN in {address.pin}. Set it right before you start again: tokens "
            "lock after a few wrong ones."
        ) from error
    except errors.PKCS11Error as error:
        why = str(error) or type(error).__name__
        raise TokenUnavailable(f"The token {address.token} does not answer through {address.module}: {why}.") from error
