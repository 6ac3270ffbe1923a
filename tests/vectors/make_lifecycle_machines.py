"""Copies what the tests need of the domain's lifecycle into lifecycle_machines.json, for the events of this release.

    python tests/vectors/make_lifecycle_machines.py DIR

DIR holds lifecycle.json, the project's own model of what can happen to a case (version 3; Apache-2.0 like the rest).
Run it again when the catalogue grows: it copies the events that stand there, and every machine.
"""

import json
import sys
from pathlib import Path

from events.catalogue import EVENTS

HERE = Path(__file__).parent
KEPT = ("aggregate", "moves", "roles", "second", "consents", "requires", "payload", "wire", "guards")


def compact(model: dict) -> dict:
    found = {e["name"]: {key: e[key] for key in KEPT} for e in model["events"]}
    return {
        "source": f"the project's lifecycle model, version {model['version']}; Apache-2.0",
        "roles": [r["id"] for r in model["roles"]],
        "consents": {c["id"]: c["must_name"] for c in model["consents"]},
        "machines": {
            m["id"]: {"aggregate": a["id"], "initial": m["initial"], "states": [s["id"] for s in m["states"]]}
            for a in model["aggregates"]
            for m in a["machines"]
        },
        "events": {name: found[name] for name in EVENTS if name in found},
    }


def dumped(value: object, depth: int = 2) -> str:
    """JSON with a line for each machine and event."""
    if depth and isinstance(value, dict):
        return "{\n" + ",\n".join(f"{json.dumps(k)}: {dumped(v, depth - 1)}" for k, v in value.items()) + "\n}"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    lifecycle = json.loads((Path(sys.argv[1]) / "lifecycle.json").read_text(encoding="utf-8"))
    (HERE / "lifecycle_machines.json").write_text(dumped(compact(lifecycle)) + "\n", encoding="utf-8")
