"""The composition root of a key holder: settings in, one holder and its HTTP edge out."""

from fastapi import FastAPI

from services.keyholder import api, pages, views
from services.keyholder.holder import KeyHolder
from services.keyholder.settings import KeyHolderSettings
from services.runtime import custody
from services.runtime.errors import InputInvalid
from services.runtime.logs import Log
from services.runtime.loop import Pump
from services.runtime.party import load_party
from services.runtime.process import edge, run


def build(settings: KeyHolderSettings) -> KeyHolder:
    """The holder of these settings, not opened yet. Raises InputInvalid."""
    party = load_party(settings)
    if party.parts["charter"].party(party.id).kind != "keyholder":
        raise InputInvalid(f"{party.id} is no key holder in the charter. Is --home the key holder's own folder?")
    return KeyHolder(party.id, **party.parts)


def create(holder: KeyHolder, settings: KeyHolderSettings, log: Log, pump: Pump) -> FastAPI:
    """The HTTP edge around a holder."""
    kit = pages.kit(holder)
    app, sign_in = edge(settings, holder.clock, log, pump, kit, counts=lambda: views.metrics(holder))
    api.add_routes(app, holder, sign_in)
    pages.add_routes(app, holder, sign_in, kit)
    custody.add_routes(app, sign_in, kit, holder.keys)
    return app


def serve(settings: KeyHolderSettings) -> None:
    """Run the holder until a signal."""
    run("keyholder", settings, build, create)
