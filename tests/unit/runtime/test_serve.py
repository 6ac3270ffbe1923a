"""Serving: where it listens, how it starts, how it ends. Real processes, real signals."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

from services.runtime.errors import AddressInUse, BindRefused
from services.runtime.serve import listen

PROGRAM = """
import sys
from pathlib import Path
from services.runtime.http import create_app
from services.runtime.logs import open_logs
from services.runtime.loop import Pump
from services.runtime.serve import serve

def fail():
    raise ValueError("Somchai")

logs = open_logs(None, capture=True, service="test")
step = fail if "fail" in sys.argv else lambda: False
pump = Pump(step, logs.log, patience=2, backoff=(0.001, 0.001))
app = create_app("test", log=logs.log, health=lambda: pump.healthy)
sys.exit(serve(app, pump, logs.log, port_file=Path(sys.argv[1])))
"""


@pytest.fixture
def start(tmp_path):
    started = []

    def run(*arguments):
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path / "port"), *arguments]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def said(process, event):
    """Read the log up to this event."""
    for line in process.stdout:
        if json.loads(line)["event"] == event:
            return json.loads(line)
    raise AssertionError(f"the process ended before {event}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_cleanly(start, tmp_path, number):
    process = start()
    port = said(process, "service.started")["port"]
    assert (tmp_path / "port").read_text() == f"{port}\n"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()
    process.send_signal(number)
    assert said(process, "service.stopped")["exit_code"] == 0
    assert process.wait(10) == 0
    assert not (tmp_path / "port").exists()


def test_a_pump_that_gives_up_ends_the_process_with_a_failure(start):
    process = start("fail")
    assert said(process, "service.stopped")["exit_code"] == 1
    assert process.wait(10) == 1


EVERYWHERE = "0.0.0.0"  # noqa: S104  what the tests are about


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.0.2.7", "example.org"])
def test_an_address_that_others_reach_is_refused(host):
    with pytest.raises(BindRefused, match="SAMAKI_HTTP_ANYWHERE"):
        listen(host, 0)


def test_an_address_that_others_reach_is_taken_if_allowed():
    with listen(EVERYWHERE, 0, anywhere=True) as listener:
        assert listener.getsockname()[0] == EVERYWHERE


def test_a_free_port_is_chosen_and_accepts_at_once():
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname(), timeout=10):
        assert listener.getsockname()[1] > 0


def test_a_port_in_use_is_one_sentence():
    with listen("127.0.0.1", 0) as listener, pytest.raises(AddressInUse, match="Port 0 takes a free one"):
        listen("127.0.0.1", listener.getsockname()[1])
