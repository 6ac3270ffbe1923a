"""`samaki bench`: one bench by name, or all of them, on this machine.

Refuses to judge: it shows figures beside their baselines, and what they were measured on. The work folder, the broker
and every process end with it, whatever happens.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from services.bench import (
    machine,
    memory,
    pair_keys,
    peers,
    report,
    store,
    streams,
    token_country,
    token_holder,
    token_matcher,
    token_pair,
    workers,
)
from services.bench.measure import Figure
from services.bench.setting import Setting
from services.demo.processes import Processes
from services.runtime.errors import SettingsInvalid
from services.runtime.logs import open_logs

BENCHES: Final[Mapping[str, Callable[[Setting], Iterator[Figure]]]] = {
    "token-country": token_country.measure,
    "token-holder": token_holder.measure,
    "token-pair": token_pair.measure,
    "token-matcher": token_matcher.measure,
    "workers": workers.measure,
    "peers": peers.measure,
    "keys": pair_keys.measure,
    "store": store.measure,
    "streams": streams.measure,
    "memory": memory.measure,
}


def run(
    only: str | None,
    *,
    as_json: bool,
    broker: str = "embedded",
    postgres: str | None = None,
    psi: str | None = None,
) -> None:
    """Measure, and print the result on standard output; what is under way stands on standard error.

    only      a name of BENCHES; None: all
    broker    `embedded` or `kafka`, for `streams` and `memory`
    postgres  where to measure `store` on PostgreSQL too
    psi       the Python that has OpenMined PSI, for `peers`
    raises    SettingsInvalid: no such bench; PeerUnreachable: a broker or a process does not answer
    """
    names = _chosen(only)
    if only == "peers" and psi is None:
        raise SettingsInvalid("OpenMined PSI is installed in a Python of its own, and measured, by `make bench-peers`.")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="samaki-bench-") as folder:
        figures = _measured(names, partial(Setting, broker=broker, postgres=postgres, psi=psi), Path(folder))
    if as_json:
        console.out(json.dumps(report.as_json(machine.describe(), figures)), highlight=False)
    else:
        report.show(console, machine.describe(), figures)


def _chosen(only: str | None) -> Sequence[str]:
    if only is None:
        return tuple(BENCHES)
    if only not in BENCHES:
        raise SettingsInvalid(f"--only names one of {', '.join(BENCHES)}, not {only!r}.")
    return (only,)


def _measured(names: Sequence[str], setting: Callable[[Path, Processes], Setting], work: Path) -> list[Figure]:
    """Each bench in a folder of its own, its processes ended before the next begins."""
    figures: list[Figure] = []
    console = Console(stderr=True)
    with closing(open_logs(work / "bench.log", capture=True, service="bench")):
        for name in names:
            place = work / name
            place.mkdir()
            with console.status(f"Measuring {name} ..."), Processes(place / "logs") as processes:
                figures += BENCHES[name](setting(place, processes))
    return figures
