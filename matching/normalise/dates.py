"""Birth dates: year, month and day, each known or not.

A year of the Buddhist era is folded to the common one. The first of January stands for "day unknown" in registers that
must have a date, so it is taken as that. What no calendar has (month 13, 30 February) leaves the year alone.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from typing import Final

_WRITTEN: Final = re.compile(r"\s*([0-9]{4})(?:[-/.]?([0-9]{2})(?:[-/.]?([0-9]{2}))?)?\s*")
_BUDDHIST: Final = 543
_EARLIEST, _LATEST = 1850, 2199


@dataclass(frozen=True, slots=True, repr=False)
class BirthDate:
    """Digits, or empty where unknown: year 4, month and day 2. No day without a month, no month without a year."""

    year: str = ""
    month: str = ""
    day: str = ""

    def __repr__(self) -> str:
        return "<BirthDate>"

    @property
    def full(self) -> str:
        """YYYYMMDD, or empty unless all three are known."""
        return self.year + self.month + self.day if self.day else ""


def birth_date(written: str) -> BirthDate:
    """The date in `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, era folded; unknown where nothing can be made of it."""
    match = _WRITTEN.fullmatch(written)
    if match is None:
        return BirthDate()
    year, month, day = int(match[1]), match[2] or "", match[3] or ""
    year -= _BUDDHIST if year > 2300 else 0
    if not _EARLIEST <= year <= _LATEST:
        return BirthDate()
    return BirthDate(f"{year:04}", *_known(year, month, day))


def _known(year: int, month: str, day: str) -> tuple[str, str]:
    """Month and day as far as they can be true."""
    if not month or not 1 <= int(month) <= 12 or (month, day) == ("01", "01"):
        return "", ""
    if day == "00":
        return month, ""
    if day and not 1 <= int(day) <= monthrange(year, int(month))[1]:
        return "", ""
    return month, day
