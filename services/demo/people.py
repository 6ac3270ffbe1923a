"""The invented people: who they are, which countries know them, how each wrote them down, and what they allowed.

The same arguments make the same world. No two people share a document number, and none share their name's letters and
their full birth date; so a match between two of them is the matching's error, not the world's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from random import Random
from typing import Any

from anyascii import anyascii

from services.demo.names import LANGUAGE_OF, Name, Sex, new_generator
from services.demo.spelling import (
    BUDDHIST_ERA,
    Written,
    another_spelling,
    in_latin,
    in_script,
    pick_spelling,
    with_habit,
    write_birth,
)
from services.demo.world import CONSENTS, Pair, Row, World
from services.runtime.errors import SettingsInvalid

SHARED_DOCUMENTS = 0.3
"""Of the people whom two countries know, the share with the same document in both."""


@dataclass(frozen=True)
class Person:
    """Somebody invented. `documents` by country: what each register has of hers, if anything."""

    name: Name
    spelt: tuple[str, ...]
    """Her passport's Latin spelling of each part."""
    sex: Sex
    born: date
    citizenship: str
    documents: dict[str, str]


def invent(countries: Sequence[str], people_per_country: int, overlap: float, seed: int) -> World:
    """People of these countries, so many records in each.

    overlap  for each pair of countries: the share of either's people whom the other knows too
    raises   SettingsInvalid: a country without names, or named twice; an overlap that leaves no room
    """
    if unknown := sorted(set(countries) - set(LANGUAGE_OF)):
        raise SettingsInvalid(f"No names are known for {', '.join(unknown)}; choose among {', '.join(LANGUAGE_OF)}.")
    if len(set(countries)) != len(countries):
        raise SettingsInvalid("A country is named twice.")
    common = round(overlap * people_per_country)
    if common * (len(countries) - 1) > people_per_country:
        most = int(100 / max(1, len(countries) - 1)) / 100
        raise SettingsInvalid(f"With {len(countries)} countries, an overlap can be at most {most}, not {overlap}.")
    return _Inventor(tuple(countries), seed).world(people_per_country, common)


class _Inventor:
    """Draws people until none is mistaken for another."""

    def __init__(self, countries: tuple[str, ...], seed: int) -> None:
        self._countries = countries
        self._faker: Any = new_generator(seed)
        self._rng: Random = self._faker.random
        self._documents: set[str] = set()
        self._alike: set[tuple[str, str]] = set()

    def world(self, people_per_country: int, common: int) -> World:
        known: dict[str, list[tuple[int, Row]]] = {country: [] for country in self._countries}
        for number, homes in enumerate(self._homes(people_per_country, common)):
            for country, row in zip(homes, self._rows(homes), strict=True):
                known[country].append((number, row))
        for rows in known.values():
            self._rng.shuffle(rows)
        return _numbered(known)

    def _homes(self, people_per_country: int, common: int) -> Iterator[tuple[str, ...]]:
        """For each person, the countries that know her."""
        for pair in combinations(self._countries, 2):
            yield from [pair] * common
        for country in self._countries:
            yield from [(country,)] * (people_per_country - common * (len(self._countries) - 1))

    def _rows(self, homes: tuple[str, ...]) -> list[Row]:
        """One new person's records. Drawn again if one of them reads like somebody else's."""
        while True:
            person = self._person(homes)
            rows = [self._row(person, country) for country in homes]
            alike = {key for row in rows for key in _likenesses(row)}
            if not alike & self._alike:
                self._alike |= alike
                return rows

    def _person(self, homes: tuple[str, ...]) -> Person:
        citizenship = self._citizenship(homes)
        name = self._faker.mekong_name(LANGUAGE_OF[citizenship])
        return Person(
            name=name,
            spelt=pick_spelling(name, self._rng),
            sex=self._faker.mekong_sex(),
            born=self._faker.mekong_birth(),
            citizenship=citizenship,
            documents=self._documents_in(homes, citizenship),
        )

    def _citizenship(self, homes: tuple[str, ...]) -> str:
        """Of a country that knows her, for two in three or more."""
        at_home = 0.9 if len(homes) > 1 else 0.65
        return self._rng.choice(homes if self._rng.random() < at_home else self._countries)

    def _documents_in(self, homes: tuple[str, ...], citizenship: str) -> dict[str, str]:
        """The same document everywhere, or: on one side only, renewed in between, or nowhere."""
        if len(homes) == 1:
            return {homes[0]: self._document(citizenship)} if self._rng.random() < 0.55 else {}
        if self._rng.random() < SHARED_DOCUMENTS:
            return dict.fromkeys(homes, self._document(citizenship))
        sides = self._rng.choice((homes[:1], homes[1:], homes, ()))
        return {country: self._document(citizenship) for country in sides}

    def _document(self, citizenship: str) -> str:
        while (number := self._faker.mekong_document(citizenship)) in self._documents:
            pass
        self._documents.add(number)
        return str(number)

    def _row(self, person: Person, country: str) -> Row:
        written = self._written(person, LANGUAGE_OF[country])
        beside = self._beside(person, written)
        answers, hold = self._answers(person, country)
        return Row(
            {
                "record_id": "",
                "prs_FirstName": written.first,
                "prs_SecondName": written.second,
                "x_LatinFirstName": beside.first,
                "x_LatinSecondName": beside.second,
                "x_Aliases": self._rng.choice(person.name.given).latin[0] if self._rng.random() < 0.03 else "",
                "prs_Birthdate": write_birth(person.born, country, self._rng),
                "prs_Gender": person.sex if self._rng.random() < 0.98 else "",
                "prs_Citizenship": person.citizenship,
                "prs_IdentityNumber": self._spaced(person.documents.get(country, "")),
                **answers,
            },
            hold,
        )

    def _written(self, person: Person, language: str) -> Written:
        """In the register's own script if the name has a form in it, else in Latin letters, by passport or by ear."""
        scripted = in_script(person.name, language)
        if scripted is None:
            return with_habit(self._latin(person, by_ear=0.3), person.name, person.sex, self._rng)
        return with_habit(scripted, person.name, person.sex, self._rng)

    def _beside(self, person: Person, written: Written) -> Written:
        """What stands in the columns for Latin letters: for three in four of those written in another script."""
        if written.latin or self._rng.random() < 0.25:
            return Written("", "", latin=True)
        return self._latin(person, by_ear=0.12)

    def _latin(self, person: Person, *, by_ear: float) -> Written:
        if self._rng.random() < by_ear:
            return in_latin(person.name, another_spelling(person.name, person.spelt, self._rng))
        return in_latin(person.name, person.spelt)

    def _spaced(self, number: str) -> str:
        """A number as a hand writes it: now and then with a space, a hyphen, or in small letters."""
        cut = 2 if number[1:2].isalpha() else 1
        forms = (f"{number[:cut]} {number[cut:]}", f"{number[:cut]}-{number[cut:]}", number.lower())
        return self._rng.choice(forms) if number and self._rng.random() < 0.15 else number

    def _answers(self, person: Person, country: str) -> tuple[dict[str, str], frozenset[str]]:
        """What the person consents to, and which of the allowed countries the focal point will hold.

        Some refuse the state they fled; a few refuse matching. Holds fall on the same state more often than on others.
        """
        others = [other for other in self._countries if other != country]
        refused = {other for other in others if self._rng.random() < (0.05 if other == person.citizenship else 0.01)}
        allowed = [] if self._rng.random() < 0.02 else [other for other in others if other not in refused]
        hold = {other for other in allowed if self._rng.random() < (0.06 if other == person.citizenship else 0.01)}
        statistics = "given" if self._rng.random() < 0.85 else "refused"
        return dict(zip(CONSENTS, ("given", ";".join(allowed) or "refused", statistics), strict=True)), frozenset(hold)


def _numbered(known: dict[str, list[tuple[int, Row]]]) -> World:
    """Give each row its record id, in the order in which they stand, and tell which are one person's."""
    rows: dict[str, tuple[Row, ...]] = {}
    records: dict[int, list[tuple[str, str]]] = {}
    for country, numbered in known.items():
        named = [(person, f"{country}-{i:06}", row) for i, (person, row) in enumerate(numbered, start=1)]
        rows[country] = tuple(Row({**row.values, "record_id": record_id}, row.hold) for _, record_id, row in named)
        for person, record_id, _ in named:
            records.setdefault(person, []).append((country, record_id))
    truth = [Pair.of(*pair) for found in records.values() for pair in combinations(found, 2)]
    return World(rows, tuple(sorted(truth)), invented=True)


def _likenesses(row: Row) -> Iterator[tuple[str, str]]:
    """For each way the name is written: its letters, in whatever order, and the birth date, if that is a whole one."""
    birth = row.values["prs_Birthdate"]
    if len(birth) < 10:
        return
    year = int(birth[:4])
    folded = f"{year - BUDDHIST_ERA if year > 2400 else year}{birth[4:]}"
    for first, second in (("prs_FirstName", "prs_SecondName"), ("x_LatinFirstName", "x_LatinSecondName")):
        name = anyascii(row.values[first] + row.values[second]).lower()
        if letters := "".join(sorted(filter(str.isalpha, name))):
            yield letters, folded
