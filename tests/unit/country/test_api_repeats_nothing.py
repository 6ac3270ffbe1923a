"""The node's HTTP edge: what no answer and no log line ever repeats."""

import io
import json
import logging

import pytest
import structlog
from filled import FORMS
from regions import csv_of, person
from starlette.testclient import TestClient

from services.country import importer
from services.runtime.logs import open_logs

SECRET = "Phommachan-Zanzibar"


# ---- refusals


def mutated(form: dict) -> list:
    """A form with the secret in the place of each value and of each value inside, under a key of its own, and alone."""
    out: list = [SECRET, [SECRET], {SECRET: SECRET}, {**form, SECRET: 1}, {**form, "names": [{SECRET: SECRET}]}]
    for name, value in form.items():
        out += [{**form, name: bad} for bad in (SECRET, [SECRET], [{SECRET: SECRET}], SECRET * 2000)]
        if isinstance(value, list) and isinstance(value[0], dict):
            out += [{**form, name: [{**value[0], inner: SECRET * 20}]} for inner in value[0]]
    return out


@pytest.mark.parametrize("template", FORMS)
def test_no_refusal_repeats_what_was_sent(region, client_of, template):
    region.import_rows("KH", [person("A")])
    case_id = region.case_id("KH", "A")
    client, refused = client_of(region, "KH", "authority" if "identification" in template else "worker"), 0
    for body in mutated(FORMS[template]):
        answer = client.post(template.format(case_id=case_id), json=body)
        if answer.is_error:
            refused += 1
            assert answer.status_code in {403, 409, 422}
        assert "Zanzibar" not in answer.text + str(answer.headers), body
    assert refused >= 8


def test_no_refusal_repeats_a_path_a_query_a_header_or_what_is_no_json(region, client_of):
    worker, focal = client_of(region, "KH", "worker"), client_of(region, "KH", "focal")
    answers = [
        worker.get(f"/api/cases/{SECRET}"),
        worker.get(f"/{SECRET}"),
        worker.get("/api/cases", params={SECRET: SECRET}),
        worker.get("/api/cases", headers={"Samaki-Role": SECRET}),
        worker.get("/api/cases", headers={"Host": f"{SECRET}.example"}),
        worker.post("/api/cases", content=f'{{"source": "{SECRET}', headers={"Content-Type": "application/json"}),
        worker.post("/api/cases", content=SECRET, headers={"Content-Type": f"text/{SECRET}"}),
        worker.post("/api/imports", data={"stated": SECRET}, files={"file": (SECRET, SECRET.encode())}),
        worker.post("/api/imports", data={"stated": json.dumps({"c4": [SECRET]})}, files={"file": ("x", b"x")}),
        worker.post("/api/imports", files={"file": (SECRET, f"{SECRET}\n{SECRET}".encode())}),
        worker.post("/api/imports", files={"file": (SECRET, csv_of([person(SECRET, prs_Birthdate=SECRET)]))}),
        worker.post("/api/imports", content=SECRET, headers={"Content-Type": "multipart/form-data; boundary=x"}),
        worker.post("/api/imports", data={SECRET: SECRET}),
        focal.get(f"/api/matches/{SECRET}"),
        focal.post("/api/signatures", json={"signed": [{"id": SECRET, "grant": SECRET}]}),
        focal.post(f"/api/matches/{SECRET}/closing", json={"reason": SECRET}),
        focal.post("/awaiting", data={"request_id": SECRET, "answer": SECRET}, headers={"Accept": "text/html"}),
        client_of(region, "KH", "operator").post(f"/api/pairs/{SECRET}/resumption"),
        client_of(region, "KH").get("/cases", headers={"Authorization": f"Bearer {SECRET}"}),
    ]
    for answer in answers:
        assert "Zanzibar" not in answer.text + str(answer.headers), answer.request.url
    assert sum(answer.is_error for answer in answers) >= len(answers) - 4


# ---- logs


@pytest.fixture
def sink():
    """What the process writes to its log: everything, as in production."""
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level = root.level
    out = io.StringIO()
    out.logs = open_logs(out, capture=True, service="country", party="KH")
    yield out
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_no_log_line_holds_anything_of_a_person(region, client_of, app_of, sink, monkeypatch):
    rows = [
        person("REF-A1"),
        person("REF-A2", prs_FirstName="Zaphod", prs_Birthdate="1991-99-99"),
        person("REF-A3", prs_FirstName="Zaphod", prs_Gender="Zaphod"),
        person("REF-A4", prs_Birthdate="2012-02-03", prs_IdentityNumber="DOC998877"),
    ]

    def client(staff: str) -> TestClient:
        return client_of(region, "KH", staff, log=sink.logs.log)

    worker = client("worker")
    form = {"stated": json.dumps({"c2": True, "c4": ["LA", "TH"], "c9": True})}
    for _ in range(2):
        worker.post("/api/imports", files={"file": ("Zaphod.csv", csv_of(rows))}, data=form)
    region.approve("KH")
    region.publish("TH", person("REF-B1"))
    region.tick(4)
    case_id = region.case_id("KH", "REF-A1")
    worker.post(f"/api/cases/{case_id}/identifiers", json={"names": [{"first": "Zaphod"}], "birth_date": "Zaphod"})
    worker.post(f"/api/cases/{case_id}/identifiers", json={"names": [{"first": "Zaphod"}]})
    worker.get("/api/cases/Zaphod", params={"name": "Zaphod"})
    client("focal").get("/api/matches/Zaphod")
    client("focal").get("/api/matches")
    monkeypatch.setattr(importer, "read_rows", lambda *_: (_ for _ in ()).throw(ValueError("about Zaphod Somsak")))
    assert worker.post("/api/imports", files={"file": ("x", b"Zaphod")}).status_code == 500
    region.kill("TH.holder")
    region.tick(2)
    text = sink.getvalue()
    events = {json.loads(line)["event"] for line in text.splitlines()}
    assert {"http.answered", "http.failed", "tokens.made", "post.applied"} <= events
    (row, *_) = region.nodes["KH"].desk.matches(region.act("KH", "focal"))
    secrets = [
        "Zaphod", "zaphod", "Somsak", "somsak", "Vongphachan", "1991-04", "2012-02", "K7290415", "DOC998877", "REF-",
        row.match.match_ref, row.match.handle, str(row.match.person_id), row.match.person_id.hex,
    ]
    assert [s for s in secrets if s in text] == []
