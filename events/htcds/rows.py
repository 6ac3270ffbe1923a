"""Rows of HTCDS columns: a CSV file's bytes in, checked rows and rejects out. Pure.

A row is taken whole or refused whole, with its number, the column and the reason. A reject never repeats the
refused value: the file is on the worker's own disk, the reason may stand in a log.
"""

import csv
import io
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from events.htcds.codes import COUNTRIES, GENDER_ALIASES, GENDERS

REQUIRED = ("record_id", "prs_FirstName", "prs_SecondName", "prs_Birthdate", "prs_Gender", "prs_Citizenship")
OPTIONAL = (
    "x_LatinFirstName",
    "x_LatinSecondName",
    "x_Aliases",
    "prs_IdentityNumber",
    "x_consent_C2",
    "x_consent_C4",
    "x_consent_C9",
)
LONGEST_CELL = 200
"""Characters of one value, as many as an event keeps of it."""
LONGEST_LIST = 2000
"""Characters of all aliases together."""
OLDEST_BIRTH_YEAR = 1900
BUDDHIST_ERA = 543
ANSWERS = {"given", "refused", ""}
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}-[0-9]{2})?")

csv.field_size_limit(sys.maxsize)  # a huge cell is refused by its own check below, with its row number


@dataclass(frozen=True)
class PersonRow:
    """One person of a file. `birth_date` is '', 'YYYY' or 'YYYY-MM-DD', as written (Buddhist years too).

    `given` are the consents that the row states: a purpose is missing where the row says nothing.
    """

    number: int
    reference: str = field(repr=False)
    first_name: str = field(repr=False)
    second_name: str = field(repr=False)
    latin_first_name: str = field(repr=False)
    latin_second_name: str = field(repr=False)
    aliases: tuple[str, ...] = field(repr=False)
    birth_date: str = field(repr=False)
    gender: str = field(repr=False)
    citizenships: tuple[str, ...] = field(repr=False)
    document_number: str = field(repr=False)
    given: Mapping[str, bool] = field(default_factory=dict)
    allowed_countries: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reject:
    """A row that was not taken: its number in the file (the header is row 1), the column and the reason."""

    row: int
    column: str
    reason: str


class _BadCell(Exception):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


def read_rows(data: bytes, today: date) -> tuple[list[PersonRow], list[Reject]]:
    """Check every row of a CSV file (UTF-8, with or without a byte order mark).

    A missing column refuses the file as a whole: one reject a column, at row 1.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [h.strip() for h in next(reader, [])]
    missing = [c for c in REQUIRED if c not in header]
    if missing:
        return [], [Reject(1, c, "this column is missing") for c in missing]
    rows: list[PersonRow] = []
    rejects: list[Reject] = []
    seen: set[str] = set()
    for number, cells in _records(reader):
        try:
            row = _person(number, _named(header, cells), today)
            if row.reference in seen:
                raise _BadCell("record_id", "this record_id stands in the file twice")  # noqa: TRY301
        except _BadCell as bad:
            rejects.append(Reject(number, bad.column, bad.reason))
        else:
            seen.add(row.reference)
            rows.append(row)
    return rows, rejects


def _records(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    for number, cells in enumerate(reader, start=2):
        if cells:
            yield number, cells


def _named(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise _BadCell("(row)", f"the header has {len(header)} columns, this row has {len(cells)}")
    row = dict(zip(header, (c.strip() for c in cells), strict=True))
    for column in (*REQUIRED, *OPTIONAL):
        _check_text(column, row.get(column, ""))
    return row


def _check_text(column: str, cell: str) -> None:
    longest = LONGEST_LIST if column == "x_Aliases" else LONGEST_CELL
    if len(cell) > longest:
        raise _BadCell(column, f"this cell has {len(cell)} characters; the longest allowed has {longest}")
    if any("\ud800" <= c <= "\udfff" for c in cell):
        raise _BadCell(column, "this cell is not UTF-8; save the file as UTF-8")
    if any(unicodedata.category(c) == "Cc" for c in cell):
        raise _BadCell(column, "this cell has a control character (a line break, a tab or a zero byte)")


def _person(number: int, row: Mapping[str, str], today: date) -> PersonRow:
    if not row["record_id"]:
        raise _BadCell("record_id", "this cell is empty; every row needs an identifier of its own")
    given, allowed = _consents(row)
    return PersonRow(
        number=number,
        reference=row["record_id"],
        first_name=row["prs_FirstName"],
        second_name=row["prs_SecondName"],
        latin_first_name=row.get("x_LatinFirstName", ""),
        latin_second_name=row.get("x_LatinSecondName", ""),
        aliases=_aliases(row.get("x_Aliases", "")),
        birth_date=_birth_date(row["prs_Birthdate"], today),
        gender=_gender(row["prs_Gender"]),
        citizenships=_countries("prs_Citizenship", row["prs_Citizenship"]),
        document_number=row.get("prs_IdentityNumber", ""),
        given=given,
        allowed_countries=allowed,
    )


def _aliases(cell: str) -> tuple[str, ...]:
    aliases = tuple(a.strip() for a in cell.split(";") if a.strip())
    if any(len(alias) > LONGEST_CELL for alias in aliases):
        raise _BadCell("x_Aliases", f"an alias here has more than {LONGEST_CELL} characters")
    return aliases


def _birth_date(cell: str, today: date) -> str:
    if not cell:
        return ""
    year, *rest = cell.split("-")
    try:
        if not _DATE.fullmatch(cell):
            raise ValueError  # noqa: TRY301
        known = int(year) - BUDDHIST_ERA if int(year) > today.year + 100 else int(year)
        day = date(known, *(int(p) for p in rest)) if rest else date(known, 1, 1)
    except ValueError:
        raise _BadCell("prs_Birthdate", "this is no date; write YYYY-MM-DD, YYYY, or leave it empty") from None
    if day.year < OLDEST_BIRTH_YEAR or day > today:
        raise _BadCell("prs_Birthdate", f"this date is not between {OLDEST_BIRTH_YEAR} and today")
    return cell


def _gender(cell: str) -> str:
    code = GENDER_ALIASES.get(cell, cell)
    if code not in GENDERS:
        raise _BadCell("prs_Gender", f"this is no HTCDS gender code; one of {', '.join(sorted(GENDERS))}, Female, Male")
    return code


def _countries(column: str, cell: str) -> tuple[str, ...]:
    codes = tuple(c.strip() for c in cell.split(";") if c.strip())
    if not set(codes) <= COUNTRIES:
        raise _BadCell(column, "this is no ISO 3166 country code of two letters (several: KH;TH)")
    return codes


def _consents(row: Mapping[str, str]) -> tuple[dict[str, bool], frozenset[str]]:
    given: dict[str, bool] = {}
    for purpose in ("C2", "C9"):
        answer = row.get(f"x_consent_{purpose}", "")
        if answer not in ANSWERS:
            raise _BadCell(f"x_consent_{purpose}", "write given, refused, or leave it empty")
        if answer:
            given[purpose] = answer == "given"
    cell = row.get("x_consent_C4", "")
    if cell == "refused":
        return {**given, "C4": False}, frozenset()
    allowed = frozenset(_countries("x_consent_C4", cell))
    return ({**given, "C4": True} if allowed else given), allowed
