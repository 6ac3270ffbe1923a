"""The `samaki` command as a process of its own, with all that it starts: found by a mark in their environment."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

COMMAND = (sys.executable, "-m", "services")
MARK = "E2E_MARK"
SOON = 25.0
"""Seconds within which what was told to end has ended, on a machine with other things to do."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what works in the background deaf to Ctrl-C, and we would hand that on to every command.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # and `nohup` deaf to its terminal's end
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def run(*arguments: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `samaki` to its end, in `folder`."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=240, cwd=folder,
        env=_environment(folder, uuid4().hex) | environment,
    )  # fmt: skip


class Started:
    """A `samaki` that runs, with what it has said so far."""

    def __init__(self, *arguments: object, folder: Path, terminal: bool = False, **environment: str) -> None:
        """In `folder`, with its own folder for temporary files; its output goes to a pipe, or to a terminal of ours."""
        self.folder, self.mark, self.began = folder, uuid4().hex, time.monotonic()
        ours, theirs = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=folder,
            start_new_session=True, env=_environment(folder, self.mark) | environment,
        )  # fmt: skip
        os.close(theirs)
        self._heard = bytearray()
        self._reader = threading.Thread(target=self._listen, args=(ours,), daemon=True)
        self._reader.start()

    def _listen(self, descriptor: int) -> None:
        while heard := _read(descriptor):
            self._heard += heard
        os.close(descriptor)

    @property
    def said(self) -> str:
        return self._heard.decode(errors="replace")

    def wait_for(self, text: str, seconds: float = 120.0) -> float:
        """Until it has said this. Returns how many seconds after its start."""
        until(lambda: text in self.said or self.process.poll() is not None, f"{text!r}", seconds, lambda: self.said)
        assert text in self.said, self.said
        return time.monotonic() - self.began

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def code(self, seconds: float = SOON) -> int:
        """Its exit code, when it has ended and said all."""
        until(lambda: self.process.poll() is not None, "the end of the command", seconds, lambda: self.said)
        self._reader.join(seconds)
        return self.process.returncode

    @property
    def processes(self) -> dict[int, str]:
        """Whatever of it is alive: process id -> command line."""
        return marked(self.mark)

    @property
    def left_behind(self) -> list[str]:
        """Files in its folder for temporary files."""
        return sorted(path.name for path in (self.folder / "tmp").iterdir())

    def region(self) -> Path:
        """Where its demo has founded a region."""
        return next((self.folder / "tmp").glob("samaki-*/region"))


@contextmanager
def started(*arguments: object, folder: Path, terminal: bool = False, **environment: str) -> Iterator[Started]:
    """A `samaki` that runs; when left, whatever of it is alive is killed."""
    command = Started(*arguments, folder=folder, terminal=terminal, **environment)
    try:
        yield command
    finally:
        command.process.kill()
        command.process.wait()
        for process in command.processes:
            os.kill(process, signal.SIGKILL)


def until(
    condition: Callable[[], bool], what: str, seconds: float = SOON, said: Callable[[], object] = lambda: ""
) -> None:
    """Wait for a condition, and fail saying what did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}: {said()}"
        time.sleep(0.05)


def marked(mark: str) -> dict[int, str]:
    """Every process that bears this mark in its environment; the dead that nobody has buried have none."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (place / "environ").read_bytes():
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended while we looked, or is somebody else's
    return found


def _environment(folder: Path, mark: str) -> dict[str, str]:
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SAMAKI_")}
    return ours | {MARK: mark, "TMPDIR": str(temporary), "COLUMNS": "120", "TERM": "xterm"}


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""  # a terminal says so that its other end is closed
