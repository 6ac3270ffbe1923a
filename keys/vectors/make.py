"""Makes the compact files beside it, and their sums, from the published originals:

    python -m keys.vectors.make FOLDER

FOLDER holds the originals under their own names, as fetched from the places that `source` names; those it lacks stay
as they are. `batch_proof.json` is written by tests/vectors/keys_reference.py, a second implementation; run this
afterwards, without FOLDER, for its sum.
"""

import hashlib
import json
import sys
from pathlib import Path

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt, crypto_scalarmult, crypto_scalarmult_base

from keys.vectors.originals import Content
from keys.vectors.selftest import HERE, KNOWN, SUMS

_RFC8032 = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
)


def sealed() -> Content:
    """Ours, spelt out with libsodium's functions."""
    key, aad, plain = bytes(range(32)), b"a place", b"a sealed message"
    secret, ephemeral = bytes(range(32, 64)), bytes(range(64, 96))
    public, sender = crypto_scalarmult_base(secret), crypto_scalarmult_base(ephemeral)
    parts = (b"SAMAKI-v1 seal to recipient", crypto_scalarmult(ephemeral, public), sender, public)
    derived = hashlib.blake2b(b"".join(len(p).to_bytes(8, "big") + p for p in parts), digest_size=32).digest()
    nonce = bytes(range(24))
    boxes = [nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(plain, aad, nonce, k) for k in (key, derived)]
    made = {"key": key, "aad": aad, "plain": plain, "box": boxes[0], "secret": secret, "public": public}
    return {**{name: value.hex() for name, value in made.items()}, "box_to": (sender + boxes[1]).hex()}


def write(file: str, content: Content) -> None:
    """One row a line: a changed vector is a changed line."""
    lines = json.dumps(content, indent=None if "vectors" in content and isinstance(content["vectors"][0], list) else 1)
    (HERE / file).write_text(lines.replace("], [", "],\n [") + "\n")


def main(folders: list[str]) -> None:
    ours = {"sealed": sealed(), "rfc8032": {"vectors": _RFC8032}}
    for known in KNOWN:
        if known.name in ours:
            write(known.file, known.of_original(ours[known.name]))
        for path in (path for folder in folders for path in Path(folder).rglob("*.json")):
            if path.name == known.original:
                write(known.file, known.of_original(json.loads(path.read_bytes())))
    sums = {known.file: hashlib.sha256((HERE / known.file).read_bytes()).hexdigest() for known in KNOWN}
    SUMS.write_text(json.dumps(sums, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
