"""What the demo starts, it ends: also after an error, also when it is killed.

Each process stands in a session of its own, so that Ctrl-C reaches only the demo, which then ends them in order; and
the kernel kills each when the demo dies without a word (they are made to be killed at any moment). A server that
leaves our hands to run on its own, as Apache Kafka does, is stopped by a guard that outlives us.
"""

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from services.runtime.errors import PeerUnreachable

PATIENCE = 60.0
"""Seconds that a started process may take to answer."""
_BETWEEN_LOOKS: Final = 0.05
_GOODBYE: Final = 8.0
"""Seconds that processes get to end by themselves."""
_PARENT_DEATH_SIGNAL: Final = 1  # prctl(2): PR_SET_PDEATHSIG
_GUARD: Final = '"$1" "$3"; exec >&-; cat >/dev/null; exec "$2" "$3"'
"""Start, close the output, wait until nobody holds the other end of our input, stop."""
_libc = ctypes.CDLL(None)


class Processes:
    """The processes of one demo. Use as a context: leaving it ends them all, the last started first."""

    def __init__(self, logs: Path, *held: int) -> None:
        """`held`: open files that a server which outlives us keeps open until it is stopped."""
        self.logs = logs
        self._held = held
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._guards: list[subprocess.Popen[bytes]] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_all()

    def start(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command; its output goes to `<logs>/<name>.log`, appended."""
        us = os.getpid()
        with _deaf(afterwards=True), (self.logs / f"{name}.log").open("ab") as log:
            self._running[name] = process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: _die_with(us),  # noqa: PLW1509  it takes no lock that a thread could hold
            )
        return process

    def start_apart(self, name: str, start: Path, stop: Path, folder: Path) -> str:
        """Start a server by a script that returns once it runs, and stop it by another when we end, however we end.

        start, stop  called with the folder; what they say on standard error goes to `<logs>/<name>.log`
        returns      the last line that `start` printed
        raises       PeerUnreachable: it printed none
        """
        with _deaf(afterwards=True), (self.logs / f"{name}.log").open("ab") as log:
            guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD, "guard", str(start), str(stop), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                pass_fds=self._held,
            )
            self._guards.append(guard)
        printed = guard.stdout.read().decode().strip() if guard.stdout else ""
        if not printed:
            said = self._last_words(name)
            raise PeerUnreachable(f"{name} did not start: {said or 'it gave no reason'}")
        return printed.splitlines()[-1]

    def kill(self, name: str) -> None:
        """End one process at once and without warning (SIGKILL)."""
        process = self._running[name]
        process.kill()
        process.wait()
        del self._running[name]

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
                    f"{self.logs / f'{name}.log'}."
                )

    def _last_words(self, name: str) -> str:
        lines = (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def end_all(self) -> None:
        """Ask each to end, wait a little, then insist. Whoever presses Ctrl-C again meanwhile is not heard."""
        with _deaf(afterwards=False):
            for process in reversed(self._running.values()):
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + _GOODBYE
            for process in self._running.values():
                try:
                    process.wait(timeout=max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            self._running.clear()
            while self._guards:
                guard = self._guards.pop()
                guard.communicate()  # closes its input, which it waits for


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _die_with(parent: int) -> None:
    """In the new process: ask the kernel to kill it when its parent dies, and do so if that has happened already."""
    _libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@contextmanager
def _deaf(*, afterwards: bool) -> Iterator[None]:
    """Ctrl-C and its like do not cut this short. They are heard afterwards, or never.

    Only the main thread hears signals. A KeyboardInterrupt that comes up in what Python calls around a fork would be
    printed and lost; one that comes up between a start and its entry here would lose the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _frame: heard.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if afterwards and heard:
        signal.raise_signal(heard[0])


def wait_until(
    condition: Callable[[], bool],
    what: str,
    processes: Processes,
    patience: float = PATIENCE,
    every: float = _BETWEEN_LOOKS,
) -> None:
    """Wait for a condition, asking every so many seconds.

    Raises PeerUnreachable if it takes too long, or one of the processes ends meanwhile.
    """
    deadline = time.monotonic() + patience
    while not condition():
        processes.refuse_dead()
        if time.monotonic() > deadline:
            raise PeerUnreachable(f"Waited {patience:.0f} seconds for {what}, in vain. Logs: {processes.logs}")
        time.sleep(every)
