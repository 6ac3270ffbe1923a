"""A party that has nothing to do leaves its store to others: commands wait for no step."""

from collections import Counter
from contextlib import contextmanager

import pytest
from regions import person, regions_in


class Counting:
    """A database that counts what is opened to write."""

    def __init__(self, inner, party: str, counts: Counter) -> None:
        self._inner, self._party, self._counts = inner, party, counts

    def __getattr__(self, name):
        return getattr(self._inner, name)

    @contextmanager
    def transaction(self):
        self._counts[self._party] += 1
        with self._inner.transaction() as tx:
            yield tx


@pytest.fixture
def counted(tmp_path):
    """A region that has done its work, with something left that waits for people; and what its parties write."""
    with regions_in(tmp_path) as make:
        region, counts = make("KH", "TH"), Counter()
        region.wrap = lambda party, database, stream: (Counting(database, party, counts), stream)
        for party in list(region.parties):
            region.kill(party)
            region.start(party)
        for country in ("KH", "TH"):
            region.publish(country, person("A"))
        region.import_rows("KH", [person("WAITS", prs_IdentityNumber="K2")])
        region.tick(4)
        assert set(counts) == set(region.parties)
        counts.clear()
        yield region, counts


def test_a_step_that_finds_nothing_to_do_writes_nothing(counted):
    region, counts = counted
    for party, service in region.parties.items():
        assert not service.step(), party
    assert counts == {}
