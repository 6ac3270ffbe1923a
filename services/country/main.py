"""The composition root of a country's node: settings in, one node and its HTTP edge out."""

from pathlib import Path

from fastapi import FastAPI
from starlette.formparsers import MultiPartParser

from keys.persons import open_persons
from services.country import api, pages
from services.country.node import Node
from services.country.settings import CountrySettings
from services.runtime.http import create_app
from services.runtime.logs import Log, open_logs
from services.runtime.loop import Pump
from services.runtime.party import load_party, looped, with_tables
from services.runtime.serve import leave
from services.runtime.serve import serve as serve_app
from services.runtime.signin import Sessions, SignIn
from services.runtime.staff import Register

TEMPLATES = Path(__file__).parent / "templates"


def build(settings: CountrySettings) -> Node:
    """The node of these settings, not opened yet. Raises InputInvalid."""
    party = load_party(settings, settings.party)
    return Node(
        party.id,
        charter=party.charter,
        digest=party.digest,
        ring=party.ring,
        persons=open_persons(settings.persons, party.ring, kek=party.kek, at=party.clock.now()),
        database=party.database,
        stream=party.stream,
        clock=party.clock,
    )


def create(node: Node, settings: CountrySettings, log: Log, pump: Pump) -> FastAPI:
    """The HTTP edge around a node."""
    MultiPartParser.spool_max_size = settings.body_limit  # a file of people stays in memory: no plain copy on a disk
    kit = pages.kit(node, TEMPLATES)
    sign_in = SignIn(
        Register.load(settings.staff),
        Sessions(node.clock),
        party=node.country,
        sign_in_page=kit.sign_in,
        tls=settings.http_tls,
    )
    app = create_app(
        f"Samaki {node.country}",
        log=log,
        body_limit=settings.body_limit,
        hosts=settings.http_names,
        health=lambda: pump.healthy,
        error_page=kit.error,
    )
    kit.add_routes(app)
    sign_in.add_routes(app)
    api.add_routes(app, node, sign_in)
    pages.add_routes(app, node, sign_in, kit)
    return app


def serve(settings: CountrySettings) -> None:
    """Run the node until a signal; exits with 1 where the pump gave up."""
    logs = open_logs(settings.log_file, capture=True, service="country", party=settings.party)
    node = with_tables(build(settings))
    pump = Pump(looped(node), logs.log)
    app = create(node, settings, logs.log, pump)
    code = serve_app(
        app,
        pump,
        logs.log,
        host=settings.http_host,
        port=settings.http_port,
        port_file=settings.port_file,
        anywhere=settings.http_anywhere,
    )
    leave(code)
