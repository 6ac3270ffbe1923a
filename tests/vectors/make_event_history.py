"""Adds to event_history.json a stored row of every event that is not in it yet:  python make_event_history.py

The history law (events/catalogue.py) says that what was once stored stays readable. A row in the file is never made
anew: what the first release wrote is what every later one must open. Keys and people in it are invented.
"""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

from events.base import Actor, class_of
from events.catalogue import EVENTS
from events.mapper import Mapper

FILE = Path(__file__).parent / "event_history.json"
STORE_KEY, PERSON_KEY = bytes(range(32)), bytes(range(32, 64))
PERSON = UUID(int=0xA)
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ON = date(2026, 3, 2)

SAMPLES = {
    "CaseReported": {
        "case_id": UUID(int=1),
        "owner_org": "shelter",
        "reported_on": ON,
        "source": "hotline",
        "referring_org": "hotline",
        "transnational_referral_id": UUID(int=2),
        "age_status": "adult",
        "summary": "as told",
        "reference": "LA-000001",
    },
    "VictimScreened": {
        "indicator_set_version": "1",
        "acts": {"recruited"},
        "means": {"debt"},
        "purposes": {"labour"},
        "result": "presumed",
    },
    "VictimIdentified": {
        "decided_by": "Police",
        "decided_on": ON,
        "legal_basis": "law",
        "informed_in": "lo",
        "request_id": UUID(int=3),
    },
    "VictimNotIdentified": {
        "decided_by": "NGO",
        "decided_on": ON,
        "reason": "none found",
        "informed_in": "lo",
        "review_until": ON,
    },
    "CaseClosed": {
        "outcome": "duplicate",
        "reason": "twice",
        "duplicate_of": UUID(int=4),
        "how_to_come_back": "by the hotline",
    },
    "ConsentRecorded": {
        "consent_id": UUID(int=5),
        "consent": "C4",
        "answer": "given",
        "scope": "as explained",
        "allowed_countries": {"TH"},
        "receiver_org": "house",
        "receiver_country": "TH",
        "receiver_fields": {"names"},
        "language": "lo",
        "capacity": "child_assent_plus_guardian",
        "guardian": "aunt",
        "best_interest_ref": UUID(int=6),
        "informed_points": {1},
        "expires_on": ON,
        "evidence_hash": "ab" * 32,
    },
    "ConsentWithdrawn": {"consent_id": UUID(int=5), "withdrawn_on": ON, "withdrawn_by": "person"},
    "ConsentLapsed": {"consent_id": UUID(int=5), "reason": "expired"},
    "IdentifiersRecorded": {
        "names": [{"first": "ສົມ", "second": "ສັກ", "kind": "native", "script": "Laoo"}],
        "birth_date": "1994-02",
        "documents": [{"type": "passport", "number": "X0000000", "issuer": "LA"}],
        "contacts": [{"kind": "phone", "value": "020"}],
        "gender": "Female",
        "citizenships": {"LA"},
        "languages": ["lo"],
        "marital_status": "Single",
        "children": 1,
        "education": "Primary",
    },
    "TokensPublished": {
        "country": "TH",
        "handle": "0a" * 16,
        "reason": "first",
        "key_epoch": 1,
        "schema_version": 1,
        "token_set": b"t" * 64,
        "grant": "tell",
        "grant_until": AT,
        "review_on": ON,
        "expires_on": ON,
    },
    "GrantSet": {
        "country": "TH",
        "handle": "0a" * 16,
        "reason": "doubt",
        "grant": "hold",
        "grant_until": AT,
        "review_on": ON,
    },
    "TokensRevoked": {"handle": "0a" * 16, "reason": "correction"},
    "PersonErased": {"key_id_hash": "cd" * 32, "basis": "person_asked", "proof": "ef" * 32},
    "MatchTold": {
        "match_id": UUID(int=7),
        "match_ref": "M-234",
        "handle": "0a" * 16,
        "other_country": "TH",
        "told": "both",
        "band": "document",
        "slot": 2,
        "key_epoch": 1,
        "half_time": AT,
        "decide_by": AT,
    },
    "MatchClosed": {"reason": "expiry"},
    "RecordAccessed": {"fields": {"names"}, "outcome": "shown", "basis": "owner"},
}


def mapper():
    """A mapper under the two fixed keys."""
    ring = SimpleNamespace(primary=lambda _: SimpleNamespace(id="store-1"), secret=lambda *_: STORE_KEY)
    return Mapper(ring, SimpleNamespace(get=lambda _: PERSON_KEY))


def entry(name):
    by = Actor(staff="worker", organisation="shelter", role="case_worker")
    second = Actor(staff="head", organisation="shelter", role="supervisor")
    base = {"event_id": UUID(int=8), "stream": UUID(int=9), "seq": 3, "at": AT, "by": by, "second_by": second}
    event = EVENTS[name](**base, purpose="protection", person_id=PERSON, note="a note", **SAMPLES[name])
    return {
        "classes": {field: class_of(EVENTS[name], field) for field in EVENTS[name].model_fields},
        "event": event.model_dump(mode="json"),
        "state": mapper().to_row(event).state.hex(),
    }


if __name__ == "__main__":
    history = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    history |= {name: entry(name) for name in EVENTS if name not in history}
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(e, ensure_ascii=False)}" for name, e in history.items())
    FILE.write_text("{\n" + rows + "\n}\n", encoding="utf-8")
