"""How registers write one and the same person: spellings, scripts, habits and slips.

Pure, but for the random numbers it is handed. What it makes is what matching has to live with: another romanisation,
parts joined or split, an honorific on one side only, a typing error, day and month exchanged, only a year, a year of
the Buddhist era, nothing at all.
"""

from dataclasses import dataclass, replace
from datetime import date
from random import Random

from services.demo.names import Name, Part, Sex, honorifics

SPACED = {"my", "vi"}
"""Languages that write the parts of a name apart, in Latin letters or their own."""

BUDDHIST_ERA = 543
_BUDDHIST_REGISTERS = {"TH": 0.15, "LA": 0.04, "KH": 0.03, "MM": 0.02}
_ALIKE = {"i": "y", "y": "i", "k": "c", "c": "k", "s": "z", "v": "w", "w": "v", "o": "u", "u": "o", "e": "a", "t": "d"}


@dataclass(frozen=True)
class Written:
    """A name as it stands in a register's two columns; `latin` says in which letters."""

    first: str
    second: str
    latin: bool


def pick_spelling(name: Name, rng: Random) -> tuple[str, ...]:
    """One Latin spelling for each part, the commonest more often: what a passport would bear."""
    return tuple(part.latin[0] if rng.random() < 0.6 else rng.choice(part.latin) for part in name.parts)


def another_spelling(name: Name, known: tuple[str, ...], rng: Random) -> tuple[str, ...]:
    """The spelling of somebody who writes by ear: at least one part differs, if any has a second spelling."""
    spelt = [rng.choice(part.latin) for part in name.parts]
    varied = [i for i, part in enumerate(name.parts) if len(part.latin) > 1]
    if tuple(spelt) == known and varied:
        i = rng.choice(varied)
        spelt[i] = rng.choice([s for s in name.parts[i].latin if s != known[i]])
    return tuple(spelt)


def in_latin(name: Name, spelt: tuple[str, ...]) -> Written:
    """With the spelling given for each of `name.parts`."""
    split = len(name.family)
    return _columns(name, list(spelt[split:]), list(spelt[:split]), latin=True)


def in_script(name: Name, language: str) -> Written | None:
    """In a language's own script, or None if a part has no form in it."""
    given, family = _forms(name.given, language), _forms(name.family, language)
    return None if given is None or family is None else _columns(name, given, family, latin=language == "vi")


def _forms(parts: tuple[Part, ...], language: str) -> list[str] | None:
    forms = [part.written(language) for part in parts]
    return [form for form in forms if form] if all(forms) else None


def _columns(name: Name, given: list[str], family: list[str], *, latin: bool) -> Written:
    """First and second name. A Burmese name has no family part: its first part fills the first column."""
    joint = " " if name.language in SPACED else ""
    if not family:
        given, family = given[:1], given[1:]
    return Written(joint.join(given), joint.join(family), latin)


def with_habit(written: Written, name: Name, sex: Sex, rng: Random) -> Written:
    """What a register's habit makes of it: often nothing, else one thing."""
    dice = rng.random()
    if dice < 0.10:
        return replace(written, first=written.second, second=written.first)
    if dice < 0.14:
        return _with_honorific(written, name, sex, rng)
    if dice < 0.19:
        return _joined_or_split(written, rng)
    if dice < 0.23 and written.latin:
        return _with_slip(written, rng)
    return written


def _with_honorific(written: Written, name: Name, sex: Sex, rng: Random) -> Written:
    known = honorifics(name.language, sex)
    if not known:
        return written
    native, latin = rng.choice(known)
    before = f"{latin} " if written.latin else native
    return replace(written, first=before + written.first)


def _joined_or_split(written: Written, rng: Random) -> Written:
    """`Sok Dara` in one column, or `Chan na` for `Channa`; a script without spaces is only joined."""
    column = written.second
    cut = len(column) // 2
    if rng.random() < 0.5 and written.latin and cut >= 3 and " " not in column:
        return replace(written, second=f"{column[:cut]} {column[cut:]}")
    joint = " " if written.latin else ""
    return replace(written, first=f"{written.first}{joint}{written.second}", second="")


def _with_slip(written: Written, rng: Random) -> Written:
    if rng.random() < 0.5 or not written.second:
        return replace(written, first=mistyped(written.first, rng))
    return replace(written, second=mistyped(written.second, rng))


def mistyped(text: str, rng: Random) -> str:
    """One letter left out, doubled, exchanged with the next or mistaken for a like one; never the first."""
    if len(text) < 4:
        return text + text[-1:]
    i = rng.randrange(1, len(text) - 1)
    head, letter, following, tail = text[:i], text[i], text[i + 1], text[i + 2 :]
    kinds = [
        head + following + tail,
        head + letter * 2 + following + tail,
        head + following + letter + tail,
        head + _ALIKE.get(letter, "") + following + tail,
    ]
    return rng.choice([kind for kind in kinds if kind != text])


def write_birth(born: date, register: str, rng: Random) -> str:
    """A birth date as a country's register has it: mostly right."""
    year, day = f"{born.year}", f"{born.month:02}-{born.day:02}"
    exchanged = f"{born.day:02}-{born.month:02}" if born.day <= 12 else day
    nearby = f"{born.year + rng.choice((-1, 1))}-{born.month:02}-{min(born.day, 28):02}"
    era = _BUDDHIST_REGISTERS.get(register, 0)
    weighed = [
        (f"{year}-{day}", 0.88 - era),
        (f"{born.year + BUDDHIST_ERA}-{day}", era),
        (f"{year}-{exchanged}", 0.03),
        (year, 0.03),
        (f"{year}-01-01", 0.03),
        (nearby, 0.01),
        ("", 0.02),
    ]
    forms, weights = zip(*weighed, strict=True)
    return str(rng.choices(forms, weights)[0])
