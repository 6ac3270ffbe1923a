"""Envelopes a second through a real broker, outbox to inbox, beside a bare `kafka-python` producer and consumer.

Ours is what a node does on its way to the matcher: seal and sign each envelope into the outbox, in the transaction that
moves its chain; give it to the broker and note that it has it; at the reader check frame, chain and signature, open the
body, and move the head in the transaction of the effects (here: none). Bare is records of the same size: an idempotent
producer that waits for all replicas, settings as ours, and a consumer with its partition assigned. Both wait for the
broker, so time is the wall's.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from events.charter import Topic, load_charter
from events.clock import SystemClock
from events.database import Database, Transaction, open_database
from events.envelope import Header
from events.ids import new_handle
from events.kafka import KafkaStream
from events.messages import Body, Submission
from events.outbox import Outbox
from events.post import Post
from keys.ring import KeyRing, load_kek
from services.bench import world
from services.bench.measure import Figure, Pair, Stopwatch, in_turns, per_second
from services.bench.setting import Setting
from services.demo.broker import start_broker
from services.demo.region import SLOTS, Region
