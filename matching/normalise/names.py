"""Names of any script as the letters a to z, in a form that forgives how registers write them.

Two registers split one name differently, turn its parts round, drop a title, and spell one sound in several ways.
So what is compared is never the order or the borders of parts, but their letters.

Refuses to guess a person's language: one general romanisation (anyascii) and one folding of spellings serve all
scripts. It has no vowels for what the script does not write, and reads Chinese in Mandarin.
"""

import re
import unicodedata
from typing import Final

from anyascii import anyascii

Form = tuple[str, ...]
"""One way a person's whole name is written: its parts, romanised, a to z."""

LEAST_LETTERS: Final = 4
LEAST_DIFFERENT: Final = 3
_VOWELS: Final = frozenset("aeiou")

_BREAKS: Final = re.compile(r"[\s\-\u2010-\u2015\u00b7\u30fb\uff0d,;/_.|]+")
_NOT_LETTERS: Final = re.compile(r"[^a-z]")

_TITLES: Final = frozenset({
    "u", "daw", "ma", "ko", "maung", "mg", "sai",  # Burmese, Shan
    "nai", "nay", "nang", "nangsao", "nangsaw", "khun", "thao", "thaw", "thav",  # Thai, Lao
    "lok", "laok", "laoksrei", "ong", "ba",  # Khmer, Vietnamese
    "mr", "mrs", "ms", "miss",
})
"""Romanised titles. Some are also names: dropped in every register alike, they cost little and mend much."""

_NO_NAMES: Final = frozenset({"unknown", "unnamed", "noname", "anonymous", "null", "fnu", "lnu"})
"""What forms put where no name is known."""

_SPELLINGS: Final = (
    (re.compile(r"h"), ""),  # Kham, Cam; Phone, Pone; Htet, Tet
    (re.compile(r"w"), "v"),  # Wilai, Vilay
    (re.compile(r"y"), "i"),
    (re.compile(r"o+u+|oo+"), "u"),  # Boun, Boon, Bun
    (re.compile(r"ee+"), "i"),  # Dee, Di
    (re.compile(r"(.)\1+"), r"\1"),  # Souliyya, Suliya
)


def romanise(text: str) -> str:
    """The text's letters, a to z, whatever its script. Idempotent; empty where nothing is left.

    NFKC first: full-width letters, ligatures and decomposed marks become the usual characters.
    """
    return _NOT_LETTERS.sub("", anyascii(unicodedata.normalize("NFKC", text)).lower())


def parts(text: str) -> Form:
    """The text's parts, romanised: broken at spaces, hyphens and dots, and only there."""
    romanised = (romanise(part) for part in _BREAKS.split(text))
    return tuple(part for part in romanised if part and part not in _NO_NAMES)


def form(first: str, second: str) -> Form:
    """One whole name, without titles as long as two parts are left without them."""
    whole = (*parts(first), *parts(second))
    bare = tuple(part for part in whole if part not in _TITLES)
    return bare if len(bare) >= 2 else whole


def has_substance(name: Form) -> bool:
    """Whether these letters can tell people apart at all: `Ma`, `X X` and `aaaa` cannot."""
    joined = "".join(name)
    return len(joined) >= LEAST_LETTERS and len(set(joined)) >= LEAST_DIFFERENT


def spelling(part: str) -> str:
    """One of several spellings of the same sound in Latin letters. Idempotent."""
    for pattern, letters in _SPELLINGS:
        part = pattern.sub(letters, part)
    return part


def letters(name: Form) -> str:
    """Every letter of the whole name, folded part by part and sorted: no order and no borders are left."""
    return "".join(sorted("".join(spelling(part) for part in name)))


def consonants(name: Form) -> str:
    """The sorted letters without the vowels, which romanisations disagree about most."""
    return "".join(letter for letter in letters(name) if letter not in _VOWELS)
