"""The pump: works while there is work, waits, survives, gives up."""

import threading

import pytest

from events.errors import StreamUnavailable
from services.runtime.loop import Pump

LONG = 60.0
QUICK = (0.0001, 0.001)


class Script:
    """A step that does what it is told, one word a round; `done` is set when it has nothing left."""

    def __init__(self, *words):
        self.words = list(words)
        self.rounds = 0
        self.done = threading.Event()

    def __call__(self):
        self.rounds += 1
        word = self.words.pop(0) if self.words else False
        if not self.words:
            self.done.set()
        if isinstance(word, BaseException):
            raise word
        return word


@pytest.fixture
def run(log):
    pumps = []

    def start(step, **more):
        pump = Pump(step, log, **{"backoff": QUICK, **more})
        pump.ended = threading.Event()
        pump.on_end = pump.ended.set
        pumps.append(pump)
        pump.start()
        return pump

    yield start
    for pump in pumps:
        assert pump.stop()


def events(sink):
    return [line.split('"event": "')[1].split('"')[0] for line in sink.getvalue().splitlines()]


def test_while_there_is_work_it_does_not_wait(run):
    step = Script(*[True] * 50)
    run(step, idle=LONG)
    assert step.done.wait(10)


def test_after_an_idle_step_it_waits_until_woken(run):
    step = Script(False)
    pump = run(step, idle=LONG)
    assert step.done.wait(10)
    step.done.clear()
    pump.wake()
    assert step.done.wait(10)


def test_a_wake_during_a_step_is_not_lost(run):
    woken = []

    def step():
        woken.append(1)
        if len(woken) == 1:
            pump_of[0].wake()
        else:
            seen.set()
        return False

    pump_of, seen = [], threading.Event()
    pump = Pump(step, None, idle=LONG)
    pump_of.append(pump)
    pump.start()
    assert seen.wait(10)
    assert pump.stop()


def test_stopping_lets_the_running_step_finish_and_runs_no_other(run):
    entered, leave, finished = threading.Event(), threading.Event(), []

    def step():
        entered.set()
        leave.wait(10)
        finished.append(1)
        return True

    pump = run(step)
    assert entered.wait(10)
    assert not pump.stop(timeout=0.01)
    leave.set()
    assert pump.stop()
    assert finished == [1]
    assert not pump.gave_up


def test_a_pump_that_never_started_stops(log):
    assert Pump(lambda: False, log).stop()


def test_an_unreachable_broker_is_logged_once_and_tried_again(run, sink):
    step = Script(*[StreamUnavailable("x")] * 9, False)
    pump = run(step, idle=LONG, patience=2)
    assert step.done.wait(10)
    assert pump.stop()
    assert events(sink) == ["stream.unavailable", "stream.back"]
    assert pump.healthy
    assert pump.connected


def test_a_failure_is_logged_by_type_and_place_without_its_message(run, sink):
    step = Script(ValueError("Somchai"), False)
    pump = run(step, idle=LONG)
    assert step.done.wait(10)
    assert pump.stop()
    assert events(sink) == ["step.failed", "step.recovered"]
    assert '"error": "ValueError"' in sink.getvalue()
    assert "Somchai" not in sink.getvalue()


def test_a_failing_process_is_unhealthy_until_a_step_succeeds(log):
    pump = Pump(Script(ValueError(), False), log, backoff=QUICK, idle=0)
    pump._round()
    assert not pump.healthy
    pump._round()
    assert pump.healthy


def test_after_too_many_failures_in_a_row_it_gives_up(run):
    step = Script(*[ValueError()] * 9)
    pump = run(step, patience=3)
    assert pump.ended.wait(10)
    assert pump.gave_up
    assert not pump.healthy
    assert step.rounds == 3


def test_a_success_between_failures_starts_the_count_again(run):
    step = Script(ValueError(), ValueError(), True, ValueError(), ValueError(), False)
    pump = run(step, patience=3, idle=LONG)
    assert step.done.wait(10)
    assert not pump.gave_up


def test_a_step_that_wants_to_end_the_thread_is_a_failure_like_another(run):
    step = Script(SystemExit(), False)
    pump = run(step, idle=LONG)
    assert step.done.wait(10)
    assert not pump.gave_up


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whatever_ends_the_thread_unasked_ends_the_process():
    class FullDisk:
        def error(self, *_, **__):
            raise OSError("No space left on device")

    ended = threading.Event()
    pump = Pump(Script(ValueError()), FullDisk(), backoff=QUICK)
    pump.on_end = ended.set
    pump.start()
    assert ended.wait(10)
    assert pump.gave_up
    assert pump.stop()


def test_waits_grow_up_to_the_longest(log):
    waits = []
    pump = Pump(Script(*[StreamUnavailable("x")] * 6), log, backoff=(1.0, 10.0))
    pump._stopping.wait = waits.append
    for _ in range(6):
        pump._round()
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
