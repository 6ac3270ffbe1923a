"""The one-command demo: a region of invented people, founded, run and judged on this machine.

people.py     the invented people, and people read from files
region.py     a charter, and a home for each party
broker.py     the embedded broker, or Apache Kafka
processes.py  what is started, is ended
run.py        the main job, stage by stage
capture.py    all that left a country
leaks.py      whether any of it tells who somebody is
"""
