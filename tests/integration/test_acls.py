"""infra/broker.properties and the printed access rules, on Apache Kafka: each party may do its own and nothing else."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from events.errors import StreamUnavailable
from events.kafka import KafkaStream, Tls
from events.succession import load_charter

INFRA = Path(__file__).parents[2] / "infra"
ACLS = runpy.run_path(str(INFRA / "acl" / "acls.py"))
TOOL = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{INFRA}/kafka/lib/*", "org.apache.kafka.tools.AclCommand"]
pytestmark = [pytest.mark.kafka, pytest.mark.long]


@pytest.fixture(scope="module")
def trial(tmp_path_factory, openssl):
    folder = tmp_path_factory.mktemp("acls") / "trial"
    subprocess.run(
        [sys.executable, INFRA / "found.py", folder, "--countries", "KH,TH"],
        check=True, capture_output=True, cwd=INFRA.parent,
    )
    return folder


@pytest.fixture(scope="module")
def bootstrap(trial, kafka_bootstrap):
    """A broker of its own. `kafka_bootstrap` is asked for only so that a machine without Java skips this."""
    more = trial / "more.properties"
    more.write_text(here((INFRA / "broker.properties").read_text(), trial))
    ran = subprocess.run([INFRA / "kafka" / "start.sh", trial / "kafka", more], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    yield f"localhost:{ran.stdout.strip().rpartition(':')[2]}"
    subprocess.run([INFRA / "kafka" / "stop.sh", trial / "kafka", "--wipe"], check=True)


def here(settings, trial):
    """The same settings at this machine's address, with the folders of this test."""
    moved = settings.replace("/secrets/", f"{trial}/broker/").replace("log.dirs=", "#log.dirs=")
    for written, port in (("9094", "{port}"), ("9093", "{controller}")):
        moved = moved.replace(f"kafka:{written}", f"localhost:{port}").replace(f"://:{written}", f"://localhost:{port}")
    return moved


@pytest.fixture(scope="module")
def rules_of_two_topics(trial, bootstrap):
    """What the script prints for linkage.KH and keys.TH, carried out by Kafka's own tool."""
    charter, _ = load_charter(trial / "region" / "charter.json")
    config = trial / "admin.properties"
    config.write_text(here((trial / "broker" / "admin.properties").read_text(), trial))
    for rule in ACLS["rules"](charter, ["auditor"]):
        if rule.topics[0] in {"trial.linkage.KH", "trial.keys.TH"}:
            arguments = ACLS["command"](rule, bootstrap, str(config)).split()[1:]
            subprocess.run([*TOOL, *arguments], check=True, capture_output=True)
    return True


@pytest.fixture
def party(trial, bootstrap, rules_of_two_topics):
    made = []

    def party(name):
        files = [trial / "pki" / name / file for file in ("ca.pem", "certificate.pem", "key.pem")]
        made.append(KafkaStream(bootstrap, "trial.", tls=Tls(*files)))
        return made[-1]

    yield party
    for stream in made:
        stream.close()


def test_a_writer_makes_its_topic_writes_it_and_reads_its_tail_and_its_reader_reads(party):
    kh = party("KH")
    kh.ensure({"linkage.KH": 1})
    kh.append([("linkage.KH", 0, b"x")])
    for name in ("KH", "matcher", "auditor"):
        assert [r.value for r in party(name).read({("linkage.KH", 0): 0}, 1, 10)] == [b"x"]


def test_nobody_else_makes_writes_or_reads_it(party):
    party("KH").ensure({"linkage.KH": 1})
    for name in ("TH", "KH.holder", "matcher", "auditor"):
        with pytest.raises(StreamUnavailable):
            party(name).append([("linkage.KH", 0, b"forged")])
    for name in ("TH", "KH.holder"):
        with pytest.raises(StreamUnavailable):
            party(name).read({("linkage.KH", 0): 0}, 1, 2)
    with pytest.raises(StreamUnavailable):
        party("KH").ensure({"keys.TH": 1})


def test_everybody_reads_keys(party):
    party("TH").ensure({"keys.TH": 1})
    party("TH").append([("keys.TH", 0, b"x")])
    for name in ("KH", "KH.holder", "TH.holder", "matcher", "auditor"):
        assert [r.value for r in party(name).read({("keys.TH", 0): 0}, 1, 10)] == [b"x"]
