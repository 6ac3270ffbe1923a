"""A person's identifiers in canonical form: what recipes are made of.

Type by type: `Identifiers` are clear and as written; `Canonical` is what two registers have in common about one
person. Neither prints what it holds. Nothing but names, birth date, sex and documents is taken over.
"""

from dataclasses import dataclass
from typing import Final, Literal

from matching.normalise.dates import BirthDate, birth_date
from matching.normalise.documents import Document, document
from matching.normalise.names import Form, form, has_substance, parts

Sex = Literal["M", "F", ""]
_SEXES: Final[dict[str, Sex]] = {
    "male": "M", "masculine": "M", "m": "M",
    "female": "F", "feminine": "F", "f": "F",
}


@dataclass(frozen=True, slots=True, repr=False)
class Identifiers:
    """What a register wrote, untouched.

    names       (first, second): the name in its own script, then in Latin letters, if there is such a form
    birth_date  YYYY, YYYY-MM or YYYY-MM-DD, of either era; empty if unknown
    gender      HTCDS' code, or Male, Female; others say nothing about the sex another register wrote
    documents   (number, issuing country, ISO 3166-1 alpha-2)
    """

    names: tuple[tuple[str, str], ...]
    aliases: tuple[str, ...] = ()
    birth_date: str = ""
    gender: str = ""
    citizenships: tuple[str, ...] = ()
    documents: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return "<Identifiers>"


@dataclass(frozen=True, slots=True, repr=False)
class Canonical:
    """A person's canonical parts.

    forms      whole names of substance, most telling first: Latin, own script, then with each alias as first name
    documents  sorted, no two equal
    """

    forms: tuple[Form, ...]
    birth: BirthDate
    sex: Sex
    documents: tuple[Document, ...]

    def __repr__(self) -> str:
        return "<Canonical>"


def canonical(identifiers: Identifiers) -> Canonical:
    """The canonical form. Never raises: what cannot be understood is left out."""
    found = (document(number, issuer) for number, issuer in identifiers.documents)
    return Canonical(
        forms=_forms(identifiers),
        birth=birth_date(identifiers.birth_date),
        sex=_SEXES.get(identifiers.gender.strip().lower(), ""),
        documents=tuple(sorted({d for d in found if d}, key=lambda d: (d.issuer, d.number))),
    )


def _forms(identifiers: Identifiers) -> tuple[Form, ...]:
    """Latin first: abroad a person is mostly written in Latin letters, so it is the form that two registers share."""
    written = [form(first, second) for first, second in reversed(identifiers.names)]
    known_as = [parts(alias) for alias in sorted(identifiers.aliases)]
    also = [(*alias, *parts(second)) for alias in known_as if alias for _, second in reversed(identifiers.names)]
    return tuple(dict.fromkeys(name for name in (*written, *also) if has_substance(name)))
