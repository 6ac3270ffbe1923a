"""The HTTP edge: problems that repeat nothing, limits, hosts, headers."""

from datetime import date
from uuid import UUID

import pytest
from fastapi import Response
from pydantic import Field

from events.errors import NotYet, Refused, StoreConflict, StreamUnavailable
from events.model import Value
from services.runtime.errors import Problem
from services.runtime.http import create_app
from services.runtime.problems import EXPECTED

SECRET = "SomchaiPhommachan"


class Report(Value):
    name: str
    born: date
    case: UUID
    tags: dict[str, int] = Field(default_factory=dict)


@pytest.fixture
def app(log):
    app = create_app("test", log=log, body_limit=2000)

    @app.post("/reports")
    def report(body: Report) -> str:
        return body.name

    @app.get("/cases/{case_id}")
    def case(case_id: UUID) -> str:
        return str(case_id)

    @app.get("/raise/{what}")
    def fail(what: str) -> str:
        raise {
            "refused": Refused("consent_missing", "The person has not consented."),
            "not_yet": NotYet("x"),
            "conflict": StoreConflict("x"),
            "stream": StreamUnavailable("x"),
            "problem": Problem(403, "role_missing", "This needs another role.", headers={"X-Why": "role"}),
            "bug": ValueError(SECRET),
        }[what]

    return app


@pytest.fixture
def client(app, client_of):
    return client_of(app)


def is_problem(answer, status, code):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:samaki:problem:{code}"
    assert body["title"]
    assert body["detail"]
    return body


BAD_REPORTS = [
    {"name": 1, "born": SECRET, "case": SECRET},
    {"name": "x", "born": "2000-01-01", "case": str(UUID(int=1)), SECRET: 1},
    {"name": "x", "born": "2000-01-01", "case": str(UUID(int=1)), "tags": {SECRET: SECRET}},
    [SECRET],
]


@pytest.mark.parametrize("report", BAD_REPORTS)
def test_a_refused_body_is_not_repeated(client, report):
    answer = client.post("/reports", json=report)
    is_problem(answer, 422, "invalid")
    assert SECRET not in answer.text


def test_a_refused_body_is_told_where_and_what_was_expected(client):
    answer = client.post("/reports", json={"name": "x", "born": "x", "case": str(UUID(int=1))})
    assert is_problem(answer, 422, "invalid")["fields"] == [
        {"where": "body.born", "code": "date_from_datetime_parsing", "expected": EXPECTED["date_parsing"]},
    ]


def test_a_body_that_is_no_json_is_not_repeated(client):
    broken = f'{{"name": {SECRET}'.encode()
    answer = client.post("/reports", content=broken, headers={"Content-Type": "application/json"})
    is_problem(answer, 422, "invalid")
    assert SECRET not in answer.text


def test_a_refused_path_is_not_repeated(client):
    answer = client.get(f"/cases/{SECRET}")
    is_problem(answer, 422, "invalid")
    assert SECRET not in answer.text


def test_an_unknown_path_is_not_repeated_and_not_logged(client, sink):
    answer = client.get(f"/{SECRET}")
    is_problem(answer, 404, "not_found")
    assert SECRET not in answer.text
    assert SECRET not in sink.getvalue()
    assert '"route": "<unknown>"' in sink.getvalue()


def test_a_path_is_logged_as_its_pattern(client, sink):
    client.get(f"/cases/{UUID(int=7)}")
    assert '"route": "/cases/{case_id}"' in sink.getvalue()
    assert str(UUID(int=7)) not in sink.getvalue()


def test_a_wrong_method_says_which_is_right(client):
    answer = client.delete("/reports")
    is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


def test_a_slash_too_many_is_not_found_rather_than_redirected(client):
    is_problem(client.get("/health/"), 404, "not_found")


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("refused", 409, "consent_missing"),
        ("not_yet", 503, "not_yet"),
        ("conflict", 503, "conflict"),
        ("stream", 503, "stream_unavailable"),
        ("problem", 403, "role_missing"),
    ],
)
def test_expected_failures_are_answers(client, what, status, code):
    answer = client.get(f"/raise/{what}")
    is_problem(answer, status, code)
    assert ("retry-after" in answer.headers) == (status == 503)


def test_a_problem_brings_its_headers(client):
    assert client.get("/raise/problem").headers["x-why"] == "role"


def test_a_bug_is_answered_without_detail_and_logged_without_its_message(client, sink):
    answer = client.get("/raise/bug")
    is_problem(answer, 500, "internal")
    assert SECRET not in answer.text
    assert SECRET not in sink.getvalue()
    assert '"event": "http.failed"' in sink.getvalue()
    assert '"error": "ValueError"' in sink.getvalue()


def test_a_body_over_the_limit_is_refused(client):
    is_problem(client.post("/reports", content=b"x" * 2001), 413, "too_large")


def test_a_body_that_claims_no_length_is_cut_off_at_the_limit(client):
    answer = client.post("/reports", content=iter([b"[" * 1500, b"[" * 1500]))
    is_problem(answer, 413, "too_large")


def test_a_length_that_is_no_number_is_refused(client):
    is_problem(client.post("/reports", content=b"", headers={"Content-Length": "-1"}), 400, "bad_length")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example"])
def test_another_host_is_refused(client, host):
    is_problem(client.get("/health", headers={"Host": host}), 421, "unknown_host")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8001", "LOCALHOST", "[::1]:8001", "node.example:443"])
def test_known_hosts_are_answered(log, client_of, host):
    client = client_of(create_app("test", log=log, hosts=("node.example",)))
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/raise/bug", "/raise/problem", "/cases/x"])
def test_every_answer_has_the_strict_headers(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


def test_a_refused_host_gets_the_strict_headers_too(client):
    assert "content-security-policy" in client.get("/", headers={"Host": "evil.example"}).headers


def test_health_tells_whether_the_process_does_its_work(log, client_of):
    well = True
    client = client_of(create_app("test", log=log, health=lambda: well))
    assert client.get("/health").json() == {"status": "ok"}
    well = False
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "failing"})


def test_metrics_are_counts_and_only_there_if_given(client, log, client_of):
    is_problem(client.get("/metrics"), 404, "not_found")
    shown = client_of(create_app("test", log=log, counts=lambda: {"sent": 3, "lag_seconds": 0.5})).get("/metrics")
    assert shown.text == "samaki_lag_seconds 0.5\nsamaki_sent 3\n"


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_there_is_no_documentation_to_browse(client, path):
    assert client.get(path).status_code == 404


def test_the_frameworks_telemetry_stays_off_whatever_the_environment_says(monkeypatch, log):
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    telemetry = create_app("test", log=log)._telemetry
    assert not any(telemetry[name] for name in ("tracing", "metrics", "logs", "auto_configure"))


def test_a_browser_is_shown_a_page_where_there_is_one(log, client_of):
    def page(_request, problem):
        return Response(f"<p>{problem.code}", problem.status, media_type="text/html")

    client = client_of(create_app("test", log=log, error_page=page))
    answer = client.get("/nowhere", headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.text) == (404, "<p>not_found")
    is_problem(client.get("/nowhere", headers={"Accept": "*/*"}), 404, "not_found")
