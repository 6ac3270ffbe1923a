"""A client that asks as a browser on this machine would."""

import io
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from events.base import Role
from events.clock import ManualClock
from services.runtime.logs import open_logs
from services.runtime.staff import Entry, Register, digest_of

HOME = "http://127.0.0.1:8001"


@pytest.fixture
def client_of():
    def client(app, **more):
        return TestClient(app, base_url=HOME, follow_redirects=False, **more)

    return client


@pytest.fixture
def clock():
    return ManualClock(datetime(2026, 3, 14, 9, 30, tzinfo=UTC))


@pytest.fixture
def sink():
    return io.StringIO()


@pytest.fixture
def log(sink):
    return open_logs(sink).log


@pytest.fixture
def register():
    return Register([
        Entry(staff="noy", organisation="mlsw", roles=(Role.CASE_WORKER,), token_sha256=digest_of("noys-token")),
        Entry(
            staff="keo", organisation="mofa", roles=(Role.SUPERVISOR, Role.TRM_FOCAL_POINT),
            token_sha256=digest_of("keos-token"),
        ),
    ])  # fmt: skip
