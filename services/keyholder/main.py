"""The composition root of a key holder: settings in, one holder and its HTTP edge out."""

from fastapi import FastAPI

from services.keyholder import api, pages, views
from services.keyholder.holder import KeyHolder
from services.keyholder.settings import KeyHolderSettings
from services.runtime.errors import InputInvalid
from services.runtime.http import create_app
from services.runtime.logs import Log, open_logs
from services.runtime.loop import Pump
from services.runtime.party import load_party, looped, with_tables
from services.runtime.serve import leave
from services.runtime.serve import serve as serve_app
from services.runtime.signin import Sessions, SignIn
from services.runtime.staff import Register


def build(settings: KeyHolderSettings) -> KeyHolder:
    """The holder of these settings, not opened yet. Raises InputInvalid."""
    party = load_party(settings, settings.party)
    if party.charter.party(party.id).kind != "keyholder":
        raise InputInvalid(f"{party.id} is no key holder in the charter. Is --home the key holder's own folder?")
    return KeyHolder(
        party.id,
        charter=party.charter,
        digest=party.digest,
        ring=party.ring,
        database=party.database,
        stream=party.stream,
        clock=party.clock,
    )


def create(holder: KeyHolder, settings: KeyHolderSettings, log: Log, pump: Pump) -> FastAPI:
    """The HTTP edge around a holder."""
    kit = pages.kit(holder)
    sign_in = SignIn(
        Register.load(settings.staff),
        Sessions(holder.clock),
        party=holder.me,
        sign_in_page=kit.sign_in,
        tls=settings.http_tls,
    )
    app = create_app(
        f"Samaki {holder.me}",
        log=log,
        body_limit=settings.body_limit,
        hosts=settings.http_names,
        health=lambda: pump.healthy,
        counts=lambda: views.metrics(holder),
        error_page=kit.error,
    )
    kit.add_routes(app)
    sign_in.add_routes(app)
    api.add_routes(app, holder, sign_in)
    pages.add_routes(app, holder, sign_in, kit)
    return app


def serve(settings: KeyHolderSettings) -> None:
    """Run the holder until a signal; exits with 1 where the pump gave up."""
    logs = open_logs(settings.log_file, capture=True, service="keyholder", party=settings.party)
    holder = with_tables(build(settings))
    pump = Pump(looped(holder), logs.log)
    code = serve_app(
        create(holder, settings, logs.log, pump),
        pump,
        logs.log,
        host=settings.http_host,
        port=settings.http_port,
        port_file=settings.port_file,
        anywhere=settings.http_anywhere,
    )
    leave(code)
