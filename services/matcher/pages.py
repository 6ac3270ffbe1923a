"""The matcher's pages: alive for anyone, counts for analysts, what was asked for security reviewers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from markupsafe import Markup

from events.base import Actor, Role
from events.model import countries_of
from services.matcher import cells, views
from services.matcher.api import (
    OPERATORS,
    BandFilter,
    EventFilter,
    MonthFilter,
    PairFilter,
    check_event,
    check_pair,
)
from services.matcher.matcher import Matcher
from services.matcher.statistics import OUTLINED
from services.runtime import svg
from services.runtime.pages import Link, Pages, when
from services.runtime.signin import SignIn

TEMPLATES = Path(__file__).parent / "templates"
LINKS = (
    Link("/", "Matcher"),
    Link("/matches", "Matches"),
    Link("/outlines", "Cases"),
    Link("/queries", "Questions asked"),
    Link("/operation", "Operation"),
)
BANDS = ("document", "strong", "possible")


def kit(matcher: Matcher) -> Pages:
    """The pages' frame."""
    return Pages(place=f"Region {matcher.charter.region}", service="matcher", links=LINKS, templates=TEMPLATES)


def add_routes(app: FastAPI, matcher: Matcher, sign_in: SignIn, pages: Pages) -> None:
    """GET /, /matches, /outlines, /queries and /operation."""
    _add_home(app, matcher, sign_in, pages)
    _add_counts(app, matcher, sign_in, pages)
    _add_oversight(app, matcher, sign_in, pages)


def _add_home(app: FastAPI, matcher: Matcher, sign_in: SignIn, pages: Pages) -> None:
    @app.get("/")
    def show_home(request: Request) -> Response:
        """For anyone: how far it has read, and nothing of what. For operators and reviewers: where its streams end."""
        acting = sign_in.anyone(request)
        operates = acting is not None and acting.role in OPERATORS
        return pages.render("home.html", here="/", acting=acting, health=views.health(matcher), operates=operates)


def _add_counts(app: FastAPI, matcher: Matcher, sign_in: SignIn, pages: Pages) -> None:
    analyst = Annotated[Actor, Depends(sign_in.acting(Role.ANALYST))]

    @app.get("/matches")
    def show_matches(
        acting: analyst, pair: PairFilter = "", band: BandFilter = "", month: MonthFilter = ""
    ) -> Response:
        check_pair(matcher, pair)
        counts = views.matches(matcher, acting, pair=pair, band=band, month=month)
        return pages.render(
            "matches.html",
            here="/matches",
            acting=acting,
            counts=counts,
            rows=_rows(counts),
            picture=_picture(matcher, counts),
            pairs=_options(matcher.charter.pairs),
            bands=_options(BANDS),
            chosen={"pair": pair, "band": band, "month": month},
        )

    @app.get("/outlines")
    def show_outlines(acting: analyst, event: EventFilter = "", month: MonthFilter = "") -> Response:
        check_event(event)
        counts = views.outlines(matcher, acting, event=event, month=month)
        return pages.render(
            "outlines.html",
            here="/outlines",
            acting=acting,
            counts=counts,
            rows=_rows(counts),
            events=_options(OUTLINED),
            chosen={"event": event, "month": month},
        )


def _add_oversight(app: FastAPI, matcher: Matcher, sign_in: SignIn, pages: Pages) -> None:
    @app.get("/queries")
    def show_queries(acting: Annotated[Actor, Depends(sign_in.acting(Role.SECURITY_REVIEWER))]) -> Response:
        rows = [
            (when(q.at), q.officer, q.organisation, q.role, q.what, _filters(q.filters))
            for q in views.queries(matcher)
        ]
        return pages.render("queries.html", here="/queries", acting=acting, rows=rows, most=views.QUERIES_SHOWN)

    @app.get("/operation")
    def show_operation(acting: Annotated[Actor, Depends(sign_in.acting(*OPERATORS))]) -> Response:
        return pages.render("operation.html", here="/operation", acting=acting, work=views.operation(matcher))


def _filters(chosen: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in chosen.items()) or "–"


def _rows(counts: views.Counts) -> list[tuple[str | int, ...]]:
    return [(*cell, n) for cell, n in counts.cells.items()]


def _options(values: tuple[str, ...]) -> list[tuple[str, str]]:
    return [("", "any"), *((value, value) for value in values)]


def _picture(matcher: Matcher, counts: views.Counts) -> Markup:
    """The pairs of countries. A pair's number is the sum of its shown ones, so it tells nothing that they do not."""
    shown = cells.sums(dict(counts.cells), 0)
    squares = {
        countries_of(pair): svg.Cell(shown[pair]) if pair in shown else svg.Cell(None, f"< {counts.least}")
        for pair in matcher.charter.pairs
    }
    return svg.matrix(
        "pairs",
        "Matches that both countries know",
        f"For each two countries, the sum of the numbers in the table; where there is none, a sign for fewer than "
        f"{counts.least}.",
        sorted(matcher.charter.countries),
        squares,
    )
