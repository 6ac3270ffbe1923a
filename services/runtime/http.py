"""The HTTP edge of a service, for people, health and metrics; parties do not meet here.

Every answer that is no success is a problem (RFC 9457) that says what was expected, and never repeats what came: a
refused form holds a name. Requests for another host, or larger than the limit, are refused before they are read. What
fails inside is logged by type and place and answered without detail.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime.errors import Problem
from services.runtime.logs import Log, failure
from services.runtime.problems import ErrorPage, Problems, TooLarge, too_large

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with it a browser writes `Origin: null` on our own forms, and the check against forgery
    # (services.runtime.signin) could not tell them from others'. Nothing goes to another origin either way.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

# FastAPI can send spans with exception texts and refused bodies to whatever address the environment names.
# Releases that cannot do so take the word for a note of ours.
_NO_TELEMETRY = cast("TelemetryConfig", dict.fromkeys(("tracing", "metrics", "logs", "auto_configure"), False))

QUIET = frozenset({"/health", "/metrics"})
"""Asked by machines every few seconds, so not logged."""


def create_app(
    title: str,
    *,
    log: Log,
    body_limit: int = 1 << 20,
    hosts: tuple[str, ...] = (),
    health: Callable[[], bool] = lambda: True,
    counts: Callable[[], Mapping[str, int | float]] | None = None,
    error_page: ErrorPage | None = None,
) -> FastAPI:
    """An application with /health, and every rule of this file in force on whatever routes are added to it.

    body_limit  most bytes of a request's body
    hosts       names, beside loopback's, that a Host header may bear (without port)
    health      whether the process does its work; /health answers 503 if not
    counts      what /metrics shows; None: there is no /metrics
    error_page  how a browser that asked for a page is shown a problem
    """
    app = FastAPI(
        title=title, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, telemetry=_NO_TELEMETRY,
    )
    problems = Problems(app, error_page)
    for kind, handler in problems.handlers().items():
        app.add_exception_handler(kind, handler)
    app.add_middleware(
        _Guard, hosts=frozenset({*LOOPBACK, *hosts}), body_limit=body_limit, log=log, answer=problems.answer,
    )
    _add_health(app, health)
    if counts is not None:
        _add_metrics(app, counts)
    return app


def _add_health(app: FastAPI, health: Callable[[], bool]) -> None:
    @app.get("/health")
    def read_health() -> Response:
        well = health()
        return JSONResponse({"status": "ok" if well else "failing"}, status_code=200 if well else 503)


def _add_metrics(app: FastAPI, counts: Callable[[], Mapping[str, int | float]]) -> None:
    @app.get("/metrics")
    def read_metrics() -> Response:
        """Counts in Prometheus' text form."""
        lines = [f"samaki_{name} {value}\n" for name, value in sorted(counts().items())]
        return PlainTextResponse("".join(lines), media_type="text/plain; version=0.0.4")


class _Guard:
    """Stands before everything: host, size, headers, and the last word on what failed. Plain ASGI."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: frozenset[str],
        body_limit: int,
        log: Log,
        answer: Callable[[Request, Problem], Response],
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._limit = body_limit
        self._log = log
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        reply = _Reply(send)
        try:
            await self._pass(scope, receive, reply)
        finally:
            ms = round((time.monotonic() - started) * 1000, 1)
            route = getattr(scope.get("route"), "path", "<unknown>")  # the pattern: a path may hold what a hand typed
            if route not in QUIET:
                self._log.info("http.answered", method=scope["method"], route=route, status=reply.status, ms=ms)

    async def _pass(self, scope: Scope, receive: Receive, reply: "_Reply") -> None:
        problem = self._refusal(Headers(scope=scope))
        if problem is None:
            try:
                await self._app(scope, _Limited(receive, self._limit), reply)
            except Exception as error:
                self._log.error("http.failed", **failure(error))
                if reply.status is not None:
                    raise  # half an answer is out: let the server drop the connection
                problem = Problem(500, "internal", "Something failed here; the operators can see where in the log.")
        if problem is not None:
            await self._answer(Request(scope), problem)(scope, receive, reply)

    def _refusal(self, headers: Headers) -> Problem | None:
        if _host_name(headers.get("host", "")) not in self._hosts:
            return Problem(421, "unknown_host", "This service does not answer under that name (SAMAKI_HTTP_NAMES).")
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            return Problem(400, "bad_length", "Content-Length must be a number.")
        return too_large(self._limit) if int(length) > self._limit else None


def _host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    return re.sub(r":[0-9]*$", "", host).lower()


class _Limited:
    """Receives a body, but not more of it than allowed, whatever its Content-Length claimed."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._left = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise TooLarge(self._limit)
        return message


class _Reply:
    """Sends an answer with the headers that every answer has."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)
