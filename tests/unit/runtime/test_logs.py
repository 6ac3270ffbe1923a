"""Logs: fields from an allow-list, and nothing that could be somebody's name."""

import io
import json
import logging
from pathlib import Path
from uuid import UUID

import pytest
import structlog

from services.runtime.logs import failure, open_logs, silent


@pytest.fixture
def sink():
    return io.StringIO()


def lines(sink):
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def test_a_line_is_json_with_its_time_level_event_and_bound_fields(sink):
    logs = open_logs(sink, service="country", party="LA")
    logs.log.info("relay.sent", count=3, last_seq=17)
    (line,) = lines(sink)
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info", "event": "relay.sent", "service": "country", "party": "LA", "count": 3, "last_seq": 17,
    }  # fmt: skip


def test_a_field_that_is_not_allowed_is_dropped_and_counted(sink):
    logs = open_logs(sink)
    logs.log.info("case.reported", first_name="Somchai", count=1)
    assert "Somchai" not in sink.getvalue()
    assert "first_name" not in sink.getvalue()
    assert lines(sink)[0]["count"] == 1
    assert logs.dropped == 1


@pytest.mark.parametrize("value", ["Somchai", "ສົມສັກ", "two words", {"a": 1}, b"bytes", ["list"], "x" * 81])
def test_an_allowed_field_takes_no_name_and_no_sentence(sink, value):
    logs = open_logs(sink)
    logs.log.warning("batch.refused", reason=value)
    assert "reason" not in lines(sink)[0]
    assert logs.dropped == 1


@pytest.mark.parametrize("value", ["over_quota", "KH-TH", "KH.holder", "C4", 7, 0.5, True, UUID(int=1)])
def test_codes_numbers_and_ids_pass(sink, value):
    open_logs(sink).log.info("batch.refused", reason=value)
    assert "reason" in lines(sink)[0]


def test_an_event_is_a_name_never_a_sentence(sink):
    logs = open_logs(sink)
    logs.log.info("Somchai was found")
    assert lines(sink)[0]["event"] == "event.unnamed"
    assert "Somchai" not in sink.getvalue()


def test_a_room_can_allow_fields_of_its_own(sink):
    open_logs(sink, fields=["forks"]).log.info("stream.audited", forks=2)
    assert lines(sink)[0]["forks"] == 2


def test_an_exception_in_a_log_call_leaves_no_text(sink):
    logs = open_logs(sink)
    try:
        int("Somchai, passport N0077468")
    except ValueError:
        logs.log.exception("step.failed")
    assert "N0077468" not in sink.getvalue()


def test_what_a_library_says_is_kept_as_who_and_where(sink):
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        open_logs(sink, capture=True)
        root.handlers[0].handle(logging.LogRecord("kafka.conn", logging.ERROR, "/x/conn.py", 12, "Somchai", (), None))
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    (line,) = lines(sink)
    assert (line["event"], line["logger"], line["place"]) == ("library.said", "kafka.conn", "conn.py:12")
    assert "Somchai" not in sink.getvalue()


def test_a_failure_is_told_by_type_cause_and_place(sink):
    def fail():
        try:
            int("Somchai")
        except ValueError as error:
            raise RuntimeError("about Somchai") from error

    with pytest.raises(RuntimeError) as caught:
        fail()
    said = failure(caught.value)
    assert said["error"] == "RuntimeError"
    assert said["cause"] == "ValueError"
    assert said["place"].startswith("test_logs.py:")
    assert "Somchai" not in str(said)


def test_a_file_is_appended_to_and_closed(tmp_path):
    path = tmp_path / "log"
    for _ in range(2):
        logs = open_logs(path)
        logs.log.info("service.started")
        logs.close()
    assert len(path.read_text().splitlines()) == 2
    assert logs.sink.stream.closed


def test_a_log_that_cannot_be_written_stops_nobody_and_counts_what_it_lost():
    logs = open_logs(Path("/dev/full"))
    logs.log.info("service.started")
    logs.log.info("service.stopped")
    assert logs.dropped == 2
    logs.close()


def test_after_the_end_libraries_and_our_own_packages_speak_without_harm(tmp_path):
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        logs = open_logs(tmp_path / "log", capture=True)
        ours = structlog.get_logger().bind()
        logs.close()
        assert logs.handler not in root.handlers
        logs.handler.handle(logging.LogRecord("kafka.conn", logging.ERROR, "/x/conn.py", 12, "late", (), None))
        ours.info("post.applied")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    assert (tmp_path / "log").read_text() == ""
    assert logs.dropped == 2


def test_a_silent_log_says_nothing(capsys):
    silent().error("step.failed", count=1)
    assert capsys.readouterr() == ("", "")
