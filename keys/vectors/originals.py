"""Published files of vectors, as parsed from their JSON, to the content of our compact ones. Pure.

Each function raises KeyError, TypeError, ValueError, IndexError or AttributeError where the form is another one.
"""

from collections.abc import Iterator
from typing import Any

Content = dict[str, Any]

_REFUSED = {"low_order_A", "low_order_R", "low_order_residue", "non_canonical_A", "non_canonical_R"}
"""Flags of CCTV's edge cases: libsodium takes only canonical A and R, none of low order, and a signature whose
equation holds as it stands, not just times the cofactor. CCTV itself calls no answer right."""


def as_it_is(raw: Any) -> Content:
    """A file of our own form."""
    return {name: value for name, value in raw.items() if name not in {"source", "licence"}}


def rfc9380(raw: Any) -> Content:
    return {
        "dst": raw["DST"],
        "vectors": [
            {"message": t["msg"], "size": int(t["len_in_bytes"], 16), "uniform": t["uniform_bytes"]}
            for t in raw["tests"]
        ],
    }


def rfc9496(raw: Any) -> Content:
    return {name: raw[name] for name in ("bad_encodings", "one_way_map", "small_multiples")}


def rfc9497(raw: Any) -> Content:
    """Of all suites and modes ours: ristretto255-SHA512, OPRF (0) and VOPRF (1)."""
    ours = [s for s in raw if s["identifier"] == "ristretto255-SHA512" and s["mode"] in {0, 1}]
    return {"suites": [_evaluations(suite) for suite in ours]}


def ed25519(raw: Any) -> Content:
    return {"vectors": [[g["publicKey"]["pk"], t["msg"], t["sig"], _valid(t)] for g, t in _wycheproof(raw)]}


def ed25519_cctv(raw: Any) -> Content:
    keys, messages, signatures = (sorted({v[name] for v in raw}) for name in ("key", "msg", "sig"))
    return {
        "keys": keys,
        "messages": messages,
        "signatures": signatures,
        "vectors": [
            [
                keys.index(v["key"]),
                messages.index(v["msg"]),
                signatures.index(v["sig"]),
                _REFUSED.isdisjoint(v["flags"] or ()),
            ]
            for v in raw
        ],
    }


def x25519(raw: Any) -> Content:
    return {"vectors": [[t["private"], t["public"], t["shared"]] for _, t in _wycheproof(raw)]}


def xchacha(raw: Any) -> Content:
    """A nonce of another size than 24 bytes is invalid: we take it for the 24 that stand there, which do not open."""
    return {
        "vectors": [
            [t["key"], t["iv"] + t["ct"] + t["tag"], t["aad"], t["msg"] if _valid(t) else None]
            for _, t in _wycheproof(raw)
        ]
    }


def hmac_sha256(raw: Any) -> Content:
    return {"vectors": [[t["key"], t["msg"], t["tag"], _valid(t)] for _, t in _wycheproof(raw)]}


def _evaluations(suite: Any) -> Content:
    return {
        "mode": suite["mode"],
        "seed": suite["seed"],
        "info": suite["keyInfo"],
        "secret": suite["skSm"],
        "public": suite.get("pkSm"),
        "vectors": [
            {
                "inputs": v["Input"].split(","),
                "blinds": v["Blind"].split(","),
                "blinded": v["BlindedElement"].split(","),
                "evaluated": v["EvaluationElement"].split(","),
                "outputs": v["Output"].split(","),
                **v.get("Proof", {}),
            }
            for v in suite["vectors"]
        ],
    }


def _wycheproof(raw: Any) -> Iterator[tuple[Any, Any]]:
    """Every test with its group, all that the file says it has. Raises ValueError: there are not as many."""
    tests = [(group, test) for group in raw["testGroups"] for test in group["tests"]]
    if len(tests) != raw["numberOfTests"]:
        raise ValueError(f"it says that it has {raw['numberOfTests']} tests, and has {len(tests)}")
    return iter(tests)


def _valid(test: Any) -> bool:
    if test["result"] not in {"valid", "invalid"}:
        raise ValueError(f"test {test['tcId']} is neither valid nor invalid")
    return bool(test["result"] == "valid")
