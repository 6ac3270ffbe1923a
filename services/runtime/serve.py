"""Runs a service: HTTP in the main thread, the pump beside it, both ended cleanly by SIGTERM, SIGINT or a failure.

Listens on loopback unless it was allowed more. Where a free port was asked for, the file says which one it is; it is
written only when connections are accepted.
"""

import ipaddress
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn
from anyio import to_thread
from fastapi import FastAPI

from services.runtime.errors import AddressInUse, BindRefused
from services.runtime.logs import Log
from services.runtime.loop import Pump

THREADS = 8
"""Requests worked on at once. A store has one writer, and each thread costs memory."""


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        await super().startup(sockets)


def serve(
    app: FastAPI,
    pump: Pump,
    log: Log,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    port_file: Path | None = None,
    anywhere: bool = False,
) -> int:
    """Serve until a signal or the pump's end. Returns the exit code: 0 after a signal, 1 after a failure.

    port       0: any free one
    port_file  holds the port in decimal while the service accepts connections
    anywhere   allow a `host` that other machines can reach
    raises     BindRefused, AddressInUse: before anything was started
    """
    listener = listen(host, port, anywhere=anywhere)
    server = _Server(_configuration(app))

    def end(number: int, _frame: FrameType | None) -> None:
        log.info("service.stopping", signal=signal.Signals(number).name)
        server.should_exit = True

    # uvicorn takes the signals while it runs and raises them again afterwards, for whoever held them before: us.
    # Without a handler of ours SIGTERM would then kill the process before the pump has finished its step.
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    pump.on_end = lambda: setattr(server, "should_exit", True)
    try:
        return _run(server, listener, pump, log, port_file)
    finally:
        listener.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(server: uvicorn.Server, listener: socket.socket, pump: Pump, log: Log, port_file: Path | None) -> int:
    port = listener.getsockname()[1]
    if port_file is not None:
        _write(port_file, f"{port}\n")
    log.info("service.started", port=port)
    pump.start()
    try:
        server.run(sockets=[listener])
    finally:
        finished = pump.stop()
        if port_file is not None:
            port_file.unlink(missing_ok=True)
    code = 0 if finished and not pump.gave_up else 1
    log.info("service.stopped", exit_code=code)
    return code


def leave(code: int) -> NoReturn:
    """End the process now, whatever request still runs in a thread: Python would wait for it, a large file for minutes.

    What it does is done a transaction at a time, so nothing is cut through.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def listen(host: str, port: int, *, anywhere: bool = False) -> socket.socket:
    """A socket that already accepts connections. Raises BindRefused, AddressInUse."""
    if not anywhere and not _is_loopback(host):
        raise BindRefused(
            f"{host} may be reached from other machines. Use 127.0.0.1, or set SAMAKI_HTTP_ANYWHERE=true and put TLS "
            "in front of it."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        why = f"{error.strerror or 'not an address'}"
        raise AddressInUse(f"Cannot listen on {host}:{port} ({why}). Port 0 takes a free one.") from error
    return listener


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _configuration(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,  # ours stands (services.runtime.logs)
        access_log=False,  # it would write paths
        server_header=False,
        proxy_headers=False,
        lifespan="off",  # we have none, and FastAPI's imports its telemetry
        ws="none",
        loop="asyncio",
        limit_concurrency=64,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
    )


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="ascii")
    fresh.replace(path)
