import pytest

from matching import quality


def test_pairs_count_in_either_order_and_once():
    measured = quality.measure([("a", "b"), ("b", "a"), ("c", "d")], [("b", "a"), ("e", "f"), ("g", "h")])
    assert measured == quality.Quality(found=2, known=3, right=1)
    assert (measured.precision, measured.recall) == (0.5, pytest.approx(1 / 3))
    assert measured.f1 == pytest.approx(0.4)


def test_nothing_found_is_not_wrong_and_nothing_known_is_not_missed():
    assert quality.measure([], [("a", "b")]) == quality.Quality(0, 1, 0)
    assert quality.measure([], []).f1 == 1.0
    assert quality.measure([], [("a", "b")]).f1 == 0.0
    assert quality.measure([], [("a", "b")]).precision == 1.0
    assert quality.measure([("a", "b")], []).recall == 1.0


def test_guesses_go_to_the_commonest_first():
    assert quality.guessed_share([1, 6, 3], combinations=10, guesses=10) == 0.6
    assert quality.guessed_share([1, 6, 3], combinations=10, guesses=15) == pytest.approx(0.75)
    assert quality.guessed_share([1, 6, 3], combinations=10, guesses=0) == 0.0


def test_enough_guesses_hit_everybody_and_no_more():
    assert quality.guessed_share([1, 6, 3], combinations=10, guesses=30) == 1.0
    assert quality.guessed_share([1, 6, 3], combinations=10, guesses=10**9) == 1.0
    assert quality.guessed_share([], combinations=10, guesses=10) == 0.0
