"""Two countries that publish, grant, revoke and end as they please, and a matcher between them.

Whatever they do, in whatever order, and whatever a stream that begins anew loses on the way: nobody is told against a
grant that the matcher had heard, no node is told what it must refuse, and when all is quiet both know of a match or
neither knows that both do. The nodes here decide with the real rules of events.match; the matcher is the real one.
"""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from posts import Posts

from events.base import MATCHER, Act, Actor, Purpose, Role
from events.database import open_database
from events.errors import Refused
from events.linkage import GrantSet, TokensPublished, TokensRevoked
from events.match import (
    decide_close_match,
    decide_follow_revocation,
    decide_told,
    match_id_of,
)
from events.match import (
    evolve as evolve_match,
)
from events.messages import Body, GrantChanged, MatchEnded, MatchNotice, Revocation, Submission
from events.person import Person, evolve, next_of
from services.matcher import notices
from services.matcher.matcher import Matcher

GRANTS = st.sampled_from(["tell", "tell", "hold"])
ACTS = st.tuples(
    st.sampled_from(["KH", "TH"]), st.sampled_from(["tell", "close", "tell", "close", "revoke", "hold", "begin anew"])
)
QUIET = 4
"""Ticks after which everything that was on its way has come."""
FOCAL = Actor(staff="focal", organisation="o", role=Role.TRM_FOCAL_POINT)


class Node:
    """One country with one person: her linkage and her match, by the domain's own rules, and what waits to leave."""

    def __init__(self, region: Posts, me: str, other: str) -> None:
        self.region, self.me, self.other = region, me, other
        self.handle = hashlib.sha256(me.encode()).hexdigest()[:32]
        self.person = Person(person_id=UUID(int=7))
        self.match = None
        self.leaving: list = []
        self.refused: list[str] = []
        self.repeated = 0
        self.told: list[str] = []
        self.knows = False
        """It was told alone, and has not written since that it is over."""
        self.said = "hold"
        """The grant that the matcher has heard at most, if it hears all that was written."""
        self.stream_epoch = 1

    # ---- what people do

    @property
    def linkage(self):
        return self.person.by_handle.get(self.handle)

    @property
    def is_out(self) -> bool:
        return self.linkage is not None and self.linkage.live

    @property
    def state(self) -> str:
        return self.match.state if self.match else "NONE"

    def act(self) -> Act:
        self.region.clock.advance(0.01)
        return Act(at=self.region.clock.now(), by=FOCAL, purpose=Purpose.MATCHING)

    def _terms(self, act: Act, grant: str) -> dict:
        return {
            "country": self.other, "handle": self.handle, "grant": grant,
            "grant_until": act.at + timedelta(days=90), "review_on": act.today + timedelta(days=30),
        }

    def publishes(self, grant: str) -> None:
        act = self.act()
        event = TokensPublished(
            **next_of(self.person, self.person.person_id, act, 1), **self._terms(act, grant), key_epoch=1,
            schema_version=1, token_set=b"t", expires_on=act.today + timedelta(days=365),
            reason="correction" if self.linkage else "first",
        )
        self.person = evolve(self.person, event)
        self.leaving.append(self._submission)

    def grants(self, grant: str) -> None:
        act = self.act()
        event = GrantSet(**next_of(self.person, self.person.person_id, act, 1), **self._terms(act, grant), reason="review")
        self.person = evolve(self.person, event)
        sent = GrantChanged(handle=self.handle, grant=grant, grant_until=event.grant_until)
        self.leaving.append(lambda: sent)

    def revokes(self) -> None:
        act = self.act()
        event = TokensRevoked(
            **next_of(self.person, self.person.person_id, act, 1), handle=self.handle, reason="correction"
        )
        self.person = evolve(self.person, event)
        sent = self._revocation()
        self.leaving.append(lambda: sent)
        if self.match is not None:
            self._save(decide_follow_revocation(self.match, event, act))

    def closes(self) -> None:
        self._save(decide_close_match(self.match, self.act(), reason="referred"))

    def _save(self, events) -> None:
        for event in events:
            self.match = evolve_match(self.match, event)
            if self.match.state == "CLOSED":
                self.leaving.append(self._ended)

    # ---- what leaves

    def _submission(self) -> Submission | None:
        linkage = self.linkage
        if not linkage.live:
            return None
        rows = [b"A", f"{self.me} alone".encode()]
        return Submission(
            handle=self.handle, serial=linkage.serial, pair="KH-TH", epoch=1, schema_version=1,
            indices=b"".join(hashlib.sha256(r).digest() for r in rows), grant=linkage.grant,
            grant_until=linkage.grant_until,
        )

    def _revocation(self) -> Revocation:
        return Revocation(handle=self.handle, serial=self.linkage.serial)

    def _ended(self) -> MatchEnded:
        return MatchEnded(match_ref=self.match.match_ref, handle=self.handle)

    def begins_anew(self) -> None:
        """Its stream to the matcher: what waited is lost, and the live state leaves in its place, as a relay has it."""
        self.stream_epoch += 1
        self.leaving = []
        if self.state == "CLOSED":
            self.leaving.append(self._ended)
        if self.linkage:
            sent = None if self.is_out else self._revocation()
            self.leaving.append(self._submission if self.is_out else lambda: sent)

    def written(self) -> list:
        """All that leaves with a tick."""
        items, self.leaving = [item for make in self.leaving if (item := make())], []
        self.said = self.linkage.grant if self.linkage else "hold"
        self.knows &= not any(isinstance(item, MatchEnded | Revocation) for item in items)
        return items

    # ---- what it hears

    def hears(self, items) -> None:
        for item in items:
            act = self.act().model_copy(update={"by": MATCHER})
            if isinstance(item, MatchNotice):
                self._told(item, act)
            elif self.match is not None:
                self.told.append("over")
                self._save(decide_close_match(self.match, act.by_node(), reason="other_side_ended"))

    def _told(self, notice: MatchNotice, act: Act) -> None:
        self.told.append(notice.told)
        self.knows = True
        fields = notice.model_dump(exclude={"kind"})
        try:
            events = decide_told(
                self.match, self.person, act, match_id=match_id_of(self.handle, notice.match_ref), **fields
            )
        except Refused as refused:
            self.refused.append(refused.code)
            return
        self.repeated += not events
        self._save(events)


class Heard:
    """In the place of the matcher's post, for its telling: how far each stream is heard, and that all can be written to."""

    def __init__(self) -> None:
        self.tick: int | None = None
        self.directory = self

    def applied_tick(self, _topic, _tx) -> int | None:
        return self.tick

    def sealing_key(self, *_) -> str:
        return "known"


class Countries(RuleBasedStateMachine):
    """Every word is heard in the tick it leaves in, before the matcher decides."""

    may_cross = False

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.region = Posts(Path(self.folder.name), intake_per_day=100_000)
        self.nodes = {"KH": Node(self.region, "KH", "TH"), "TH": Node(self.region, "TH", "KH")}
        self.database = open_database("sqlite:///:memory:")
        self.matcher = Matcher(
            "matcher", charter=self.region.charter, digest=self.region.digest, ring=self.region.ring("matcher"),
            database=self.database, stream=self.region.stream, clock=self.region.clock,
        )
        self.matcher.create()
        self.heard = self.matcher._telling._post = Heard()

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    # ---- time

    def ticks(self, count: int, *, crossing: bool = False) -> None:
        """Let so many ticks begin. crossing: the matcher decides before it hears what leaves with them."""
        for _ in range(count):
            clock = self.region.clock
            clock.advance(60 - clock.now().timestamp() % 60)
            tick = self.region.charter.tick_at(clock.now())
            for do in (self.decide, self.hear) if crossing else (self.hear, self.decide):
                do(tick)
            for node in self.nodes.values():
                with self.database.transaction() as tx:
                    node.hears(notices.take(tx, node.me, 100, tick))

    def hear(self, tick: int) -> None:
        for node in self.nodes.values():
            header = SimpleNamespace(writer=node.me, epoch=node.stream_epoch)
            with self.database.transaction() as tx:
                self.matcher._take_linkage(tx, header, Body(items=tuple(node.written())))
        self.heard.tick, self.matcher._to_look = tick, True
        self.matcher._look()

    def decide(self, tick: int) -> None:
        with self.database.transaction() as tx:
            before = tx.execute("SELECT MAX(id) FROM matcher_notices")[0][0] or 0
            self.matcher._telling.decide(tx, tick)
            decided = tx.execute("SELECT country, item FROM matcher_notices WHERE id > ?", (before,))
        for country, item in decided:
            self.check_grants(self.nodes[country], json.loads(item)["told"])

    def check_grants(self, node: Node, told: str) -> None:
        """By what the other side had written: its grant tells; or this side knows already, and now the other comes to."""
        other = self.nodes[node.other]
        knew_alone = told == "both" and node.told[-1:] == ["this_side"] and node.knows
        assert other.said == "tell" or knew_alone

    # ---- what people do

    @initialize(kh=GRANTS, th=GRANTS)
    def both_publish(self, kh, th):
        self.nodes["KH"].publishes(kh)
        self.nodes["TH"].publishes(th)
        self.ticks(2)

    @rule(acts=st.lists(ACTS, max_size=5), ahead=st.booleans(), ticks=st.sampled_from([1, 1, 1, 2, QUIET]))
    def people_act_and_ticks_begin(self, acts, ahead, ticks):
        for me, what in acts:
            self.act(self.nodes[me], what)
        crossing = ahead and self.may_cross and ticks < QUIET
        self.ticks(ticks, crossing=crossing)
        if ticks == QUIET or not self.may_cross:
            states = [node.state for node in self.nodes.values()]
            assert states.count("BOTH_TOLD") != 1, states

    @staticmethod
    def act(node: Node, what: str) -> None:
        """Somebody grants, and publishes for that where nothing is out; revokes; ends what is told. Or a stream breaks."""
        if what == "revoke" and node.is_out:
            node.revokes()
        elif what == "close" and node.match is not None and node.match.live:
            node.closes()
        elif what in {"tell", "hold"}:
            (node.grants if node.is_out else node.publishes)(what)
        elif what == "begin anew":
            node.begins_anew()

    # ---- what holds

    @invariant()
    def no_node_is_told_what_it_must_refuse(self):
        for node in self.nodes.values():
            assert set(node.refused) <= ({"match_over", "tokens_not_out"} if self.may_cross else set())
            assert node.told.count("this_side") <= 1
            assert node.repeated == 0


class CountriesThatAct(Countries):
    """The matcher may also decide before it has heard what leaves in this tick."""

    may_cross = True


@pytest.mark.parametrize("examples", [100, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("machine", [Countries, CountriesThatAct], ids=["heard at once", "crossing"])
def test_whatever_two_countries_do_they_know_the_same_and_nobody_is_told_against_a_hold(machine, examples):
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=10, deadline=None)
    )
