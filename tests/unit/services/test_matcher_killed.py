"""SIGKILL at every point of the matcher's life: the same matches, the same notices, no more and no fewer."""

from contextlib import suppress

import pytest

from events.database import open_database


class Story:
    """Five people of KH and TH over some ticks: found, told, revoked, granted, told again. With a death on the way."""

    def __init__(self, region, fake_country, open_matcher, settle, database) -> None:
        self.region, self.settle, self.open_matcher, self.database = region, settle, open_matcher, database
        self.kh, self.th = fake_country(region, "KH"), fake_country(region, "TH")

    def chapters(self):
        kh, th = self.kh, self.th
        for i, grants in enumerate(["tell tell", "hold tell", "tell hold", "hold hold"]):
            kh.submits(f"k{i}", grants.split()[0], doc=f"A{i}")
            th.submits(f"t{i}", grants.split()[1], doc=f"A{i}")
        yield
        kh.submits("late", "tell", full="B")
        yield
        th.submits("late", "tell", full="B")
        yield
        kh.grants("k1", "tell")
        th.revokes("t0")
        yield
        th.submits("t0", "tell", doc="A0")
        yield
        kh.grants("k0", "tell")
        yield
        yield

    def tell(self, killed, mortal=None) -> bool:
        """Play it. Returns whether the matcher survived it."""
        parts = self.database, self.region.stream
        database, stream = mortal(*parts) if mortal else parts
        lives = []
        with suppress(killed):
            lives.append(self.open_matcher(self.region, database=database, stream=stream))
        survived = bool(lives)
        if not survived:
            lives.append(self.open_matcher(self.region, database=self.database))
        self._tick(lives, killed)
        for _ in self.chapters():
            self._tick(lives, killed)
        return survived and len(lives) == 1

    def _tick(self, lives, killed) -> None:
        self.region.clock.advance(60)
        try:
            self.settle(self.kh, self.th, lives[-1])
        except killed:
            lives.append(self.open_matcher(self.region, database=self.database))
            self.settle(self.kh, self.th, lives[-1])

    def outcome(self):
        """What it came to, without what is random: references, dates, and the order of notices about two people."""
        notices = [sorted(map(_plain, c.notices), key=lambda n: n[0]) for c in (self.kh, self.th)]
        with self.database.reading() as tx:
            matches = tx.execute("SELECT first, second, band, stands, first_told, second_told FROM found ORDER BY 1, 2")
            told = tx.execute("SELECT pair, band, SUM(count) FROM matcher_told GROUP BY pair, band ORDER BY 1, 2")
            accepted = tx.execute("SELECT country, pair, count FROM matcher_accepted ORDER BY 1")
        sizes = {len(d.value) for d in self.region.stream.read({("notices.KH", 0): 0}, 1000)}
        return notices, matches, told, accepted, len(sizes) <= 3  # a number in the header may have a digit more


def _plain(notice):
    told = getattr(notice, "told", "over")
    return notice.handle, told, getattr(notice, "band", None), getattr(notice, "slot", None)


@pytest.fixture
def new_story(new_region, tmp_path, fake_country, open_matcher, settle):
    def make(name: str, dsn: str = "sqlite:///:memory:") -> Story:
        folder = tmp_path / name
        folder.mkdir()
        region = new_region(folder, notices_per_tick=2)
        return Story(region, fake_country, open_matcher, settle, open_database(dsn.format(folder)))

    return make


@pytest.fixture
def undisturbed(new_story, killed):
    story = new_story("undisturbed")
    assert story.tell(killed)
    return story.outcome()


def test_undisturbed_the_story_tells_what_it_should(undisturbed):
    (kh, th), matches, told, accepted, _ = undisturbed
    assert sorted(told for _, told, _, _ in kh) == sorted(["both", "over", "both", "this_side", "both", "both"])
    assert sorted(told for _, told, _, _ in th) == sorted(["both", "over", "both", "both", "this_side", "both"])
    assert len(matches) == 5
    assert told == [("KH-TH", "document", 2), ("KH-TH", "possible", 1)]
    assert accepted == [("KH", "KH-TH", 10), ("TH", "KH-TH", 10)]


@pytest.mark.parametrize(
    "step, done",
    [
        pytest.param(4, False, id="before every fourth"),
        pytest.param(4, True, id="after every fourth"),
        pytest.param(1, False, id="before any", marks=pytest.mark.long),
        pytest.param(1, True, id="after any", marks=pytest.mark.long),
    ],
)
def test_killed_at_a_thing_that_it_makes_durable_the_matcher_tells_the_same(
    new_story, undisturbed, mortal, killed, step, done
):
    at, survived = 1, False
    while not survived:
        story = new_story(f"{at}")
        survived = story.tell(killed, lambda database, stream, n=at: mortal(database, stream, n, done=done))
        assert story.outcome() == undisturbed, f"killed at {at}"
        at += step
    assert at > 30


@pytest.mark.parametrize("at", [5, 12, 19, 26])
def test_killed_and_reopened_from_its_files_the_matcher_tells_the_same(new_story, undisturbed, mortal, killed, at):
    story = new_story(f"{at}", "sqlite:///{}/matcher.db")
    assert not story.tell(killed, lambda database, stream: mortal(database, stream, at, done=True))
    assert story.outcome() == undisturbed
