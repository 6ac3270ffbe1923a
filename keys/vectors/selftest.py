"""Runs the suites of vectors through our own wrappers and the group's backend in use, and counts.

Built in are compact files with their sums: one that was altered or cut is refused. A folder may hold the published
originals under their own names, or files of our compact form. A check that raises anything has failed: whatever a
broken library does, it is counted, and the next vector is run.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from keys.errors import VectorsUnreadable
from keys.vectors import originals
from keys.vectors.elements import BatchProof, BlindEvaluations, Expansions, Ristretto
from keys.vectors.messages import Boxes, EdgeSignatures, Exchanges, Hashes, Sealed, Signatures, Signed
from keys.vectors.suite import Check, Suite

HERE: Final = Path(__file__).parent
SUMS: Final = HERE / "sums.json"
"""File name -> SHA-256 of every compact file, as released."""

_BSD: Final = "IETF Trust (BSD-3-Clause code component)"
_WYCHEPROOF: Final = "C2SP/wycheproof testvectors_v1/{} @dac1dd4"


@dataclass(frozen=True, slots=True)
class Known:
    """One suite.

    original   the published file's name; None: ours, or published in no file
    convert    that file's content to ours
    core       run by every node at its start: together they touch every primitive, in 50 to 100 ms
    """

    name: str
    title: str
    form: type[Suite]
    source: str
    licence: str
    original: str | None = None
    convert: Callable[[Any], originals.Content] = originals.as_it_is
    core: bool = False

    @property
    def file(self) -> str:
        return f"{self.name}.json"

    def of_original(self, raw: Any) -> originals.Content:
        """The whole content of our compact file. Raises as keys.vectors.originals does."""
        return {"source": self.source, "licence": self.licence, **self.convert(raw)}


KNOWN: Final = (
    Known(
        "rfc9380", "RFC 9380 expand_message_xmd, SHA-512", Expansions,
        "RFC 9380 appendix K.3; cfrg/draft-irtf-cfrg-hash-to-curve poc/vectors @664b135", _BSD,
        "expand_message_xmd_SHA512_38.json", originals.rfc9380, core=True,
    ),
    Known(
        "rfc9496", "RFC 9496 ristretto255", Ristretto,
        "RFC 9496 appendix A, as in jedisct1/libsodium test/default @7014b204", "ISC",
        "rfc9496_ristretto255.json", originals.rfc9496, core=True,
    ),
    Known(
        "rfc9497", "RFC 9497 OPRF and VOPRF", BlindEvaluations,
        "RFC 9497 appendix A.1.1 and A.1.2; cfrg/draft-irtf-cfrg-voprf poc/vectors/allVectors.json @43da59f", _BSD,
        "rfc9497_allVectors.json", originals.rfc9497, core=True,
    ),
    Known(
        "batch_proof", "Samaki's proof of a batch", BatchProof,
        "tests/vectors/keys_reference.py, from docs/protocol.md; ours", "Apache-2.0", core=True,
    ),
    Known(
        "sealed", "Samaki's sealed messages", Sealed,
        "keys/vectors/make.py; ours", "Apache-2.0", core=True,
    ),
    Known(
        "rfc8032", "RFC 8032 Ed25519, signing", Signed,
        "RFC 8032 section 7.1, tests 1 to 3", _BSD, core=True,
    ),
    Known(
        "ed25519", "Wycheproof Ed25519", Signatures,
        _WYCHEPROOF.format("ed25519_test.json"), "Apache-2.0",
        "ed25519_test.json", originals.ed25519, core=True,
    ),
    Known(
        "ed25519_cctv", "CCTV Ed25519 edge cases", EdgeSignatures,
        "C2SP/CCTV ed25519/ed25519vectors.json @1e3d286; answers are libsodium's",
        "BSD-3-Clause, Copyright 2019 Google LLC, 2022 Filippo Valsorda",
        "ed25519vectors.json", originals.ed25519_cctv,
    ),
    Known(
        "x25519", "Wycheproof X25519", Exchanges,
        _WYCHEPROOF.format("x25519_test.json"), "Apache-2.0",
        "x25519_test.json", originals.x25519,
    ),
    Known(
        "xchacha", "Wycheproof XChaCha20-Poly1305", Boxes,
        _WYCHEPROOF.format("xchacha20_poly1305_test.json"), "Apache-2.0",
        "xchacha20_poly1305_test.json", originals.xchacha, core=True,
    ),
    Known(
        "hmac_sha256", "Wycheproof HMAC-SHA256", Hashes,
        _WYCHEPROOF.format("hmac_sha256_test.json"), "Apache-2.0",
        "hmac_sha256_test.json", originals.hmac_sha256, core=True,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """What one file of vectors showed. `failed` numbers the vectors that did not hold, from 1 in the file's order."""

    suite: str
    title: str
    source: str
    run: int
    failed: tuple[int, ...]

    @property
    def passed(self) -> int:
        return self.run - len(self.failed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run showed.

    ignored   files and whole folders, from the folder given, that are no vectors of ours
    missing   published files that the folder given does not have, so that their suites were not run
    """

    results: tuple[Result, ...]
    ignored: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return bool(self.results) and not any(r.failed for r in self.results)


def run_built_in(suites: Sequence[Known] = KNOWN) -> Outcome:
    """These suites, from the files that ship with us. Raises VectorsUnreadable: one is not as released."""
    return Outcome(tuple(_built_in(known) for known in suites))


def run_core() -> Outcome:
    """Those of a node's start. Raises VectorsUnreadable."""
    return run_built_in([known for known in KNOWN if known.core])


def run_folder(folder: Path) -> Outcome:
    """The suites of the files in this folder and below; ours that it lacks are run as built in.

    raises   VectorsUnreadable: it has no file of a known name, or one that cannot be read
    """
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    known = [(suite, path) for suite in KNOWN for path in files if path.name in {suite.file, suite.original}]
    if not known:
        raise VectorsUnreadable(f"{folder} has no file of vectors that Samaki knows: name the folder that holds them.")
    found = {suite.name for suite, _ in known}
    absent = [suite for suite in KNOWN if suite.name not in found]
    return Outcome(
        results=(
            *(_from_file(suite, path, str(path.relative_to(folder))) for suite, path in known),
            *(_built_in(suite) for suite in absent if suite.original is None),
        ),
        ignored=tuple(_named(folder, files, {path for _, path in known})),
        missing=tuple(suite.original for suite in absent if suite.original is not None),
    )


def _built_in(known: Known) -> Result:
    path = HERE / known.file
    content = _read(path)
    if sha256(content).hexdigest() != json.loads(_read(SUMS)).get(known.file):
        raise VectorsUnreadable(f"{path} is not the file that was released with Samaki: install Samaki again.")
    return _result(known, "built in", known.form.model_validate_json(content))


def _from_file(known: Known, path: Path, name: str) -> Result:
    content = _read(path)
    try:
        if path.name == known.original:
            content = json.dumps(known.of_original(json.loads(content))).encode()
        return _result(known, name, known.form.model_validate_json(content))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise VectorsUnreadable(
            f"{path} cannot be read as {known.title}: {_reason(error)}. Fetch it again ({known.source})."
        ) from error


def _result(known: Known, source: str, suite: Suite) -> Result:
    outcomes = [_holds(check) for check in suite.checks()]
    if not outcomes:
        raise ValueError("it has no vectors")
    failed = tuple(i for i, held in enumerate(outcomes, start=1) if not held)
    return Result(known.name, known.title, source, len(outcomes), failed)


def _holds(check: Check) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001  of a broken library anything may come, and is what we look for
        return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VectorsUnreadable(f"{path} cannot be read: {error.strerror}.") from error


def _reason(error: Exception) -> str:
    match error:
        case ValidationError():
            first = error.errors(include_input=False, include_url=False)[0]
            return f"{'.'.join(str(part) for part in first['loc']) or 'it'}: {first['msg'].rstrip('.')}"
        case KeyError():
            return f"it has no {error.args[0]!r} where one belongs"
        case ValueError():
            return str(error).rstrip(".")
        case _:
            return "it has another form"


def _named(folder: Path, files: Sequence[Path], known: set[Path]) -> Iterator[str]:
    """What is ignored: a folder without any known file by its own name, everything else file by file."""
    on_the_way = {parent for path in known for parent in path.parents}
    named: dict[Path, None] = {}
    for path in files:
        if path not in known:
            below = [parent for parent in reversed(path.parents) if folder in parent.parents]
            named[next((parent for parent in below if parent not in on_the_way), path)] = None
    for path in named:
        yield f"{path.relative_to(folder)}{'/' if path.is_dir() else ''}"
