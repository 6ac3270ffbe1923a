"""`samaki keys rotate`: one command a purpose. Asked again, after it was killed or too early, it goes on.

kek, data        done here, in a home that no process has (services.runtime.claim)
sealing, pepper  noted in the party's store; its own process does it, now or when it is started. Shown while it runs
signing          the next key is drawn here; the country's roots introduce it, and the party's process takes it into
                 use and destroys the former one. Shown is at which step it is
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Literal, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from events import rotations
from events.charter import Charter
from events.clock import SystemClock
from events.database import Database, open_database
from events.errors import CharterInvalid, StoreUnavailable
from events.signing import OVERLAP
from events.succession import read_charter
from keys.errors import KeysError
from keys.kek import Source, source
from keys.persons import open_persons
from keys.ring import KeyRing, KeyVersion, open_ring
from keys.rotation import DATA_STEPS, KEK_STEPS, rotate_data, rotate_kek
from services.charter.command import write_offer
from services.charter.homes import MATCHER, new_signing_key, offer_of
from services.custodian import steps
from services.custodian.steps import Pause
from services.matcher import peppers
from services.runtime.claim import claimed, is_claimed
from services.runtime.errors import InputInvalid
from services.runtime.party import in_force, schema_of
from services.runtime.settings import PartySettings

State = Literal["done", "noted", "made", "waits", "in_use"]
"""done; noted: the party does it once it runs; of a signing key: made and not introduced, introduced and not in force
or not in use yet, in use while the former one is kept."""


def say(purpose: str, state: State, sentence: str, *, as_json: bool, **more: object) -> None:
    """The command's answer."""
    typer.echo(json.dumps({"purpose": purpose, "state": state, **more, "sentence": sentence}) if as_json else sentence)


class Bar:
    """Steps on standard error."""

    def __init__(self, purpose: str) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[what]}")
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(purpose, total=None, what="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, done: int, of: int, what: str) -> None:
        self._progress.update(self._task, completed=done, total=of, what=what)

    def steps(self, names: tuple[str, ...]) -> Callable[[str], None]:
        """Shows each step that is done."""
        self.show(0, len(names), "")
        return lambda name: self.show(names.index(name) + 1, len(names), name)


# ---- done here


def kek(settings: PartySettings, to: str | None, *, as_json: bool) -> None:
    """The ring under a fresh key-encryption key, from the same source or another; the former file is removed."""
    under = settings.kek_source
    new = under if to is None else _source(to)
    with _refusals(), claimed(settings.home), Bar("kek") as bar:
        rotate_kek(settings.ring, settings.persons, under, new, at=_now(), tell=bar.steps(KEK_STEPS))
    moved = "" if to is None else " Set SAMAKI_KEK to the new source before you start the party."
    say(
        "kek", "done",
        "The ring stands under a fresh key-encryption key." + moved
        + " Take a backup of ring.json now, and delete older ones: they open under the former key.",
        as_json=as_json,
    )  # fmt: skip


def data(settings: PartySettings, *, as_json: bool) -> None:
    """Persons' keys under a fresh key of the ring; the former is destroyed once none stands under it."""
    if not settings.persons.exists():
        raise InputInvalid(f"{settings.home} has no persons.db: only a country's node keeps persons' keys.")
    with _refusals(), claimed(settings.home), Bar("data") as bar:
        tell = bar.steps(DATA_STEPS)
        ring, key = open_ring(settings.ring, settings.kek_source)
        with closing(open_persons(settings.persons, ring, kek=key, at=_now())) as persons:
            rotate_data(ring, persons, at=_now(), tell=tell)
            living = persons.living()
    say(
        "data", "done",
        f"The keys of {living} persons stand under {ring.primary('data').id}; the former is destroyed. No older copy"
        " or backup of persons.db opens any more: take a backup of ring.json, and `samaki keys backup`, now.",
        as_json=as_json, key=ring.primary("data").id, persons=living,
    )  # fmt: skip


# ---- noted, and done by the party's own process


def sealing(settings: PartySettings, *, as_json: bool, pause: Pause = steps.pause) -> None:
    """A new sealing key now. The former is accepted for its time, then destroyed, by the party itself."""
    with _refusals(), _store(settings) as store:
        _note(store, "sealing")
        with Bar("sealing") as bar:
            is_done = _watch(settings, store, "sealing", bar, pause)
        ring, _ = open_ring(settings.ring, settings.kek_source)
    if not is_done:
        say("sealing", "noted", "Noted: the party introduces a new key when it is started.", as_json=as_json)
        return
    key = ring.primary("sealing")
    former = [v.id for v in ring.versions("sealing") if v.state == "active"]
    say(
        "sealing", "done",
        f"{key.id} is introduced. {len(former)} former are accepted for their time, then destroyed.",
        as_json=as_json, key=key.id, accepted=former,
    )  # fmt: skip


def pepper(settings: PartySettings, *, as_json: bool, pause: Pause = steps.pause) -> None:
    """The next pepper, behind which every country's rows come anew; the old one is destroyed once none lacks it."""
    if settings.party != MATCHER:
        raise InputInvalid(f"{settings.home} is not the matcher's home: nobody else has a pepper.")
    with _refusals(), _store(settings) as store:
        if not _next_pepper(store):
            _note(store, "pepper")
        with Bar("pepper") as bar:
            is_done = _watch(settings, store, "pepper", bar, pause)
        with store.reading() as tx:
            known, (done, of) = peppers.named(tx), peppers.progress(tx)
    if not is_done:
        say("pepper", "noted", f"The matcher goes on when it runs: {done} of {of} rows stand behind the next pepper.",
            as_json=as_json, done=done, of=of)  # fmt: skip
        return
    current = next(n for n in reversed(known) if n.state == "current")
    say("pepper", "done", f"All rows stand behind {current.name}, in the {current.place}; the former is destroyed.",
        as_json=as_json, key=current.name, place=current.place)  # fmt: skip


# ---- by way of the roots


def signing(settings: PartySettings, days: int, *, as_json: bool) -> None:
    """Draw the party's next online key, or say what the one that was drawn is waiting for."""
    with _refusals():
        signed, now = read_charter(settings.charter), _now()
        history = signed.history()
        charter, _ = in_force(signed, now)
        ring, _ = open_ring(settings.ring, settings.kek_source)
        found = successor(ring, charter, settings.party)
        if found is None:
            with claimed(settings.home):
                ring, _ = open_ring(settings.ring, settings.kek_source)
                new_signing_key(ring, settings.party, now=now.replace(microsecond=0), life=timedelta(days=days))
            found = ring.versions("signing")[-1]
        step = where(found, ring, history, charter, settings.party)
        file = write_offer(settings.home, offer_of(settings.party, found)) if step[0] == "made" else None
    say("signing", step[0], step[1].format(file=file), as_json=as_json, key=found.id, file=str(file) if file else None)


def successor(ring: KeyRing, charter: Charter, party: str) -> KeyVersion | None:
    """The key that is on its way into use, or in use while the former one is kept. None: there is none, draw one."""
    alive = [v for v in ring.versions("signing") if v.secret is not None]
    named = {key.id for key in charter.party(party).signing if key.last is None}
    if len(alive) == 1 and alive[0].id in named:
        return None
    return alive[-1] if alive else None


def where(
    key: KeyVersion, ring: KeyRing, history: tuple[Charter, ...], charter: Charter, party: str
) -> tuple[State, str]:
    """At which step a key is, and what is to be done. `{file}`: its public file."""
    naming = [c for c in history if any(k.id == key.id for k in c.party(party).signing)]
    if not naming:
        return "made", (
            f"{key.id} is drawn, and signs nothing yet. Join {{file}} to the next version of the charter (`samaki"
            " charter join`), have the roots sign that, put it in its place, and ask again."
        )
    if naming[0].version > charter.version:
        return "waits", f"{key.id} is introduced by version {naming[0].version}, in force from {naming[0].issued} on."
    if key.state != "primary":
        return "waits", f"{key.id} is introduced and in force: start the party anew, and it signs with it."
    former = ", ".join(v.id for v in ring.versions("signing") if v.state == "active")
    gone = max(charter.issued, key.valid_from) + OVERLAP
    return "in_use", f"{key.id} signs. The party destroys {former} from {gone:%Y-%m-%d %H:%M} UTC on."


# ---- within


def _note(store: Database, purpose: rotations.Noted) -> None:
    with store.transaction() as tx:
        rotations.ask(tx, purpose, _now())


def _is_asked(store: Database, purpose: rotations.Noted) -> bool:
    with store.reading() as tx:
        return rotations.asked(tx, purpose) is not None


def _next_pepper(store: Database) -> bool:
    with store.reading() as tx:
        return any(n.state in {"next", "over"} for n in peppers.named(tx))


def _watch(
    settings: PartySettings, store: Database, purpose: rotations.Noted, bar: Bar, pause: Pause
) -> bool:
    """Until the party has done what is noted. Returns whether it has; False: it does not run."""
    while True:
        if _is_asked(store, purpose):
            bar.show(0, 1, "waits for the party's next step")
        elif purpose == "pepper" and _next_pepper(store):
            with store.reading() as tx:
                bar.show(*peppers.progress(tx), "rows stand behind the next pepper too")
        else:
            bar.show(1, 1, "")
            return True
        if not is_claimed(settings.home):
            return False
        pause()


def _now() -> datetime:
    return SystemClock().now()


def _source(text: str) -> Source:
    with _refusals():
        return source(text)


@contextmanager
def _store(settings: PartySettings) -> Iterator[Database]:
    """The party's own, whether it runs or not."""
    if settings.database_file is None and not settings.store.exists():
        raise InputInvalid(f"{settings.home} has no store yet: the party makes its keys when it is first started.")
    with closing(open_database(settings.database_url, schema=schema_of(settings.party))) as store:
        store.create((*rotations.TABLES, *peppers.TABLES) if settings.party == MATCHER else rotations.TABLES)
        yield store


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (CharterInvalid, KeysError, StoreUnavailable) as error:
        raise InputInvalid(str(error)) from error

