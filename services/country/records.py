"""The aggregates of a country's store: loaded by replay, saved together with the tables that lists are made of."""

from collections.abc import Sequence
from uuid import UUID

from events import case as cases
from events import consent as consents
from events import match as matches
from events import person as persons
from events.base import Act, Event
from events.database import Transaction
from events.errors import Refused
from events.linkage import TokensRevoked
from events.store import EventStore
from services.country.projection import Projection


class Records:
    """Load, decide elsewhere, save: all inside the caller's transaction, so nobody else writes in between."""

    def __init__(self, store: EventStore, projection: Projection) -> None:
        self._store = store
        self._projection = projection

    def case(self, tx: Transaction, case_id: UUID) -> cases.Case:
        """Raises Refused("no_such_case")."""
        state = None
        for event in self._store.history(cases.case_stream(case_id), tx):
            state = cases.evolve(state, event)
        if state is None:
            raise Refused("no_such_case", "There is no case of this id at this node.")
        return state

    def case_of(self, tx: Transaction, person_id: UUID) -> cases.Case:
        """The person's case. Raises Refused("no_such_case")."""
        rows = tx.execute("SELECT case_id FROM cases WHERE person_id = ?", (str(person_id),))
        if not rows:
            raise Refused("no_such_case", "There is no case of this person at this node.")
        return self.case(tx, UUID(rows[0][0]))

    def consents(self, tx: Transaction, person_id: UUID) -> consents.Consents:
        state = consents.Consents()
        for event in self._store.history(consents.consents_stream(person_id), tx):
            state = consents.evolve(state, event)
        return state

    def person(self, tx: Transaction, person_id: UUID) -> persons.Person:
        state = persons.Person()
        for event in self._store.history(persons.person_stream(person_id), tx):
            state = persons.evolve(state, event)
        return state

    def match(self, tx: Transaction, match_id: UUID) -> matches.Match | None:
        state = None
        for event in self._store.history(matches.match_stream(match_id), tx):
            state = matches.evolve(state, event)
        return state

    def save(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Append, and bring the node's own tables up to date, in one transaction. Matches follow revoked tokens."""
        self._store.append(tx, events)
        for event in events:
            self._projection.apply(tx, event)
            if isinstance(event, TokensRevoked):
                self._close_matches(tx, event)

    def _close_matches(self, tx: Transaction, revoked: TokensRevoked) -> None:
        act = Act(at=revoked.at, by=revoked.by, purpose=revoked.purpose)
        rows = tx.execute(
            "SELECT match_id FROM matches WHERE person_id = ? AND state <> 'CLOSED'", (str(revoked.person_id),)
        )
        for (match_id,) in rows:
            match = self.match(tx, UUID(match_id))
            if match is not None:
                self.save(tx, matches.decide_follow_revocation(match, revoked, act))
