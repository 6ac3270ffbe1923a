"""The matcher's API: counts for analysts, what they asked for security reviewers, state for operators.

A question's filters are names of the charter and months: nothing about a person stands in a path or a query.
"""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query

from events.base import Actor, Role
from services.matcher import views
from services.matcher.matcher import Matcher
from services.matcher.statistics import OUTLINED
from services.runtime.errors import Problem
from services.runtime.signin import SignIn

OPERATORS = (Role.NODE_OPERATOR, Role.SECURITY_REVIEWER)

PairFilter = Annotated[str, Query(pattern=r"^([A-Z]{2}-[A-Z]{2})?$")]
BandFilter = Literal["", "document", "strong", "possible"]
MonthFilter = Annotated[str, Query(pattern=r"^([0-9]{4}-(0[1-9]|1[0-2]))?$")]
EventFilter = Annotated[str, Query(pattern=r"^[A-Za-z]{0,40}$")]
"""Filters; empty lets any value pass."""


def add_routes(app: FastAPI, matcher: Matcher, sign_in: SignIn) -> None:
    """GET /api/matches, /api/outlines, /api/queries, /api/status."""
    analyst = Annotated[Actor, Depends(sign_in.acting(Role.ANALYST))]

    @app.get("/api/matches")
    def read_matches(
        actor: analyst, pair: PairFilter = "", band: BandFilter = "", month: MonthFilter = ""
    ) -> dict[str, Any]:
        check_pair(matcher, pair)
        return _json(views.matches(matcher, actor, pair=pair, band=band, month=month), ("pair", "band", "month"))

    @app.get("/api/outlines")
    def read_outlines(actor: analyst, event: EventFilter = "", month: MonthFilter = "") -> dict[str, Any]:
        check_event(event)
        return _json(views.outlines(matcher, actor, event=event, month=month), ("event", "month"))

    @app.get("/api/queries")
    def read_queries(_actor: Annotated[Actor, Depends(sign_in.acting(Role.SECURITY_REVIEWER))]) -> list[dict[str, Any]]:
        return [asdict(query) for query in views.queries(matcher)]

    @app.get("/api/status")
    def read_status(_actor: Annotated[Actor, Depends(sign_in.acting(*OPERATORS))]) -> dict[str, Any]:
        return asdict(views.operation(matcher))


def check_pair(matcher: Matcher, pair: str) -> None:
    """Raises Problem 422 where the charter has no such pair."""
    if pair and pair not in matcher.charter.pairs:
        raise Problem(422, "unknown_pair", f"The charter's pairs are {', '.join(matcher.charter.pairs)}.")


def check_event(event: str) -> None:
    """Raises Problem 422 where no country sends outlines of such an event."""
    if event and event not in OUTLINED:
        raise Problem(422, "unknown_event", f"Outlines are sent of {', '.join(OUTLINED)}.")


def _json(counts: views.Counts, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "through": counts.through,
        "least": counts.least,
        "cells": [{**dict(zip(names, cell, strict=True)), "count": n} for cell, n in counts.cells.items()],
    }
