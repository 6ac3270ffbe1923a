"""Identity documents: the number as issued, with the country that issued it.

Spaces, hyphens and case mean nothing; digits of any script are digits; O and I are read as 0 and 1, which clerks
confuse and no issuer of the region sets apart. Refuses what cannot be one person's number: too short, hardly a
digit, one digit over and over, digits counted up or down.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

LEAST_LENGTH: Final = 5
LEAST_DIGITS: Final = 3
_LOOK_ALIKES: Final = str.maketrans("OI", "01")
_COUNTED: Final = ("01234567890123456789", "98765432109876543210")


@dataclass(frozen=True, slots=True, repr=False)
class Document:
    """A number (A-Z, 0-9, look-alikes folded) and its issuer (ISO 3166-1 alpha-2)."""

    issuer: str
    number: str

    def __repr__(self) -> str:
        return "<Document>"


def document(number: str, issuer: str) -> Document | None:
    """The document in canonical form; None where number or issuer cannot be one."""
    plain = "".join(_ascii(letter) for letter in unicodedata.normalize("NFKC", number).upper()).translate(_LOOK_ALIKES)
    country = issuer.strip().upper()
    if not _is_country(country) or len(plain) < LEAST_LENGTH or _is_junk(plain):
        return None
    return Document(country, plain)


def _ascii(letter: str) -> str:
    """A-Z and 0-9 stay, digits of other scripts become theirs, all else goes."""
    digit = unicodedata.decimal(letter, None)
    if digit is not None:
        return str(digit)
    return letter if "A" <= letter <= "Z" else ""


def _is_country(code: str) -> bool:
    return len(code) == 2 and code.isascii() and code.isalpha()


def _is_junk(number: str) -> bool:
    digits = "".join(letter for letter in number if letter.isdigit())
    return len(digits) < LEAST_DIGITS or len(set(digits)) == 1 or any(digits in run for run in _COUNTED)
