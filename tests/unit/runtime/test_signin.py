"""Signing in: bearer tokens, sessions by cookie, roles, and forms from elsewhere."""

from datetime import timedelta
from typing import Annotated

import pytest
from fastapi import Depends

from events.base import Actor, Role
from services.runtime.http import create_app
from services.runtime.pages import Pages
from services.runtime.signin import Sessions, SignIn
from services.runtime.staff import Officer

OURS = {"Origin": "http://127.0.0.1:8001"}


@pytest.fixture
def sessions(clock):
    return Sessions(clock)


@pytest.fixture
def client(log, register, sessions, client_of):
    pages = Pages(place="Lao PDR", service="country node")
    app = create_app("test", log=log, error_page=lambda _request, problem: pages.error(problem))
    sign_in = SignIn(register, sessions, party="LA", sign_in_page=pages.sign_in)
    sign_in.add_routes(app)

    @app.api_route("/cases", methods=["GET", "POST"])
    def cases(actor: Annotated[Actor, Depends(sign_in.acting(Role.CASE_WORKER, Role.SUPERVISOR))]) -> Actor:
        return actor

    @app.get("/desk")
    def desk(actor: Annotated[Actor, Depends(sign_in.acting(Role.TRM_FOCAL_POINT, Role.SUPERVISOR))]) -> Actor:
        return actor

    return client_of(app)


def bearer(token, **more):
    return {"Authorization": f"Bearer {token}", **more}


def signed_in(client):
    answer = client.post("/sign-in", data={"token": "keos-token"}, headers=OURS)
    assert answer.status_code == 303
    return answer


def test_a_bearer_token_says_who_acts_and_in_which_role(client):
    assert client.get("/cases", headers=bearer("noys-token")).json() == {
        "staff": "noy", "organisation": "mlsw", "role": "case_worker",
    }  # fmt: skip


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic noys-token", "noys-token"])
def test_without_a_valid_token_nobody_is_answered(client, header):
    answer = client.get("/cases", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "sign_in"


def test_a_role_that_does_not_fit_is_refused(client):
    answer = client.get("/desk", headers=bearer("noys-token"))
    assert answer.status_code == 403
    assert answer.json()["code"] == "role_missing"


def test_without_a_header_the_first_of_the_officers_roles_that_fits_acts(client):
    assert client.get("/desk", headers=bearer("keos-token")).json()["role"] == "supervisor"


def test_the_header_chooses_among_the_officers_roles(client):
    chosen = client.get("/desk", headers=bearer("keos-token", **{"Samaki-Role": "trm_focal_point"}))
    assert chosen.json()["role"] == "trm_focal_point"


@pytest.mark.parametrize("role", ["case_worker", "trm_focal_point", "nonsense", ""])
def test_the_header_chooses_no_role_that_the_officer_or_the_act_has_not(client, role):
    assert client.get("/cases", headers=bearer("keos-token", **{"Samaki-Role": role})).status_code == 403


def test_signing_in_opens_a_session_that_scripts_and_other_sites_cannot_use(client):
    cookie = signed_in(client).headers["set-cookie"]
    assert cookie.startswith("samaki-LA=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "keos-token" not in cookie
    assert client.get("/cases").json()["staff"] == "keo"


def test_a_session_reached_by_tls_is_for_tls_alone(log, register, sessions, client_of):
    app = create_app("test", log=log)
    SignIn(register, sessions, party="LA", sign_in_page=Pages(place="x", service="y").sign_in, tls=True).add_routes(app)
    assert "Secure" in signed_in(client_of(app)).headers["set-cookie"]


def test_a_wrong_token_opens_nothing_and_is_not_repeated(client):
    answer = client.post("/sign-in", data={"token": "<b>wrong"}, headers=OURS)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "wrong" not in answer.text
    assert "no valid token" in answer.text


def test_the_form_works_without_scripts(client):
    page = client.get("/sign-in").text
    assert '<form class="narrow" method="post" action="/sign-in">' in page
    assert "<script" not in page


FOREIGN = [
    {},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:8002"},
    {"Origin": "http://127.0.0.1:8001", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://127.0.0.1:8001", "Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_form_from_another_place_changes_nothing(client, headers):
    signed_in(client)
    answer = client.post("/cases", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["code"] == "foreign_form"


@pytest.mark.parametrize("headers", FOREIGN)
def test_nobody_is_signed_in_by_a_form_from_another_place(client, headers):
    answer = client.post("/sign-in", data={"token": "keos-token"}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_form_of_our_own_is_taken(client):
    signed_in(client)
    assert client.post("/cases", headers={**OURS, "Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_program_with_a_token_needs_no_origin(client):
    assert client.post("/cases", headers=bearer("noys-token")).status_code == 200


def test_signing_out_ends_the_session(client):
    signed_in(client)
    stolen = client.cookies.get("samaki-LA")
    assert client.post("/sign-out", headers=OURS).headers["location"] == "/sign-in"
    assert client.get("/cases").status_code == 401
    assert client.get("/cases", headers={"Cookie": f"samaki-LA={stolen}"}).status_code == 401


def test_a_browser_without_a_session_is_sent_to_the_form(client):
    answer = client.get("/cases", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_browser_that_posts_without_a_session_is_told_so(client):
    answer = client.post("/cases", headers={**OURS, "Accept": "text/html"})
    assert answer.status_code == 401
    assert "<h1>" in answer.text


def test_the_same_browser_signs_in_to_two_nodes_of_one_address(log, register, clock, client_of):
    cookies = {}
    for party in ("LA", "TH"):
        app = create_app("test", log=log)
        page = Pages(place=party, service="x").sign_in
        SignIn(register, Sessions(clock), party=party, sign_in_page=page).add_routes(app)
        cookies[party] = signed_in(client_of(app)).headers["set-cookie"].split("=")[0]
    assert cookies == {"LA": "samaki-LA", "TH": "samaki-TH"}


KEO = Officer("keo", "mofa", (Role.SUPERVISOR,))


def test_a_session_ends_when_nothing_is_asked_for_long(sessions, clock):
    session = sessions.open(KEO)
    clock.advance(29 * 60)
    assert sessions.find(session) == KEO
    clock.advance(29 * 60)
    assert sessions.find(session) == KEO
    clock.advance(30 * 60)
    assert sessions.find(session) is None


def test_a_session_ends_after_a_day_of_work_however_busy(sessions, clock):
    session = sessions.open(KEO)
    for _ in range(8 * 3 - 1):
        clock.advance(20 * 60)
        assert sessions.find(session) == KEO
    clock.advance(20 * 60)
    assert sessions.find(session) is None


def test_sessions_are_bounded_and_the_oldest_goes(clock):
    sessions = Sessions(clock, limit=2, idle=timedelta(hours=1))
    first, second, third = (sessions.open(KEO) for _ in range(3))
    assert sessions.find(first) is None
    assert sessions.find(second) == sessions.find(third) == KEO
