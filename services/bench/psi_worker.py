"""OpenMined PSI at work, in a Python of its own that has it and nothing of ours: `python psi_worker.py ITEMS`.

Two parties of so many items each, one in twenty of them common to both. For each line on standard input the next of
four steps is done, and its CPU seconds are printed: the server's setup, the client's request, the server's answer, the
client's intersection. Then a new run begins, with new keys. The end of the input ends it. The setup holds elements as
they are (`RAW`), as a matcher holds indices: filters would only make it smaller.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

import private_set_intersection.python as psi

COMMON = 0.05
FALSE_POSITIVES = 1e-9


def main(count: int) -> None:
    common = round(count * COMMON)
    own = [f"LA-{i:06d}" for i in range(count)]
    other = [*own[:common], *(f"TH-{i:06d}" for i in range(count - common))]
    while True:
        for work in _steps(own, other, common):
            if not sys.stdin.readline():
                return
            started = time.process_time()
            work()
            print(time.process_time() - started, flush=True)  # noqa: T201


def _steps(own: list[str], other: list[str], common: int) -> Iterator[Any]:
    client, server = psi.client.CreateWithNewKey(True), psi.server.CreateWithNewKey(True)
    said: dict[str, Any] = {}

    def setup() -> None:
        said["setup"] = server.CreateSetupMessage(FALSE_POSITIVES, len(own), other, psi.DataStructure.RAW)

    def ask() -> None:
        said["request"] = client.CreateRequest(own)

    def answer() -> None:
        said["response"] = server.ProcessRequest(said["request"])

    def intersect() -> None:
        if len(client.GetIntersection(said["setup"], said["response"])) != common:
            sys.exit("The peer did not find what is common to both.")

    yield from (setup, ask, answer, intersect)


if __name__ == "__main__":
    main(int(sys.argv[1]))
