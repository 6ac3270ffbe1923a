"""Laws of the counts that analysts see: asked again, asked otherwise, asked of a world with one match more."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.matcher.cells import Tally, chosen, released, sums

LEAST = 11
CELLS = [(pair, band) for pair in ("KH-TH", "LA-TH") for band in ("document", "strong")]
worlds = st.lists(st.tuples(st.sampled_from(CELLS), st.integers(0, 6)), max_size=160)
"""Each element is one match: its cell, and the batch in which both sides were told."""


def tallies(world) -> list[Tally]:
    return [Tally(cell, batch, n) for (cell, batch), n in Counter(world).items()]


def seen(world, batch: int):
    return released(tallies(world), current_batch=batch, least=LEAST)


@given(worlds)
def test_what_is_shown_is_never_more_than_there_is_nor_a_small_number(world):
    truth = Counter(cell for cell, batch in world)
    for cell, n in seen(world, 7).items():
        assert LEAST <= n <= truth[cell]


@given(worlds)
def test_asking_again_later_shows_the_same_or_at_least_so_many_more(world):
    for before, after in zip(range(7), range(1, 8), strict=True):
        earlier, later = seen(world, before), seen(world, after)
        assert earlier.keys() <= later.keys()
        assert all(later[c] - n == 0 or later[c] - n >= LEAST for c, n in earlier.items())


@given(worlds, st.sampled_from(CELLS), st.integers(0, 6))
def test_one_match_more_changes_no_other_cell(world, cell, batch):
    """The differencing attack, with and without one match: all that can differ is its own cell, and by a release."""
    without, withal = seen(world, 7), seen([*world, (cell, batch)], 7)
    assert {c: n for c, n in without.items() if c != cell} == {c: n for c, n in withal.items() if c != cell}


@given(worlds, st.sampled_from(CELLS), st.integers(0, 6))
def test_one_match_in_a_small_cell_changes_no_answer_to_any_question(world, cell, batch):
    more = [*world, (cell, batch)]
    if sum(c == cell for c, _ in more) >= LEAST:
        return
    for current in range(8):
        one, other = seen(world, current), seen(more, current)
        for filters in [(p, b) for p in ("KH-TH", "LA-TH", None) for b in ("document", "strong", None)]:
            assert chosen(one, filters) == chosen(other, filters)
            assert all(sums(chosen(one, filters), i) == sums(chosen(other, filters), i) for i in range(2))


@given(worlds, st.integers(0, 7))
def test_a_sum_less_the_cells_that_are_shown_leaves_nothing(world, current):
    shown = seen(world, current)
    for part in range(2):
        for name, total in sums(shown, part).items():
            assert total - sum(n for cell, n in shown.items() if cell[part] == name) == 0


@given(worlds)
def test_the_order_in_which_matches_were_counted_does_not_matter(world):
    assert seen(world, 7) == seen(world[::-1], 7)
