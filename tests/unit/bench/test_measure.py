import pytest

from services.bench.measure import Figure, Pair, Stopwatch, in_step, in_turns, microseconds_each, per_second


def pairs(*of):
    return [Pair(*one) for one in of]


def test_both_warm_up_uncounted_and_then_alternate_who_goes_first():
    done = []

    def run(name):
        done.append(name)
        return len(done)

    measured = in_turns(lambda: run("ours"), lambda: run("bare"), rounds=3)

    assert done == ["ours", "bare", "ours", "bare", "bare", "ours", "ours", "bare"]
    assert measured == pairs((3, 4), (6, 5), (7, 8))


def test_in_step_each_step_stands_beside_its_part_and_a_round_is_the_sum_of_both():
    done = []

    def ours():
        for step in (1.0, 2.0):
            done.append(f"ours {step}")
            yield step

    def part(seconds):
        done.append(f"bare {seconds}")
        return seconds

    measured = in_step(ours, [lambda: part(10.0), lambda: part(20.0)], rounds=2)

    assert measured == pairs((3.0, 30.0), (3.0, 30.0))
    bare_first = ["bare 10.0", "ours 1.0", "bare 20.0", "ours 2.0"]
    assert done == [*bare_first, "ours 1.0", "bare 10.0", "ours 2.0", "bare 20.0", *bare_first]


def test_a_stopwatch_adds_up_its_blocks_and_nothing_in_between():
    clock = iter([10.0, 11.5, 100.0, 100.25])
    watch = Stopwatch(lambda: next(clock))
    with watch:
        pass
    with watch:
        pass
    assert watch.seconds == 1.75


def test_a_stopwatch_stops_when_its_block_fails():
    clock = iter([1.0, 3.0])
    watch = Stopwatch(lambda: next(clock))
    with pytest.raises(KeyError), watch:
        raise KeyError
    assert watch.seconds == 2.0


def test_the_ratio_is_the_median_of_the_rounds_own():
    """Not of the medians: a round in which the machine was slow for both says nothing against either."""
    slow_middle = pairs((2.0, 1.0), (20.0, 10.0), (4.0, 3.0))
    figure = Figure.of("a", "what", "s", 1, slow_middle)
    assert (figure.ours, figure.baseline, figure.ratio) == (4.0, 3.0, 2.0)


def test_the_spread_has_the_lowest_and_highest_ratio_of_any_round():
    figure = Figure.of("a", "what", "s", 1, pairs((2.0, 1.0), (3.0, 2.0), (4.0, 1.0)))
    assert figure.spread == (1.5, 4.0)


def test_one_outlier_moves_no_figure():
    even = Figure.of("a", "what", "s", 1, pairs(*[(2.0, 1.0)] * 5))
    disturbed = Figure.of("a", "what", "s", 1, pairs(*[(2.0, 1.0)] * 4, (900.0, 1.0)))
    assert (disturbed.ours, disturbed.ratio) == (even.ours, even.ratio)


@pytest.mark.parametrize("runs", [[], [(0.0, 1.0)], [(1.0, 1.0), (1.0, 0.0)]])
def test_what_measured_nothing_is_refused(runs):
    with pytest.raises(ValueError, match="measured nothing"):
        Figure.of("a", "what", "s", 1, pairs(*runs))


def test_costs_are_microseconds_of_one_thing():
    assert microseconds_each(pairs((0.5, 0.25)), 1000) == pairs((500.0, 250.0))


def test_rates_are_things_in_a_second():
    assert per_second(pairs((0.5, 0.25)), 1000) == pairs((2000.0, 4000.0))


def test_a_rate_of_no_time_is_refused():
    with pytest.raises(ValueError, match="no time"):
        per_second(pairs((0.0, 1.0)), 10)
