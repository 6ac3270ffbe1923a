"""What can go wrong with events, streams and stores.

EventsError
├── Refused              a rule of the domain says no: carries a code for machines, a sentence for people
├── CharterInvalid       the charter is malformed, or its signatures do not hold
├── EnvelopeInvalid      bytes that are no envelope of ours
├── NotYet               something needed has not arrived yet (a sealing key): try again later
├── StoreConflict        someone else appended to the stream first: load, decide and save again
├── StoreUnavailable     the database cannot be reached, or refused: nothing was done, try again
├── RowTampered          a stored row does not open in its place
└── StreamUnavailable    the broker cannot be reached: nothing is lost, try again
    └── TopicMissing     it answers, and knows no such topic or partition

Messages say what was expected, what came and what to do, with ids and counts, never an identifier, token or key.
"""


class EventsError(Exception):
    """The root of this package's errors."""


class Refused(EventsError):
    """A rule says no. `code` is stable and for machines; the sentence is for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class CharterInvalid(EventsError):
    """The charter is malformed, or too few roots signed it."""


class EnvelopeInvalid(EventsError):
    """Bytes that are no envelope of ours."""


class NotYet(EventsError):
    """Something needed has not arrived yet; the caller keeps its work and tries again."""


class StoreConflict(EventsError):
    """Another writer appended to the same stream first."""


class StoreUnavailable(EventsError):
    """The database cannot be reached, or refused a statement: nothing of the transaction was done."""


class RowTampered(EventsError):
    """A stored row does not open in its place: moved, swapped, altered, or under another key."""


class StreamUnavailable(EventsError):
    """The broker cannot be reached."""


class TopicMissing(StreamUnavailable):
    """The broker answers, and knows no such topic or partition: nobody has made it yet."""
