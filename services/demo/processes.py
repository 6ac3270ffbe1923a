"""What the demo starts, it ends: also after an error, also when it is killed.

Each process stands in a session of its own, so that Ctrl-C reaches only the demo, which then ends them in order;
and each is told by the kernel to end when the demo dies without a word.
"""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from services.runtime.errors import PeerUnreachable

PATIENCE = 60.0
"""Seconds that a started process may take to answer."""
_PARENT_DEATH_SIGNAL = 1  # prctl(2): PR_SET_PDEATHSIG
_libc = ctypes.CDLL(None)


class Processes:
    """The processes of one demo. Use as a context: leaving it ends them all, the last started first."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._endings: list[Sequence[str]] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_all()

    def start(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command; its output goes to `<logs>/<name>.log`, appended."""
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_us,  # noqa: PLW1509  the demo starts processes before any thread
            )
        self._running[name] = process
        return process

    def at_end(self, command: Sequence[str]) -> None:
        """Run this command when everything ends."""
        self._endings.append(command)

    def kill(self, name: str) -> None:
        """End one process at once and without warning (SIGKILL)."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def memory(self) -> dict[str, float]:
        """Resident memory of each running process, in MB (10^6 bytes)."""
        return {name: _resident(process.pid) for name, process in self._running.items() if name != "broker"}

    def names(self) -> tuple[str, ...]:
        return tuple(self._running)

    def refuse_dead(self) -> None:
        """Raises PeerUnreachable if one of the processes has ended by itself."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise PeerUnreachable(
                    f"The process {name} ended with exit code {process.returncode}. Its last words are in "
                    f"{self._logs / f'{name}.log'}."
                )

    def end_all(self) -> None:
        """Ask each to end, wait a little, then insist."""
        for process in reversed(self._running.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 8
        for process in self._running.values():
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        while self._endings:
            subprocess.run(self._endings.pop(), check=False, capture_output=True, start_new_session=True)


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _die_with_us() -> None:
    _libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def wait_until(condition: Callable[[], bool], what: str, processes: Processes, patience: float = PATIENCE) -> None:
    """Wait for a condition. Raises PeerUnreachable if it takes too long, or one of the processes ends meanwhile."""
    deadline = time.monotonic() + patience
    while not condition():
        processes.refuse_dead()
        if time.monotonic() > deadline:
            raise PeerUnreachable(f"Waited {patience:.0f} seconds for {what}, in vain. See the logs of the demo.")
        time.sleep(0.05)
