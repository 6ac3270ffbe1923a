"""The composition root of the matcher: settings in, one matcher and its HTTP edge out."""

from fastapi import FastAPI

from services.matcher import api, pages, views
from services.matcher.matcher import Matcher
from services.matcher.settings import MatcherSettings
from services.runtime.http import create_app
from services.runtime.logs import Log, open_logs
from services.runtime.loop import Pump
from services.runtime.party import load_party, looped, with_tables
from services.runtime.serve import leave
from services.runtime.serve import serve as serve_app
from services.runtime.signin import Sessions, SignIn
from services.runtime.staff import Register


def build(settings: MatcherSettings) -> Matcher:
    """The matcher of these settings, not opened yet. Raises InputInvalid."""
    party = load_party(settings, settings.party)
    return Matcher(
        party.id,
        charter=party.charter,
        digest=party.digest,
        ring=party.ring,
        database=party.database,
        stream=party.stream,
        clock=party.clock,
    )


def create(matcher: Matcher, settings: MatcherSettings, log: Log, pump: Pump) -> FastAPI:
    """The HTTP edge around a matcher."""
    kit = pages.kit(matcher)
    sign_in = SignIn(
        Register.load(settings.staff),
        Sessions(matcher.clock),
        party=matcher.me,
        sign_in_page=kit.sign_in,
        tls=settings.http_tls,
    )
    app = create_app(
        "Samaki matcher",
        log=log,
        body_limit=settings.body_limit,
        hosts=settings.http_names,
        health=lambda: pump.healthy,
        counts=lambda: views.metrics(matcher),
        error_page=kit.error,
    )
    kit.add_routes(app)
    sign_in.add_routes(app)
    api.add_routes(app, matcher, sign_in)
    pages.add_routes(app, matcher, sign_in, kit)
    return app


def serve(settings: MatcherSettings) -> None:
    """Run the matcher until a signal; exits with 1 where the pump gave up."""
    logs = open_logs(settings.log_file, capture=True, service="matcher", party=settings.party)
    matcher = with_tables(build(settings))
    pump = Pump(looped(matcher), logs.log)
    code = serve_app(
        create(matcher, settings, logs.log, pump),
        pump,
        logs.log,
        host=settings.http_host,
        port=settings.http_port,
        port_file=settings.port_file,
        anywhere=settings.http_anywhere,
    )
    leave(code)
