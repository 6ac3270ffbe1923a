"""The node's HTTP edge: who may call what, and what a refusal says."""

import json
from inspect import signature
from uuid import uuid4

import pytest
from filled import DECISION, FORMS
from regions import csv_of, person

from events import case as cases
from events import consent as consents
from events.access import RecordAccessed
from events.base import Role
from events.person import decide_record_identifiers
from services.country import forms
from services.runtime.staff import MACHINES, Entry, Register, digest_of

W, F, S = Role.CASE_WORKER, Role.FIRST_RESPONDER, Role.SUPERVISOR
FOCAL, AUTHORITY = Role.TRM_FOCAL_POINT, Role.IDENTIFICATION_AUTHORITY
OFFICER, CUSTODIAN = Role.DATA_PROTECTION_OFFICER, Role.KEY_CUSTODIAN
OPERATOR, REVIEWER = Role.NODE_OPERATOR, Role.SECURITY_REVIEWER
PEOPLE = [role for role in Role if role not in MACHINES]

MAY = {
    ("POST", "/api/cases"): {W, F, FOCAL},
    ("GET", "/api/cases"): {W, F, S},
    ("GET", "/api/cases/{case_id}"): {W, F, S},
    ("POST", "/api/cases/{case_id}/screening"): {W, F, S},
    ("POST", "/api/cases/{case_id}/identification"): {AUTHORITY},
    ("POST", "/api/cases/{case_id}/non-identification"): {AUTHORITY},
    ("GET", "/api/decisions"): {AUTHORITY},
    ("POST", "/api/decisions/{decision_id}/signature"): {AUTHORITY},
    ("POST", "/api/decisions/{decision_id}/refusal"): {AUTHORITY},
    ("POST", "/api/cases/{case_id}/closing"): {W, F, S},
    ("POST", "/api/cases/{case_id}/identifiers"): {W, F, S},
    ("POST", "/api/imports"): {W},
    ("POST", "/api/cases/{case_id}/erasure"): {OFFICER},
    ("GET", "/api/erasures"): {OFFICER, CUSTODIAN},
    ("POST", "/api/erasures/{erasure_id}/signature"): {CUSTODIAN},
    ("POST", "/api/erasures/{erasure_id}/refusal"): {OFFICER, CUSTODIAN},
    ("GET", "/erasures"): {OFFICER, CUSTODIAN},
    ("POST", "/erasures"): {OFFICER},
    ("POST", "/erasures/answer"): {CUSTODIAN},
    ("POST", "/api/cases/{case_id}/consents"): {W, F},
    ("POST", "/api/cases/{case_id}/withdrawals"): {W, F, S, OFFICER},
    ("POST", "/api/cases/{case_id}/publication"): {W},
    ("POST", "/api/cases/{case_id}/revocations"): {W, FOCAL},
    ("GET", "/api/awaiting"): {FOCAL},
    ("POST", "/api/signatures"): {FOCAL},
    ("POST", "/api/refusals"): {FOCAL},
    ("POST", "/api/cases/{case_id}/grants"): {FOCAL},
    ("GET", "/api/matches"): {FOCAL},
    ("GET", "/api/matches/{ref}"): {FOCAL},
    ("POST", "/api/matches/{ref}/grant"): {FOCAL},
    ("POST", "/api/matches/{ref}/closing"): {FOCAL},
    ("GET", "/api/status"): {OPERATOR, REVIEWER},
    ("POST", "/api/pairs/{pair}/resumption"): {OPERATOR},
    ("GET", "/api/evidence"): {OPERATOR, REVIEWER},
    ("GET", "/api/keys"): {OPERATOR, REVIEWER},
    ("GET", "/keys"): {OPERATOR, REVIEWER},
    ("GET", "/cases"): {W, F, S},
    ("GET", "/cases/{case_id}"): {W, F, S},
    ("GET", "/awaiting"): {FOCAL},
    ("POST", "/awaiting"): {FOCAL},
    ("GET", "/matches"): {FOCAL},
    ("GET", "/matches/{ref}"): {FOCAL},
    ("POST", "/matches/{ref}"): {FOCAL},
}
"""Every route that needs a role, and the roles that it is for."""
FOR_ANYONE = {"/", "/sign-in", "/sign-out", "/health"}


def path_of(template: str) -> str:
    return template.format(case_id=uuid4(), decision_id=uuid4(), erasure_id=uuid4(), ref="M-1", pair="KH-TH")


@pytest.fixture
def with_roles(region):
    """One officer for each role a person may have; the token is the role's name."""
    entries = [
        Entry(staff=f"KH-{r.value}", organisation="office", roles=(r,), token_sha256=digest_of(r.value)) for r in PEOPLE
    ]
    Register(entries).save(region.region.home("KH") / "staff.json")


def bearing(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


# ---- roles


def test_the_table_of_roles_names_every_route(region, app_of):
    app = app_of(region, "KH")
    routes = {(m, r.path) for r in app.routes for m in getattr(r, "methods", None) or () if m != "HEAD"}
    assert {(m, p) for m, p in routes if p not in FOR_ANYONE and not p.startswith("/static/")} == set(MAY)


@pytest.mark.parametrize("role", PEOPLE)
def test_a_route_is_for_its_roles_and_no_other(region, with_roles, client_of, role):
    client = client_of(region, "KH")
    for (method, template), roles in MAY.items():
        answer = client.request(method, path_of(template), headers=bearing(role.value))
        is_closed = answer.status_code == 403 and answer.json()["code"] == "role_missing"
        assert is_closed == (role not in roles), (method, template, answer.text)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic case_worker", "case_worker"])
def test_nobody_without_a_token_of_the_register_gets_anything(region, with_roles, client_of, header):
    client = client_of(region, "KH")
    for method, template in MAY:
        answer = client.request(method, path_of(template), headers={"Authorization": header})
        assert (answer.status_code, answer.json()["code"]) == (401, "sign_in"), (method, template)


def test_another_countrys_token_opens_nothing(region, client_of):
    client = client_of(region, "KH")
    token = region.region.token("TH", "worker")
    assert client.get("/api/cases", headers=bearing(token)).status_code == 401


def test_nobody_takes_a_role_that_is_not_theirs(region, client_of):
    client = client_of(region, "KH", "worker")
    assert client.get("/api/matches", headers={"Samaki-Role": "trm_focal_point"}).status_code == 403
    assert client.get("/api/cases", headers={"Samaki-Role": "first_responder"}).status_code == 200


def test_the_role_that_acts_stands_in_the_event(region, client_of):
    client = client_of(region, "KH", "worker")
    report = {"reported_on": "2026-03-01", "source": "hotline", "age_status": "adult"}
    client.post("/api/cases", json=report, headers={"Samaki-Role": "first_responder"})
    client.post("/api/cases", json=report)
    written = [event for _, event in region.nodes["KH"]._store.log(0, 10)]
    assert [(e.by.staff, e.by.organisation, e.by.role.value) for e in written] == [
        ("KH-worker", "welfare-office", "first_responder"), ("KH-worker", "welfare-office", "case_worker")
    ]


OF_THE_OWNER = {
    "GET /api/cases/{case_id}": None,
    "GET /cases/{case_id}": None,
    "POST /api/cases/{case_id}/screening": "/api/cases/{case_id}/screening",
    "POST /api/cases/{case_id}/closing": "/api/cases/{case_id}/closing",
    "POST /api/cases/{case_id}/identifiers": "/api/cases/{case_id}/identifiers",
    "POST /api/cases/{case_id}/consents": "/api/cases/{case_id}/consents",
    "POST /api/cases/{case_id}/publication": "/api/cases/{case_id}/publication",
}
"""Every route about one case that is for its organisation alone, and the form in FORMS that it takes."""


@pytest.mark.parametrize(
    "organisation, role, code", [("police", W, "other_organisation"), ("police", S, "other_organisation"),
                                 ("welfare-office", F, "not_reporter")]
)
def test_a_case_is_closed_to_another_organisation_and_to_responders_who_did_not_report_it(
    region, client_of, organisation, role, code
):
    region.import_rows("KH", [person("A")])
    case_id, last = region.case_id("KH", "A"), region.nodes["KH"]._store.last()
    stranger = Entry(staff="stranger", organisation=organisation, roles=(role,), token_sha256=digest_of("stranger"))
    Register([stranger]).save(region.region.home("KH") / "staff.json")
    client = client_of(region, "KH")
    for route, form in OF_THE_OWNER.items():
        method, template = route.split()
        answer = client.request(
            method, template.format(case_id=case_id), headers=bearing("stranger"), json=FORMS[form] if form else None
        )
        closed = {code} if role is W else {code, "role_missing", "role_may_not"}
        assert (answer.status_code, answer.json()["code"] in closed) == (403, True), route
    log = [event for _, event in region.nodes["KH"]._store.log(last, 100)]
    assert log
    assert all(isinstance(e, RecordAccessed) and e.outcome == "refused" for e in log)


# ---- the life of a case


def test_a_case_from_its_report_to_a_match_that_both_sides_know(region, client_of):
    """By hand in KH, from a file in TH."""
    worker, focal = client_of(region, "KH", "worker"), client_of(region, "KH", "focal")
    case = worker.post(
        "/api/cases", json={"reported_on": "2026-03-01", "source": "hotline", "age_status": "adult", "reference": "A"}
    ).json()["case_id"]
    consent = {"answer": "given", "scope": "asked", "language": "km", "capacity": "adult", "expires_on": "2026-12-31"}
    for purpose, countries in (("C2", []), ("C4", ["TH"])):
        answer = worker.post(
            f"/api/cases/{case}/consents", json={**consent, "purpose": purpose, "allowed_countries": countries}
        )
        assert answer.json() == {"done": True}
    identifiers = {
        "names": [{"first": "Somsak", "second": "Vongphachan"}], "birth_date": "1991-04-23", "gender": "Feminine",
        "documents": [{"number": "K7290415", "issuer": "LA"}], "citizenships": ["LA"],
    }
    assert worker.post(f"/api/cases/{case}/identifiers", json=identifiers).status_code == 200
    assert worker.post(f"/api/cases/{case}/publication", json={"countries": ["TH"]}).json() == {"awaiting": 1}
    (waiting,) = focal.get("/api/awaiting").json()
    assert (waiting["reference"], waiting["country"], waiting["asked_by"]) == ("A", "TH", "KH-worker")
    assert focal.post("/api/signatures", json={"signed": [{"id": waiting["id"]}]}).json() == {"signed": 1}

    there = client_of(region, "TH", "worker").post(
        "/api/imports",
        files={"file": ("people.csv", csv_of([person("B"), person("X", prs_Gender="?")]), "text/csv")},
        data={"stated": json.dumps({"c2": True, "c4": ["KH", "LA"], "c9": True})},
    )
    report = there.json()
    assert [(r["row"], r["column"]) for r in report.pop("rejects")] == [(3, "prs_Gender")]
    assert report == {"cases": 1, "with_identifiers": 1, "asked": 2}
    region.approve("TH", "tell")
    region.tick(4)

    (match,) = focal.get("/api/matches").json()  # TH tells; our own grant was left at `hold`
    assert (match["reference"], match["other_country"], match["state"], match["own_grant"]) == ("A", "TH", "TOLD", "hold")
    ref = match["match_ref"]
    assert client_of(region, "TH", "focal").get("/api/matches").json() == []
    answer = focal.post(f"/api/matches/{ref}/grant", json={"grant": "tell", "reason": "person_asked"})
    assert answer.json() == {"state": "awaits_second_person"}
    deputy = client_of(region, "KH", "deputy")
    (waiting,) = deputy.get("/api/awaiting").json()
    assert deputy.post("/api/signatures", json={"signed": [{"id": waiting["id"], "grant": "tell"}]}).json() == {"signed": 1}
    region.tick(4)
    assert focal.get(f"/api/matches/{ref}").json()["state"] == "BOTH_TOLD"
    (theirs,) = client_of(region, "TH", "focal").get("/api/matches").json()
    assert (theirs["match_ref"], theirs["reference"], theirs["state"]) == (ref, "B", "BOTH_TOLD")
    assert set(theirs) == set(match)

    assert focal.post(f"/api/matches/{ref}/grant", json={"grant": "hold", "reason": "doubt"}).json() == {"state": "set"}
    assert focal.post(f"/api/matches/{ref}/closing", json={"reason": "referred"}).json() == {"done": True}
    read = worker.get(f"/api/cases/{case}").json()
    assert read["publications"] == [
        {"country": "LA", "state": "none", "reason": "country_not_allowed"},
        {"country": "TH", "state": "published", "reason": ""},
    ]
    assert worker.post(
        f"/api/cases/{case}/withdrawals", json={"purpose": "C4", "by": "person"}
    ).json() == {"done": True}
    assert worker.get(f"/api/cases/{case}").json()["publications"][1]["state"] == "revoked"
    assert worker.post(f"/api/cases/{case}/closing", json={"outcome": "completed"}).json() == {"done": True}


def test_two_officials_say_by_hand_that_a_person_is_no_victim(region, client_of):
    region.import_rows("KH", [person("A")])
    case_id = region.case_id("KH", "A")
    authority, assessor = client_of(region, "KH", "authority"), client_of(region, "KH", "assessor")
    asked = authority.post(f"/api/cases/{case_id}/non-identification", json=DECISION)
    assert asked.json() == {"state": "awaits_second_person"}
    (waiting,) = assessor.get("/api/decisions").json()
    assert {name: waiting[name] for name in DECISION} == DECISION
    assert (waiting["reference"], waiting["case_id"], waiting["asked_by"]) == ("A", str(case_id), "KH-authority")
    own = authority.post(f"/api/decisions/{waiting['id']}/signature")
    assert (own.status_code, own.json()["code"]) == (409, "same_person")
    assert assessor.post(f"/api/decisions/{waiting['id']}/signature").json() == {"done": True}
    assert region.file("KH", "A").case.identification == "NOT_IDENTIFIED"
    assert assessor.post(f"/api/decisions/{waiting['id']}/refusal").json()["code"] == "no_such_request"


def test_a_decision_that_the_second_official_declines_is_none(region, client_of):
    region.import_rows("KH", [person("A")])
    authority, assessor = client_of(region, "KH", "authority"), client_of(region, "KH", "assessor")
    authority.post(f"/api/cases/{region.case_id('KH', 'A')}/non-identification", json=DECISION)
    (waiting,) = assessor.get("/api/decisions").json()
    assert assessor.post(f"/api/decisions/{waiting['id']}/refusal").json() == {"done": True}
    assert assessor.get("/api/decisions").json() == []
    assert region.file("KH", "A").case.identification == "UNASSESSED"


def test_a_focal_point_reports_a_case_that_another_country_referred(region, client_of):
    report = {
        "reported_on": "2026-03-01", "source": "transnational_referral", "age_status": "adult",
        "transnational_referral_id": str(uuid4()), "referring_org": "TH office",
    }
    assert client_of(region, "KH", "focal").post("/api/cases", json=report).status_code == 201


def test_a_consent_names_its_receiver_and_one_of_two_is_taken_back(region, client_of):
    region.import_rows("KH", [person("A")])
    path, worker = f"/api/cases/{region.case_id('KH', 'A')}", client_of(region, "KH", "worker")
    referral = {
        "purpose": "C6", "answer": "given", "scope": "x", "language": "km", "capacity": "adult",
        "receiver_country": "TH", "receiver_fields": ["names"], "expires_on": "2026-12-31",
    }
    assert worker.post(f"{path}/consents", json=referral).json()["code"] == "names_nothing"
    for organisation in ("one", "two"):
        worker.post(f"{path}/consents", json={**referral, "receiver_org": organisation}).raise_for_status()
    one, two = (c for c in worker.get(path).json()["consents"] if c["purpose"] == "C6")
    assert (one["receiver_org"], one["receiver_country"], two["receiver_org"]) == ("one", "TH", "two")
    worker.post(f"{path}/withdrawals", json={"purpose": "C6", "by": "person", "consent_id": one["consent_id"]})
    states = {c["receiver_org"]: c["state"] for c in worker.get(path).json()["consents"] if c["purpose"] == "C6"}
    assert states == {"one": "WITHDRAWN", "two": "STANDING"}


@pytest.mark.parametrize(
    "form, decide, ours",
    [
        (forms.Report, cases.decide_report, {"case_id", "person_id", "owner_org"}),
        (forms.Screening, cases.decide_screen, set()),
        (forms.Identification, cases.decide_identify, set()),
        (forms.NonIdentification, cases.decide_not_identify, set()),
        (forms.Closing, cases.decide_close, set()),
        (forms.Identifiers, decide_record_identifiers, {"person_id"}),
        (forms.Consent, consents.decide_record_consent, {"person_id", "age_status", "consent_id"}),
        (forms.Withdrawal, consents.decide_withdraw_consent, set()),
    ],
)
def test_whatever_an_event_can_hold_has_a_place_in_its_form(form, decide, ours):
    fields = {p.name for p in signature(decide).parameters.values() if p.kind is p.KEYWORD_ONLY}
    assert set(form.model_fields) == fields - ours


def test_an_operator_sees_what_the_node_waits_for_and_resumes_a_pair(region, client_of):
    region.kill("TH.holder")
    region.publish("KH", person("A"))
    region.tick()
    operator = client_of(region, "KH", "operator")
    status = operator.get("/api/status").json()
    assert status["waits_for"]["KH-TH"].startswith("TH.holder has not answered")
    assert status["publications"] == {"published": 1, "working": 1}
    assert operator.get("/api/evidence").json() == []
    assert operator.post("/api/pairs/KH-TH/resumption").json() == {"done": True}


def test_what_the_operator_sees_tells_of_no_match_and_no_person(region, client_of):
    """With a match on the list and without one, the same fields; and in none of them a person, handle or match."""
    region.publish("KH", person("A"))
    region.publish("TH", person("B"))
    region.tick(4)
    text = client_of(region, "KH", "operator").get("/api/status").text + client_of(region, "KH").get("/").text
    ((_, _, _, _),) = region.matches("KH")
    (row,) = region.nodes["KH"].desk.matches(region.act("KH", "focal"))
    file = region.file("KH", "A")
    for secret in (row.match.match_ref, row.match.handle, str(row.case_id), str(file.case.person_id), "Somsak", "document"):
        assert secret not in text


# ---- refusals


@pytest.mark.parametrize(
    "method, path, status, code",
    [
        ("GET", "/api/cases/00000000-0000-4000-8000-000000000000", 404, "no_such_case"),
        ("POST", "/api/cases/00000000-0000-4000-8000-000000000000/withdrawals", 404, "no_such_case"),
        ("GET", "/api/cases/1", 422, "invalid"),
        ("GET", "/api/nowhere", 404, "not_found"),
        ("DELETE", "/api/cases", 405, "method_not_allowed"),
    ],
)
def test_a_refusal_is_a_problem_with_a_code(region, client_of, method, path, status, code):
    answer = client_of(region, "KH", "worker").request(method, path, json={"purpose": "C4", "by": "person"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_the_domain_refuses_is_a_conflict_with_the_domains_code(region, client_of):
    region.import_rows("KH", [person("A")], c4=None)
    client = client_of(region, "KH", "worker")
    answer = client.post(f"/api/cases/{region.case_id('KH', 'A')}/publication", json={"countries": ["TH"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "matching_not_consented")
    focal = client_of(region, "KH", "focal")
    assert focal.post("/api/signatures", json={"signed": [{"id": str(uuid4())}]}).status_code == 404
    assert focal.get("/api/matches/M-1").json()["code"] == "no_such_match"


def test_a_pair_that_is_none_of_ours_cannot_be_resumed(region, client_of):
    operator = client_of(region, "KH", "operator")
    for pair in ("LA-TH", "KH-XX", "nonsense"):
        answer = operator.post(f"/api/pairs/{pair}/resumption")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_pair")
