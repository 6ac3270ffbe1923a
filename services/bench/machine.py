"""What the figures were measured on, so that nobody compares two machines unawares."""

import os
import platform
from pathlib import Path

from events.clock import SystemClock
from keys import group
from services.bench.bare import backends


def describe() -> dict[str, object]:
    """Model, cores that we may use, memory in GB (10^9), load of the last minute, Python, backends, and the date.

    `load` above the number of cores means that somebody else was at work too: then only ratios count.
    """
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "backend": group.backend_name(),
        "backends": list(backends()),
        "date": SystemClock().now().isoformat(timespec="seconds"),
    }


def _cpu() -> str:
    """Linux says it here on most processors; elsewhere the architecture has to do."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
