"""Pages for people: rendered here, without JavaScript, small enough for a slow link, under the policy of http.py.

One `Pages` a service. Its own templates extend `base.html` and build on the macros of `kit.html`: cards of figures,
tables, facts, badges, notices, fields. Every value is escaped unless it is Markup of ours.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from events.base import Actor
from events.post import LastEnvelope
from services.runtime.errors import Problem

_WEB = Path(__file__).parent / "web"
_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"
_ASSETS = ("style.css", "mark.svg")


@dataclass(frozen=True)
class Link:
    """One entry of the navigation."""

    path: str
    text: str


class Pages:
    """The pages of one service."""

    def __init__(self, *, place: str, service: str, links: Sequence[Link] = (), templates: Path | None = None) -> None:
        """A service's pages.

        place      whose: `Lao PDR`, `COMMIT region`
        service    what it is: `country node`
        links      the navigation, in order
        templates  the service's own folder of templates, searched before ours
        """
        folders = [templates, _WEB] if templates else [_WEB]
        self._jinja = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.filters.update(when=when, number=number, envelope_rows=envelope_rows)
        self._jinja.globals.update(place=place, service=service, links=tuple(links))
        self._jinja.globals.update(style=asset_path("style.css"), mark=asset_path("mark.svg"))

    def render(
        self,
        template: str,
        *,
        here: str = "",
        acting: Actor | None = None,
        status: int = 200,
        **values: object,
    ) -> HTMLResponse:
        """One page.

        here    the path of the navigation's current entry
        acting  who is signed in, for the head of the page
        values  for the template; an undefined one fails the page rather than leaving a gap
        """
        page = self._jinja.get_template(template).render(here=here, acting=acting, **values)
        return HTMLResponse(page, status)

    def error(self, problem: Problem, acting: Actor | None = None) -> Response:
        """A problem for a browser, with who is signed in at its head as on every page."""
        title = HTTPStatus(problem.status).phrase
        return self.render("error.html", acting=acting, status=problem.status, title=title, problem=problem)

    def sign_in(self, failed: bool) -> Response:
        """The sign-in form: what `SignIn` takes as `sign_in_page`."""
        return self.render("sign_in.html", status=401 if failed else 200, failed=failed)

    def add_routes(self, app: FastAPI) -> None:
        """The style sheet and the mark, from this origin. Their paths change with them, so browsers keep them."""
        for name in _ASSETS:
            _add_asset(app, name)


def _add_asset(app: FastAPI, name: str) -> None:
    content, media_type = _read(name), _TYPES[Path(name).suffix]

    @app.get(asset_path(name), include_in_schema=False)
    def read_asset() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": _FOR_EVER})


@cache
def _read(name: str) -> bytes:
    return (_WEB / name).read_bytes()


def asset_path(name: str) -> str:
    """`/static/style.1a2b3c4d.css`: a fresh one whenever the content is."""
    stem, suffix = Path(name).stem, Path(name).suffix
    return f"/static/{stem}.{hashlib.sha256(_read(name)).hexdigest()[:8]}{suffix}"


def when(at: datetime | None) -> Markup:
    """A time to the minute, in UTC, readable by machines; a dash where there is none."""
    if at is None:
        return Markup("–")
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        utc.isoformat(timespec="seconds"), utc.strftime("%Y-%m-%d %H:%M"),
    )


def envelope_rows(last: Sequence[LastEnvelope]) -> list[tuple[str, str, int, Markup]]:
    """The last envelopes of a party's streams, for a table: of each its place and time, and nothing of what it says."""
    return [
        (f"{e.topic}/{e.partition}", "written" if e.written else "read", e.seq, when(e.sealed_at)) for e in last
    ]


def number(value: float | None) -> str:
    """12345.0 as `12 345`, in groups that do not break; at most two decimals; a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")
    return text.replace(",", "\u202f")
