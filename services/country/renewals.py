"""Tokens made anew for a new epoch of a pair's key: this country's own replay, by the node alone.

All that is out towards a country in an earlier epoch is evaluated again and published under the same handle, with the
grant and dates that stand: no human has said anything new. What may not be published any more stays where it is, and
goes with its epoch. Whoever is corrected, revoked or published anew while her row is with the holders is left alone:
her row's batch is another one then, or none.

If we crash, what is under way stands in its batch, and what is not stands in its row with the epoch it was made in.
"""

from collections.abc import Sequence
from itertools import islice
from uuid import UUID

from events.base import NODE, Act, Event, Purpose
from events.clock import Clock
from events.database import Transaction
from events.errors import Refused
from events.linkage import Row
from events.messages import EpochClosed
from events.publication import decide_publish_tokens
from services.country.records import Records
from services.country.vault import Vault


class Renewals:
    """All methods work in the caller's transaction. A country is the one that the tokens are out towards."""

    def __init__(self, records: Records, vault: Vault, clock: Clock) -> None:
        self._records = records
        self._vault = vault
        self._clock = clock

    def waiting(self, tx: Transaction, country: str, epoch: int, limit: int) -> tuple[UUID, ...]:
        """People whose tokens towards this country are out in earlier epochs alone, and in no batch.

        cost   a hash for each row out in an earlier epoch, for whichever country, until `limit` are found
        """
        made = (person_id for person_id, batch in self._older(tx, country, epoch) if batch is None)
        return tuple(islice((one for one in made if self._may(tx, one, country, epoch)), limit))

    def are_waiting(self, tx: Transaction, country: str, epoch: int, people: Sequence[UUID]) -> bool:
        """Whether it still is so of each of them."""
        query = (
            "SELECT 1 FROM publications WHERE person_id = ? AND country = ? AND state = 'published' AND epoch < ?"
            " AND batch IS NULL"
        )
        return all(tx.execute(query, (str(one), self._tag(one, country), epoch)) for one in people)

    def left(self, tx: Transaction, country: str, epoch: int) -> int:
        """How many rows are out in earlier epochs alone."""
        return len(self._older(tx, country, epoch))

    def is_done(self, tx: Transaction, country: str, epoch: int) -> bool:
        """Whether everything that may be made anew has been; none of it is under way either."""
        under_way = any(batch is not None for _, batch in self._older(tx, country, epoch))
        return not under_way and not self.waiting(tx, country, epoch, 1)

    def start(self, tx: Transaction, batch: UUID, people: Sequence[UUID], country: str) -> None:
        tx.executemany(
            "UPDATE publications SET batch = ? WHERE person_id = ? AND country = ? AND state = 'published'",
            [(self._vault.tag_of_batch(batch), str(one), self._tag(one, country)) for one in people],
        )

    def put_back(self, tx: Transaction, batch: UUID) -> None:
        """The batch came to nothing: its people wait again."""
        tx.execute(
            "UPDATE publications SET batch = NULL WHERE batch = ? AND state = 'published'",
            (self._vault.tag_of_batch(batch),),
        )

    def finish(self, tx: Transaction, batch: UUID, country: str, person_id: UUID, row: Row) -> None:
        """Publish the row that was made; where it may not be published any more, drop it."""
        place = (str(person_id), self._tag(person_id, country), self._vault.tag_of_batch(batch))
        under_way = "person_id = ? AND country = ? AND batch = ? AND state = 'published'"
        if not tx.execute(f"SELECT 1 FROM publications WHERE {under_way}", place):  # noqa: S608  our own words
            return
        try:
            self._records.save(tx, self._made_anew(tx, person_id, country, row))
        except Refused:
            tx.execute(f"UPDATE publications SET batch = NULL WHERE {under_way}", place)  # noqa: S608  our own words

    # ---- within

    def _older(self, tx: Transaction, country: str, epoch: int) -> list[tuple[UUID, bytes | None]]:
        rows = tx.execute(
            "SELECT person_id, country, batch FROM publications WHERE state = 'published' AND epoch < ?"
            " ORDER BY person_id",
            (epoch,),
        )
        return [(UUID(one), batch) for one, tag, batch in rows if bytes(tag) == self._tag(one, country)]

    def _may(self, tx: Transaction, person_id: UUID, country: str, epoch: int) -> bool:
        try:
            return bool(self._made_anew(tx, person_id, country, Row(epoch, 1, b"\0")))
        except Refused:
            return False

    def _made_anew(self, tx: Transaction, person_id: UUID, country: str, row: Row) -> list[Event]:
        person, consents = self._records.person(tx, person_id), self._records.consents(tx, person_id)
        linkage = person.linkages.get(country)
        if linkage is None or not linkage.live:
            raise Refused("not_published", "No tokens for this country are out.")
        return decide_publish_tokens(
            person,
            consents,
            Act(at=self._clock.now(), by=NODE, purpose=Purpose.UPKEEP),
            age_status=self._records.case_of(tx, person_id).age_status,
            country=country,
            handle=linkage.handle,
            epoch=row.epoch,
            schema_version=row.schema_version,
            token_set=row.tokens,
            grant=linkage.grant,
            grant_until=linkage.grant_until,
            review_on=linkage.review_on,
            expires_on=linkage.expires_on,
            reason="epoch",
        )

    def _tag(self, person_id: UUID | str, country: str) -> bytes:
        return self._vault.tag_of_country(person_id, country)


# ---- which epochs hold all that is out


def note_done(tx: Transaction, pair: str, epoch: int) -> None:
    """All tokens of a pair that are out stand in this epoch: the matcher is to be told."""
    tx.execute("INSERT INTO renewed_epochs VALUES (?, ?, 0) ON CONFLICT DO NOTHING", (pair, epoch))


def is_noted(tx: Transaction, pair: str, epoch: int) -> bool:
    return bool(tx.execute("SELECT 1 FROM renewed_epochs WHERE pair = ? AND epoch = ?", (pair, epoch)))


def is_past(tx: Transaction, pair: str, epoch: int) -> bool:
    """Whether all that is out stands in a later epoch."""
    return bool(tx.execute("SELECT 1 FROM renewed_epochs WHERE pair = ? AND epoch > ?", (pair, epoch)))


def untold(tx: Transaction) -> list[EpochClosed]:
    """What the matcher was not told."""
    rows = tx.execute("SELECT pair, MAX(epoch) FROM renewed_epochs WHERE told = 0 GROUP BY pair ORDER BY pair")
    return [EpochClosed(pair=pair, epoch=epoch) for pair, epoch in rows]


def told(tx: Transaction, said: Sequence[EpochClosed]) -> None:
    """Note, in the transaction that tells it, that the matcher was told."""
    tx.executemany(
        "UPDATE renewed_epochs SET told = 1 WHERE pair = ? AND epoch <= ?", [(one.pair, one.epoch) for one in said]
    )


def tell_again(tx: Transaction) -> None:
    """The stream to the matcher begins anew."""
    tx.execute("UPDATE renewed_epochs SET told = 0")
