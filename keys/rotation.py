"""Changes of the keys that wrap others: the key-encryption key, and the key of persons' keys.

Each is done again from the start after it was killed at any step, and ends as if it had not been. At no moment is there
a file that nothing opens: a new key is durable before anything stands under it, and an old one is destroyed after
nothing does. One process at a time: stop the node first.
"""

from datetime import datetime
from pathlib import Path

from keys.errors import RingDamaged
from keys.kek import Source
from keys.persons import PersonKeys, destroy_older, new_data_key, open_persons
from keys.ring import KeyRing, open_ring


def rotate_kek(ring: Path, persons: Path, under: Source, to: Source, *, at: datetime) -> None:
    """Put a ring under a fresh key-encryption key; durable on return.

    1. Persons' keys of older homes, which stand under the key-encryption key itself, move under a key of the ring.
    2. The fresh key is made, and durable.
    3. The ring is replaced, once: killed before, it opens under the old key; after, under the new one.
    4. A file of the old key is replaced by that of the new one, if both have one name. Otherwise destroying the old
       key's file, or its object in the token, is the caller's.

    persons  the persons' keys; a file that is not there is left so
    under    where the old key comes from
    to       where the new one comes from; the same again: a fresh file or a fresh salt
    raises   AlreadyThere: `to` is a file that exists; RingDamaged, TokenUnavailable; then nothing was changed
    """
    try:
        opened, kek = open_ring(ring, under)
    except RingDamaged:
        if to == under:
            raise
        open_ring(ring, to)  # killed after step 3, and called again: only step 4 is left
        return
    if persons.exists():
        open_persons(persons, opened, kek=kek, at=at).close()
    fresh = to.fresh(again=to == under)
    opened.rewrap(fresh)
    to.settle(fresh.key)


def rotate_data(ring: KeyRing, persons: PersonKeys, *, at: datetime) -> None:
    """Wrap persons' keys under a fresh key of the ring, and destroy the older ones; durable on return.

    Then no older copy of the persons' file opens any more, unless one has an older copy of the ring too: take a backup
    at once. Killed at any step, the next `keys.persons.open_persons` does what is left.
    """
    key = new_data_key(ring, at=at)
    persons.rewrap(key)
    destroy_older(ring)
