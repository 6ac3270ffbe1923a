#!/usr/bin/env python3
"""Prints the access rules of a charter's topics, as commands for Apache Kafka's own tool: two lines a topic.

    python infra/acl/acls.py CHARTER [--auditor NAME]... [--bootstrap HOST:PORT] [--config FILE] [--merged]

The first line lets the writer make its topic, write it, and read its own tail (events/restore.py); the second lets the
reader read. `keys.*` everybody of the charter reads; auditors read all and write nothing. No rule is about a consumer
group or a transaction, for we have none, and none is a wildcard: what no line names is refused, if the brokers run with
`authorizer.class.name` set and `allow.everyone.if.no.acl.found=false`.

A party's principal is its id: a certificate of CN=KH.holder and
`ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/,DEFAULT` make `User:KH.holder`.

It prints and changes nothing. Rules only add up: after a party has left the charter, list what stands
(`kafka-acls.sh --list`) and take away what is printed no more.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from events.charter import Charter
from events.errors import CharterInvalid
from events.succession import load_charter


class Rule(NamedTuple):
    """Who may do what with which topics, named as on the broker."""

    principals: tuple[str, ...]
    operations: tuple[str, ...]
    topics: tuple[str, ...]


def rules(charter: Charter, auditors: Sequence[str]) -> list[Rule]:
    """Two a topic: its writer's, its readers'."""
    everybody = [party.id for party in charter.parties]
    found = []
    for topic in charter.topics:
        name = (f"{charter.region}.{topic.name}",)
        readers = [topic.reader] if topic.reader else [party for party in everybody if party != topic.writer]
        found.append(Rule((topic.writer,), ("Create", "Write", "Read"), name))
        found.append(Rule((*readers, *auditors), ("Read",), name))
    return found


def merged(found: Iterable[Rule]) -> list[Rule]:
    """The same, with one rule for all topics of the same principals and operations: fewer commands to run."""
    topics: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = defaultdict(list)
    for rule in found:
        topics[rule.principals, rule.operations] += rule.topics
    return [Rule(principals, operations, tuple(names)) for (principals, operations), names in topics.items()]


def command(rule: Rule, bootstrap: str, config: str) -> str:
    """One line for a shell. Ids, topics and operations are of the charter's own alphabet: nothing needs a quote."""
    return " ".join((
        f"kafka-acls.sh --bootstrap-server {bootstrap} --command-config {config} --add",
        *(f"--topic {topic}" for topic in rule.topics),
        *(f"--allow-principal User:{principal}" for principal in rule.principals),
        *(f"--operation {operation}" for operation in rule.operations),
    ))  # fmt: skip


def main() -> None:
    """Read the charter, print the commands."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("charter", type=Path)
    options.add_argument("--auditor", action="append", default=[], help="common name of an auditor's certificate")
    options.add_argument("--bootstrap", default="localhost:9092", help="where the commands find a broker")
    options.add_argument("--config", default="admin.properties", help="the administrator's TLS settings, a file")
    options.add_argument("--merged", action="store_true", help="one command a party and right, not two a topic")
    given = options.parse_args()
    try:
        charter, _ = load_charter(given.charter)
    except CharterInvalid as error:
        sys.exit(f"acls: {error}")
    found = rules(charter, given.auditor)
    for rule in merged(found) if given.merged else found:
        print(command(rule, given.bootstrap, given.config))


if __name__ == "__main__":
    main()
