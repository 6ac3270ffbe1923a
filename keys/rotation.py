"""Changes of the keys that wrap others: the key-encryption key, and the key of persons' keys.

Each is done again from the start after it was killed at any step, and ends as if it had not been. At no moment is there
a file that nothing opens: a new key is durable before anything stands under it, and an old one is destroyed after
nothing does. One process at a time: stop the node first.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from typing import Final

from keys import labels
from keys.errors import RingDamaged
from keys.files import read_private, remove, replace_private
from keys.kek import Source
from keys.persons import PersonKeys, destroy_older, new_data_key, open_persons
from keys.ring import KeyRing, open_ring

Tell = Callable[[str], None]
"""Is told of each step when it is done."""
KEK_STEPS: Final = ("persons' keys are under the ring", "a fresh key", "the ring is under it", "the former key is gone")
DATA_STEPS: Final = ("a fresh key", "persons' keys are under it", "the former key is destroyed")


def _silent(_step: str) -> None: ...


def rotate_kek(
    ring: Path, persons: Path, under: Source, to: Source, *, at: datetime, tell: Tell = _silent
) -> None:
    """Put a ring under a fresh key-encryption key; durable on return.

    1. Persons' keys of older homes, which stand under the key-encryption key itself, move under a key of the ring.
    2. The fresh key is made, and durable.
    3. The ring is replaced, once: killed before, it opens under the old key; after, under the new one.
    4. A file of the old key is replaced by that of the new one, if both have one name; otherwise it is removed, if it
       is the key that this ring stood under: a note beside the ring says so. Destroying an object in a token is the
       caller's: other rings may stand under it.

    persons  the persons' keys; a file that is not there is left so
    under    where the old key comes from
    to       where the new one comes from; the same again: a fresh file or a fresh salt
    raises   AlreadyThere: `to` is a file that exists; RingDamaged, TokenUnavailable; then nothing was changed
    """
    note = ring.with_name(f"{ring.name}.before")
    try:
        opened, kek = open_ring(ring, under)
    except RingDamaged:
        if to == under:
            raise
        open_ring(ring, to)  # killed after step 3, and called again: only step 4 is left
    else:
        if persons.exists():
            open_persons(persons, opened, kek=kek, at=at).close()
        tell(KEK_STEPS[0])
        fresh = to.fresh(again=to == under)
        tell(KEK_STEPS[1])
        if to != under:
            replace_private(note, _mark(kek))
        opened.rewrap(fresh)
        tell(KEK_STEPS[2])
        to.settle(fresh.key)
    if to != under and note.exists():
        mark = read_private(note)
        under.forget(lambda key: compare_digest(_mark(key), mark))
        remove(note)
    tell(KEK_STEPS[3])


def rotate_data(ring: KeyRing, persons: PersonKeys, *, at: datetime, tell: Tell = _silent) -> None:
    """Wrap persons' keys under a fresh key of the ring, and destroy the older ones; durable on return.

    Then no older copy of the persons' file opens any more, unless one has an older copy of the ring too: take a backup
    at once. Killed at any step, the next `keys.persons.open_persons` does what is left.
    Raises KeyInUse: a person's key stands under an older one still, which then stays.
    """
    key = new_data_key(ring, at=at)
    tell(DATA_STEPS[0])
    persons.rewrap(key)
    tell(DATA_STEPS[1])
    destroy_older(ring, persons)
    tell(DATA_STEPS[2])


def _mark(kek: bytes) -> bytes:
    """Tells whether a file holds the key that the ring stood under, and nothing else of it."""
    return hashlib.sha256(labels.framed(labels.KEK_MARK, kek)).digest()
