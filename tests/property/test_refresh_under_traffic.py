"""A region that publishes, refreshes, sleeps, dies and lives again in any order: the same matches, and nothing refused.

The model: who was published by both countries is found by both; a pair's generation only grows, by one a refresh; the
sum of the public shares never changes; nobody is accused and no request refused, however refreshes and batches meet.
"""

from itertools import count

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from refreshing import HOLDERS, PAIR
from regions import person, regions_in

from events.messages import EvaluationRefused
from keys import group

COUNTRIES = ("KH", "TH")
PARTIES = (*COUNTRIES, *HOLDERS)


class Traffic(RuleBasedStateMachine):
    make_region = None

    def __init__(self):
        super().__init__()
        self.region = self.make_region()
        self.published = dict.fromkeys(COUNTRIES, 0)

    def up(self, party):
        if party not in self.region.parties:
            self.region.start(party)

    @rule(country=st.sampled_from(COUNTRIES))
    def publish(self, country):
        self.up(country)
        i = self.published[country]
        self.published[country] += 1
        row = person(f"R{i:02}", prs_IdentityNumber=f"K72900{i:02}", prs_Birthdate=f"{1960 + i}-04-23")
        self.region.publish(country, row)

    @rule(holder=st.sampled_from(COUNTRIES))
    def refresh(self, holder):
        self.up(f"{holder}.holder")
        self.region.holders[holder].refreshes.ask(PAIR, "custodian")

    @rule(party=st.sampled_from(PARTIES), times=st.integers(1, 3))
    def step(self, party, times):
        self.up(party)
        for _ in range(times):
            self.region.parties[party].step()

    @rule()
    def tick(self):
        self.region.tick()

    @rule(party=st.sampled_from(PARTIES))
    def die(self, party):
        if party in self.region.parties:
            self.region.kill(party)

    @invariant()
    def every_generation_in_force_is_one_key(self):
        for country in COUNTRIES:
            if country not in self.region.nodes:
                continue
            directory = self.region.nodes[country]._post.directory
            active = directory.active_generation(PAIR, 1)
            keys = {self.sum(directory, generation) for generation in (0, active)}
            assert len(keys) == 1

    @staticmethod
    def sum(directory, generation):
        one, other = (directory.share(PAIR, 1, holder, generation).public for holder in HOLDERS)
        return group.add([one], [other])[0]

    def teardown(self):
        region = self.region
        try:
            for party in PARTIES:
                self.up(party)
            region.tick(8)
            both = min(self.published.values())
            for country in COUNTRIES:
                told = [(row[0], row[2]) for row in region.matches(country)]
                assert told == sorted((f"R{i:02}", "BOTH_TOLD") for i in range(both))
                node = region.nodes[country]
                assert node.evaluations.evidence() == []
                assert node.status().waits_for == {}
                assert node.status().open_batches == {}
            for holder in COUNTRIES:
                (progress,) = region.holders[holder].refreshes.progress()
                assert progress.state == "rest"
                assert region.holders[holder].shares.generations(PAIR, 1) == {progress.generation}
                answers = [item for cc in COUNTRIES for item in region.items(f"evaluated.{holder}.{cc}")]
                assert not [item for item in answers if isinstance(item, EvaluationRefused)]
        finally:
            region.close()


def run(tmp_path, examples, steps):
    numbers = count()
    with regions_in(tmp_path) as make:
        founded = make(*COUNTRIES, batch_limit=5)
        Traffic.make_region = staticmethod(lambda: founded.copied(tmp_path / f"copy{next(numbers)}"))
        # A region takes seconds, and a shrunk failure would take hours.
        phases = (Phase.explicit, Phase.reuse, Phase.generate)
        chosen = settings(max_examples=examples, stateful_step_count=steps, deadline=None, phases=phases)
        run_state_machine_as_test(Traffic, settings=chosen)


def test_whatever_comes_between_people_are_found_and_no_request_is_refused(tmp_path):
    run(tmp_path, 10, 15)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_whatever_comes_between_for_a_long_time(tmp_path):
    run(tmp_path, 40, 40)
