"""A second, plain implementation of what keys/ proves and hashes, from the texts alone, with Python integers.

It shares no line with keys/ and needs only hashlib: two implementations that agree are unlikely to be wrong in the
same way. Slow, and not constant-time: for test vectors and tests only. Run it to write the vectors:

    python tests/vectors/keys_reference.py

Sources: RFC 9496 sections 3 and 4 (ristretto255), RFC 9380 section 5.3.1, docs/protocol.md (the batch proof).
"""

import hashlib
import json
from pathlib import Path

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # of -1


def negative(x):
    return x % P & 1


def absolute(x):
    return -x % P if negative(x) else x % P


def square_root_of_ratio(u, v):
    """RFC 9496 section 4.2, SQRT_RATIO_M1."""
    r = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    check = v * r * r % P
    if check in {-u % P, -u * ROOT % P}:
        r = r * ROOT % P
    return check in {u % P, -u % P}, absolute(r)


INVERSE_ROOT_A_MINUS_D = square_root_of_ratio(1, (-1 - D) % P)[1]
ROOT_AD_MINUS_ONE = 25063068953384623474111414158702152701244531502492656460079210482610430750235
IDENTITY = (0, 1)


def decode(data):
    """RFC 9496 section 4.3.1: a point (x, y), or ValueError."""
    s = int.from_bytes(data, "little")
    if len(data) != 32 or s >= P or negative(s):
        raise ValueError
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-D * u1 * u1 - u2 * u2) % P
    square, root = square_root_of_ratio(1, v * u2 * u2 % P)
    denominator_x = root * u2 % P
    x = absolute(2 * s * denominator_x)
    y = u1 * root * denominator_x * v % P
    if not square or negative(x * y) or y == 0:
        raise ValueError
    return x, y


def encode(point):
    """RFC 9496 section 4.3.2."""
    x, y = point
    t = x * y % P
    u1, u2 = (1 + y) * (1 - y) % P, t
    _, root = square_root_of_ratio(1, u1 * u2 * u2 % P)
    d1, d2 = root * u1 % P, root * u2 % P
    z_inverse = d1 * d2 * t % P
    if negative(t * z_inverse):
        x, y, denominator = y * ROOT % P, x * ROOT % P, d1 * INVERSE_ROOT_A_MINUS_D % P
    else:
        denominator = d2
    if negative(x * z_inverse):
        y = -y
    return absolute(denominator * (1 - y)).to_bytes(32, "little")


def one_way_map(data):
    """RFC 9496 section 4.3.4: 64 uniform bytes to a point."""
    return add(*(_map(int.from_bytes(half, "little") % 2**255 % P) for half in (data[:32], data[32:])))


def _map(t):
    r = ROOT * t * t % P
    u = (r + 1) * (1 - D * D) % P
    v = (-1 - r * D) * (r + D) % P
    square, s = square_root_of_ratio(u, v)
    c = -1
    if not square:
        s, c = -absolute(s * t) % P, r
    n = (c * (r - 1) * (D - 1) ** 2 - v) % P
    w0, w1, w2, w3 = 2 * s * v, n * ROOT_AD_MINUS_ONE, 1 - s * s, 1 + s * s
    return w0 * pow(w1, -1, P) % P, w2 * pow(w3, -1, P) % P


def add(p, q):
    """The Edwards curve's law, complete for these."""
    (x1, y1), (x2, y2) = p, q
    k = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P
    return x, y


def multiply(point, scalar):
    out = IDENTITY
    for bit in f"{scalar % ORDER:b}":
        out = add(out, out)
        if bit == "1":
            out = add(out, point)
    return out


BASE = decode(bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"))


def hash_to_scalar(message, dst):
    """RFC 9380 section 5.3.1 for 64 bytes, read little-endian: RFC 9497 section 4.1."""
    tag = dst + bytes([len(dst)])
    first = hashlib.sha512(bytes(128) + message + (64).to_bytes(2, "big") + b"\0" + tag).digest()
    return int.from_bytes(hashlib.sha512(first + b"\1" + tag).digest(), "little") % ORDER


def framed(*parts):
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def number(value):
    return value.to_bytes(8, "big")


def transcript(statement, blinded, evaluated):
    """D, seed and weights of a batch. `statement` is the JSON object of a vector; elements are bytes."""
    s = {**statement, **{name: bytes.fromhex(statement[name]) for name in ("charter_digest", "batch", "public")}}
    where = [s["pair"].encode(), number(s["epoch"]), number(s["generation"])]
    n = number(len(blinded))
    digest = hashlib.sha512(
        framed(
            b"SAMAKI-v1 batch request digest", s["charter_digest"], s["requester"].encode(), *where,
            s["purpose"].encode(), s["batch"], n, b"".join(blinded),
        )
    ).digest()
    context = framed(
        b"SAMAKI-v1 batch proof context", s["charter_digest"], *where, s["holder"].encode(), s["public"], digest, n
    )
    seed = hashlib.sha512(
        framed(b"SAMAKI-v1 batch proof seed", context, b"".join(blinded), b"".join(evaluated))
    ).digest()
    stream = b"".join(
        hashlib.sha512(framed(b"SAMAKI-v1 batch proof weight", seed, number(j))).digest()
        for j in range(len(blinded) // 4 + 1)
    )
    weights = [stream[16 * i : 16 * i + 16] for i in range(len(blinded))]
    return {"D": digest, "context": context, "seed": seed, "weights": weights}


def proof(statement, secret, r, blinded, evaluated):
    """Every step of the batch proof, named as in docs/protocol.md; `secret` and `r` are integers."""
    steps = transcript(statement, blinded, evaluated)
    M = V = IDENTITY
    for weight, B, Z in zip(steps["weights"], blinded, evaluated, strict=True):
        M = add(M, multiply(decode(B), int.from_bytes(weight, "big")))
        V = add(V, multiply(decode(Z), int.from_bytes(weight, "big")))
    elements = [encode(point) for point in (M, V, multiply(BASE, r), multiply(M, r))]
    c = hash_to_scalar(framed(steps["context"], steps["seed"], *elements), b"SAMAKI-v1 batch proof challenge")
    s = (r - c * secret) % ORDER
    steps.update(zip(("M", "V", "t2", "t3"), elements, strict=True))
    return {**steps, "proof": c.to_bytes(32, "little") + s.to_bytes(32, "little")}


def knowledge(place, secret, r):
    """A share's public element and its proof of knowledge; `place` is the JSON object of a vector."""
    public, commitment = encode(multiply(BASE, secret)), encode(multiply(BASE, r))
    context = framed(
        bytes.fromhex(place["charter_digest"]), place["pair"].encode(), number(place["epoch"]),
        number(place["generation"]), place["holder"].encode(),
    )
    c = hash_to_scalar(framed(context, public, commitment), b"SAMAKI-v1 share knowledge")
    return public, c.to_bytes(32, "little") + ((r - c * secret) % ORDER).to_bytes(32, "little")


def chosen(text):
    """64 bytes that anyone can make again."""
    return hashlib.sha512(text.encode()).digest()


def batch_vector(n):
    secret, r = (int.from_bytes(chosen(f"{what} {n}"), "little") % ORDER for what in ("share", "r"))
    place = {"charter_digest": chosen("charter").hex(), "pair": "KH-TH", "epoch": 3, "generation": 2}
    place["holder"] = "TH.holder"
    public, shown = knowledge(place, secret, r)
    asked = {"requester": "KH", "purpose": "match", "batch": chosen("batch")[:16].hex(), "public": public.hex()}
    statement = {**place, **asked}
    points = [one_way_map(chosen(f"element {i}")) for i in range(n)]
    blinded = [encode(point) for point in points]
    evaluated = [encode(multiply(point, secret)) for point in points]
    steps = proof(statement, secret, r, blinded, evaluated)
    del steps["context"]
    return {
        "statement": statement,
        "share": secret.to_bytes(32, "little").hex(),
        "r": r.to_bytes(32, "little").hex(),
        "knowledge": shown.hex(),
        "blinded": [element.hex() for element in blinded],
        "evaluated": [element.hex() for element in evaluated],
        **{k: [w.hex() for w in v] if isinstance(v, list) else v.hex() for k, v in steps.items()},
    }


def main():
    vectors = {
        "source": "tests/vectors/keys_reference.py, from docs/protocol.md; ours",
        "licence": "Apache-2.0",
        "batches": [batch_vector(n) for n in (1, 4, 5)],
    }
    (Path(__file__).parents[2] / "keys" / "vectors" / "batch_proof.json").write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
