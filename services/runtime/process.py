"""A party's process: the HTTP edge that every service has, the loop beside it, and their end.

For composition roots alone: each says what its service is, and which pages and routes it adds.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NoReturn, Protocol, TypeVar

from fastapi import FastAPI

from events.clock import Clock, SystemClock
from events.errors import StoreUnavailable
from keys.errors import KeysError
from services.runtime.claim import claimed
from services.runtime.errors import CharterOver, InputInvalid, PeerUnreachable
from services.runtime.http import create_app
from services.runtime.logs import Log, open_logs
from services.runtime.loop import Pump
from services.runtime.pages import Pages
from services.runtime.party import charter_ends
from services.runtime.serve import leave, serve
from services.runtime.settings import PartySettings
from services.runtime.signin import Sessions, SignIn
from services.runtime.staff import Register


class Service(Protocol):
    """What a process loops."""

    def create(self) -> None:
        """Make the tables. Needs no broker."""
        ...

    def open(self) -> None:
        """Make tables and topics. Raises StreamUnavailable: call again."""
        ...

    def step(self) -> bool:
        """One round. Returns whether anything was done."""
        ...


S = TypeVar("S", bound=Service)
P = TypeVar("P", bound=PartySettings)


def edge(
    settings: PartySettings,
    clock: Clock,
    log: Log,
    pump: Pump,
    pages: Pages,
    counts: Callable[[], Mapping[str, int | float]] | None = None,
) -> tuple[FastAPI, SignIn]:
    """The application of a party and its staff's sign-in, to add routes to. Raises StaffInvalid.

    counts  what /metrics shows; None: there is no /metrics
    """
    sign_in = SignIn(
        Register.load(settings.staff),
        Sessions(clock),
        party=settings.party,
        sign_in_page=pages.sign_in,
        tls=settings.http_tls,
    )
    app = create_app(
        f"Samaki {settings.party}",
        log=log,
        body_limit=settings.body_limit,
        hosts=settings.http_names,
        health=lambda: pump.healthy,
        counts=counts,
        error_page=lambda request, problem: pages.error(problem, sign_in.anyone(request)),
    )
    pages.add_routes(app)
    sign_in.add_routes(app)
    return app, sign_in


def run(kind: str, settings: P, build: Callable[[P], S], create: Callable[[S, P, Log, Pump], FastAPI]) -> NoReturn:
    """Build a service, put its HTTP edge around it and run both until a signal. Exits with 1 where the pump gave up.

    kind    country, keyholder or matcher: how its log lines name it
    raises  ServiceError: before anything was started
    """
    logs = open_logs(settings.log_file, capture=True, service=kind, party=settings.party)
    clock = SystemClock()
    until = charter_ends(settings, clock.now())
    with claimed(settings.home):
        service = _with_tables(build(settings))
        pump = Pump(_looped(service, clock, until), logs.log)
        code = serve(
            create(service, settings, logs.log, pump),
            pump,
            logs.log,
            host=settings.http_host,
            port=settings.http_port,
            port_file=settings.port_file,
            anywhere=settings.http_anywhere,
        )
        leave(code)


def _with_tables(service: S) -> S:
    """The same service, its tables made: pages show it before any broker answers.

    Raises PeerUnreachable: no store; InputInvalid: a key is not to be had.
    """
    try:
        service.create()
    except KeysError as error:
        raise InputInvalid(str(error)) from error
    except StoreUnavailable as error:
        raise PeerUnreachable(f"The store cannot be opened: {error}") from error
    return service


def _looped(service: Service, clock: Clock, until: datetime | None) -> Callable[[], bool]:
    """The step of a pump: opens the service first, and again until the broker answers.

    until  from then on it fails, so that the process ends and is started again under the next charter: what it would
           seal under this one, nobody would believe
    """
    opened = False

    def step() -> bool:
        nonlocal opened
        if until is not None and clock.now() >= until:
            raise CharterOver("The charter's next version is in force: start again.")
        if not opened:
            service.open()
            opened = True
            return True
        return service.step()

    return step
