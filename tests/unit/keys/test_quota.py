import pytest

from keys.quota import Allow, Deny, Window, ask, limit_of

DAY = Window(day=10, spent=300)


def test_what_fits_is_allowed_and_counted():
    assert ask(DAY, 20, limit=320, today=10) == Allow(Window(10, 320))


def test_what_does_not_fit_waits_for_the_next_day():
    assert ask(DAY, 21, limit=320, today=10) == Deny(retry_day=11)


def test_a_new_day_opens_a_new_window():
    assert ask(DAY, 320, limit=320, today=11) == Allow(Window(11, 320))


def test_a_clock_set_back_opens_no_second_window():
    spent = Window(10, 320)
    assert ask(spent, 1, limit=320, today=9) == Deny(retry_day=11)
    assert ask(Window(10, 0), 1, limit=320, today=9) == Allow(Window(10, 1))


def test_more_than_any_day_allows_is_denied_for_good():
    assert ask(Window(10, 0), 321, limit=320, today=10) == Deny(retry_day=None)
    assert ask(Window(10, 0), 1, limit=0, today=10) == Deny(retry_day=None)


def test_nothing_wins_back_what_was_spent():
    for n in (0, -1, -300):
        assert ask(DAY, n, limit=320, today=10) == Deny(retry_day=None)


def test_a_lowered_limit_denies_and_does_not_go_below_zero():
    assert ask(DAY, 1, limit=200, today=10) == Deny(retry_day=11)


@pytest.mark.parametrize(
    "earlier, limit",
    [
        pytest.param([], 150, id="nothing drawn: all of it today"),
        pytest.param([0, 99, 100], 150, id="days within the daily number draw nothing"),
        pytest.param([120], 130, id="what one day drew is gone"),
        pytest.param([120, 100, 130], 100, id="days add up, and it is used up"),
        pytest.param([400], 100, id="never below the daily number"),
    ],
)
def test_what_is_granted_beyond_the_daily_number_is_granted_once(earlier, limit):
    assert limit_of(daily=100, granted=50, earlier=earlier) == limit
