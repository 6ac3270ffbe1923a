"""What each handle's country said of it last, so that what is new is told from what is said again.

Within a stream epoch order tells: what comes later is newer. A new stream epoch says everything again, as the country's
store has it. That store may have been set back to a backup, and then what it says is older than what we know: nothing
of it may bring back what was revoked, or undo a `hold`. But it may also hold what the old epoch lost on its way: a
publication that we never heard, which must count. Publications and revocations of a handle bear rising numbers, the
same however often they are said (events.linkage): in a new epoch what bears no greater number than we know is a
repetition, all else is news. After the first word about a handle in a new epoch order tells again, so a store that was
set back is believed in what people say from then on, whatever number it bears.

All functions work in the caller's transaction.
"""

from dataclasses import dataclass
from typing import Final

from events.database import Transaction

TABLES: Final = (
    # serial: the greatest ever; row: that of the row that came last, -1 where a revocation came after it; revoked: the
    # last word was a revocation, or undid none; held: a `hold` came since for tokens that have not come yet
    """CREATE TABLE IF NOT EXISTS matcher_heard (
        handle TEXT PRIMARY KEY, country TEXT NOT NULL, stream_epoch BIGINT NOT NULL, serial BIGINT NOT NULL,
        row_serial BIGINT NOT NULL, revoked BIGINT NOT NULL, held BIGINT NOT NULL)""",
)


@dataclass(frozen=True, slots=True)
class Heard:
    """The last publication or revocation of one handle; `held`: a `hold` that came for tokens still to come.

    serial   the greatest that was ever heard
    row      that of the last word, if it was a row; -1: it was a revocation
    """

    country: str
    stream_epoch: int
    serial: int
    revoked: bool
    held: bool = False
    row: int = -1

    def is_older_than(self, stream_epoch: int) -> bool:
        """Whether the handle has not been spoken of in this stream epoch yet."""
        return self.stream_epoch < stream_epoch

    def is_repeated_by(self, stream_epoch: int, serial: int) -> bool:
        """Whether a word adds nothing to what we know: it is said again, perhaps by a store that was set back."""
        return self.is_older_than(stream_epoch) and serial <= self.serial

    def stays_revoked_by(self, stream_epoch: int, serial: int) -> bool:
        """Whether a row brings nothing back: it is said again, or it is of the publication that was just said again.

        While an epoch changes, a publication has two rows of one number. The second of them is no news either.
        """
        is_same = self.stream_epoch == stream_epoch and serial <= self.row
        return self.revoked and (is_same or self.is_repeated_by(stream_epoch, serial))


def of(tx: Transaction, handle: str) -> Heard | None:
    """What was said of this handle last; None: nothing ever."""
    rows = tx.execute(
        "SELECT country, stream_epoch, serial, revoked, held, row_serial FROM matcher_heard WHERE handle = ?", (handle,)
    )
    for country, stream_epoch, serial, revoked, held, row in rows:
        return Heard(country, stream_epoch, serial, bool(revoked), bool(held), row)
    return None


def note(tx: Transaction, handle: str, heard: Heard) -> None:
    """Remember this. The greatest number that was ever heard stays known: another backup may be put back later."""
    tx.execute(
        "INSERT INTO matcher_heard (handle, country, stream_epoch, serial, row_serial, revoked, held)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (handle) DO UPDATE SET"
        " stream_epoch = excluded.stream_epoch, revoked = excluded.revoked, held = excluded.held,"
        " row_serial = excluded.row_serial,"
        " serial = CASE WHEN excluded.serial > matcher_heard.serial THEN excluded.serial ELSE matcher_heard.serial END",
        (handle, heard.country, heard.stream_epoch, heard.serial, heard.row, int(heard.revoked), int(heard.held)),
    )
