"""A whole region of real processes on this machine: founded, started, used, ended.

What the demo and the end-to-end tests stand on. Parties are started as an operator would start them, and can be killed
and started again on the same home; whatever happens inside, no process outlives the context.
"""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from events.clock import SystemClock
from services.demo.broker import start_broker
from services.demo.folder import demo_folder
from services.demo.officers import Officers
from services.demo.processes import Processes, wait_until
from services.demo.region import Region, demo_rules, found_region
from services.demo.stages import LOOK

PATIENCE: Final = 3600.0
"""Seconds that the work on thousands of people may take."""


@dataclass(frozen=True)
class Running:
    """A region that runs. `logs` holds one file a process."""

    region: Region
    bootstrap: str
    processes: Processes
    logs: Path
    ending: ExitStack
    """What is let go of when the region ends."""

    @property
    def officers(self) -> Officers:
        """New ones, who have seen nothing yet. Their connections are let go of with the region."""
        return self.ending.enter_context(closing(Officers(self.region)))

    def start(self, party: str) -> None:
        """Start one party as an operator would, or start it again on its home."""
        kind, home = self.region.charter.party(party).kind, self.region.home(party)
        options = {"home": home, "charter": self.region.charter_file, "bootstrap": self.bootstrap, "port": 0}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.processes.start(party, [sys.executable, "-m", "services", kind, "serve", *words])

    def kill(self, party: str) -> None:
        """End one party at once, wherever it stands (SIGKILL)."""
        self.processes.kill(party)

    def wait(self, condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """For what takes long. Raises PeerUnreachable: it took too long, or a process ended meanwhile."""
        wait_until(condition, what, self.processes, patience, every=LOOK)


@contextmanager
def running_region(
    countries: tuple[str, ...], people: int, *, broker: str = "embedded", **rules: object
) -> Iterator[Running]:
    """Found a region and start its broker and parties; when left, all of them are ended and their folder is removed.

    people  the most that one country will publish: what allowances and totals are made for
    broker  embedded or kafka
    rules   fields of the charter, otherwise than the demo's
    raises  SettingsInvalid, PeerUnreachable. After an error the processes' logs are kept: it says where they are.
    """
    with (
        demo_folder() as folder,
        Processes(folder.logs, folder.lock) as processes,
        ExitStack() as ending,
    ):
        now = SystemClock().now()
        chosen = {"region": f"demo-{secrets.token_hex(4)}", **demo_rules(countries, people, now), **rules}
        region = found_region(folder.path / "region", countries, now=now, **chosen)
        running = Running(region, start_broker(broker, processes, folder.path), processes, folder.logs, ending)
        _start_all(running)
        yield running


def _start_all(running: Running) -> None:
    for party in running.region.charter.parties:
        running.start(party.id)
    wait_until(running.officers.all_ready, "the nodes and key holders", running.processes)
