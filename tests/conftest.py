"""What the tests share: Apache Kafka and PostgreSQL, started once a session, and a small region to play in.

A part that the machine lacks skips its tests, with one line that says how to get it; with CI=true it fails them.
"""

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings

from events.charter import Charter, Member, Party, SigningKey, Topic
from events.clock import ManualClock
from events.database import Database, open_database
from events.post import Post
from events.stream import MemoryStream, Stream
from keys import sign
from keys.ring import KeyRing

ROOT = Path(__file__).parent.parent
IN_CI = os.environ.get("CI") == "true"

settings.register_profile("person", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if IN_CI else "person")


def _lack(what: str) -> None:
    (pytest.fail if IN_CI else pytest.skip)(what)


@contextmanager
def _shared(tmp_path_factory: pytest.TempPathFactory, name: str, start: Callable[[], str], stop: Callable[[], None]):
    """One server for all workers of this run: the first who needs it starts it, the last who leaves stops it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    users, address = base / f"{name}.users", base / f"{name}.address"

    def count(step: int) -> int:
        total = int(users.read_text() or 0) + step if users.exists() else step
        users.write_text(str(total))
        return total

    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if count(+1) == 1:
            address.write_text(start())
        fcntl.flock(lock, fcntl.LOCK_UN)
        try:
            yield address.read_text()
        finally:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if count(-1) == 0:
                stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory) -> Iterator[str]:
    """`host:port` of an Apache Kafka: KAFKA_BOOTSTRAP's, or one of our own."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        yield given
        return
    scripts = ROOT / "infra" / "kafka"
    if not shutil.which("java"):
        _lack("Apache Kafka needs Java: apt-get install openjdk-17-jre-headless")
    if not (scripts / "lib" / "complete").exists() and not shutil.which("mvn"):
        _lack("Apache Kafka's jars come by Maven: apt-get install maven")
    home = tmp_path_factory.getbasetemp().parent / "kafka"

    def start() -> str:
        ran = subprocess.run([scripts / "start.sh", home], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def stop() -> None:
        subprocess.run([scripts / "stop.sh", home, "--wipe"], check=True)

    with _shared(tmp_path_factory, "kafka", start, stop) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def postgres_dsn(tmp_path_factory) -> Iterator[str]:
    """A PostgreSQL to make schemas in: POSTGRES_DSN's, or a throw-away cluster of our own on a socket of its own."""
    given = os.environ.get("POSTGRES_DSN")
    if given:
        yield given
        return
    pytest.importorskip("psycopg", reason="PostgreSQL stores need psycopg: pip install '.[postgres]'")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if not found:
        _lack("PostgreSQL's server programs are missing: apt-get install postgresql")
    with _shared(tmp_path_factory, "postgres", *_cluster(found[-1].parent)) as dsn:
        yield dsn


def _cluster(programs: Path) -> tuple[Callable[[], str], Callable[[], None]]:
    """How to start and stop a cluster: not as root, which PostgreSQL refuses, and under a path short enough for a socket."""
    home = Path(tempfile.gettempdir()) / f"samaki-pg-{os.getppid() if 'PYTEST_XDIST_WORKER' in os.environ else os.getpid()}"
    user = "postgres" if "postgres" in {p.pw_name for p in pwd.getpwall()} else "nobody"
    become = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / program, "-D", home / "data", *arguments],
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL, stderr=subprocess.STDOUT,
            text=True, check=False, cwd="/", **become,
        )
        assert done.returncode == 0, done.stdout

    def start() -> str:
        home.mkdir(mode=0o700)
        if become:
            shutil.chown(home, user, become["group"])
        run("initdb", "-U", "samaki", "-A", "trust", "-N")
        run("pg_ctl", "-w", "-l", str(home / "log"), "-o", f"-c listen_addresses='' -c fsync=off -k {home}", "start")
        return f"postgresql://samaki@/postgres?host={home}"

    def stop() -> None:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(home)

    return start, stop


# ---- a small region


@dataclass
class Seat:
    """One party at its desk: what a process holds."""

    me: str
    ring: KeyRing
    database: Database
    post: Post


class Region:
    """KH and TH, their holders and the matcher, over one carrier and one clock that stands still."""

    START = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __init__(self, folder: Path, stream: Stream | None = None, **rules) -> None:
        self.folder = folder
        self.stream = stream or MemoryStream()
        self.clock = ManualClock(self.START)
        ids = ["KH", "TH", "KH.holder", "TH.holder", "matcher"]
        self.seeds = {party: sign.new_seed() for party in ids}
        self.charter = Charter(**{
            "version": 1, "region": "test", "issued": self.START - timedelta(days=1),
            "members": [Member(country=c, name=c, roots=["00" * 32, "01" * 32, "02" * 32]) for c in ("KH", "TH")],
            "parties": [self._party(party) for party in ids],
            "pairs": ["KH-TH"], "slots": ["DOC", "FULL"], "tick_seconds": 60, "cover": False, **rules,
        })
        self.digest = bytes(32)

    def _party(self, party: str) -> Party:
        kind = "matcher" if party == "matcher" else "keyholder" if party.endswith(".holder") else "country"
        key = SigningKey(
            id=f"{party}-1", public=sign.public_key(self.seeds[party]).hex(),
            valid_from=self.START - timedelta(days=1), valid_until=self.START + timedelta(days=365),
        )
        return Party(id=party, kind=kind, country=None if party == "matcher" else party[:2], signing=(key,))

    def topic(self, name: str) -> Topic:
        return next(t for t in self.charter.topics if t.name == name)

    def ring(self, me: str, name: str | None = None) -> KeyRing:
        ring = KeyRing.create(self.folder / f"{name or me}.ring", bytes(32))
        ring.add(
            "signing", f"{me}-1", self.seeds[me], public=sign.public_key(self.seeds[me]),
            valid_from=self.START - timedelta(days=1), primary=True,
        )
        return ring

    def seat(
        self, me: str, *, database: Database | None = None, ring: KeyRing | None = None, charter: Charter | None = None,
        stream: Stream | None = None, opened: bool = True,
    ) -> Seat:
        """A party's post, opened; on a database and ring that it had before, or on new ones."""
        ring = ring or self.ring(me)
        database = database or open_database(f"sqlite:///{self.folder}/{me}.db")
        post = Post(
            me=me, charter=charter or self.charter, charter_digest=self.digest, ring=ring, database=database,
            stream=stream or self.stream, clock=self.clock,
        )
        if opened:
            post.open()
        return Seat(me, ring, database, post)


@pytest.fixture
def region(tmp_path) -> Region:
    return Region(tmp_path)


@pytest.fixture(scope="session")
def new_region() -> type[Region]:
    """To make regions with other rules, or many of them."""
    return Region
