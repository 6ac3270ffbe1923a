"""What the tests share: Apache Kafka, PostgreSQL and a token, started once a session, and a small region to play in.

A part that the machine lacks skips its tests, with one line that says how to get it; with CI=true it fails them.
"""

import fcntl
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog
from hypothesis import settings
from parts import IN_CI, lack
from posts import Pair, Posts

ROOT = Path(__file__).parent.parent

settings.register_profile("person", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if IN_CI else "person")


@pytest.fixture(autouse=True)
def _nobody_speaks_into_a_closed_file() -> Iterator[None]:
    """A test that opens a process's log must not leave it to the next one."""
    yield
    structlog.reset_defaults()


def _folder_of_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for all workers of this run, and for no other run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextmanager
def _shared(base: Path, name: str, start: Callable[[], str], stop: Callable[[], None]) -> Iterator[str]:
    """One server for all workers of this run: the first who needs it starts it, the last who leaves stops it."""
    users, address = base / f"{name}.users", base / f"{name}.address"

    def count(step: int) -> int:
        total = step + (int(users.read_text()) if users.exists() else 0)
        users.write_text(str(total))
        return total

    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not users.exists() or users.read_text() == "0":
            address.write_text(start())
        count(+1)
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
        lack("Apache Kafka needs Java: apt-get install openjdk-17-jre-headless")
    if not (scripts / "lib" / "complete").exists() and not shutil.which("mvn"):
        lack("Apache Kafka's jars come by Maven: apt-get install maven")
    home = _folder_of_run(tmp_path_factory) / "kafka"

    def start() -> str:
        ran = subprocess.run([scripts / "start.sh", home], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def stop() -> None:
        subprocess.run([scripts / "stop.sh", home, "--wipe"], check=True)

    with _shared(home.parent, "kafka", start, stop) as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def openssl() -> None:
    """What makes the certificates of a trial region."""
    if not shutil.which("openssl"):
        lack("A trial region's certificates are made by openssl: apt-get install openssl")


@pytest.fixture(scope="session")
def postgres_dsn(tmp_path_factory) -> Iterator[str]:
    """A PostgreSQL to make schemas in: POSTGRES_DSN's, or a throw-away cluster of our own on a socket of its own."""
    given = os.environ.get("POSTGRES_DSN")
    if given:
        yield given
        return
    if importlib.util.find_spec("psycopg") is None:
        lack("PostgreSQL stores need psycopg: pip install '.[postgres]'")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if not found:
        lack("PostgreSQL's server programs are missing: apt-get install postgresql")
    with _shared(_folder_of_run(tmp_path_factory), "postgres", *_cluster(found[-1].parent)) as dsn:
        yield dsn


def _cluster(programs: Path) -> tuple[Callable[[], str], Callable[[], None]]:
    """How to start and stop a cluster: not as root, which PostgreSQL refuses; under a short path, for its socket."""
    run_id = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    home = Path(tempfile.gettempdir()) / f"samaki-pg-{run_id}"
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
        shutil.rmtree(home, ignore_errors=True)  # of a run that was killed, under the same number
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


@dataclass(frozen=True)
class SoftHsm:
    """A PKCS#11 token in software, set up; `address` names a key in it."""

    module: Path
    pin: Path

    def address(self, name: str, **other: str) -> str:
        parts = {"token": "samaki tests", "module-path": self.module, "pin-source": self.pin} | other
        path = f"token={quote(parts['token'])};object={quote(name)}"
        return f"pkcs11:{path}?module-path={parts['module-path']}&pin-source={parts['pin-source']}"


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory) -> Iterator[SoftHsm]:
    """A SoftHSM2 of this process: its library reads where its tokens are once, when it is loaded."""
    found = sorted(p for place in ("softhsm", "*/softhsm") for p in Path("/usr/lib").glob(f"{place}/libsofthsm2.so"))
    if not found or not shutil.which("softhsm2-util"):
        lack("Keys in a token are tried on SoftHSM2: apt-get install softhsm2")
    if importlib.util.find_spec("pkcs11") is None:
        lack("Keys in a token need python-pkcs11: pip install '.[hsm]'")
    home = tmp_path_factory.mktemp("softhsm")
    (home / "tokens").mkdir()
    (home / "conf").write_text(f"directories.tokendir = {home / 'tokens'}\nobjectstore.backend = file\n")
    pin = home / "pin"
    pin.touch(mode=0o600)
    pin.write_text("482913\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(home / "conf"))
        words = ["--init-token", "--free", "--label", "samaki tests", "--pin", "482913", "--so-pin", "91827364"]
        subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
        yield SoftHsm(found[0], pin)


@pytest.fixture
def region(tmp_path: Path) -> Posts:
    """Five parties' posts over one carrier in memory."""
    return Posts(tmp_path)


@pytest.fixture
def pair(region: Posts) -> Pair:
    """KH, which writes, and the matcher, which reads."""
    return Pair(region)
