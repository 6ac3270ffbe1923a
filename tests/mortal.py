"""SIGKILL in one process: a database, a carrier and a key ring that die together as something is made durable.

Before it is done, or after it was done and nobody was told.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Killed(BaseException):
    """SIGKILL: nothing catches it."""


class Fuse:
    """Burns at the nth thing that one party makes durable: `done` after it, else before it."""

    def __init__(self, at: int, *, done: bool) -> None:
        self.at, self.done, self.passed = at, done, 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
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

    def destroy(self, *args: Any) -> None:
        with self._fuse():
            self._inner.destroy(*args)
