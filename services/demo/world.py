"""The demo's world: every country's rows, which of them are one person, and what these people allowed.

Rows have the columns of an HTCDS file, as text, and are written as they were read. Consents stand in columns too; whom
the focal point will hold back does not: a hold is decided when the tokens are approved.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Self

from events.htcds.rows import OPTIONAL, REQUIRED
from services.runtime.errors import InputInvalid

COLUMNS = (
    "record_id", "prs_FirstName", "prs_SecondName", "x_LatinFirstName", "x_LatinSecondName", "x_Aliases",
    "prs_Birthdate", "prs_Gender", "prs_Citizenship", "prs_IdentityNumber",
)  # fmt: skip
CONSENTS = tuple(column for column in OPTIONAL if column.startswith("x_consent_"))
"""C2 and C9: `given` or `refused`. C4: `refused`, or the countries that the person allows: `KH;TH`."""
TRUTH = ("country_a", "record_a", "country_b", "record_b")


class Pair(NamedTuple):
    """One person's two records. Use `of`: the countries stand in alphabetical order."""

    country_a: str
    record_a: str
    country_b: str
    record_b: str

    @classmethod
    def of(cls, one: tuple[str, str], other: tuple[str, str]) -> Self:
        """From two (country, record id)."""
        return cls(*min(one, other), *max(one, other))


@dataclass(frozen=True)
class Row:
    """One record of one country: its columns as text, and the countries that are not to be told."""

    values: Mapping[str, str] = field(repr=False)
    hold: frozenset[str] = frozenset()

    @property
    def record_id(self) -> str:
        return self.values["record_id"]

    @property
    def allowed(self) -> frozenset[str]:
        """The countries that the person allows to be matched with."""
        answer = self.values["x_consent_C4"]
        return frozenset() if answer == "refused" else frozenset(filter(None, answer.split(";")))

    def agrees_to(self, country: str) -> bool:
        """Both the person and the focal point: allowed, and not held."""
        return country in self.allowed and country not in self.hold


@dataclass(frozen=True)
class World:
    """Rows by country, and the pairs that are one person. `truth` None: nobody knows."""

    rows: Mapping[str, tuple[Row, ...]]
    truth: tuple[Pair, ...] | None
    invented: bool
    """False for people read from files: then everybody consented and nobody is held, because nobody said otherwise."""

    @property
    def countries(self) -> tuple[str, ...]:
        return tuple(self.rows)

    @property
    def people(self) -> int:
        """Records over all countries."""
        return sum(len(rows) for rows in self.rows.values())

    def by_record(self) -> dict[tuple[str, str], Row]:
        """Every row, by (country, record id)."""
        return {(country, row.record_id): row for country, rows in self.rows.items() for row in rows}


def read_world(directory: Path) -> World:
    """Read `KH.csv`, ... and, if it is there, `truth.csv`. Raises InputInvalid, naming the file and the row.

    Columns stay as they are. Where a file has no consent columns, everybody consents to everything with every country
    of the directory.
    """
    paths = sorted(p for p in directory.glob("*.csv") if re.fullmatch(r"[A-Z]{2}", p.stem))
    if len(paths) < 2:
        raise InputInvalid(f"{directory} has {len(paths)} files named after a country (KH.csv, ...); two are needed.")
    countries = [path.stem for path in paths]
    rows = {path.stem: tuple(_consenting(row, path.stem, countries) for row in _read(path, REQUIRED)) for path in paths}
    world = World(rows, None, invented=False)
    truth = directory / "truth.csv"
    return replace(world, truth=_read_truth(truth, world)) if truth.exists() else world


def _consenting(values: dict[str, str], own: str, countries: Iterable[str]) -> Row:
    others = ";".join(country for country in countries if country != own)
    return Row({**dict(zip(CONSENTS, ("given", others, "given"), strict=True)), **values})


def _read_truth(path: Path, world: World) -> tuple[Pair, ...]:
    known = world.by_record()
    pairs = set()
    for number, row in enumerate(_read(path, TRUTH), start=2):
        one, other = (row["country_a"], row["record_a"]), (row["country_b"], row["record_b"])
        if one not in known or other not in known:
            raise InputInvalid(f"{path}, row {number}: it names a record that is in no file here.")
        pairs.add(Pair.of(one, other))
    return tuple(sorted(pairs))


def _read(path: Path, needed: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a CSV file. What is not UTF-8 is kept, byte for byte: to judge it is the importer's business."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            if missing := [column for column in needed if column not in header]:
                raise InputInvalid(f"{path} lacks the column {', '.join(missing)}.")
            return [_named(path, reader.line_num, header, cells) for cells in reader if cells]
    except OSError as error:
        raise InputInvalid(f"{path} cannot be read ({error.strerror}).") from error
    except csv.Error as error:
        raise InputInvalid(f"{path} is no CSV file ({error}).") from error


def _named(path: Path, line: int, header: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise InputInvalid(f"{path}, line {line}: {len(cells)} cells where the header has {len(header)}.")
    return dict(zip(header, cells, strict=True))


def write_csv(world: World, directory: Path) -> None:
    """One file a country, with the consents as columns, and `truth.csv` if the truth is known."""
    directory.mkdir(parents=True, exist_ok=True)
    for country, rows in world.rows.items():
        (directory / f"{country}.csv").write_bytes(csv_bytes(rows))
    if world.truth is not None:
        (directory / "truth.csv").write_bytes(_csv(TRUTH, world.truth))


def csv_bytes(rows: Sequence[Row]) -> bytes:
    """One country's file. What was read and is not UTF-8 is written as it was."""
    header = tuple(rows[0].values) if rows else (*COLUMNS, *CONSENTS)
    return _csv(header, ([row.values[name] for name in header] for row in rows))


def _csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8", errors="surrogateescape")
