"""The pump: runs a service's `step()` beside HTTP, in a thread, until it is told to stop.

A step is one whole round (receive, work, tick, send) whose effects are durable or not done, so a crash or a stop
between two steps loses nothing. This is the supervisor: the one place, beside the HTTP edge, that catches every
exception.
"""

import threading
from collections.abc import Callable

from events.errors import StreamUnavailable
from services.runtime.logs import Log, failure


class Pump:
    """Runs `step` again at once while it finds work, else after `idle` seconds or a `wake()`.

    A broker that cannot be reached is logged once and tried again, after 0.5 s and ever longer, up to 30 s. Any other
    failure is logged by type and place, makes the process unhealthy until a step succeeds, and after `patience` of them
    in a row the pump gives up: `gave_up` is set, and `on_end` ends the process with an exit code other than 0.
    """

    def __init__(
        self,
        step: Callable[[], bool],
        log: Log,
        *,
        idle: float = 0.2,
        patience: int = 5,
        backoff: tuple[float, float] = (0.5, 30.0),
    ) -> None:
        self._step = step
        self._log = log
        self._idle = idle
        self._patience = patience
        self._first_wait, self._longest_wait = backoff
        self._wait = 0.0
        self._failures = 0
        self._unreachable = False
        self._stopping = threading.Event()
        self._nudge = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)
        self.gave_up = False
        """The step failed too often in a row; the process must end."""
        self.on_end: Callable[[], None] = lambda: None
        """Called in the pump's thread when it has ended, for whatever reason."""

    @property
    def healthy(self) -> bool:
        """The last step did not fail. A broker out of reach is no fault of this process."""
        return self._failures == 0 and not self.gave_up

    @property
    def connected(self) -> bool:
        """The last step reached the broker."""
        return not self._unreachable

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """There is work: do not wait for the end of an idle pause. A back-off is not shortened."""
        self._nudge.set()

    def stop(self, timeout: float = 10.0) -> bool:
        """Let the running step finish, run no other. False if it is still running after `timeout` seconds."""
        self._stopping.set()
        self._nudge.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and not self.gave_up:
                # Cleared before the step: a wake() during it is about work that the step may not have seen.
                self._nudge.clear()
                self._round()
        finally:
            # Whatever ends this thread unasked (a log on a full disk) ends the process: HTTP alone would look alive.
            self.gave_up = not self._stopping.is_set()
            self.on_end()

    def _round(self) -> None:
        try:
            busy = self._step()
        except StreamUnavailable as error:
            self._lost(error)
        except BaseException as error:  # noqa: BLE001  the supervisor; a SystemExit would end the thread unseen
            self._failed(error)
        else:
            self._succeeded()
            if not busy and not self._stopping.is_set():
                self._nudge.wait(self._idle)

    def _succeeded(self) -> None:
        if self._unreachable:
            self._log.info("stream.back")
        if self._failures:
            self._log.info("step.recovered", count=self._failures)
        self._unreachable, self._failures, self._wait = False, 0, 0.0

    def _lost(self, error: StreamUnavailable) -> None:
        if not self._unreachable:
            self._log.warning("stream.unavailable", **failure(error))
        self._unreachable = True
        self._back_off()

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        self.gave_up = self._failures >= self._patience
        self._log.error("step.failed", attempt=self._failures, limit=self._patience, **failure(error))
        if not self.gave_up:
            self._back_off()

    def _back_off(self) -> None:
        self._wait = min(self._longest_wait, self._wait * 2 or self._first_wait)
        self._stopping.wait(self._wait)
