"""The composition root of a country's node: settings in, one node and its HTTP edge out."""

from pathlib import Path

from fastapi import FastAPI
from starlette.formparsers import MultiPartParser

from keys.errors import KeysError
from keys.persons import open_persons
from services.country import api, pages
from services.country.node import Node
from services.country.settings import CountrySettings
from services.runtime import custody
from services.runtime.errors import InputInvalid
from services.runtime.logs import Log
from services.runtime.loop import Pump
from services.runtime.party import load_party
from services.runtime.process import edge, run

TEMPLATES = Path(__file__).parent / "templates"


def build(settings: CountrySettings) -> Node:
    """The node of these settings, not opened yet. Raises InputInvalid."""
    party = load_party(settings)
    ring, now = party.parts["ring"], party.parts["clock"].now()
    try:
        persons = open_persons(settings.persons, ring, kek=party.kek, at=now)
    except KeysError as error:
        raise InputInvalid(str(error)) from error
    return Node(party.id, persons=persons, **party.parts)


def create(node: Node, settings: CountrySettings, log: Log, pump: Pump) -> FastAPI:
    """The HTTP edge around a node."""
    MultiPartParser.spool_max_size = settings.body_limit  # a file of people stays in memory: no plain copy on a disk
    kit = pages.kit(node, TEMPLATES)
    app, sign_in = edge(settings, node.clock, log, pump, kit)
    api.add_routes(app, node, sign_in)
    pages.add_routes(app, node, sign_in, kit)
    custody.add_routes(app, sign_in, kit, node.keys)
    return app


def serve(settings: CountrySettings) -> None:
    """Run the node until a signal."""
    run("country", settings, build, create)
