"""What leaves the country: the store's log, in order, to the matcher's streams.

`collect` notes which positions of the log have to leave; they wait here until the tick, then leave shuffled, the
changes of one handle in their order. Grants and revocations go before submissions, since a late `hold` may tell; a
submission bears the grant that stands when it leaves, so that no earlier one can come after. What leaves is made at
that moment, so a person revoked or erased meanwhile leaves nothing. A row leaves in each epoch of its pair's key, until
all that is out towards the other country stands in a later one. Outlines for statistics (consent C9) leave in batches
of their own; those of somebody who was not asked yet are set aside until she is, and dropped if she refuses.
"""

import random
from collections.abc import Collection, Sequence
from datetime import date
from typing import Final
from uuid import UUID

from events.base import Erased, Event
from events.case import CaseClosed, CaseReported, VictimIdentified, VictimNotIdentified
from events.charter import Charter, Topic
from events.consent import ConsentRecorded
from events.database import Transaction
from events.directory import Directory
from events.linkage import GrantSet, TokensPublished, TokensRevoked
from events.match import MatchClosed, MatchTold
from events.messages import GrantChanged, Item, MatchEnded, Outline, Revocation, Submission
from events.model import pair_of
from events.person import Person, evolve
from events.store import EventStore
from matching import tokens
from services.country import renewals
from services.country.batches import split
from services.country.records import Records
from services.country.vault import Vault

AT_ONCE: Final = 400
"""Items of one envelope: some 200 kB."""
_LOG_PAGE: Final = 500
_SHUFFLE: Final = random.SystemRandom()
_TO_MATCHER: Final = (TokensPublished, GrantSet, TokensRevoked, MatchClosed)
_OUTLINED: Final = (CaseReported, CaseClosed, VictimIdentified, VictimNotIdentified)


class Relay:
    """Reads one store's log. All methods but `collect` work in the caller's transaction."""

    def __init__(
        self, country: str, charter: Charter, directory: Directory, store: EventStore, records: Records, vault: Vault
    ) -> None:
        self._directory = directory
        self._country = country
        self._charter = charter
        self._store = store
        self._records = records
        self._vault = vault
        self._linkage = f"linkage.{country}"
        self._cases = f"cases.{country}"

    def collect(self, tx: Transaction) -> int:
        """Note what of the log's next page has to leave. Returns how many rows of the log were read."""
        after = _cursor(tx)
        page = self._store.log(after, _LOG_PAGE, tx)
        for position, event in page:
            if isinstance(event, _TO_MATCHER):
                urgent = int(not isinstance(event, TokensPublished))
                self._note(tx, position, self._linkage, self._partition(tx, event), urgent)
            elif isinstance(event, _OUTLINED):
                self._note(tx, position, self._cases, 0, 0)
            elif isinstance(event, ConsentRecorded) and event.consent == "C9":
                self._bring_back(tx, event)
        if page:
            tx.execute(
                "INSERT INTO cursors (name, position) VALUES ('relay', ?)"
                " ON CONFLICT (name) DO UPDATE SET position = excluded.position",
                (page[-1][0],),
            )
        return len(page)

    @staticmethod
    def _note(tx: Transaction, position: int, topic: str, partition: int, urgent: int) -> None:
        tx.execute(
            "INSERT INTO departures (topic, partition, position, urgent) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (topic, partition, position, urgent),
        )

    def _bring_back(self, tx: Transaction, answered: ConsentRecorded) -> None:
        """What was set aside until she was asked about C9 is looked at again."""
        person_id = str(answered.person_id)
        for (position,) in tx.execute("SELECT position FROM unasked WHERE person_id = ?", (person_id,)):
            self._note(tx, position, self._cases, 0, 0)
        tx.execute("DELETE FROM unasked WHERE person_id = ?", (person_id,))

    def _partition(self, tx: Transaction, event: Event) -> int:
        handle = self._told(tx, event).handle if isinstance(event, MatchClosed) else event.handle  # type: ignore[attr-defined]
        return self._partition_of(handle)

    def _partition_of(self, handle: str) -> int:
        return int(handle[:8], 16) % self._charter.linkage_partitions

    def _told(self, tx: Transaction, closed: MatchClosed) -> MatchTold:
        return next(e for e in self._store.history(closed.stream, tx) if isinstance(e, MatchTold))

    def refill(self, tx: Transaction) -> None:
        """The stream begins anew: every handle's live state has to leave again, and every revocation that stands.

        So has the end of every match that is over here, if not told anew: the old epoch may have lost it, and the other
        side would wait. Where people have spoken since, they must speak once more.

        No grant leaves by itself, not even one that was waiting to: a submission bears it, and the matcher lets the
        stricter of it and of what it knows stand. As an item of its own it would count as a human's new word, though
        our record may have been set back.
        """
        while self.collect(tx):
            pass  # all that the log holds is noted, so that the waiting grants among it can be dropped
        kept: dict[str, dict[int, int]] = {}
        last_told: dict[UUID, tuple[int, Event]] = {}
        after = 0
        while page := self._store.log(after, _LOG_PAGE, tx):
            after = page[-1][0]
            for position, e in page:
                if isinstance(e, TokensRevoked) or (isinstance(e, TokensPublished) and e.reason != "epoch"):
                    kept[e.handle] = {}
                if isinstance(e, TokensPublished | TokensRevoked):
                    kept[e.handle][e.key_epoch if isinstance(e, TokensPublished) else 0] = position
            last_told |= {e.stream: (position, e) for position, e in page if isinstance(e, MatchTold | MatchClosed)}
            tx.executemany(
                "DELETE FROM departures WHERE topic = ? AND position = ?",
                [(self._linkage, position) for position, e in page if isinstance(e, GrantSet)],
            )
        for handle, by_epoch in kept.items():
            for position in by_epoch.values():
                self._note(tx, position, self._linkage, self._partition_of(handle), 1)
        for position, event in last_told.values():
            if isinstance(event, MatchClosed):
                self._note(tx, position, self._linkage, self._partition(tx, event), 1)

    @staticmethod
    def read_to(tx: Transaction) -> int:
        """The position of the log that has been collected."""
        return _cursor(tx)

    def waiting(self, tx: Transaction, partition: int | None = None) -> int:
        """How many items for matching still have to leave, through one partition or all."""
        rows = tx.execute(
            "SELECT partition, COUNT(*) FROM departures WHERE topic = ? GROUP BY partition", (self._linkage,)
        )
        return sum(int(count) for place, count in rows if partition in {None, place})

    def urgent(self, tx: Transaction, partition: int) -> int:
        """How many grants, revocations and endings still have to leave through a partition."""
        rows = tx.execute(
            "SELECT COUNT(*) FROM departures WHERE topic = ? AND partition = ? AND urgent = 1",
            (self._linkage, partition),
        )
        return int(rows[0][0])

    def take(self, tx: Transaction, topic: Topic, partition: int, limit: int) -> list[Item]:
        """At most `limit` items that leave now through this partition; they wait no more."""
        rows = tx.execute(
            "SELECT position FROM departures WHERE topic = ? AND partition = ? ORDER BY urgent DESC, position LIMIT ?",
            (topic.name, partition, limit),
        )
        events = self._events(tx, sorted(row[0] for row in rows))
        tx.executemany(
            "DELETE FROM departures WHERE topic = ? AND partition = ? AND position = ?",
            [(topic.name, partition, row[0]) for row in rows],
        )
        if topic.family == "cases":
            return self._outlines(tx, events)
        over = self._directory.ended(tx).keys()
        standing = [event for _, event in events if not (over and self._is_of(tx, event, over))]
        return _shuffled([item for event in standing if (item := self._item(tx, event)) is not None])

    def _events(self, tx: Transaction, positions: Sequence[int]) -> list[tuple[int, Event]]:
        """These rows of the log: runs of neighbours are read together."""
        found: list[tuple[int, Event]] = []
        wanted = set(positions)
        for position in positions:
            if not found or position > found[-1][0]:
                page = self._store.log(position - 1, AT_ONCE, tx)
                found += [(at, event) for at, event in page if at in wanted]
        return found

    def _item(self, tx: Transaction, event: Event) -> Item | None:
        match event:
            case TokensPublished():
                return self._submission(tx, event)
            case GrantSet():
                grant = "hold" if isinstance(event.grant, Erased) else event.grant
                return GrantChanged(handle=event.handle, grant=grant, grant_until=event.grant_until)
            case TokensRevoked():
                return self._revocation(tx, event)
            case MatchClosed():
                told = self._told(tx, event)
                return MatchEnded(match_ref=told.match_ref, handle=told.handle)
        return None

    def _is_of(self, tx: Transaction, event: Event, over: Collection[str]) -> bool:
        """Whether an event is of one of these pairs, whose agreement is over: of them the matcher has dropped all."""
        if isinstance(event, MatchClosed):
            country: str | None = self._told(tx, event).other_country
        else:
            linkage = self._records.person(tx, event.person_id).by_handle.get(event.handle)  # type: ignore[attr-defined]
            country = linkage.country if linkage else None  # erased: nobody knows of which pair it is
        return country is not None and pair_of(self._country, country) in over

    def _revocation(self, tx: Transaction, revoked: TokensRevoked) -> Revocation:
        """With its own number, not that of what may have been published since."""
        person = Person()
        for event in self._store.history(revoked.stream, tx):
            person = evolve(person, event)
            if event.seq == revoked.seq:
                break
        return Revocation(handle=revoked.handle, serial=person.by_handle[revoked.handle].serial)

    def _submission(self, tx: Transaction, event: TokensPublished) -> Submission | None:
        linkage = self._records.person(tx, event.person_id).by_handle.get(event.handle)
        if linkage is None or linkage.country is None:
            return None  # erased
        row = next((row for row in linkage.rows if row.tokens == event.token_set), None)
        pair = pair_of(self._country, linkage.country)
        if row is None or renewals.is_past(tx, pair, row.epoch):
            return None  # revoked, or published anew since; or all that is out stands in a later epoch
        made = [tokens.Token(element) for element in split(row.tokens)]
        indices = tokens.indices(pair, row.epoch, self._charter.slots, made)
        return Submission(
            handle=event.handle,
            serial=linkage.serial,
            pair=pair,
            epoch=row.epoch,
            schema_version=row.schema_version,
            indices=b"".join(indices),
            grant=linkage.grant,
            grant_until=linkage.grant_until,
        )

    def _outlines(self, tx: Transaction, events: Sequence[tuple[int, Event]]) -> list[Item]:
        """Of those whose consent C9 stands; the rest are set aside, or dropped where the person refused."""
        out: list[Item] = []
        for position, event in events:
            consents = self._records.consents(tx, event.person_id)
            if consents.stands("C9", event.at):
                out.append(self._outline(event))
            elif not any(e.purpose == "C9" for e in consents.entries.values()):
                tx.execute("INSERT INTO unasked (person_id, position) VALUES (?, ?)", (str(event.person_id), position))
        return _shuffled(out)

    def _outline(self, event: Event) -> Outline:
        carries = {w for wire in event.rules.wire if wire.what == "outline" for w in wire.carries}
        fields = {name: getattr(event, name) for name in sorted(carries)}
        told = {name: _month(value) for name, value in fields.items() if not isinstance(value, Erased)}
        return Outline(pseudonym=self._vault.pseudonym(str(event.person_id)), event=type(event).__name__, fields=told)


def _month(value: object) -> str:
    """Dates leave by month."""
    return value.isoformat()[:7] if isinstance(value, date) else str(value)


def _cursor(tx: Transaction) -> int:
    rows = tx.execute("SELECT position FROM cursors WHERE name = 'relay'")
    return int(rows[0][0]) if rows else 0


def _shuffled(items: Sequence[Item]) -> list[Item]:
    """In random order, the items of one handle in theirs: a grant must not overtake its submission."""
    groups: dict[str, list[Item]] = {}
    for i, item in enumerate(items):
        groups.setdefault(getattr(item, "handle", str(i)), []).append(item)
    order = list(groups.values())
    _SHUFFLE.shuffle(order)
    return [item for group in order for item in group]
