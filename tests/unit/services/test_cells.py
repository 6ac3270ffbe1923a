"""Small numbers are not shown, and cannot be worked out from those that are."""

from services.matcher.cells import Tally, chosen, released, sums

A, B = ("KH-TH", "document", "2026-03"), ("KH-TH", "strong", "2026-03")


def test_a_batch_that_runs_is_not_seen():
    assert released([Tally(A, 7, 50)], current_batch=7, least=11) == {}
    assert released([Tally(A, 7, 50)], current_batch=8, least=11) == {A: 50}


def test_a_cell_below_the_least_looks_as_an_empty_one_does():
    assert released([Tally(A, 1, 10)], current_batch=9, least=11) == released([], current_batch=9, least=11)


def test_a_cell_is_shown_from_the_least_on():
    assert released([Tally(A, 1, 4), Tally(A, 2, 7)], current_batch=9, least=11) == {A: 11}


def test_a_shown_number_stays_until_it_has_grown_by_the_least():
    tallies = [Tally(A, 1, 14), Tally(A, 2, 1), Tally(A, 3, 9), Tally(A, 4, 1)]
    shown = [released(tallies, current_batch=n, least=11).get(A) for n in range(1, 7)]
    assert shown == [None, 14, 14, 14, 25, 25]


def test_cells_are_released_each_for_itself():
    assert released([Tally(A, 1, 20), Tally(B, 1, 3)], current_batch=2, least=11) == {A: 20}


def test_a_sum_adds_what_is_shown_and_nothing_else():
    shown = released([Tally(A, 1, 20), Tally(B, 1, 3)], current_batch=2, least=11)
    assert sums(shown, 0) == {"KH-TH": 20}


def test_filters_choose_among_shown_cells():
    shown = {A: 20, B: 30, ("LA-TH", "document", "2026-03"): 40}
    assert chosen(shown, (None, "document", None)) == {A: 20, ("LA-TH", "document", "2026-03"): 40}
    assert chosen(shown, ("KH-TH", "strong", "2026-04")) == {}
