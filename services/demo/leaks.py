"""Whether anything that left a country tells who somebody is: a search, and what to search for.

Looked for: every name, date and document of every person, as written, in lower case, canonical and romanised, alone and
joined; and unkeyed hashes of each. Looked in: the captured bytes as they are, the sealed bodies opened, and whatever in
them decodes as base64 or hex, twice over. Short or common-looking strings count only as whole words, since random
text holds them by chance; a name of fewer than six bytes is looked for only joined to the person's others.
"""

import binascii
import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matching.normalise.dates import birth_date
from matching.normalise.documents import document
from matching.normalise.names import romanise

SHORTEST = 6
"""Bytes: six random ones equal a given pattern once in 2.8e14."""
SURE = 8
"""ASCII letters: base64 text holds a given eight of them once in 2.8e14 places."""
_RUN_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}={0,2}")
_RUN_HEX = re.compile(rb"[0-9a-fA-F]{12,}")
_HEX_ONLY = re.compile(rb"[0-9a-fA-F]+")
_WORD = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LONG_RUN = 400
_FROM_URL = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True)
class Leak:
    """Where something was found, and what kind of thing; never the thing itself."""

    where: str
    kind: str
    offset: int


class Needles:
    """What must not be found. Memory: some 100 bytes for each of about a hundred strings a person."""

    def __init__(self) -> None:
        self._by_start: dict[bytes, list[tuple[bytes, bool, str]]] = defaultdict(list)
        self._known: set[bytes] = set()
        self._made: _Sieve | None = None

    @classmethod
    def of_people(cls, people: Iterable[Mapping[str, str]]) -> "Needles":
        """From rows of HTCDS columns, as written."""
        needles = cls()
        for person in people:
            for kind, value in _forms(person):
                needles.add(kind, value)
        return needles

    def add(self, kind: str, value: str) -> None:
        """Look for this value, its lower case, and their unkeyed hashes."""
        for text in {value, value.lower()}:
            raw = text.encode()
            if len(raw) >= SHORTEST:
                self._add(raw, _word_only(raw), kind)
            for digest in (
                hashlib.sha256(raw).digest(),
                hashlib.blake2b(raw).digest(),
                hashlib.blake2b(raw, digest_size=32).digest(),
            ):
                self._add(digest, False, f"unkeyed hash of a {kind}")

    def _add(self, raw: bytes, word_only: bool, kind: str) -> None:
        if raw not in self._known:
            self._known.add(raw)
            self._by_start[raw[:SHORTEST]].append((raw, word_only, kind))

    def _sieve(self) -> "_Sieve":
        if self._made is None or self._made.size != len(self._by_start):
            self._made = _Sieve(self._by_start)
        return self._made

    def find(self, where: str, data: bytes) -> list[Leak]:
        """Every place in these bytes, and in what decodes from them, where something stands."""
        return [leak for layer, text in _layers(data) for leak in self._search(f"{where}{layer}", text)]

    def _search(self, where: str, data: bytes) -> Iterator[Leak]:
        for at in self._sieve().candidates(data):
            for raw, word_only, kind in self._by_start.get(data[at : at + SHORTEST], ()):
                if data.startswith(raw, at) and not (word_only and _inside_word(data, at, len(raw))):
                    yield Leak(where, kind, at)


class _Sieve:
    """Which places of some bytes may begin with one of many starts: none is missed, a few too many are named.

    Every window of SHORTEST bytes is hashed to a bit of a table. 64 MB, and some 20 ns a byte.
    """

    _BITS = 26
    _CHUNK = 1 << 20
    _FACTOR = np.uint64(0x9E3779B97F4A7C15)

    def __init__(self, starts: Collection[bytes]) -> None:
        self.size = len(starts)
        self._table = np.zeros(1 << self._BITS, dtype=np.bool_)
        joined = np.frombuffer(b"".join(starts), dtype=np.uint8).reshape(-1, SHORTEST)
        self._table[self._hashed([joined[:, i] for i in range(SHORTEST)])] = True

    def candidates(self, data: bytes) -> Iterator[int]:
        for begin in range(0, len(data) - SHORTEST + 1, self._CHUNK):
            chunk = np.frombuffer(data[begin : begin + self._CHUNK + SHORTEST - 1], dtype=np.uint8)
            count = len(chunk) - SHORTEST + 1
            hit = self._table[self._hashed([chunk[i : i + count] for i in range(SHORTEST)])]
            yield from (begin + int(at) for at in np.flatnonzero(hit))

    def _hashed(self, columns: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint64]:
        number = columns[0].astype(np.uint64)
        for i, column in enumerate(columns[1:], start=1):
            number |= column.astype(np.uint64) << np.uint64(8 * i)
        return (number * self._FACTOR) >> np.uint64(64 - self._BITS)


def _word_only(raw: bytes) -> bool:
    return raw.isascii() and (len(raw) < SURE or _HEX_ONLY.fullmatch(raw) is not None)


def _inside_word(data: bytes, at: int, length: int) -> bool:
    before = at > 0 and data[at - 1] in _WORD
    after = at + length < len(data) and data[at + length] in _WORD
    return before or after


def _layers(data: bytes, depth: int = 2) -> Iterator[tuple[str, bytes]]:
    yield "", data
    if depth:
        for name, decoded in (("base64", _unbase64(data)), ("hex", _unhex(data))):
            if decoded:
                for layer, text in _layers(decoded, depth - 1):
                    yield f" > {name}{layer}", text


def _unbase64(data: bytes) -> bytes:
    """All that decodes, joined by zero bytes. A short run is tried from each of its first four letters."""
    out = []
    for run in _RUN_BASE64.findall(data):
        plain = run.rstrip(b"=").translate(_FROM_URL)
        for start in range(4 if len(plain) < _LONG_RUN else 1):
            part = plain[start:]
            excess = len(part) % 4
            out.append(binascii.a2b_base64(part[:-1] if excess == 1 else part + b"==="[: -excess % 4]))
    return b"\0".join(out)


def _unhex(data: bytes) -> bytes:
    """All that decodes, from either of its first two digits, joined by zero bytes."""
    runs = [run[start:] for run in _RUN_HEX.findall(data) for start in (0, 1)]
    return b"\0".join(binascii.unhexlify(run[: len(run) & ~1]) for run in runs)


def _forms(row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    names = [("prs_FirstName", "prs_SecondName"), ("x_LatinFirstName", "x_LatinSecondName")]
    for first, second in ((row.get(a, ""), row.get(b, "")) for a, b in names):
        yield from _joined([p for p in (first, second) if p])
        yield from _joined([r for p in f"{first} {second}".split() if (r := romanise(p))])
    for alias in filter(None, row.get("x_Aliases", "").split(";")):
        yield from (("name", alias.strip()), ("name", romanise(alias)))
    yield from _dates(row["prs_Birthdate"])
    number = row.get("prs_IdentityNumber", "")
    known = document(number, row["prs_Citizenship"][:2])
    yield from (("document", form) for form in {number, known.number if known else number} if form)


def _joined(parts: list[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        yield "name", part
    if len(parts) > 1:
        for order in (parts, parts[::-1], sorted(parts)):
            for glue in ("", " ", "|", ", ", "\x1f"):
                yield "name", glue.join(order)


def _dates(written: str) -> Iterator[tuple[str, str]]:
    if written.count("-") != 2:
        return  # a year alone is in every time of every log
    year, month, day = written.split("-")
    for y in {year, birth_date(written).year or year}:
        for glue in ("-", "/", ""):
            yield "birth date", glue.join((y, month, day))
            yield "birth date", glue.join((day, month, y))
