"""What Samaki costs on this machine, each figure beside what its bare parts cost in the same minutes.

measure.py         rounds in turns, medians, ratios: the core, pure
world.py           invented people and a region to measure with
bare.py            a backend's group operations without anything of ours around them
token_country.py   a token's cost to the country whose person it is of
token_holder.py    ... to a key holder
token_pair.py      ... to both holders and the country together
token_matcher.py   ... to the matcher
workers.py         tokens of two processes beside those of one
peers.py           a pair's token beside OpenMined PSI, at work in psi_worker.py
pair_keys.py       pairs' keys introduced and refreshed over a broker
store.py           the event store beside the bare recorder of `eventsourcing`
streams.py         outbox and inbox beside a bare `kafka-python` producer and consumer
memory.py          what each kind of process holds in memory
machine.py         what it all ran on
report.py          the table, and the JSON
run.py             one bench, or all
"""
