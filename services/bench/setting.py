"""What a bench is given: room on the disk, a way to start processes that are ended for it, and what to measure on."""

from dataclasses import dataclass, field
from pathlib import Path

from services.demo.processes import Processes


@dataclass(frozen=True)
class Setting:
    """One run of the benches.

    work       an empty folder, removed afterwards
    broker     `embedded`, or `kafka` for Apache Kafka
    postgres   where to measure the store on PostgreSQL too; None: nowhere. It may hold a password
    psi        the Python that has OpenMined PSI, to measure beside; None: nowhere
    """

    work: Path
    processes: Processes
    broker: str = "embedded"
    postgres: str | None = field(default=None, repr=False)
    psi: str | None = None
