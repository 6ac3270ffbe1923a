"""A key holder whose clock goes back and forth, that dies, lives again, and is put back from backups, under a quota.

The model: windows are days, and one that was drawn from closes all before it, for ever. None ever gives more than a
day's quota; and whoever asks for what fits, of a holder that was not put back, is answered. A machine that is put back
has a clock that is at most a day behind what it sealed, as events.restore says.
"""

import shutil
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from posts import Posts, copy

from events.clock import day_of
from events.database import open_database
from events.messages import Evaluated, EvaluationAsked
from keys import group
from keys.ring import KeyRing
from services.keyholder.holder import KeyHolder

QUOTA = 10
HOLDER = "TH.holder"
STORE, RING = f"{HOLDER}.db", f"{HOLDER}.ring"
NUMBERS = count()
HOURS = st.sampled_from([1, 13, 24])


class Windows(RuleBasedStateMachine):
    seen: set[str]

    def __init__(self):
        super().__init__()
        self.folder = TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.region = Posts(self.root, quota_per_day=QUOTA, batch_limit=QUOTA)
        self.region.ring(HOLDER)
        self.home = self.root
        self.kh = self.region.seat("KH")
        self.asked: list[EvaluationAsked] = []
        self.answered: set = set()
        self.given: dict[int, int] = {}
        self.latest = self.region.clock.now()
        self.backups: list[Path] = []
        self.was_put_back = False
        self.start()
        self.settle()
        self.move(48)
        self.a_backup_is_made()

    # ---- the machine

    def start(self):
        self.holder = KeyHolder(
            HOLDER, charter=self.region.charter, digest=self.region.digest, clock=self.region.clock,
            ring=KeyRing.open(self.home / RING, bytes(32)), database=open_database(f"sqlite:///{self.home / STORE}"),
            stream=self.region.stream,
        )
        self.holder.open()

    def settle(self):
        while any([self.holder.step(), self.kh.post.receive({"evaluated": self.hear}), self.kh.post.tick(), self.kh.post.send()]):
            pass

    def hear(self, _tx, _header, body):
        for item in body.items:
            if isinstance(item, Evaluated) and item.batch not in self.answered:
                self.answered.add(item.batch)
                self.given[self.window] = self.given.get(self.window, 0) + item.n
                self.seen.add("answered")

    @property
    def window(self):
        return max(day_of(self.region.clock.now()), *self.given, 0)

    def move(self, hours):
        self.region.clock.advance(hours * 3600)
        self.latest = max(self.latest, self.region.clock.now())
        self.settle()

    def write(self, item):
        with self.kh.database.transaction() as tx:
            self.kh.post.write(tx, self.region.topic("evaluate.KH.TH"), [item])

    # ---- what happens

    @rule(n=st.sampled_from([1, 6, QUOTA, QUOTA]))
    def ask(self, n):
        blinded = b"".join(group.hash_to_group([b"%d" % next(NUMBERS) for _ in range(n)], b"test"))
        self.asked.append(EvaluationAsked(
            batch=uuid4(), pair="KH-TH", epoch=1, generation=0, purpose="match", n=n, blinded=blinded
        ))  # fmt: skip
        fits = self.given.get(self.window, 0) + n <= QUOTA
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
        """Not to before the keys of this region were made: nobody could write then."""
        self.move(-min(hours, (self.region.clock.now() - self.region.START) // timedelta(hours=1)))

    @rule()
    def it_starts_again(self):
        self.holder.database.close()
        self.start()
        self.settle()

    @rule()
    def a_backup_is_made(self):
        self.backups.append(self.root / f"backup{len(self.backups)}")
        self.backups[-1].mkdir()
        copy(self.holder.database, self.backups[-1] / STORE)
        shutil.copy(self.home / RING, self.backups[-1] / RING)

    @rule(data=st.data(), behind=st.sampled_from([0, 13, 24]))
    def it_is_put_back(self, data, behind):
        """Its clock shows what it should, or lags, and is put right afterwards by `the_clock_goes_on`."""
        self.holder.database.close()
        self.region.clock.advance((self.latest - self.region.clock.now()).total_seconds() - 3600 * behind)
        backup = data.draw(st.sampled_from(self.backups))
        self.home = self.root / f"home{next(NUMBERS)}"
        shutil.copytree(backup, self.home)
        self.was_put_back = True
        self.seen.add("put back")
        self.start()
        self.settle()

    # ---- what holds

    @invariant()
    def no_window_gives_more_than_its_quota(self):
        assert all(n <= QUOTA for n in self.given.values()), self.given

    def teardown(self):
        self.holder.database.close()
        self.kh.database.close()
        self.folder.cleanup()


@pytest.mark.parametrize("examples", [15, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_no_clock_restart_or_backup_opens_a_second_window_of_a_day(examples):
    Windows.seen = set()
    phases = (Phase.explicit, Phase.reuse, Phase.generate)  # a machine takes a tenth of a second: no shrinking
    chosen = settings(max_examples=examples, stateful_step_count=25, deadline=None, phases=phases)
    run_state_machine_as_test(Windows, settings=chosen)
    assert Windows.seen == {"answered", "refused", "put back"}
