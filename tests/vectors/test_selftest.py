"""Every suite of vectors holds on every backend; a broken wrapper, an altered vector or file is found."""

import hashlib
import json

import backends
import pytest
from nacl.bindings import crypto_scalarmult
from nacl.exceptions import CryptoError

from keys import dleq, expand, group, labels, oprf, seal, shares, sign
from keys.errors import VectorsUnreadable
from keys.pepper import SecretPepper
from keys.vectors import make, originals, selftest
from keys.vectors.selftest import HERE, KNOWN, SUMS, run_built_in, run_core, run_folder

COUNTS = {
    "rfc9380": 10, "rfc9496": 53, "rfc9497": 5, "batch_proof": 3, "sealed": 2, "rfc8032": 3, "ed25519": 151,
    "ed25519_cctv": 914, "x25519": 518, "xchacha": 315, "hmac_sha256": 174,
}  # fmt: skip
SUITES = {known.name: known for known in KNOWN}

every_suite = pytest.mark.parametrize("name", COUNTS, ids=lambda name: f"{name}-{COUNTS[name]}")


@pytest.fixture(params=backends.NAMES)
def each_backend(request):
    before = group.backend_name()
    backends.use(request.param)
    yield
    group.use(before)


def compact(name):
    return json.loads((HERE / f"{name}.json").read_text())


def shown(name):
    (result,) = run_built_in([SUITES[name]]).results
    return result


def of_file(folder, file, content):
    """What a run of a folder with this one file shows of it."""
    (folder / file).write_text(content if isinstance(content, str) else json.dumps(content))
    return run_folder(folder).results[0]


@every_suite
def test_every_vector_of_every_suite_holds_on_every_backend(each_backend, name):
    result = shown(name)
    assert (result.run, result.failed) == (COUNTS[name], ())


def test_no_suite_goes_uncounted():
    assert set(SUITES) == set(COUNTS)


def test_the_suites_of_a_node_s_start_are_most_and_hold():
    outcome = run_core()
    assert outcome.ok
    assert {result.suite for result in outcome.results} == set(COUNTS) - {"ed25519_cctv", "x25519"}


def test_of_the_edge_cases_43_are_taken():
    assert sum(valid for *_, valid in compact("ed25519_cctv")["vectors"]) == 43


# A wrapper that errs.


def without_tag(box, aad, nonce, key):
    return b""


def without_refusal(secret, other):
    try:
        return crypto_scalarmult(secret, other)
    except CryptoError:
        return bytes(32)


def raising(*_):
    raise OSError("broken")


def always(value):
    return lambda *_, **__: value


BROKEN = [
    ("rfc9380", expand, "_PADDED", hashlib.sha512(bytes(127))),
    ("rfc9496", group, "validate", always(None)),
    ("rfc9496", group, "multiply", always([])),
    ("rfc9496", group, "weighted_sum", always(bytes(32))),
    ("rfc9496", group, "map_to_group", always([bytes(32)])),
    ("rfc9496", group, "multiply_base", always(b"\1" * 32)),
    ("rfc9497", oprf, "blind_with", always([])),
    ("rfc9497", oprf, "blind_evaluate", always([])),
    ("rfc9497", oprf, "finalize", always([])),
    ("rfc9497", oprf, "derive_key_pair", always((bytes(32), bytes(32)))),
    ("rfc9497", oprf, "verify_evaluation", always(None)),
    ("batch_proof", dleq, "verify", always(None)),
    ("batch_proof", dleq, "prove", always(bytes(64))),
    ("batch_proof", dleq, "request_digest", always(bytes(64))),
    ("batch_proof", dleq, "_weights", lambda seed, n: [b"\1" * 16] * n),
    ("batch_proof", labels, "CONTEXT", b"another"),
    ("batch_proof", labels, "KNOWLEDGE", b"another"),
    ("batch_proof", shares, "verify_introduction", always(None)),
    ("sealed", labels, "SEAL_TO", b"another"),
    ("sealed", seal, "seal", always(bytes(40))),
    ("sealed", seal, "unseal", always(b"a sealed message")),
    ("sealed", seal, "unseal_from", always(b"a sealed message")),
    ("rfc8032", sign, "sign", always(bytes(64))),
    ("rfc8032", sign, "public_key", always(bytes(32))),
    ("ed25519", sign, "is_valid", always(True)),
    ("ed25519", sign, "is_valid", always(False)),
    ("ed25519_cctv", sign, "is_valid", always(False)),
    ("ed25519_cctv", sign, "crypto_sign_open", always(b"")),
    ("x25519", seal, "crypto_scalarmult", without_refusal),
    ("x25519", seal, "crypto_scalarmult", always(b"\1" * 32)),
    ("xchacha", seal, "crypto_aead_xchacha20poly1305_ietf_decrypt", without_tag),
    ("xchacha", seal, "unseal", raising),
    ("hmac_sha256", SecretPepper, "mac", lambda pepper, message: hashlib.sha256(pepper.secret + message).digest()),
]


@pytest.mark.parametrize("name, module, what, broken", BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_wrapper_is_found(monkeypatch, name, module, what, broken):
    monkeypatch.setattr(module, what, broken)
    result = shown(name)
    assert 0 < len(result.failed) <= result.run == COUNTS[name]


def test_every_suite_has_a_wrapper_that_was_broken():
    assert {name for name, *_ in BROKEN} == set(COUNTS)


def test_a_vector_that_fails_does_not_keep_the_others_from_being_run(monkeypatch):
    whole = sign.is_valid
    calls = iter(range(1000))
    monkeypatch.setattr(sign, "is_valid", lambda *v: raising() if next(calls) == 2 else whole(*v))
    assert shown("ed25519").failed == (3,)


# A vector that was altered. The place of each in the compact file, and its number.

ALTERED = [
    ("rfc9380", ("vectors", 4, "uniform"), 5),
    ("rfc9496", ("small_multiples", 15), 53),
    ("rfc9496", ("one_way_map", 0, "output"), 31),
    ("rfc9497", ("suites", 0, "vectors", 1, "outputs", 0), 2),
    ("rfc9497", ("suites", 1, "vectors", 2, "proof"), 5),
    *(
        ("batch_proof", ("batches", 1, *place), 2)
        for place in (
            ("proof",), ("knowledge",), ("D",), ("M",), ("V",), ("share",), ("blinded", 0), ("evaluated", 3),
            ("weights", 2), ("statement", "batch"), ("statement", "public"), ("statement", "charter_digest"),
        )
    ),
    ("sealed", ("box",), 1),
    ("sealed", ("box_to",), 2),
    ("rfc8032", ("vectors", 2, 3), 3),
    ("ed25519", ("vectors", 0, 2), 1),
    ("ed25519_cctv", ("signatures", -1), None),
    ("x25519", ("vectors", 0, 2), 1),
    ("xchacha", ("vectors", 0, 1), 1),
    ("hmac_sha256", ("vectors", 0, 2), 1),
]  # fmt: skip


@pytest.mark.parametrize("name, place, number", ALTERED)
def test_a_flipped_bit_of_a_vector_is_found(tmp_path, name, place, number):
    content = compact(name)
    *way, last = place
    here = content
    for step in way:
        here = here[step]
    if name == "ed25519_cctv":  # most of its signatures are none as it is: take one that is
        last = next(row[2] for row in content["vectors"] if row[3])
        number = next(i for i, row in enumerate(content["vectors"], start=1) if row[2] == last and row[3])
    value = bytes.fromhex(here[last])
    here[last] = (value[:-1] + bytes([value[-1] ^ 1])).hex()
    assert number in of_file(tmp_path, f"{name}.json", content).failed


def test_every_suite_has_a_vector_that_was_altered():
    assert {name for name, *_ in ALTERED} == set(COUNTS)


# A file that was altered.


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """The files that ship, in a folder where a test may alter them."""
    for path in HERE.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(selftest, "HERE", tmp_path)
    return tmp_path


@every_suite
def test_any_flipped_byte_of_a_built_in_file_is_found(shipped, name):
    path = shipped / f"{name}.json"
    whole = path.read_bytes()
    for i in range(0, len(whole), len(whole) // 23):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        with pytest.raises(VectorsUnreadable, match="not the file that was released"):
            shown(name)
    path.write_bytes(whole)
    assert shown(name).failed == ()


def test_a_built_in_file_that_is_gone_is_an_error(shipped):
    (shipped / "rfc9497.json").unlink()
    with pytest.raises(VectorsUnreadable, match=r"rfc9497\.json cannot be read"):
        run_built_in()


def test_every_file_that_ships_is_summed_and_names_its_source_and_licence():
    assert set(json.loads(SUMS.read_text())) == {path.name for path in HERE.glob("*.json")} - {SUMS.name}
    for known in KNOWN:
        assert (compact(known.name)["source"], compact(known.name)["licence"]) == (known.source, known.licence)


# The published files, in their own forms.


def wycheproof(tests, group=lambda test: {}):
    return {"numberOfTests": len(tests), "testGroups": [{**group(t), "tests": [t]} for t in tests]}


def said(valid):
    return "valid" if valid else "invalid"


def original(name):
    """The published file of a suite, as far as we read it, made from our compact one."""
    content = compact(name)
    rows = content.get("vectors", ())
    match name:
        case "rfc9380":
            tests = [{"msg": v["message"], "len_in_bytes": hex(v["size"]), "uniform_bytes": v["uniform"]} for v in rows]
            return {"DST": content["dst"], "tests": tests}
        case "rfc9496":
            return content
        case "rfc9497":
            return [evaluations(suite) for suite in content["suites"]] + [
                {"identifier": "ristretto255-SHA512", "mode": 2}, {"identifier": "P256-SHA256", "mode": 0},
            ]  # fmt: skip
        case "ed25519":
            tests = [{"msg": m, "sig": s, "result": said(valid), "pk": k} for k, m, s, valid in rows]
            return wycheproof(tests, lambda test: {"publicKey": {"pk": test["pk"]}})
        case "ed25519_cctv":
            keys, messages, signatures = content["keys"], content["messages"], content["signatures"]
            return [
                {"key": keys[k], "msg": messages[m], "sig": signatures[s], "flags": None if v else ["low_order_A"]}
                for k, m, s, v in rows
            ]
        case "x25519":
            return wycheproof([{"private": a, "public": b, "shared": s} for a, b, s in rows])
        case "xchacha":
            return wycheproof([
                {"key": key, "iv": box[:48], "ct": box[48:], "tag": "", "aad": aad, "msg": plain or "",
                 "result": said(plain is not None)}
                for key, box, aad, plain in rows
            ])  # fmt: skip
        case "hmac_sha256":
            return wycheproof([{"key": k, "msg": m, "tag": t, "result": said(valid)} for k, m, t, valid in rows])
    raise AssertionError(name)


def evaluations(suite):
    names = {"Input": "inputs", "Blind": "blinds", "BlindedElement": "blinded"}
    names |= {"EvaluationElement": "evaluated", "Output": "outputs"}
    vectors = [
        {theirs: ",".join(v[ours]) for theirs, ours in names.items()}
        | ({"Proof": {"proof": v["proof"], "r": v["r"]}} if "proof" in v else {})
        for v in suite["vectors"]
    ]
    mode = {"identifier": "ristretto255-SHA512", "mode": suite["mode"], "keyInfo": suite["info"]}
    public = {"pkSm": suite["public"]} if suite["public"] else {}
    return {**mode, **public, "seed": suite["seed"], "skSm": suite["secret"], "vectors": vectors}


PUBLISHED = [name for name, known in SUITES.items() if known.original]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_file_is_read_whole_and_shows_what_ours_shows(tmp_path, name):
    known = SUITES[name]
    assert known.of_original(original(name)) == compact(name)
    result = of_file(tmp_path, known.original, original(name))
    assert (result.suite, result.source, result.run, result.failed) == (name, known.original, COUNTS[name], ())


def test_the_maker_writes_from_the_published_files_what_ships(tmp_path, monkeypatch):
    published, made = tmp_path / "published", tmp_path / "made"
    published.mkdir()
    made.mkdir()
    for name in PUBLISHED:
        (published / SUITES[name].original).write_text(json.dumps(original(name)))
    (made / "batch_proof.json").write_bytes((HERE / "batch_proof.json").read_bytes())
    monkeypatch.setattr(make, "HERE", made)
    monkeypatch.setattr(make, "SUMS", made / SUMS.name)
    make.main([str(published)])
    assert {path.name: path.read_bytes() for path in made.iterdir()} == {p.name: p.read_bytes() for p in HERE.glob("*.json")}


def test_a_folder_is_searched_whole_and_what_is_not_known_is_named(tmp_path):
    for name in ("deep/er", "logs/tiles", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "deep/er/ed25519_test.json").write_text(json.dumps(original("ed25519")))
    for name in ("deep/er/LICENSE", "deep/hkdf_sha256_test.json", "logs/a.json", "logs/tiles/b", "README"):
        (tmp_path / name).write_text("not ours")
    outcome = run_folder(tmp_path)
    assert [(r.suite, r.source) for r in outcome.results] == [
        ("ed25519", "deep/er/ed25519_test.json"), ("batch_proof", "built in"), ("sealed", "built in"),
        ("rfc8032", "built in"),
    ]  # fmt: skip
    assert outcome.ignored == ("README", "deep/er/LICENSE", "deep/hkdf_sha256_test.json", "logs/")
    assert outcome.missing == tuple(SUITES[name].original for name in PUBLISHED if name != "ed25519")
    assert outcome.ok


def test_a_suite_of_ours_in_the_folder_takes_the_place_of_the_built_in_one(tmp_path):
    content = compact("batch_proof")
    del content["batches"][1:]
    result = of_file(tmp_path, "batch_proof.json", content)
    assert (result.source, result.run) == ("batch_proof.json", 1)


def test_a_folder_without_any_vectors_shows_nothing(tmp_path):
    (tmp_path / "hkdf_sha256_test.json").write_text("{}")
    with pytest.raises(VectorsUnreadable, match="no file of vectors that Samaki knows"):
        run_folder(tmp_path)


NOT_HEX = wycheproof([{"private": "zz", "public": "00", "shared": "00"}])
ONE_HASH = {"key": "00", "msg": "", "tag": "00", "tcId": 7}


@pytest.mark.parametrize(
    "file, content, reason",
    [
        ("ed25519_test.json", "{", "Expecting property name"),
        ("ed25519_test.json", "[]", "another form"),
        ("ed25519_test.json", {"testGroups": []}, "no 'numberOfTests'"),
        ("ed25519_test.json", {"testGroups": [], "numberOfTests": 151}, "151 tests, and has 0"),
        ("ed25519_test.json", wycheproof([]), "no vectors"),
        ("hmac_sha256_test.json", wycheproof([ONE_HASH | {"result": "acceptable"}]), "test 7 is neither"),
        ("x25519_test.json", NOT_HEX, r"vectors\.0\.0"),
        ("rfc9497_allVectors.json", [{"identifier": "P256-SHA256", "mode": 0}], "no vectors"),
        ("rfc9380.json", {"dst": "x"}, "source"),
        ("sealed.json", "\N{DEGREE SIGN}", "Invalid JSON"),
        ("ed25519vectors.json", "[" * 100_000, "cannot be read as CCTV"),
    ],
)
def test_a_known_file_that_cannot_be_read_is_an_error_that_says_why(tmp_path, file, content, reason):
    with pytest.raises(VectorsUnreadable, match=reason) as refusal:
        of_file(tmp_path, file, content)
    assert str(tmp_path / file) in str(refusal.value)


def test_a_known_name_that_leads_nowhere_is_an_error(tmp_path):
    (tmp_path / "x25519_test.json").symlink_to(tmp_path / "gone")
    with pytest.raises(VectorsUnreadable, match="cannot be read: No such file"):
        run_folder(tmp_path)


@pytest.mark.parametrize("flag", sorted(originals._REFUSED))
def test_an_edge_case_with_a_flag_that_libsodium_minds_is_expected_to_be_refused(flag):
    case = {"key": "00", "msg": "", "sig": "00", "flags": ["low_order_component_A", flag]}
    assert originals.ed25519_cctv([case])["vectors"] == [[0, 0, 0, False]]
    assert originals.ed25519_cctv([case | {"flags": ["low_order_component_A"]}])["vectors"] == [[0, 0, 0, True]]


def test_a_run_of_nothing_shows_nothing():
    assert not run_built_in([]).ok
