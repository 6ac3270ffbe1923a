"""What can go wrong around a process, apart from its work.

ServiceError             exit code 1
├── SettingsInvalid      2  a setting is missing or wrong: names the setting, never its value
├── BindRefused          2  the address is not this machine's own, and nobody allowed that
├── AddressInUse         1  somebody else listens there
├── HomeInUse            1  another process has this party's home
├── CharterOver          1  the next version of the charter is in force: the process starts again under it
├── SelftestFailed       1  the cryptography of this machine gives wrong answers, or there is none
├── InputInvalid         3  a file that was handed in cannot be used
│   └── StaffInvalid     3  the staff register is malformed, or others may write it
├── PeerUnreachable      4  a broker or a node does not answer
└── Problem              1  an answer for whoever asked over HTTP (RFC 9457); it never ends a process

Messages say what was expected, what came and what to do, with names, ids and counts, never with content.
"""

from collections.abc import Mapping, Sequence


class ServiceError(Exception):
    """The root of this package's errors. `exit_code` is the command's."""

    exit_code = 1


class SettingsInvalid(ServiceError):
    exit_code = 2


class BindRefused(ServiceError):
    exit_code = 2


class AddressInUse(ServiceError):
    exit_code = 1


class HomeInUse(ServiceError):
    exit_code = 1


class CharterOver(ServiceError):
    exit_code = 1


class SelftestFailed(ServiceError):
    exit_code = 1


class InputInvalid(ServiceError):
    exit_code = 3


class StaffInvalid(InputInvalid):
    pass


class PeerUnreachable(ServiceError):
    exit_code = 4


class Problem(ServiceError):
    """Why a request is refused.

    status     the HTTP status
    code       stable, for machines: `role_missing`
    sentence   for people; may name what the program knows, never what the request brought
    headers    of the answer
    page       where a browser is sent instead, if it asked for a page
    fields     which parts of the request: where, code, expected
    """

    def __init__(
        self,
        status: int,
        code: str,
        sentence: str,
        *,
        headers: Mapping[str, str] | None = None,
        page: str | None = None,
        fields: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.headers = dict(headers or {})
        self.page = page
        self.fields = tuple(fields)
