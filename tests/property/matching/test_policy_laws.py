"""Who is told, over any life of two grants: heard late or in time, expiring, changing, at any ticks."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from matching import policy

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HEARD = st.tuples(
    st.sampled_from(["tell", "hold"]), st.sampled_from([NOW, NOW + timedelta(days=1)]), st.none() | st.integers(0, 12),
)
LIVES = st.lists(st.tuples(HEARD, HEARD, st.integers(5, 12)), max_size=12)


def lived(life):
    """At each step: how each grant counts, what each side hears."""
    told = [None, None]
    for first, second, tick in life:
        moment = policy.Moment(NOW, tick, found_tick=5)
        sides = [policy.Standing(*heard, told=t) for heard, t in zip((first, second), told, strict=True)]
        news = policy.notices(*sides, moment)
        yield [policy.counts_as(s, moment) for s in sides], news
        told = [new or old for new, old in zip(news, told, strict=True)]


@given(LIVES)
def test_a_side_first_hears_only_while_the_other_grants_it(life):
    heard = [False, False]
    for grants, news in lived(life):
        for one, other in ((0, 1), (1, 0)):
            if news[one] and not heard[one]:
                assert grants[other] == "tell"
            if grants[other] == "tell":
                assert heard[one] or news[one]
            heard[one] = heard[one] or bool(news[one])


@given(LIVES)
def test_both_are_told_together_and_each_had_granted_it(life):
    granted = [False, False]
    for grants, news in lived(life):
        granted = [g or now == "tell" for g, now in zip(granted, grants, strict=True)]
        assert (news[0] == "both") == (news[1] == "both")
        assert news[0] != "both" or all(granted)


@given(LIVES)
def test_nothing_is_told_twice_and_nothing_after_both(life):
    steps = list(lived(life))
    for side in (0, 1):
        assert [news[side] for _, news in steps if news[side]] in ([], ["this_side"], ["both"], ["this_side", "both"])


@given(LIVES)
def test_the_two_sides_are_alike(life):
    turned = [(second, first, tick) for first, second, tick in life]
    assert [news[::-1] for _, news in lived(turned)] == [news for _, news in lived(life)]
