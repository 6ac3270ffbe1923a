"""Founds a region on this machine: a signed charter, and a home folder with keys and staff for each party.

For the demo and the tests only: the same steps as those of `samaki charter` (services.charter), by one hand, which no
real region is founded by. The members' roots are forgotten as soon as the charter is signed, unless they were given:
then nobody can sign a second version.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from events.base import Role
from events.charter import Allowance, Charter
from events.model import pair_of
from events.succession import SignedCharter
from keys.kek import FileSource
from services.charter import drafts, homes, signing
from services.charter.roots import Root, new_root
from services.runtime.staff import Entry, Register, digest_of, new_token

SLOTS = drafts.SLOTS
NAMES = {
    "KH": "Cambodia",
    "CN": "China",
    "LA": "Lao PDR",
    "MM": "Myanmar",
    "TH": "Thailand",
    "VN": "Viet Nam",
}
COUNTRY_STAFF: Mapping[str, tuple[str, tuple[Role, ...]]] = {
    "worker": ("welfare-office", (Role.CASE_WORKER, Role.FIRST_RESPONDER)),
    "supervisor": ("welfare-office", (Role.SUPERVISOR,)),
    "authority": ("identification-board", (Role.IDENTIFICATION_AUTHORITY,)),
    "assessor": ("identification-board", (Role.IDENTIFICATION_AUTHORITY,)),
    "focal": ("trm-desk", (Role.TRM_FOCAL_POINT,)),
    "deputy": ("trm-desk", (Role.TRM_FOCAL_POINT,)),
    "officer": ("data-protection", (Role.DATA_PROTECTION_OFFICER,)),
    "custodian": ("key-custody", (Role.KEY_CUSTODIAN,)),
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
    "custodian": ("key-custody", (Role.KEY_CUSTODIAN,)),
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


def found_region(
    root: Path, countries: tuple[str, ...], *, now: datetime, roots: Mapping[str, Root] | None = None, **rules: Any
) -> Region:
    """Make the charter and every party's home below `root`, which must be empty or missing.

    roots  country -> its root, for who wants to sign further versions; None: fresh ones, which are forgotten
    rules  fields of the charter to set otherwise than by default; also its `region` and `pairs`, and `third`: pair ->
           the outside body's holder of a third share
    """
    root.mkdir(parents=True, exist_ok=True)
    members = roots or {cc: new_root(cc, NAMES.get(cc, cc)) for cc in countries}
    name, pairs, third = rules.pop("region", "demo"), rules.pop("pairs", None), rules.pop("third", {})
    parties = (*party_ids(countries), *sorted({*third.values()}))
    draft = drafts.new_draft(name, issued=now, rules=rules)
    for cc in countries:
        draft = drafts.with_member(draft, members[cc].member)
    for party in parties:
        draft = drafts.with_key(draft, furnish(root / party, party, now))
    draft = drafts.with_pairs(draft, drafts.every_pair(draft) if pairs is None else pairs)
    for pair, holder in third.items():
        draft = drafts.with_third_share(draft, pair, holder)
    signed = sign_all(drafts.payload(draft), None, {cc: members[cc] for cc in countries})
    region = Region(root, signed.verified())
    region.charter_file.write_text(signed.model_dump_json(), encoding="utf-8")
    for party in parties:
        _staff(region, party)
    return region


def furnish(home: Path, party: str, now: datetime) -> homes.Offer:
    """Make a party's home, with a key-encryption key in a file. Its signing key counts from the day before on."""
    ring = homes.open_home(home, party, FileSource(home / "kek"), now=now)
    return homes.new_signing_key(ring, party, now=now - timedelta(days=1))


def sign_all(payload: bytes, after: SignedCharter | None, roots: Mapping[str, Root]) -> SignedCharter:
    """The charter of this draft, signed with two roots of every country that is given."""
    signed = [signing.sign(payload, after, seed) for root in roots.values() for seed in root.seeds[:2]]
    return signing.collect(payload, after, signed)


def demo_rules(countries: tuple[str, ...], people: int, now: datetime) -> dict[str, Any]:
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


def party_ids(countries: tuple[str, ...]) -> tuple[str, ...]:
    """One node and one key holder a country, and one matcher."""
    return (*countries, *(f"{cc}.holder" for cc in countries), homes.MATCHER)


def _staff(region: Region, party: str) -> None:
    kind = region.charter.party(party).kind
    people = {"country": COUNTRY_STAFF, "keyholder": HOLDER_STAFF, "matcher": OFFICE_STAFF}[kind]
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
