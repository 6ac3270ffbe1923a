"""A key holder whose clock goes back and forth, that dies, lives again, and is put back from backups, under a quota.

The model: the latest day that its clock has ever shown. While that is the latest day, no more is answered than a day's
quota, whatever anybody does; and whoever has asked less than that, and was not put back, is answered. A machine that is
put back has a clock that is at most a day behind what it sealed, as events.restore says.
"""

import shutil
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from posts import Posts

from events.clock import day_of
from events.database import open_database
from events.messages import Evaluated, EvaluationAsked
from keys import group
from keys.ring import KeyRing
from services.keyholder.holder import KeyHolder

QUOTA = 10
HOLDER = "TH.holder"
FILES = (f"{HOLDER}.db", f"{HOLDER}.ring")
NUMBERS = count()
HOURS = st.sampled_from([1, 11, 13, 24, 30])


class Windows(RuleBasedStateMachine):
    seen: set[str]

    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.region = Posts(self.root, quota_per_day=QUOTA, batch_limit=QUOTA)
        self.kh = self.region.seat("KH")
        self.asked: list[EvaluationAsked] = []
        self.answered: set = set()
        self.given: dict[int, int] = {}
        self.latest = self.region.clock.now()
        self.backups: list[Path] = []
        self.was_put_back = False
        self.start()
        self.settle()

    # ---- the machine

    def start(self):
        ring = self.root / FILES[1]
        self.holder = KeyHolder(
            HOLDER, charter=self.region.charter, digest=self.region.digest, clock=self.region.clock,
            ring=KeyRing.open(ring, bytes(32)) if ring.exists() else self.region.ring(HOLDER),
            database=open_database(f"sqlite:///{self.root / FILES[0]}"), stream=self.region.stream,
        )
        self.holder.open()

    def settle(self):
        while any([self.holder.step(), self.kh.post.receive({"evaluated": self.hear}), self.kh.post.tick(), self.kh.post.send()]):
            pass

    def hear(self, _tx, _header, body):
        for item in body.items:
            if isinstance(item, Evaluated) and item.batch not in self.answered:
                self.answered.add(item.batch)
                self.given[self.day] = self.given.get(self.day, 0) + item.n
                self.seen.add("answered")

    @property
    def day(self):
        return day_of(self.latest)

    def move(self, hours):
        self.region.clock.advance(hours * 3600)
        self.latest = max(self.latest, self.region.clock.now())
        self.settle()

    def write(self, item):
        with self.kh.database.transaction() as tx:
            self.kh.post.write(tx, self.region.topic("evaluate.KH.TH"), [item])

    # ---- what happens

    @rule(n=st.integers(1, QUOTA))
    def ask(self, n):
        blinded = b"".join(group.hash_to_group([b"%d" % next(NUMBERS) for _ in range(n)], b"test"))
        self.asked.append(EvaluationAsked(
            batch=uuid4(), pair="KH-TH", epoch=1, generation=0, purpose="match", n=n, blinded=blinded
        ))  # fmt: skip
        fits = self.given.get(self.day, 0) + n <= QUOTA
        self.write(self.asked[-1])
        self.settle()
        if fits and not self.was_put_back:
            assert self.asked[-1].batch in self.answered
        if self.asked[-1].batch not in self.answered:
            self.seen.add("refused")

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def ask_the_same_again(self, data):
        self.write(data.draw(st.sampled_from(self.asked)))
        self.settle()

    @rule(hours=HOURS)
    def the_clock_goes_on(self, hours):
        self.move(hours)

    @rule(hours=HOURS)
    def the_clock_is_set_back(self, hours):
        self.move(-hours)

    @rule()
    def it_starts_again(self):
        self.holder.database.close()
        self.start()
        self.settle()

    @rule()
    def a_backup_is_made(self):
        self.holder.database.close()
        self.backups.append(self.root / f"backup{len(self.backups)}")
        self.backups[-1].mkdir()
        for name in FILES:
            shutil.copy(self.root / name, self.backups[-1] / name)
        self.start()

    @precondition(lambda self: self.backups and self.region.clock.now() >= self.latest - timedelta(days=1))
    @rule(data=st.data())
    def it_is_put_back(self, data):
        self.holder.database.close()
        backup = data.draw(st.sampled_from(self.backups))
        for name in FILES:
            shutil.copy(backup / name, self.root / name)
        self.was_put_back = True
        self.seen.add("put back")
        self.start()
        self.settle()

    # ---- what holds

    @invariant()
    def no_day_gives_more_than_its_quota(self):
        assert all(n <= QUOTA for n in self.given.values()), self.given

    def teardown(self):
        self.holder.database.close()
        self.kh.database.close()
        self.folder.cleanup()


@pytest.mark.parametrize("examples", [60, pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_no_clock_restart_or_backup_opens_a_second_window_of_a_day(examples):
    Windows.seen = set()
    run_state_machine_as_test(Windows, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None))
    assert Windows.seen == {"answered", "refused", "put back"}
