"""The composition root of the matcher: settings in, one matcher and its HTTP edge out."""

from fastapi import FastAPI

from services.matcher import api, pages, views
from services.matcher.matcher import Matcher
from services.matcher.settings import MatcherSettings
from services.runtime.logs import Log
from services.runtime.loop import Pump
from services.runtime.party import load_party
from services.runtime.process import edge, run


def build(settings: MatcherSettings) -> Matcher:
    """The matcher of these settings, not opened yet. Raises InputInvalid."""
    party = load_party(settings)
    return Matcher(party.id, pepper=settings.pepper_token, **party.parts)


def create(matcher: Matcher, settings: MatcherSettings, log: Log, pump: Pump) -> FastAPI:
    """The HTTP edge around a matcher."""
    kit = pages.kit(matcher)
    app, sign_in = edge(settings, matcher.clock, log, pump, kit, counts=lambda: views.metrics(matcher))
    api.add_routes(app, matcher, sign_in)
    pages.add_routes(app, matcher, sign_in, kit)
    return app


def serve(settings: MatcherSettings) -> None:
    """Run the matcher until a signal."""
    run("matcher", settings, build, create)
