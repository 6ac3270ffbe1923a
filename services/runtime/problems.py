"""Problems (RFC 9457): how every refusal is answered, to a program as JSON, to a browser as a page.

An answer says what was expected, in our own words, and never repeats what came: a refused form holds a name.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from events.errors import NotYet, Refused, StoreConflict, StreamUnavailable
from services.runtime.errors import Problem

ErrorPage = Callable[[Request, Problem], Response]

EXPECTED = {
    "missing": "this is needed",
    "extra_forbidden": "a field here is not known",
    "json_invalid": "the body must be JSON",
    "string_too_long": "this is too long",
    "string_too_short": "this is too short",
    "string_pattern_mismatch": "this must be written in the form that the documentation gives",
    "literal_error": "this must be one of the documented codes",
    "enum": "this must be one of the documented codes",
    "union_tag_invalid": "this must be one of the documented kinds",
    "date_from_datetime_parsing": "this must be a date, YYYY-MM-DD",
    "date_parsing": "this must be a date, YYYY-MM-DD",
    "datetime_parsing": "this must be a time with its zone, YYYY-MM-DDTHH:MM:SSZ",
    "uuid_parsing": "this must be a UUID",
    "int_parsing": "this must be a whole number",
    "bool_parsing": "this must be true or false",
    "too_long": "there are too many of these",
    "too_short": "there are too few of these",
}
"""What each kind of refusal expected. pydantic's own sentences quote the input, so they are not used."""


PLAIN = {
    400: "The request cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
}
"""What the framework's own refusals mean."""


_NOT_YOURS = frozenset({"role_may_not", "other_organisation", "not_reporter"})


class Problems:
    """Turns what was raised into an answer."""

    def __init__(self, app: FastAPI, page: ErrorPage | None) -> None:
        self._app = app
        self._page = page
        self._vocabulary: frozenset[str] | None = None

    def handlers(self) -> dict[type[Exception], Callable[[Request, Any], Awaitable[Response]]]:
        return {
            kind: self._handler(to_problem)
            for kind, to_problem in {
                Problem: lambda problem: problem,
                HTTPException: _from_http,
                TooLarge: lambda error: too_large(error.limit),
                RequestValidationError: self._from_validation,
                Refused: lambda refused: Problem(_status(refused), refused.code, refused.sentence),
                NotYet: _later("not_yet", "Something that this needs has not arrived yet."),
                StoreConflict: _later("conflict", "Someone else changed this at the same time."),
                StreamUnavailable: _later("stream_unavailable", "The message broker cannot be reached."),
            }.items()
        }

    def _handler(self, to_problem: Callable[[Any], Problem]) -> Callable[[Request, Any], Awaitable[Response]]:
        async def handle(request: Request, error: Exception) -> Response:
            return self.answer(request, to_problem(error))

        return handle

    def answer(self, request: Request, problem: Problem) -> Response:
        """As a page to a browser that asked for one, else as problem+json."""
        if "text/html" in request.headers.get("accept", ""):
            if problem.page is not None and request.method == "GET":
                return RedirectResponse(problem.page, status_code=303)
            if self._page is not None:
                page = self._page(request, problem)
                page.headers.update(problem.headers)
                return page
        return as_json(problem)

    def _from_validation(self, error: RequestValidationError) -> Problem:
        kinds = [(e["type"], self._where(e)) for e in error.errors()]
        fields = [{"where": where, "code": kind, "expected": _expected(kind)} for kind, where in kinds]
        where = "; ".join(f"{f['where'] or 'the request'}: {f['expected']}" for f in fields[:8])
        return Problem(422, "invalid", f"The request is not as expected. {where}.", fields=fields[:64])

    def _where(self, error: Mapping[str, Any]) -> str:
        """The place in the request, in our own words only: a key that the request made up may be a name."""
        if self._vocabulary is None:
            self._vocabulary = frozenset(_words(self._app.openapi()))
        return ".".join(str(p) if p in self._vocabulary or p in range(100_000) else "?" for p in error["loc"])


def _status(refused: Refused) -> int:
    """Not there, not yours, or not now."""
    if refused.code.startswith("no_such_"):
        return 404
    return 403 if refused.code in _NOT_YOURS else 409


def as_json(problem: Problem) -> Response:
    """RFC 9457."""
    content: dict[str, object] = {
        "type": f"urn:samaki:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.sentence,
    }
    if problem.fields:
        content["fields"] = list(problem.fields)
    return JSONResponse(content, problem.status, problem.headers, "application/problem+json")


def _from_http(error: HTTPException) -> Problem:
    """What the framework refuses. Its own detail may quote the request, so ours stands instead."""
    phrase = HTTPStatus(error.status_code).phrase
    code = re.sub(r"[^a-z]+", "_", phrase.lower())
    sentence = PLAIN.get(error.status_code, f"{phrase}.")
    return Problem(error.status_code, code, sentence, headers=dict(error.headers or {}))


def _later(code: str, sentence: str) -> Callable[[Exception], Problem]:
    return lambda _: Problem(503, code, f"{sentence} Try again shortly.", headers={"Retry-After": "5"})


def _expected(kind: str) -> str:
    return EXPECTED.get(kind, "this is not in the form that is expected")


def _words(schema: object) -> list[str]:
    """Every name that the program itself gave to a part of a request."""
    words = ["body", "query", "path", "header", "cookie"]
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            words += schema["properties"]
        if isinstance(schema.get("name"), str) and "in" in schema:
            words.append(schema["name"])
        for part in schema.values():
            words += _words(part)
    elif isinstance(schema, list):
        for part in schema:
            words += _words(part)
    return words


class TooLarge(HTTPException):
    """An HTTPException, for FastAPI turns any other that comes up while it reads a body into a 400."""

    def __init__(self, limit: int) -> None:
        super().__init__(413)
        self.limit = limit


def too_large(limit: int) -> Problem:
    return Problem(413, "too_large", f"A request may have at most {limit} bytes.", headers={"Connection": "close"})
