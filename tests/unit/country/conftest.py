"""A small region whose parties know each other, copied for each test; one country's node behind its edge; people."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from regions import LiveRegion, regions_in
from starlette.testclient import TestClient

from events.base import Act, Actor, Purpose, Role
from services.country import main
from services.country.settings import CountrySettings
from services.runtime.logs import Log, silent
from services.runtime.loop import Pump

COUNTRIES = ("KH", "LA", "TH")
STAFF = {
    "nurse": ("clinic", Role.FIRST_RESPONDER),
    "another nurse": ("clinic", Role.FIRST_RESPONDER),
    "police": ("police", Role.CASE_WORKER),
    "officer": ("data-protection", Role.DATA_PROTECTION_OFFICER),
    "colleague": ("welfare-office", Role.CASE_WORKER),
    "another authority": ("immigration", Role.IDENTIFICATION_AUTHORITY),
    "another focal": ("ministry", Role.TRM_FOCAL_POINT),
}


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegion]:
    """KH, LA and TH, acquainted. Nobody works here: it is copied."""
    with regions_in(tmp_path_factory.mktemp("country")) as make:
        yield make(*COUNTRIES)


@pytest.fixture
def region(founded: LiveRegion, tmp_path: Path) -> Iterator[LiveRegion]:
    with founded.copied(tmp_path / "region") as copy:
        yield copy


@pytest.fixture
def new_region(tmp_path: Path) -> Iterator[Callable[..., LiveRegion]]:
    """Found a region with other rules, and let its parties meet."""
    with regions_in(tmp_path) as make:
        yield make


@pytest.fixture
def node(region):
    return region.nodes["KH"]


@pytest.fixture
def app_of() -> Callable[..., Any]:
    """A node's application, as its process makes it."""

    def make(region: LiveRegion, country: str, log: Log | None = None) -> Any:
        node, log = region.nodes[country], log or silent()
        settings = CountrySettings(home=region.region.home(country), charter=region.region.charter_file)
        return main.create(node, settings, log, Pump(node.step, log))

    return make


@pytest.fixture
def client_of(app_of: Callable[..., Any]) -> Callable[..., TestClient]:
    """(region, country, staff) -> a client with the token of that member of staff; without `staff`, with none."""

    def make(region: LiveRegion, country: str, staff: str | None = None, **more: Any) -> TestClient:
        headers = {"Authorization": f"Bearer {region.region.token(country, staff)}"} if staff else {}
        app = app_of(region, country, **more)
        return TestClient(app, base_url="http://127.0.0.1", headers=headers, follow_redirects=False)

    return make


# ---- people of KH


@pytest.fixture
def act(region):
    """An act at KH, now: of the founded staff, or of somebody of another organisation."""

    def make(staff: str) -> Act:
        if staff not in STAFF:
            return region.act("KH", staff)
        organisation, role = STAFF[staff]
        return Act(
            at=region.clock.now(),
            by=Actor(staff=staff, organisation=organisation, role=role),
            purpose=Purpose.PROTECTION,
        )

    return make


@pytest.fixture
def desk(region):
    return region.nodes["KH"].desk


@pytest.fixture
def opened(region, desk, act):
    """Open a case; returns its id."""

    def make(staff: str = "worker", age_status: str = "adult"):
        today = region.clock.now().date()
        return desk.report(act(staff), reported_on=today, source="self", age_status=age_status, summary="her story")[0]

    return make
