"""The key ring against a plain model of it: whatever is done, in whatever order, and wherever a write fails.

The model is a list of dictionaries. Each step is done to both; afterwards the ring in memory, and the ring that the
file gives, say what the model says. A write may fail before the file is in its place, or after, as a kill would have it.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from keys import files
from keys.errors import AlreadyThere, KeyInUse, RingDamaged, UnknownKey
from keys.kek import Kek
from keys.ring import ALGORITHMS, KeyRing

START = datetime(2026, 3, 1, tzinfo=UTC)
PURPOSES = ("signing", "sealing", "data")
IDS = ("1", "2", "3", "4")
places = st.tuples(st.sampled_from(PURPOSES), st.sampled_from(IDS))


class Killed(BaseException):
    """SIGKILL."""


class Model:
    """(purpose, id) -> [state, secret], in the order of their coming."""

    def __init__(self, keys=()):
        self.keys = {place: list(key) for place, key in dict(keys).items()}

    def copy(self):
        return Model(self.keys)

    def add(self, place, secret, *, primary):
        if place in self.keys:
            raise AlreadyThere
        if primary:
            self._step_down(place[0])
        self.keys[place] = ["primary" if primary else "active", secret]

    def make_primary(self, place):
        if place not in self.keys or self.keys[place][0] == "destroyed":
            raise UnknownKey
        self._step_down(place[0])
        self.keys[place][0] = "primary"

    def destroy(self, place, standing):
        if place not in self.keys:
            raise UnknownKey
        if standing or self.keys[place][0] == "primary":
            raise KeyInUse
        self.keys[place] = ["destroyed", None]

    def _step_down(self, purpose):
        for (of, _), key in self.keys.items():
            if of == purpose and key[0] == "primary":
                key[0] = "active"


class Ring(RuleBasedStateMachine):
    backups = Bundle("backups")

    @initialize()
    def make(self):
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "ring.json"
        self.kek, self.drawn, self.had_primary = bytes(32), 0, set()
        self.ring, self.model = KeyRing.create(self.path, self.kek), Model()

    def teardown(self):
        self.folder.cleanup()

    def both(self, act, alike):
        """Do it to the ring and to the model: both do it, or both refuse it for one reason."""
        copy, refused = self.model.copy(), None
        try:
            alike(copy)
        except (AlreadyThere, KeyInUse, UnknownKey) as error:
            refused = type(error)
        if refused:
            with pytest.raises(refused):
                act()
        else:
            act()
            self.model = copy

    def drawn_secret(self):
        self.drawn += 1
        return b"secret %4d" % self.drawn

    @rule(place=places, primary=st.booleans())
    def add(self, place, primary):
        secret = self.drawn_secret()
        self.both(
            lambda: self.ring.add(*place, secret, valid_from=START, primary=primary),
            lambda model: model.add(place, secret, primary=primary),
        )

    @rule(place=places)
    def make_primary(self, place):
        self.both(lambda: self.ring.make_primary(*place), lambda model: model.make_primary(place))

    @rule(place=places, standing=st.integers(0, 2))
    def destroy(self, place, standing):
        self.both(
            lambda: self.ring.destroy(*place, standing=standing), lambda model: model.destroy(place, standing)
        )

    @rule()
    def rewrap(self):
        fresh = self.drawn_secret().rjust(32, b"k")
        self.ring.rewrap(Kek(fresh))
        with pytest.raises(RingDamaged):
            KeyRing.open(self.path, self.kek)
        self.kek = fresh

    @rule()
    def reopen(self):
        self.ring = KeyRing.open(self.path, self.kek)

    @rule(place=places, what=st.sampled_from(["add", "destroy", "make_primary", "rewrap"]),
          step=st.sampled_from(["open", "fsync", "replace", "replaced"]), killed=st.booleans())
    def fail(self, place, what, step, killed):
        """A full disk, or a kill, at one step of a change. Killed, the process comes back from the file."""
        before, kek, fresh = self.model.copy(), self.kek, self.drawn_secret().rjust(32, b"k")
        act = {
            "add": lambda: self.ring.add(*place, fresh, valid_from=START, primary=True),
            "destroy": lambda: self.ring.destroy(*place),
            "make_primary": lambda: self.ring.make_primary(*place),
            "rewrap": lambda: self.ring.rewrap(Kek(fresh)),
        }[what]  # fmt: skip
        error = Killed if killed or step == "replaced" else OSError(28, "No space left on device")
        with broken_at(step, error):
            try:
                act()
            except (Killed, RingDamaged):
                pass
            except (AlreadyThere, KeyInUse, UnknownKey):
                return  # refused before anything was written
            else:
                return  # nothing to write
        if not isinstance(error, OSError):
            self.kek = next(key for key in (kek, fresh) if opens(self.path, key))
            self.ring = KeyRing.open(self.path, self.kek)
            if step == "replaced":  # done, and nobody was told
                if what == "add":
                    before.add(place, fresh, primary=True)
                elif what == "destroy":
                    before.destroy(place, 0)
                elif what == "make_primary":
                    before.make_primary(place)
        assert (self.kek != kek) == (what == "rewrap" and step == "replaced")
        self.model = before

    @rule(target=backups)
    def back_up(self):
        return (self.path.read_bytes(), self.kek, self.model.copy())

    @rule(backup=consumes(backups))
    def restore(self, backup):
        """An older ring put back: it opens under the key of then, and under no other, and says what it said."""
        content, kek, model = backup
        files.replace_private(self.path, content)
        if kek != self.kek:
            with pytest.raises(RingDamaged):
                KeyRing.open(self.path, self.kek)
        self.kek, self.model, self.ring = kek, model.copy(), KeyRing.open(self.path, kek)
        self.had_primary = {purpose for (purpose, _), (state, _) in model.keys.items() if state == "primary"}

    @invariant()
    def both_say_the_same(self):
        for ring in (self.ring, KeyRing.open(self.path, self.kek)):
            said = {(v.purpose, v.id): [v.state, v.secret] for purpose in ALGORITHMS for v in ring.versions(purpose)}
            assert said == self.model.keys
            for purpose in PURPOSES:
                mine = [key_id for of, key_id in self.model.keys if of == purpose]
                assert [v.id for v in ring.versions(purpose)] == mine

    @invariant()
    def a_purpose_that_has_a_primary_key_keeps_exactly_one(self):
        for purpose in PURPOSES:
            count = [v.state for v in self.ring.versions(purpose)].count("primary")
            assert count <= 1
            assert count == 1 or purpose not in self.had_primary
            self.had_primary |= {purpose} if count else set()

    @invariant()
    def the_file_is_its_owners_and_holds_no_secret_in_clear(self):
        content = self.path.read_bytes()
        assert self.path.stat().st_mode & 0o777 == 0o600
        for _, secret in self.model.keys.values():
            assert secret is None or (secret not in content and secret.hex().encode() not in content)
        wrapped = [key["wrapped"] for key in json.loads(content)["keys"] if key["wrapped"]]
        assert len(wrapped) == sum(secret is not None for _, secret in self.model.keys.values())


def opens(path, kek):
    try:
        KeyRing.open(path, kek)
    except RingDamaged:
        return False
    return True


def broken_at(step, error):
    """While it lasts, one step of replacing a file fails; `replaced`: right after the file is in its place."""

    def fails(*_args, **_more):
        raise error

    if step == "replace":
        return patch.object(Path, "replace", fails)
    if step == "replaced":
        return patch.object(files, "sync_folder", fails)
    return patch.object(files.os, step, fails)


TestRing = Ring.TestCase
TestRing.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
