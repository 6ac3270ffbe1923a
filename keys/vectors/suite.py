"""What every suite of vectors is: a file's content that can be checked, one vector at a time."""

from abc import abstractmethod
from collections.abc import Callable, Iterator

from pydantic import BaseModel, ConfigDict

from keys.errors import KeysError

Check = Callable[[], bool]
"""Whether one vector holds. What it raises counts as no."""


class Figures(BaseModel):
    """Frozen and closed; bytes are hex."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, val_json_bytes="hex")


class Suite(Figures):
    """One file: the vectors of one primitive, where they come from, and under which licence they stand here."""

    source: str
    licence: str

    @abstractmethod
    def checks(self) -> Iterator[Check]:
        """One for each vector, in the file's order."""


def refused(error: type[KeysError], *calls: Callable[[], object]) -> bool:
    """Whether every call raises this error."""
    return all(_raises(error, call) for call in calls)


def _raises(error: type[KeysError], call: Callable[[], object]) -> bool:
    try:
        call()
    except error:
        return True
    return False


def flipped(value: bytes) -> bytes:
    """The same bytes but for one bit of the first."""
    return bytes([value[0] ^ 1]) + value[1:]
