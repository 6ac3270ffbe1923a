"""Envelopes a second through a real broker, outbox to inbox, beside a bare `kafka-python` producer and consumer.

Ours is what a node does on its way to the matcher: seal and sign each envelope into the outbox, in the transaction that
moves its chain; give it to the broker and note that it has it; at the reader check frame, chain and signature, open the
body, and move the head in the transaction of the effects (here: none). Bare is records of the same size: an idempotent
producer that waits for all replicas, and a consumer with its partition assigned, both set up as ours are, so what lies
between is ours alone. Both wait for the broker, so time is the wall's.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final, NamedTuple

from services.bench import world
from services.bench.bare_kafka import BareKafka, drop_topics
from services.bench.measure import Figure, Pair, Stopwatch, in_turns, per_second
from services.bench.parties import Parties
from services.bench.setting import Setting
from services.demo.broker import start_broker

ROUNDS: Final = 5
ENVELOPES: Final = 1000
"""Of one run: two rounds of a post, which sends and receives 500 at most."""
SUBMISSIONS: Final = 4
"""Of one envelope: those of a tick with cover, by the charter's default."""


class Laps(NamedTuple):
    """Seconds for each half of one run."""

    out: float
    into: float

    @property
    def both(self) -> float:
        return self.out + self.into


def measure(setting: Setting) -> Iterator[Figure]:
    bootstrap = start_broker(setting.broker, setting.processes, setting.work)
    with ExitStack() as ending:
        parties = ending.enter_context(Parties(world.region(setting.work / "streams"), bootstrap))
        size = parties.envelope_size(SUBMISSIONS)
        if setting.broker == "kafka":  # it may be a cluster that goes on; the embedded broker ends with us
            ending.callback(drop_topics, bootstrap, f"{parties.region}.")
        bare = ending.enter_context(BareKafka(bootstrap, f"{parties.region}.bare", size))
        pairs = in_turns(lambda: _ours(parties), lambda: _bare(bare), ROUNDS)
    yield from _figures(setting.broker, size, pairs)


def _ours(parties: Parties) -> Laps:
    loads = [parties.submissions(SUBMISSIONS) for _ in range(ENVELOPES)]
    out, into = Stopwatch(time.perf_counter), Stopwatch(time.perf_counter)
    with out:
        parties.send(loads)
    with into:
        parties.receive(ENVELOPES)
    return Laps(out.seconds, into.seconds)


def _bare(bare: BareKafka) -> Laps:
    records = bare.records(ENVELOPES)
    out, into = Stopwatch(time.perf_counter), Stopwatch(time.perf_counter)
    with out:
        bare.send(records)
    with into:
        bare.receive(ENVELOPES)
    return Laps(out.seconds, into.seconds)


def _figures(broker: str, size: int, pairs: list[Pair[Laps]]) -> Iterator[Figure]:
    load = f"{SUBMISSIONS} submissions each, {size:,} bytes on the wire"
    for lap, name, what in (
        ("both", "streams", f"outbox write, send, inbox receive: {load}"),
        ("out", "streams-out", "outbox write and send; bare: kafka-python, idempotent, acks=all"),
        ("into", "streams-in", "inbox receive; bare: kafka-python, assigned, no checksums as ours"),
    ):
        runs = per_second([Pair(getattr(p.ours, lap), getattr(p.baseline, lap)) for p in pairs], ENVELOPES)
        yield Figure.of(f"{name}/{broker}", what, "envelopes/s", ENVELOPES, runs)
