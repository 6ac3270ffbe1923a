"""SIGKILL in one process: a database, a carrier and a key ring that die together as something is made durable.

Before it is done, or after it was done and nobody was told.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from regions import LiveRegion, regions_in


class Killed(BaseException):
    """SIGKILL: nothing catches it."""


class Fuse:
    """Burns at the nth thing that one party makes durable: `done` after it, else before it. At 0 it rests, and counts
    nothing."""

    def __init__(self, at: int, *, done: bool) -> None:
        self.at, self.done, self.passed = at, done, 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if not self.at:
            yield
            return
        self.passed += 1
        burns = self.passed == self.at
        if burns and not self.done:
            raise Killed
        yield
        if burns:
            raise Killed


class MortalDatabase:
    """A database whose process may die inside a transaction, which is undone then, or right after its commit."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        if self._fuse.done:
            with self._fuse(), self._inner.transaction() as tx:
                yield tx
        else:
            with self._inner.transaction() as tx:
                yield tx
                with self._fuse():
                    pass


class MortalStream:
    """A carrier whose writer may die before it appends, or right after."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def append(self, records: Any) -> None:
        with self._fuse():
            self._inner.append(records)


class MortalRing:
    """A key ring whose process may die before a change of the file, or right after."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def add(self, *args: Any, **given: Any) -> Any:
        with self._fuse():
            return self._inner.add(*args, **given)

    def destroy(self, *args: Any, **given: Any) -> None:
        with self._fuse():
            self._inner.destroy(*args, **given)


class MortalJob:
    """Work in a region of which one party dies once on the way, and lives again from its files."""

    def __init__(self, region: LiveRegion, victim: str, fuse: Fuse) -> None:
        self.region, self.victim, self.fuse, self.deaths = region, victim, fuse, 0
        region.wrap = lambda _party, database, stream: (MortalDatabase(database, fuse), MortalStream(stream, fuse))
        region.kill(victim)
        self.survive(victim, lambda: region.start(victim))

    def survive(self, party: str, act: Callable[[], Any]) -> Any:
        """Do it; if the party dies of it, let it live again from its files, and say that there is more to do."""
        try:
            return act()
        except Killed:
            self.deaths += 1
            self.region.kill(party)
            self.region.wrap = lambda _party, database, stream: (database, stream)
            self.region.start(party)
            return True

    def step(self) -> bool:
        """One step of every party. Returns whether anything was done."""
        return any([self.survive(p, lambda p=p: self.region.parties[p].step()) for p in [*self.region.parties]])  # noqa: C419

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.region.clock.advance(60)
            for _ in range(60):
                if not self.step():
                    break
            else:
                raise AssertionError("The region does not come to rest.")


def killed_at_each(
    make: Callable[[int], MortalJob], undisturbed: dict[str, Any], *, first: int = 1, every: int = 1
) -> int:
    """Let the job run with a death at its 1st moment, its 2nd, and so on, to the end. Returns how many moments it has.

    first, every  where to begin, and how many moments to go on each time
    """
    at, deaths = first - every, 1
    while deaths:
        at += every
        job = make(at)
        deaths = job.deaths
        assert job.outcome() == undisturbed, f"killed at {at}"
        job.region.close()
    return at - 1


def kill_table(job_of: type[MortalJob], victim: str, **rules: Any) -> tuple[Any, Any, Any]:
    """Three fixtures of a table of deaths, to be bound to their names: `founded`, the region of KH and TH that is
    copied; `job(victim, at, done=...)`, work in a copy of which one party dies, done; `undisturbed`, what it comes to
    if nobody does.

    victim   whoever does not die in `undisturbed`
    rules    of the charter
    """

    @pytest.fixture(scope="module")
    def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegion]:
        with regions_in(tmp_path_factory.mktemp("killed")) as make:
            yield make("KH", "TH", **rules)

    @pytest.fixture
    def job(founded: LiveRegion, tmp_path: Path) -> Iterator[Callable[..., Any]]:
        with ExitStack() as made:

            def make(victim: str, at: int, *, done: bool) -> Any:
                region = made.enter_context(founded.copied(tmp_path / f"{victim}{at}{done}"))
                return job_of(region, victim, Fuse(at, done=done)).run()

            yield make

    @pytest.fixture(scope="module")
    def undisturbed(founded: LiveRegion, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
        with founded.copied(tmp_path_factory.mktemp("undisturbed") / "region") as region:
            outcome: dict[str, Any] = job_of(region, victim, Fuse(10**9, done=False)).run().outcome()
        return outcome

    return founded, job, undisturbed
