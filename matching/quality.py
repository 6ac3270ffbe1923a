"""How good the finding is: against known pairs, and against guesses. Pure.

Used on invented people only: nowhere else does anybody know the truth.
"""

from collections.abc import Iterable
from dataclasses import dataclass

Pair = tuple[str, str]
"""Two record ids, in either order."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How many pairs were found, are known to be true, and are both."""

    found: int
    known: int
    right: int

    @property
    def precision(self) -> float:
        """The share of found pairs that are true; 1 where nothing was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The share of true pairs that were found; 1 where there was nothing to find."""
        return self.right / self.known if self.known else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def measure(found: Iterable[Pair], known: Iterable[Pair]) -> Quality:
    """Found pairs against known ones. The order within a pair, and repetitions, mean nothing."""
    found_pairs, known_pairs = _unordered(found), _unordered(known)
    return Quality(len(found_pairs), len(known_pairs), len(found_pairs & known_pairs))


def guessed_share(holders: Iterable[int], combinations: int, guesses: int) -> float:
    """The share of a register that the best-ordered guesses hit.

    holders       how many people share each name key (or other part whose frequencies are known)
    combinations  how many equally likely values of the other parts each has to be tried with: dates, years x sexes
    guesses       how many a year's quota answers: 320 a day are 117,000
    """
    counts = sorted(holders, reverse=True)
    tried, rest = divmod(guesses, combinations)
    partly = counts[tried] * rest / combinations if tried < len(counts) else 0.0
    return (sum(counts[:tried]) + partly) / sum(counts) if counts else 0.0


def _unordered(pairs: Iterable[Pair]) -> set[frozenset[str]]:
    return {frozenset(pair) for pair in pairs}
