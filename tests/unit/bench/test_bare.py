"""The baselines count what they say they count: held against the calls that the real work makes of the backend."""

import time
from collections import Counter
from dataclasses import fields, replace

import backends
import pytest

from keys import group, libsodium
from keys.sodium import Sodium
from matching import tokens
from services.bench import bare, batch, token_country, token_holder, token_pair
from services.bench.measure import Stopwatch

ONCE_A_BATCH = 16
"""Calls that are made once a batch, not once a token."""


@pytest.fixture
def calls(monkeypatch):
    """How often each function of the backend was called since `calls.clear()`."""
    counted = Counter()

    def counting(name, function):
        def run(*arguments):
            counted[name] += 1
            return function(*arguments)

        return run

    library = libsodium.load("rbcl")
    functions = [f.name for f in fields(library) if f.name != "name"]
    counting_library = replace(library, **{f: counting(f, getattr(library, f)) for f in functions})
    monkeypatch.setattr(group, "_backend", Sodium(counting_library))
    return counted


def assert_as_counted(calls, counts, n):
    for function in bare.SODIUM:
        assert counts.get(function, 0) * n <= calls[function] <= counts.get(function, 0) * n + ONCE_A_BATCH, function


def test_the_countrys_baseline_has_the_operations_that_a_country_makes(calls, monkeypatch):
    """All but the holders' part, which is made beforehand here and stands outside of the stopwatch there."""
    inputs, holders = batch.inputs(), batch.holders()
    asked = []
    monkeypatch.setattr(batch.Holder, "answer", aside(calls, batch.Holder.answer, asked))
    calls.clear()
    token_country._ours(batch.Passage(inputs, holders))
    assert len(asked) == 2
    assert_as_counted(calls, token_country.COUNTS, batch.SIZE)


def aside(calls, answer, asked):
    """The same, with its calls left uncounted."""

    def run(holder, blinded):
        before = dict(calls)
        result = answer(holder, blinded)
        calls.clear()
        calls.update(before)
        asked.append(holder)
        return result

    return run


def test_the_holders_baseline_has_the_operations_that_a_holder_makes(calls):
    asked = b"".join(tokens.blind(batch.inputs()).blinded)
    holder, _ = batch.holders()
    calls.clear()
    token_holder._ours(asked, holder)
    assert_as_counted(calls, token_holder.COUNTS, batch.SIZE)


def test_a_pairs_token_is_measured_in_as_many_steps_as_its_baseline_has_and_takes_what_they_take():
    assert sum(map(Counter, token_pair.COUNTS), Counter()) == {"from_hash": 1, "multiply": 4}
    assert sum(map(Counter, token_pair.NATIVE), Counter()) == {"hash": 1, "multiply": 4}
    passage, watch = batch.Passage(batch.inputs(), batch.holders()), Stopwatch(time.process_time)
    made = list(passage.steps(watch, watch))
    assert list(map(len, made)) == [0, 0, 0, batch.SIZE]
    assert len(token_pair.COUNTS) == len(token_pair.NATIVE) == len(made)


def test_a_bare_run_makes_each_call_n_times_and_takes_time(monkeypatch):
    made = Counter()
    library = libsodium.load("rbcl")
    watched = replace(library, add=lambda *_: made.update(["add"]), multiply=lambda *_: made.update(["multiply"]))
    monkeypatch.setattr(libsodium, "load", lambda _: watched)
    ticks = iter([0.0, 2.0])
    run = bare.Bare(library.name, {"multiply": 2, "add": 3}, 10)
    assert run.run(Stopwatch(lambda: next(ticks))) == 2.0
    assert made == {"multiply": 20, "add": 30}


@pytest.mark.parametrize("function", bare.SODIUM)
def test_every_bare_operation_succeeds_on_its_operands(function, monkeypatch):
    """An operation that fails at once would make a baseline that nobody can reach."""
    library = libsodium.load("rbcl")
    results = []
    watched = replace(library, **{function: lambda *a: results.append(getattr(library, function)(*a))})
    monkeypatch.setattr(libsodium, "load", lambda _: watched)
    bare.Bare(library.name, {function: 1}, 5).run(Stopwatch(iter([0.0, 1.0]).__next__))
    assert len(results) == 5
    if function in {"multiply", "add", "from_hash"}:
        assert results == [0] * 5
    if function == "is_valid":
        assert results == [1] * 5


@pytest.mark.parametrize("operation", bare.NATIVE)
def test_every_native_bare_operation_is_done_n_times(operation, monkeypatch):
    monkeypatch.setattr(group, "_backend", None)
    backends.use("native")
    once, often = (bare.Bare("native", {operation: count}, 200) for count in (1, 20))
    assert 5 < least(often) / least(once) < 80


def least(baseline):
    return min(baseline.run(Stopwatch(time.process_time)) for _ in range(5))


def test_an_operation_that_the_native_group_has_not_is_refused(monkeypatch):
    monkeypatch.setattr(group, "_backend", None)
    backends.use("native")
    with pytest.raises(ValueError, match="add"):
        bare.Bare("native", {"add": 1}, 1)


def test_the_backend_is_the_former_one_after_a_bench_on_another():
    before = group.backend_name()
    for name in bare.backends():
        with bare.using(name):
            assert group.backend_name() == name
    assert group.backend_name() == before


def test_words_say_how_many_of_what():
    assert bare.in_words({"from_hash": 1, "multiply": 6}) == "1 map to the group, 6 multiplications"
