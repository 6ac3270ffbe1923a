"""Names of six countries, for invented people: a faker provider of ours over `names.json`.

A name is made of parts; a part knows its native form, how it is spelt in Latin letters, and, for some, how a
neighbour's script writes it. Nothing here is drawn from a register of real people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from faker import Generator
from faker.providers import BaseProvider
from pydantic import Field

from events.model import Value

LANGUAGE_OF: Mapping[str, str] = {"CN": "zh", "KH": "km", "LA": "lo", "MM": "my", "TH": "th", "VN": "vi"}
"""The countries whose people can be invented, and the language of their names."""

Sex = Literal["Female", "Male"]

_FIRST_BIRTH = date(1955, 1, 1)
_BIRTH_DAYS = 20_800
"""Births up to 2011; fixed, so that a seed makes the same people on any day."""

_DOCUMENT_FORMS = {
    "CN": "E########", "KH": "N#######", "LA": "PA######", "MM": "MC######", "TH": "AA#######", "VN": "C#######",
}  # fmt: skip
"""What a passport number of each country looks like; # is a digit."""


class Part(Value):
    """One part of a name.

    native  how the part's own languages write it, by language
    role    g given, s surname, b both
    latin   its Latin spellings, the commonest first
    abroad  how other languages write it
    """

    native: dict[str, str]
    role: Literal["g", "s", "b"]
    latin: tuple[str, ...]
    abroad: dict[str, str] = Field(default_factory=dict)

    def written(self, language: str) -> str | None:
        """In the script of this language, if it has a form there."""
        return self.native.get(language) or self.abroad.get(language)


class _Names(Value):
    source: str
    added: str
    form: str
    parts: tuple[Part, ...]
    honorifics: dict[str, dict[Sex, tuple[tuple[str, str], ...]]]


@cache
def _names() -> _Names:
    return _Names.model_validate_json(files("services.demo").joinpath("names.json").read_bytes())


@cache
def _parts(language: str, roles: str) -> tuple[Part, ...]:
    return tuple(part for part in _names().parts if part.role in roles and language in part.native)


@dataclass(frozen=True)
class Name:
    """A whole name. Burmese names have no family name."""

    language: str
    given: tuple[Part, ...]
    family: tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.family + self.given


def honorifics(language: str, sex: Sex) -> tuple[tuple[str, str], ...]:
    """What may stand before a name: native, Latin."""
    return _names().honorifics.get(language, {}).get(sex, ())


class MekongProvider(BaseProvider):
    """Names, births and documents of the six countries' people."""

    def mekong_name(self, language: str) -> Name:
        """A name as people of this language are called.

        Thai and Lao: given and family name, either may be a compound. Khmer and Chinese: a family name and one or two
        given parts. Vietnamese: a family name, a middle and a given name. Burmese: two to four parts, none a family's.
        """
        if language == "my":
            return Name(language, self._some(language, "gb", 2, 3, 4), ())
        if language == "vi":
            return Name(language, self._some(language, "g", 2, 2, 3), self._some(language, "s", 1))
        if language in {"km", "zh"}:
            return Name(language, self._some(language, "gb", 1, 2), self._some(language, "s", 1))
        family = self._some(language, "sb", 1) + (self._some(language, "gb", 1) if self._one_in(3) else ())
        return Name(language, self._some(language, "gb", 1, 1, 2), family)

    def mekong_birth(self) -> date:
        return _FIRST_BIRTH + timedelta(days=self.random_int(0, _BIRTH_DAYS))

    def mekong_document(self, country: str) -> str:
        """A passport number; two people may get the same one, so ask again if it is taken."""
        return str(self.numerify(_DOCUMENT_FORMS[country]))

    def mekong_sex(self) -> Sex:
        """Two women to a man, as among identified victims of trafficking in the region."""
        return "Male" if self._one_in(3) else "Female"

    def _some(self, language: str, roles: str, *counts: int) -> tuple[Part, ...]:
        """So many different parts as one of `counts` says."""
        rng = self.generator.random
        return tuple(rng.sample(_parts(language, roles), rng.choice(counts)))

    def _one_in(self, n: int) -> bool:
        return self.random_int(1, n) == 1


def new_generator(seed: int) -> Any:
    """A faker generator with this provider alone: the same seed gives the same people."""
    generator = Generator()
    generator.add_provider(MekongProvider)
    generator.seed_instance(seed)
    return generator
