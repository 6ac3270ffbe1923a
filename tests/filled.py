"""Forms of a node's API, filled in."""

from uuid import uuid4

DECISION = {
    "decided_by": "Police", "decided_on": "2026-03-01", "reason": "x", "informed_in": "km", "review_until": "2026-12-31",
}
FORMS = {
    "/api/cases/{case_id}/identification": {
        "decided_by": "Police", "decided_on": "2026-03-01", "legal_basis": "x", "informed_in": "km",
    },
    "/api/cases/{case_id}/non-identification": DECISION,
    "/api/cases": {"reported_on": "2026-03-01", "source": "hotline", "age_status": "adult", "summary": "x", "reference": "A"},
    "/api/cases/{case_id}/screening": {
        "indicator_set_version": "1", "acts": ["a"], "means": ["b"], "purposes": ["c"], "result": "presumed",
    },
    "/api/cases/{case_id}/closing": {"outcome": "completed", "reason": "x"},
    "/api/cases/{case_id}/identifiers": {
        "names": [{"first": "a", "second": "b", "kind": "native", "script": "Laoo"}], "birth_date": "1991",
        "documents": [{"type": "passport", "number": "1", "issuer": "LA"}],
        "contacts": [{"kind": "phone", "value": "1"}], "gender": "Feminine", "citizenships": ["LA"],
    },
    "/api/cases/{case_id}/consents": {
        "purpose": "C4", "answer": "given", "scope": "x", "allowed_countries": ["TH"], "language": "km",
        "capacity": "adult", "guardian": "g", "best_interest_ref": str(uuid4()), "expires_on": "2026-12-31",
    },
    "/api/cases/{case_id}/withdrawals": {"purpose": "C4", "by": "person"},
    "/api/cases/{case_id}/publication": {"countries": ["TH"]},
}
