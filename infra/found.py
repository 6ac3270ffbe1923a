#!/usr/bin/env python3
"""Founds a TRIAL region for infra/compose.yaml: charter, homes, certificates, databases, access rules. On one disk.

    python infra/found.py FOLDER [--countries KH,CN,LA,MM,TH,VN] [--tick-seconds 60]

One person who holds everybody's keys is exactly what a real region must not have. A real one is founded by its members
together (README.md, "A real region"); this is to see the real parts work. Refuses a folder that exists.

FOLDER/region/charter.json            signed by roots that are forgotten at once
FOLDER/region/<party>/                kek, ring.json, staff.json, and `database`: the address of its PostgreSQL database
FOLDER/region/access/<party>/<staff>  sign-in tokens
FOLDER/pki/<party>/                   ca.pem, certificate.pem, key.pem; also for `admin` and `auditor`
FOLDER/broker/                        broker.pem, ca.pem, admin.properties, acls.sh
FOLDER/postgres/                      init.sql: a role and a database a party; superuser: the password of `postgres`
"""

import argparse
import secrets
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "acl"))

from acls import command, merged, rules

from events.clock import SystemClock
from services.demo.region import Region, found_region

BROKER = "kafka:9094"
AUDITOR = "auditor"
DAYS = "365"


def found(folder: Path, countries: tuple[str, ...], tick_seconds: float) -> Region:
    """Everything below `folder`, which must not exist."""
    folder.mkdir(mode=0o711)
    trial = {"region": "trial", "tick_seconds": tick_seconds, "cover": False}
    region = found_region(folder / "region", countries, now=SystemClock().now(), **trial)
    parties = [party.id for party in region.charter.parties]
    _certificates(folder, (*parties, "admin", AUDITOR))
    _broker(folder, region)
    _databases(folder, region, parties)
    return region


def _certificates(folder: Path, names: tuple[str, ...]) -> None:
    """An authority, whose key is forgotten, and a certificate of a year for each name and for the broker."""
    authority = folder / "authority"
    authority.mkdir(mode=0o700)
    ca, ca_key = authority / "ca.pem", authority / "ca.key"
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS,
             "-subj", "/CN=trial authority", "-keyout", str(ca_key), "-out", str(ca))  # fmt: skip
    for name in names:
        place = folder / "pki" / name
        place.mkdir(mode=0o700, parents=True)
        _certificate(authority, name, place / "key.pem", place / "certificate.pem", "extendedKeyUsage=clientAuth")
        (place / "ca.pem").write_bytes(ca.read_bytes())
    broker = folder / "broker"
    broker.mkdir(mode=0o711)
    key, certificate = authority / "broker.key", authority / "broker.crt"
    usage = "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:kafka,DNS:localhost"
    _certificate(authority, "broker", key, certificate, usage)
    (broker / "broker.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
    (broker / "ca.pem").write_bytes(ca.read_bytes())
    for left in authority.iterdir():
        left.unlink()
    authority.rmdir()


def _certificate(authority: Path, name: str, key: Path, certificate: Path, extensions: str) -> None:
    request, wanted = authority / "request", authority / "extensions"
    wanted.write_text(extensions)
    # EC, in PKCS #8: what the JDK reads from a PEM file without more ado.
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key))
    _openssl("req", "-new", "-key", str(key), "-subj", f"/CN={name}", "-out", str(request))
    _openssl("x509", "-req", "-in", str(request), "-CA", str(authority / "ca.pem"), "-CAkey", str(authority / "ca.key"),
             "-CAcreateserial", "-days", DAYS, "-extfile", str(wanted), "-out", str(certificate))  # fmt: skip
    key.chmod(0o600)


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"found: openssl {arguments[0]}: {done.stderr.strip().splitlines()[-1:]}")


def _broker(folder: Path, region: Region) -> None:
    admin = folder / "pki" / "admin"
    joined = (admin / "key.pem").read_bytes() + (admin / "certificate.pem").read_bytes()
    (folder / "broker" / "admin.pem").write_bytes(joined)
    (folder / "broker" / "admin.properties").write_text(
        "security.protocol=SSL\n"
        "ssl.keystore.type=PEM\nssl.keystore.location=/secrets/admin.pem\n"
        "ssl.truststore.type=PEM\nssl.truststore.location=/secrets/ca.pem\n"
    )
    wanted = merged(rules(region.charter, [AUDITOR]))
    lines = [command(rule, BROKER, "/secrets/admin.properties") for rule in wanted]
    (folder / "broker" / "acls.sh").write_text("set -e\nPATH=$PATH:/opt/kafka/bin\n" + "\n".join(lines) + "\n")


def _databases(folder: Path, region: Region, parties: list[str]) -> None:
    statements = []
    for party in parties:
        name, password = party.lower().replace(".", "_"), secrets.token_urlsafe(24)
        statements += [f"CREATE ROLE {name} LOGIN PASSWORD '{password}';", f"CREATE DATABASE {name} OWNER {name};",
                       f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC;"]  # fmt: skip
        address = region.home(party) / "database"
        address.touch(mode=0o600)
        address.write_text(f"postgresql://{name}:{password}@postgres/{name}\n")
    (folder / "postgres").mkdir(mode=0o711)
    (folder / "postgres" / "init.sql").write_text("\n".join(statements) + "\n")
    (folder / "postgres" / "superuser").write_text(secrets.token_urlsafe(24))


def main() -> None:
    """Found it, and say where."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--countries", default="KH,CN,LA,MM,TH,VN")
    options.add_argument("--tick-seconds", type=float, default=60.0)
    given = options.parse_args()
    if given.folder.exists():
        sys.exit(f"found: {given.folder} exists. Name a folder that is not there yet.")
    region = found(given.folder, tuple(given.countries.split(",")), given.tick_seconds)
    print(f"A trial region of {len(region.charter.countries)} countries stands in {given.folder}.")


if __name__ == "__main__":
    main()
