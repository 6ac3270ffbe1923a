"""Makes the compact vector files for keys/ from the originals:  python make_keys_vectors.py SOURCE_DIR

SOURCE_DIR holds oprf/, h2c/, ristretto255/ and wycheproof/, as fetched from the projects named in `source` of each
file made. Only what our suite can use is kept. The files it makes are committed; tests read only those.
"""

import hashlib
import json
import sys
from pathlib import Path

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt, crypto_scalarmult, crypto_scalarmult_base

HERE = Path(__file__).parent


def rfc9497(source):
    suites = json.loads((source / "oprf/rfc9497_allVectors.json").read_text())
    ours = [s for s in suites if s["identifier"] == "ristretto255-SHA512" and s["mode"] in {0, 1}]
    return {
        "source": "RFC 9497 appendix A.1.1 and A.1.2; cfrg/draft-irtf-cfrg-voprf poc/vectors/allVectors.json @43da59f",
        "licence": "IETF Trust (BSD-3-Clause code component)",
        "suites": [
            {
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
            for suite in ours
        ],
    }


def rfc9380(source):
    suite = json.loads((source / "h2c/expand_message_xmd_SHA512_38.json").read_text())
    return {
        "source": "RFC 9380 appendix K.3; cfrg/draft-irtf-cfrg-hash-to-curve poc/vectors @664b135",
        "licence": "IETF Trust (BSD-3-Clause code component)",
        "dst": suite["DST"],
        "vectors": [
            {"message": t["msg"], "size": int(t["len_in_bytes"], 16), "uniform": t["uniform_bytes"]}
            for t in suite["tests"]
        ],
    }


def rfc9496(source):
    original = json.loads((source / "ristretto255/rfc9496_ristretto255.json").read_text())
    return {
        "source": "RFC 9496 appendix A, as in jedisct1/libsodium test/default @7014b204",
        "licence": "ISC",
        **{name: original[name] for name in ("bad_encodings", "one_way_map", "small_multiples")},
    }


def ed25519(source):
    original = json.loads((source / "wycheproof/ed25519_test.json").read_text())
    return {
        "source": "C2SP/wycheproof testvectors_v1/ed25519_test.json @dac1dd4",
        "licence": "Apache-2.0",
        "vectors": [
            [g["publicKey"]["pk"], t["msg"], t["sig"], t["result"] == "valid"]
            for g in original["testGroups"]
            for t in g["tests"]
            if len(t["msg"]) <= 512
        ],
    }


def xchacha(source):
    """Messages of up to 32 bytes, and nonces of 24: the others we never make."""
    original = json.loads((source / "wycheproof/xchacha20_poly1305_test.json").read_text())
    return {
        "source": "C2SP/wycheproof testvectors_v1/xchacha20_poly1305_test.json @dac1dd4",
        "licence": "Apache-2.0",
        "vectors": [
            [t["key"], t["iv"] + t["ct"] + t["tag"], t["aad"], t["msg"] if t["result"] == "valid" else None]
            for g in original["testGroups"]
            for t in g["tests"]
            if len(t["msg"]) <= 64 and len(t["iv"]) == 48
        ],
    }


def sealed(_source):
    """Ours, spelt out with libsodium's functions: what was sealed once must open for ever."""
    key, aad, plain = bytes(range(32)), b"a place", b"a sealed message"
    secret, ephemeral = bytes(range(32, 64)), bytes(range(64, 96))
    public, sender = crypto_scalarmult_base(secret), crypto_scalarmult_base(ephemeral)
    parts = (b"SAMAKI-v1 seal to recipient", crypto_scalarmult(ephemeral, public), sender, public)
    derived = hashlib.blake2b(b"".join(len(p).to_bytes(8, "big") + p for p in parts), digest_size=32).digest()
    nonce = bytes(range(24))
    boxes = [nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(plain, aad, nonce, k) for k in (key, derived)]
    made = {"key": key, "aad": aad, "plain": plain, "box": boxes[0], "secret": secret, "public": public}
    return {
        "source": "tests/vectors/make_keys_vectors.py; ours",
        "licence": "Apache-2.0",
        **{name: value.hex() for name, value in made.items()},
        "box_to": (sender + boxes[1]).hex(),
    }


def main():
    source = Path(sys.argv[1])
    for make in (rfc9497, rfc9380, rfc9496, ed25519, xchacha, sealed):
        made = make(source)
        lines = json.dumps(made, indent=1) if make in {rfc9497, rfc9380, rfc9496, sealed} else json.dumps(made)
        (HERE / f"{make.__name__}.json").write_text(lines.replace("], [", "],\n [") + "\n")


if __name__ == "__main__":
    main()
