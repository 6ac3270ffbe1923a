"""Where requests show who they come from: bearer tokens for programs, sessions for pages.

A browser signs in once, on a form that needs no JavaScript, and holds a random session id instead of the token. Whether
somebody may do a thing is asked for each request, in the role that the request acts in.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse

from events.base import Actor, Role
from events.clock import Clock
from services.runtime.errors import Problem
from services.runtime.staff import Officer, Register, digest_of, new_token

ROLE_HEADER = "Samaki-Role"
SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass
class _Session:
    officer: Officer
    until: datetime
    idle_until: datetime


class Sessions:
    """Signed-in browsers, in memory: a restart signs everybody out. Safe from several threads."""

    def __init__(
        self,
        clock: Clock,
        *,
        idle: timedelta = timedelta(minutes=30),
        longest: timedelta = timedelta(hours=8),
        limit: int = 1000,
    ) -> None:
        self._clock = clock
        self._idle = idle
        self._longest = longest
        self._limit = limit
        self._open: dict[str, _Session] = {}
        self._lock = threading.Lock()

    def open(self, officer: Officer) -> str:
        """A new session's id. Above the limit the oldest session ends."""
        session_id, now = new_token(), self._clock.now()
        with self._lock:
            while len(self._open) >= self._limit:
                del self._open[next(iter(self._open))]
            self._open[digest_of(session_id)] = _Session(officer, now + self._longest, now + self._idle)
        return session_id

    def find(self, session_id: str) -> Officer | None:
        """The officer of a session that has not run out; it stays open for another idle time."""
        key, now = digest_of(session_id), self._clock.now()
        with self._lock:
            session = self._open.get(key)
            if session is None or now >= min(session.until, session.idle_until):
                self._open.pop(key, None)
                return None
            session.idle_until = now + self._idle
            return session.officer

    def close(self, session_id: str) -> None:
        with self._lock:
            self._open.pop(digest_of(session_id), None)


class SignIn:
    """Where requests show who they come from.

    `officer` and `acting(...)` are FastAPI dependencies: a bearer token, or the cookie of a session. A cookie comes
    along without anybody's will, so what it asks to change must come from a page of this very host and port: cookies
    know no ports, and six nodes of a demo share one address. (That is also why the cookie bears the party's name.)
    """

    def __init__(
        self,
        register: Register,
        sessions: Sessions,
        *,
        party: str,
        sign_in_page: Callable[[bool], Response],
        tls: bool = False,
    ) -> None:
        """`sign_in_page(failed)` renders the form; `tls` when browsers reach this service through TLS."""
        self._register = register
        self._sessions = sessions
        self._cookie = f"samaki-{party}"
        self._page = sign_in_page
        self._tls = tls

    def officer(self, request: Request) -> Officer:
        """Who asks. Raises Problem 401 (a browser is sent to the sign-in form), or 403 where a form is not ours."""
        officer = self._by_bearer(request)
        if officer is None and (officer := self._by_cookie(request)) and request.method not in SAFE_METHODS:
            _refuse_foreign(request)
        if officer is None:
            bearer = {"WWW-Authenticate": "Bearer"}
            raise Problem(401, "sign_in", "A valid bearer token is needed.", headers=bearer, page="/sign-in")
        return officer

    def anyone(self, request: Request) -> Actor | None:
        """Who is signed in, in the first of their roles; None: nobody.

        For pages that greet, and show all the same. Never for what changes anything: no form is asked whence it came.
        """
        officer = self._by_bearer(request) or self._by_cookie(request)
        return Actor(staff=officer.staff, organisation=officer.organisation, role=officer.roles[0]) if officer else None

    def acting(self, *fitting: Role) -> Callable[[Request], Actor]:
        """A dependency: the officer, in one of the roles that fit.

        The header `Samaki-Role` says which; without it, the first of the officer's roles that fits. Raises Problem 403
        where none does, or the one in the header does not.
        """

        def ask(request: Request) -> Actor:
            officer = self.officer(request)
            role = _role(officer, request.headers.get(ROLE_HEADER), fitting)
            return Actor(staff=officer.staff, organisation=officer.organisation, role=role)

        return ask

    def add_routes(self, app: FastAPI) -> None:
        """GET and POST /sign-in, POST /sign-out."""

        @app.get("/sign-in")
        def show_sign_in() -> Response:
            return self._page(False)

        @app.post("/sign-in")
        def sign_in(request: Request, token: Annotated[str, Form(max_length=200)] = "") -> Response:
            _refuse_foreign(request)
            officer = self._register.authenticate(token.strip())
            if officer is None:
                return self._page(True)
            self._end(request)
            answer = RedirectResponse("/", status_code=303)
            session_id = self._sessions.open(officer)
            answer.set_cookie(self._cookie, session_id, httponly=True, samesite="strict", secure=self._tls, path="/")
            return answer

        @app.post("/sign-out")
        def sign_out(request: Request) -> Response:
            _refuse_foreign(request)
            self._end(request)
            answer = RedirectResponse("/sign-in", status_code=303)
            answer.delete_cookie(self._cookie, httponly=True, samesite="strict", secure=self._tls, path="/")
            return answer

    def _by_bearer(self, request: Request) -> Officer | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self._register.authenticate(token.strip()) if scheme.lower() == "bearer" else None

    def _by_cookie(self, request: Request) -> Officer | None:
        session_id = request.cookies.get(self._cookie)
        return self._sessions.find(session_id) if session_id else None

    def _end(self, request: Request) -> None:
        if session_id := request.cookies.get(self._cookie):
            self._sessions.close(session_id)


def _role(officer: Officer, asked: str | None, fitting: tuple[Role, ...]) -> Role:
    roles = [role for role in officer.roles if role in fitting and asked in {None, role}]
    if not roles:
        needed = " or ".join(role.words for role in fitting)
        raise Problem(403, "role_missing", f"This needs the role {needed}; you do not act in it.")
    return roles[0]


def _refuse_foreign(request: Request) -> None:
    """Raises Problem 403 unless a page of this host and port made the request.

    A browser says so in Sec-Fetch-Site, an older one in Origin alone; what says neither is no browser's form.
    """
    _, _, origin = request.headers.get("origin", "").partition("://")
    same_site = request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
    if not same_site or origin != request.headers.get("host"):
        raise Problem(403, "foreign_form", "This form was not sent from a page of this service. Open the page again.")
