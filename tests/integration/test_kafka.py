"""What is true of Apache Kafka alone: two parties over it, its settings, its failures, its certificates."""

import gc
import logging
import subprocess
import threading
import warnings
from pathlib import Path
from uuid import uuid4

import pytest
from posts import Posts

from events.database import open_database
from events.errors import StreamUnavailable
from events.kafka import KafkaStream, Tls
from events.messages import Revocation

INFRA = Path(__file__).parent.parent.parent / "infra" / "kafka"
pytestmark = pytest.mark.kafka


def prefix():
    return f"t{uuid4().hex[:12]}."


@pytest.fixture
def connect(kafka_bootstrap):
    made = []

    def connect(bootstrap=kafka_bootstrap, name="", **more):
        made.append(KafkaStream(bootstrap, name or prefix(), **more))
        return made[-1]

    yield connect
    for stream in made:
        stream.close()


def items(*values):
    return [Revocation(handle=f"{value:032x}") for value in values]


def receive(seat, handlers, count):
    """Ask until so many records are dealt with."""
    done = 0
    while done < count:
        got = seat.post.receive(handlers, wait=10)
        assert got, f"only {done} of {count} came"
        done += got


@pytest.mark.postgres
def test_two_parties_on_different_databases_meet_over_kafka(tmp_path, connect, postgres_dsn):
    name = prefix()
    region = Posts(tmp_path, connect(name=name))
    kh = region.seat("KH", database=open_database(postgres_dsn, schema=f"t_{uuid4().hex}"))
    matcher = region.seat("matcher", stream=connect(name=name))
    kh.post.send()
    matcher.post.send()
    receive(kh, {}, 2)
    receive(matcher, {}, 2)
    with kh.database.transaction() as tx:
        for value in range(300):
            kh.post.write(tx, region.topic("linkage.KH"), items(value))
    assert kh.post.send(limit=200) + kh.post.send(limit=200) == 300
    got = []
    receive(matcher, {"linkage": lambda tx, header, body: got.extend(body.items)}, 300)
    assert got == items(*range(300))
    matcher.post.tick()
    matcher.post.send()
    receive(kh, {"notices": lambda *_: None}, 2)
    assert kh.post.status().kept == 1  # its introduction; all else is confirmed
    kh.database.close()


def test_a_restarted_party_reads_on_from_its_own_positions(tmp_path, connect):
    name = prefix()
    region = Posts(tmp_path, connect(name=name))
    kh, matcher = region.seat("KH"), region.seat("matcher")
    matcher.post.send()
    kh.post.send()
    receive(kh, {}, 2)
    got = []
    handlers = {"linkage": lambda tx, header, body: got.extend(body.items)}
    for value in (1, 2):
        kh = region.seat("KH", database=kh.database, ring=kh.ring, stream=connect(name=name))
        with kh.database.transaction() as tx:
            kh.post.write(tx, region.topic("linkage.KH"), items(value))
        kh.post.send()
        matcher = region.seat("matcher", database=matcher.database, ring=matcher.ring, stream=connect(name=name))
        receive(matcher, handlers, 1 if value > 1 else 3)
    assert got == items(1, 2)
    assert matcher.post.status().dropped == 0


def test_keys_are_kept_for_ever_and_the_rest_for_a_week(connect, kafka_bootstrap):
    from kafka import KafkaAdminClient
    from kafka.admin import ConfigResource, ConfigResourceType

    name = prefix()
    connect(name=name).ensure({"keys.KH": 1, "linkage.KH": 3})
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    try:
        topics = [ConfigResource(ConfigResourceType.TOPIC, name + topic) for topic in ("keys.KH", "linkage.KH")]
        described = admin.describe_configs(topics)
    finally:
        admin.close()
    found = str(described)
    assert found.count("'-1'") >= 1
    assert str(7 * 24 * 3600 * 1000) in found


def test_a_broker_elsewhere_is_refused_without_certificates():
    for bootstrap in ("kafka.example.org:9092", "127.0.0.1:9092,10.0.0.1:9092"):
        with pytest.raises(ValueError, match="needs TLS"):
            KafkaStream(bootstrap, "x.")


def test_a_broker_that_is_not_there_is_our_error_and_not_a_hang(connect):
    stream = connect("127.0.0.1:1")
    for call in (
        lambda: stream.ensure({"a": 1}), lambda: stream.append([("a", 0, b"x")]), lambda: stream.read({("a", 0): 0}, 1),
        lambda: stream.end("a", 0),
    ):
        with pytest.raises(StreamUnavailable):
            call()


@pytest.fixture
def forgotten_sockets():
    """kafka-python forgets the sockets of connects that failed: they go here, and not in the middle of another test.

    It is silenced, for the records that pytest captures hold what they speak of until the test's end.
    """
    before = set(threading.enumerate())
    logger = logging.getLogger("kafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def start(home, *more):
    ran = subprocess.run([INFRA / "start.sh", home, *more], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def stop(home, *more):
    subprocess.run([INFRA / "stop.sh", home, *more], check=True)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("forgotten_sockets")
def test_a_broker_that_goes_away_and_comes_back_loses_nothing(tmp_path, connect, kafka_bootstrap):
    home = tmp_path / "kafka"
    bootstrap = start(home)
    try:
        name = prefix()
        region = Posts(tmp_path, connect(bootstrap, name))
        kh, matcher = region.seat("KH"), region.seat("matcher", stream=connect(bootstrap, name))
        matcher.post.send()
        kh.post.send()
        receive(kh, {}, 2)

        def write(value):
            with kh.database.transaction() as tx:
                kh.post.write(tx, region.topic("linkage.KH"), items(value))

        write(1)
        kh.post.send()
        stop(home)
        write(2)
        with pytest.raises(StreamUnavailable):
            kh.post.send()
        assert start(home) == bootstrap
        write(3)
        while kh.post.status().unsent:
            kh.post.send()
        got = []
        receive(matcher, {"linkage": lambda tx, header, body: got.extend(body.items)}, 2 + 3)
        assert got == items(1, 2, 3)
    finally:
        stop(home, "--wipe")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("forgotten_sockets")
def test_parties_reach_a_broker_by_certificate_and_nobody_without(tmp_path, connect, kafka_bootstrap):
    """`kafka_bootstrap` is asked for only so that a machine without Java skips this."""
    tls, stranger = certificates(tmp_path)
    (tmp_path / "tls.properties").write_text(
        "listeners=SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n"
        "security.inter.broker.protocol=SSL\nssl.client.auth=required\n"
        f"ssl.keystore.type=PEM\nssl.keystore.location={tmp_path}/broker.both.pem\n"
        f"ssl.truststore.type=PEM\nssl.truststore.location={tls.cafile}\n"
    )
    home = tmp_path / "kafka"
    bootstrap = start(home, tmp_path / "tls.properties")
    try:
        stream = connect(bootstrap, tls=tls)
        stream.ensure({"a": 1})
        stream.append([("a", 0, b"x")])
        assert [r.value for r in stream.read({("a", 0): 0}, 1, 10)] == [b"x"]
        for other in (connect(bootstrap), connect(bootstrap, tls=stranger)):
            with pytest.raises(StreamUnavailable):
                other.append([("a", 0, b"x")])
    finally:
        stop(home, "--wipe")


def certificates(folder):
    """An authority, a broker's and a party's certificate from it; and a party's from an authority of its own."""

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    def authority(name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")

    def issue(name, by):
        (folder / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial",
                "-days", "2", "-out", f"{name}.pem", "-extfile", f"{name}.ext")
        both = (folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text()
        (folder / f"{name}.both.pem").write_text(both)

    for name in ("region", "elsewhere"):
        authority(name)
    issue("broker", "region")
    issue("KH", "region")
    issue("stranger", "elsewhere")
    return tuple(
        Tls(cafile=folder / "region.pem", certfile=folder / f"{name}.pem", keyfile=folder / f"{name}.key")
        for name in ("KH", "stranger")
    )
