"""What a process says about itself: one JSON object a line, whose fields stand on an allow-list.

Anything else is dropped and counted, and so is a value that is no number, no id and no short word. An event is a name
(`relay.sent`), not a sentence: a sentence could carry a person's name. Messages of other libraries are not kept either,
only who spoke, how loud, and from which line. So a log may be handed to an operator who must see no case.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TextIO, cast
from uuid import UUID

import structlog
from structlog.typing import FilteringBoundLogger, Processor

Log = FilteringBoundLogger

_NAMES = frozenset({
    "service", "party", "version", "organisation", "staff", "topic", "key_id",
    "host", "method", "route", "error", "cause", "place", "logger", "signal",
})  # fmt: skip
"""Fields that hold a name of a part of the system, so capitals may stand in it."""

FIELDS = _NAMES | frozenset({
    # where in a stream
    "pid", "writer", "reader", "partition", "epoch", "seq", "first_seq", "last_seq", "offset", "tick", "lag", "family",
    # what about
    "batch", "event_id", "case_id", "consent", "pair", "country", "holder", "generation", "purpose", "kind", "recipe",
    "schema_version", "charter_version", "state", "status", "reason", "code",
    # how much
    "count", "sent", "received", "applied", "dropped", "refused", "waiting", "rows", "n", "bytes", "seconds", "ms",
    "attempt", "limit", "spent", "memory_mb",
    # who acted, and how a process fares
    "role", "command", "port", "retry_in", "retry_at", "exit_code",
})  # fmt: skip
"""Every field that a log line may have, beside at, level and event. None of them is about a person or a match."""

_EVENT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
_NAME = re.compile(r"[\w./:<>{}+@-]{0,120}", re.ASCII)
_CODE = re.compile(r"[a-z0-9_.:-]{0,80}|[A-Z]{2}(-[A-Z]{2})?(\.holder)?|[A-Za-z]{3,24}\.holder|C[0-9]{1,2}")
_OURS = ("keys", "events", "matching", "services")


@dataclass
class AllowList:
    """The processor that drops what is not allowed, and counts it.

    A word is kept if it is a code: lower case, an id, a country, a pair. So neither a sentence nor a name in a script
    of the region passes, even in a field that is allowed; in the fields of _NAMES capitals pass too.
    """

    fields: frozenset[str] = FIELDS
    dropped: int = 0
    """How many fields or values were dropped since the start."""

    def __call__(self, _logger: object, method: str, event: MutableMapping[str, object]) -> Mapping[str, object]:
        name = event.pop("event", "")
        kept: dict[str, object] = {"at": event.pop("at", None), "level": method, "event": self._named(name)}
        for key, value in event.items():
            if key in self.fields and _is_plain(key, value):
                kept[key] = value if isinstance(value, bool | int | float | None) else str(value)
            else:
                self.dropped += 1
        return kept

    def _named(self, name: object) -> str:
        if isinstance(name, str) and _EVENT.fullmatch(name):
            return name
        self.dropped += 1
        return "event.unnamed"


def _is_plain(key: str, value: object) -> bool:
    if value is None or isinstance(value, bool | int | float | UUID | date | datetime):
        return True
    form = _NAME if key in _NAMES else _CODE
    return isinstance(value, str) and form.fullmatch(value) is not None


class _Library(logging.Handler):
    """Takes what libraries say through `logging`: who, how loud, which line. Never what."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        caught = record.exc_info[1] if record.exc_info else None
        place = f"{Path(record.pathname).name}:{record.lineno}"
        error = type(caught).__name__ if caught else None
        self._log.warning("library.said", logger=record.name, place=place, error=error)


class _Sink:
    """Takes lines, and never fails for one: a full disk must stop no case, nor a library's thread in mid-work."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lost = 0

    def write(self, line: str) -> None:
        try:
            self.stream.write(line)
            self.stream.flush()
        except (OSError, ValueError):  # ValueError: somebody still speaks after the end
            self.lost += 1

    def flush(self) -> None:
        """Every line is flushed as it is written."""

    def close(self) -> None:
        if self.stream is not sys.stdout:
            with suppress(OSError):  # what could not be flushed cannot be on the way out either
                self.stream.close()


@dataclass(frozen=True)
class Logs:
    """A process's log: `log` to speak, `dropped` for the metrics."""

    log: Log
    allowed: AllowList
    sink: _Sink = field(repr=False)
    handler: logging.Handler | None = field(default=None, repr=False)

    @property
    def dropped(self) -> int:
        """Fields, values and lines that are in no log."""
        return self.allowed.dropped + self.sink.lost

    def close(self) -> None:
        """Flush; close the file, if it is one of ours. Neither our packages nor libraries speak to it any more."""
        structlog.reset_defaults()
        if self.handler is not None:
            logging.getLogger().removeHandler(self.handler)
        self.sink.close()


def open_logs(
    sink: Path | TextIO | None, *, capture: bool = False, fields: Iterable[str] = (), **bound: object
) -> Logs:
    """A log on a file (appended to), a stream, or standard output.

    capture  also take what libraries say through `logging`: once a process, in `main()`
    fields   allowed beside FIELDS
    bound    fields of every line: service, party
    """
    stream = _Sink(sink.open("a", encoding="utf-8", buffering=1) if isinstance(sink, Path) else sink or sys.stdout)
    allowed = AllowList(FIELDS | frozenset(fields))
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")
    processors: list[Processor] = [stamp, allowed, _line]
    raw = structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", stream)),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    log = cast("Log", raw.bind(**bound))
    handler = _Library(log) if capture else None
    if handler is not None:
        logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
        # What the lower packages say through structlog.get_logger() goes the same way.
        structlog.configure(
            processors=[_binding(bound), *processors],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=lambda *_: structlog.WriteLogger(cast("TextIO", stream)),
            cache_logger_on_first_use=False,
        )
    return Logs(log, allowed, stream, handler)


def _binding(bound: Mapping[str, object]) -> Processor:
    def bind(_logger: object, _method: str, event: MutableMapping[str, object]) -> Mapping[str, object]:
        return {**bound, **event}

    return bind


def _line(_logger: object, _method: str, event: MutableMapping[str, object]) -> str:
    return json.dumps({k: v for k, v in event.items() if v is not None}, ensure_ascii=True)


def silent() -> Log:
    """A log that nobody reads, for tests and for commands that speak through their own output."""
    return cast("Log", structlog.wrap_logger(structlog.ReturnLogger(), processors=[_nothing]))


def _nothing(_logger: object, _method: str, _event: MutableMapping[str, object]) -> str:
    raise structlog.DropEvent


def failure(error: BaseException) -> dict[str, str]:
    """What may be said of an exception: its type, its cause's type, and the deepest line of ours. Never its message."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if _is_ours(f.filename)] or list(frames[-1:])
    said = {"error": type(error).__name__}
    if ours:
        said["place"] = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    if error.__cause__ is not None:
        said["cause"] = type(error.__cause__).__name__
    return said


def _is_ours(filename: str) -> bool:
    parts = Path(filename).parts
    return "site-packages" not in parts and any(room in parts for room in _OURS)
