"""However the demo ends, what it started ends with it; and while it works, it shows how far it is."""

import os
import re
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM

import pytest
from commands import Started, started, until

pytestmark = pytest.mark.long
MOMENTS = {
    "start": "… Starting",
    "import": "… Case workers import",
    "tokens": "… Making",
    "result": "Everything goes on running until Ctrl-C",
}
IN_TIME = 15.0
"""Seconds: eight in which each may end by itself, and what a busy machine needs."""


def demo_at(demo: Started, moment: str) -> None:
    demo.wait_for(MOMENTS[moment])
    until(lambda: len(demo.processes) > 3, "processes of the demo", said=lambda: demo.said)


PEOPLE = {"start": 20, "import": 6000, "tokens": 700, "result": 20}
"""So many that the import alone lasts longer than IN_TIME, and that there are tokens to make for some seconds."""


def options(moment: str) -> tuple[object, ...]:
    return ("demo", "--json", "--countries", "KH,TH", "--people", PEOPLE[moment])


@pytest.mark.parametrize(
    ("number", "moment"),
    [(SIGINT, "start"), (SIGINT, "import"), (SIGINT, "tokens"), (SIGINT, "result"), (SIGTERM, "import"), (SIGHUP, "result")],
)
def test_a_demo_that_is_told_to_end_ends_all_it_started_and_leaves_no_file(tmp_path, number, moment):
    with started(*options(moment), folder=tmp_path) as demo:
        demo_at(demo, moment)
        demo.signal(number)
        assert demo.code(IN_TIME) == (0 if moment == "result" else 130), demo.said
        assert "Traceback" not in demo.said
        assert demo.processes == {}
        assert demo.left_behind == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_demo_that_is_killed_takes_all_it_started_with_it(tmp_path, moment):
    with started(*options(moment), folder=tmp_path) as demo:
        demo_at(demo, moment)
        demo.signal(SIGKILL)
        until(lambda: demo.processes == {}, "the end of its processes", IN_TIME, lambda: demo.processes)


def test_somebody_impatient_who_presses_ctrl_c_twice_ends_it_all_the_same(tmp_path):
    with started(*options("import"), folder=tmp_path) as demo:
        demo_at(demo, "import")
        demo.signal(SIGINT)
        demo.signal(SIGINT)
        until(lambda: len(demo.processes) < 5, "the first of them to end", IN_TIME)
        demo.signal(SIGINT)
        assert demo.code(IN_TIME) == 130
        assert demo.processes == {}


def test_when_a_process_of_the_demo_dies_the_rest_is_ended_and_its_log_is_kept(tmp_path):
    with started(*options("import"), folder=tmp_path) as demo:
        demo_at(demo, "import")
        victim = next(number for number, line in demo.processes.items() if "matcher serve" in line)
        os.kill(victim, SIGKILL)
        assert demo.code(IN_TIME) == 4
        last = demo.said.splitlines()[-1]
        assert re.fullmatch(r"samaki: The process matcher ended with exit code -9\. Its last words are in \S+\.", last)
        assert Path(last.rpartition(" ")[2].rstrip(".")).read_text(encoding="utf-8").startswith('{"at":')
        assert demo.processes == {}


@pytest.mark.kafka
@pytest.mark.parametrize("number", [SIGINT, SIGKILL])
def test_apache_kafka_ends_with_a_demo_that_is_stopped_while_it_starts(tmp_path, kafka_bootstrap, monkeypatch, number):
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    with started(*options("start"), "--broker", "kafka", folder=tmp_path) as demo:
        until(lambda: any("kafka.Kafka" in line for line in demo.processes.values()), "Kafka", 120, lambda: demo.said)
        demo.signal(number)
        until(lambda: demo.processes == {}, "the end of its processes", 60, lambda: demo.processes)


def test_the_first_words_come_at_once_and_long_work_shows_how_far_it_is(tmp_path):
    arguments = ("demo", "--once", "--countries", "KH,TH", "--people", "700")
    with started(*arguments, folder=tmp_path, terminal=True, COLUMNS="80") as demo:
        assert demo.wait_for("Inventing") < 5
        assert demo.code(240) == 0, demo.said
        moving = {work: steps(demo.said, work) for work in ("Case workers", "Making", "The matcher", "Searching")}
    assert len(moving["Case workers"]) > 1  # the long ones; of the others the beginning may have been the end
    assert len(moving["Making"]) > 1
    assert all(moving.values()), moving


def steps(said: str, work: str) -> set[tuple[str, str]]:
    """The counts that the bar of a stage has shown: (done, of)."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
    return set(re.findall(rf"{work}[^\r\n]* (\d+)/(\d+) ", plain))
