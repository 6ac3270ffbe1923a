"""`samaki keys ...` as a custodian of KH's holder gives it, in the process in which the region steps."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from regions import LiveRegion
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from services import cli
from services.country import client
from services.custodian import steps
from services.keyholder import main
from services.keyholder.settings import KeyHolderSettings
from services.runtime.logs import silent
from services.runtime.loop import Pump

HOLDER = "KH.holder"
URL = "http://127.0.0.1:8001"
Command = Callable[..., tuple[int, str, str]]


def at_holder(region: LiveRegion, monkeypatch: pytest.MonkeyPatch, *, pause: Callable[[], None]) -> None:
    """Let the command's requests reach KH's holder, and no network; `pause` is what happens while it waits."""
    holder, home = region.holders["KH"], region.region.home(HOLDER)
    settings = KeyHolderSettings(home=home, charter=region.region.charter_file)
    (home / "port").write_text("8001")

    def connect(*, base_url: str, headers: Any, timeout: Any, trust_env: bool) -> TestClient:
        assert (base_url, trust_env) == (URL, False)  # a proxy of the environment would see the token
        app = main.create(holder, settings, silent(), Pump(holder.step, silent()))
        return TestClient(app, base_url="http://127.0.0.1", headers=headers)

    monkeypatch.setattr(client.httpx, "Client", connect)
    monkeypatch.setattr(steps.time, "sleep", lambda _seconds: pause())


def patient(region: LiveRegion, do: Callable[[int], None] = lambda _: None, most: int = 10) -> Callable[[], None]:
    """A pause in which a tick passes, at most so often; `do` is given its number first."""
    paused: list[int] = []

    def pause() -> None:
        assert len(paused) < most
        paused.append(1)
        do(len(paused))
        region.tick()

    return pause


def command(
    region: LiveRegion, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> Command:
    """Gives `samaki WORDS ...` as `staff`. Returns exit code, standard output and standard error."""

    def run(*arguments: object, staff: str = "custodian") -> tuple[int, str, str]:
        token = region.region.token_file(HOLDER, staff)
        monkeypatch.setattr(sys, "argv", ["samaki", *words, *map(str, arguments), "--token-file", str(token)])
        capsys.readouterr()
        with capture_logs(), pytest.raises(SystemExit) as ended:  # the region steps in the command's own process
            cli.main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run
