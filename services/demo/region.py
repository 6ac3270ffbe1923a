"""Founds a region on this machine: a signed charter, and a home folder with keys and staff for each party.

For the demo and the tests only. The members' root secrets are forgotten as soon as the charter is signed: nobody
can sign a second version, and no real region is founded like this.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Literal

from events.base import Role
from events.charter import Allowance, Charter, Member, Party, SigningKey, sign_charter
from events.model import pair_of
from keys import seal, sign
from keys.kek import new_kek
from keys.ring import KeyRing, Purpose
from services.runtime.staff import Entry, Register, digest_of, new_token

SLOTS = ("DOC", "FULL", "FULL", "BYX", "BYX")
Seeds = tuple[bytes, bytes, bytes]
NAMES = {
    "KH": "Cambodia",
    "CN": "China",
    "LA": "Lao PDR",
    "MM": "Myanmar",
    "TH": "Thailand",
    "VN": "Viet Nam",
}
KEY_YEARS = timedelta(days=365)
"""Event signing keys live one year."""

COUNTRY_STAFF: Mapping[str, tuple[str, tuple[Role, ...]]] = {
    "worker": ("welfare-office", (Role.CASE_WORKER, Role.FIRST_RESPONDER)),
    "supervisor": ("welfare-office", (Role.SUPERVISOR,)),
    "authority": ("identification-board", (Role.IDENTIFICATION_AUTHORITY,)),
    "assessor": ("identification-board", (Role.IDENTIFICATION_AUTHORITY,)),
    "focal": ("trm-desk", (Role.TRM_FOCAL_POINT,)),
    "deputy": ("trm-desk", (Role.TRM_FOCAL_POINT,)),
    "operator": ("node-operations", (Role.NODE_OPERATOR,)),
    "reviewer": ("security-review", (Role.SECURITY_REVIEWER,)),
}
HOLDER_STAFF: Mapping[str, tuple[str, tuple[Role, ...]]] = {
    "custodian": ("key-custody", (Role.KEY_CUSTODIAN,)),
    "second-custodian": ("key-custody", (Role.KEY_CUSTODIAN,)),
    "operator": ("secretariat", (Role.NODE_OPERATOR,)),
    "reviewer": ("security-review", (Role.SECURITY_REVIEWER,)),
}
OFFICE_STAFF: Mapping[str, tuple[str, tuple[Role, ...]]] = {
    "analyst": ("secretariat", (Role.ANALYST,)),
    "operator": ("secretariat", (Role.NODE_OPERATOR,)),
    "reviewer": ("security-review", (Role.SECURITY_REVIEWER,)),
}


@dataclass(frozen=True)
class Region:
    """Where everything of one region stands: `<root>/charter.json`, `<root>/<party>/`, `<root>/access/<party>/`."""

    root: Path
    charter: Charter

    @property
    def charter_file(self) -> Path:
        return self.root / "charter.json"

    def home(self, party: str) -> Path:
        return self.root / party

    def token_file(self, party: str, staff: str) -> Path:
        """The file with a staff member's sign-in token (mode 0600): the demo's stand-in for a card."""
        return self.root / "access" / party / staff

    def token(self, party: str, staff: str) -> str:
        return self.token_file(party, staff).read_text(encoding="ascii").strip()


def found_region(root: Path, countries: tuple[str, ...], *, now: datetime, **rules: object) -> Region:
    """Make the charter and every party's home below `root`, which must be empty or missing.

    rules  fields of the charter to set otherwise than by default
    """
    seeds = {p: sign.new_seed() for p in _party_ids(countries)}
    roots = {cc: (sign.new_seed(), sign.new_seed(), sign.new_seed()) for cc in countries}
    charter = Charter.model_validate(
        {
            "version": 1,
            "region": "demo",
            "issued": now,
            "members": [Member(country=cc, name=NAMES.get(cc, cc), roots=_publics(roots[cc])) for cc in countries],
            "parties": [_party(p, seed, now) for p, seed in seeds.items()],
            "pairs": sorted(pair_of(a, b) for a, b in combinations(countries, 2)),
            "slots": SLOTS,
            **rules,
        }
    )
    region = Region(root, charter)
    root.mkdir(parents=True, exist_ok=True)
    signed = sign_charter(charter, {cc: roots[cc][:2] for cc in countries})
    region.charter_file.write_text(signed.model_dump_json(), encoding="utf-8")
    for party, seed in seeds.items():
        _furnish(region, party, seed, now)
    return region


def demo_rules(countries: tuple[str, ...], people: int, now: datetime) -> dict[str, object]:
    """The demo's own rules: quick ticks, no cover, allowances for everybody's people at once, totals at each tick."""
    until = now + timedelta(days=1)
    return {
        "tick_seconds": 1.0,
        "cover": False,
        "batch_limit": 1280,
        "notices_per_tick": 48,
        "linkage_partitions": 2,
        "outline_seconds": 2.0,
        "totals_seconds": 2.0,
        "analyst_batch_seconds": 2.0,
        "allowances": [
            Allowance(
                holder=f"{holder}.holder",
                country=asker,
                pair=pair_of(a, b),
                count=max(1, people) * len(SLOTS) * 2,
                valid_from=now - timedelta(days=1),
                valid_until=until,
                reason="the demo publishes everybody at once",
            )
            for a, b in combinations(countries, 2)
            for holder in (a, b)
            for asker in (a, b)
        ],
    }


def _party_ids(countries: tuple[str, ...]) -> tuple[str, ...]:
    return (*countries, *(f"{cc}.holder" for cc in countries), "matcher")


def _party(party: str, seed: bytes, now: datetime) -> Party:
    key = SigningKey(
        id=f"{party}.signing.1",
        public=sign.public_key(seed).hex(),
        valid_from=now - timedelta(days=1),
        valid_until=now + KEY_YEARS,
    )
    return Party(id=party, kind=_kind(party), country=None if party == "matcher" else party[:2], signing=(key,))


def _kind(party: str) -> Literal["country", "keyholder", "matcher"]:
    if party == "matcher":
        return "matcher"
    return "keyholder" if party.endswith(".holder") else "country"


def _publics(seeds: Seeds) -> tuple[str, str, str]:
    one, two, three = (sign.public_key(s).hex() for s in seeds)
    return one, two, three


def _furnish(region: Region, party: str, seed: bytes, now: datetime) -> None:
    home = region.home(party)
    home.mkdir(mode=0o700)
    ring = KeyRing.create(home / "ring.json", new_kek(home / "kek"))
    key = region.charter.party(party).signing[0]
    ring.add(
        "signing",
        key.id,
        seed,
        public=bytes.fromhex(key.public),
        valid_from=key.valid_from,
        valid_until=key.valid_until,
        primary=True,
    )
    for purpose in _further_purposes(party):
        ring.add(purpose, f"{party}.{purpose}.1", seal.new_key(), valid_from=now, primary=True)
    _staff(region, party)


def _further_purposes(party: str) -> tuple[Purpose, ...]:
    if party == "matcher":
        return ("store", "pepper")
    return ("store",) if party.endswith(".holder") else ("store", "search")


def _staff(region: Region, party: str) -> None:
    people = {"country": COUNTRY_STAFF, "keyholder": HOLDER_STAFF, "matcher": OFFICE_STAFF}[_kind(party)]
    entries = []
    for staff, (organisation, roles) in people.items():
        token = new_token()
        _write_private(region.token_file(party, staff), token)
        entries.append(
            Entry(staff=f"{party}-{staff}", organisation=organisation, roles=roles, token_sha256=digest_of(token))
        )
    Register(entries).save(region.home(party) / "staff.json")


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
