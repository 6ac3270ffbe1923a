"""Each event into the node's own tables, in the transaction that appends it: lists never lag behind the history."""

from datetime import UTC, datetime, time, timedelta

from events.base import Erased, Event
from events.case import CaseClosed, CaseReported, VictimIdentified, VictimNotIdentified, VictimScreened
from events.consent import ConsentRecorded
from events.database import Transaction
from events.linkage import GrantSet, TokensPublished, TokensRevoked
from events.match import MatchClosed, MatchTold
from events.person import PersonErased
from services.country.vault import Vault


class Projection:
    """`vault` tags the countries."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def apply(self, tx: Transaction, event: Event) -> None:
        """Bring the tables up to date with one event; events that no list shows change nothing."""
        match event:
            case CaseReported():
                tx.execute(
                    "INSERT INTO cases (case_id, person_id, owner_org, state, identification, reported_on)"
                    " VALUES (?, ?, ?, 'OPEN', 'UNASSESSED', ?)",
                    (str(event.case_id), str(event.person_id), event.owner_org, event.reported_on.isoformat()),
                )
            case VictimScreened() | VictimIdentified() | VictimNotIdentified() | CaseClosed():
                _case_moved(tx, event)
            case ConsentRecorded():
                _due(tx, event, datetime.combine(event.expires_on + timedelta(days=1), time(), UTC))
            case TokensPublished():
                self._published(tx, event)
            case GrantSet():
                _due(tx, event, event.grant_until)
                if event.grant != "tell":
                    _drop_waiting_tell(tx, event)
            case TokensRevoked():
                _revoked(tx, event)
                _drop_waiting_tell(tx, event)
            case MatchTold() | MatchClosed():
                _match_moved(tx, event)
            case PersonErased():
                _erased(tx, event)

    def _published(self, tx: Transaction, event: TokensPublished) -> None:
        if isinstance(event.country, Erased):
            return
        tag = self._vault.tag_of_country(event.person_id, event.country)
        tx.execute(
            "INSERT INTO handles (handle, person_id, country) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (event.handle, str(event.person_id), tag),
        )
        tx.execute(
            "UPDATE publications SET state = 'published', reason = '', batch = NULL, epoch = ?"
            " WHERE person_id = ? AND country = ?",
            (event.key_epoch, str(event.person_id), tag),
        )
        _due(tx, event, event.grant_until)
        _due(tx, event, datetime.combine(event.expires_on + timedelta(days=1), time(), UTC))


_STATES = {
    VictimScreened: ("identification", "SCREENED"),
    VictimIdentified: ("identification", "IDENTIFIED"),
    VictimNotIdentified: ("identification", "NOT_IDENTIFIED"),
    CaseClosed: ("state", "CLOSED"),
}


def _revoked(tx: Transaction, event: TokensRevoked) -> None:
    tx.execute(
        "UPDATE publications SET state = 'revoked', reason = ?, batch = NULL"
        " WHERE person_id = ? AND country = (SELECT country FROM handles WHERE handle = ?)",
        (event.reason, str(event.person_id), event.handle),
    )


def _case_moved(tx: Transaction, event: Event) -> None:
    column, state = _STATES[type(event)]
    tx.execute(f"UPDATE cases SET {column} = ? WHERE person_id = ?", (state, str(event.person_id)))  # noqa: S608  ours
    if column == "identification":  # who asked that she be called no victim did not know of this
        tx.execute("DELETE FROM awaiting WHERE kind = 'not_victim' AND person_id = ?", (str(event.person_id),))


def _drop_waiting_tell(tx: Transaction, event: GrantSet | TokensRevoked) -> None:
    """Who asked for a `tell` did not know of this: it has to be asked for anew."""
    tx.execute(
        "DELETE FROM awaiting WHERE kind = 'tell' AND person_id = ?"
        " AND country = (SELECT country FROM handles WHERE handle = ?)",
        (str(event.person_id), event.handle),
    )


def _erased(tx: Transaction, event: PersonErased) -> None:
    """What is about her goes; cases, handles and matches stay, as counts do, under random ids."""
    person_id = str(event.person_id)
    tx.execute(
        "DELETE FROM case_references WHERE case_id IN (SELECT case_id FROM cases WHERE person_id = ?)", (person_id,)
    )
    for table in ("publications", "awaiting", "unasked", "due"):
        tx.execute(f"DELETE FROM {table} WHERE person_id = ?", (person_id,))  # noqa: S608  ours
    tx.execute("INSERT INTO erased (person_id, is_destroyed) VALUES (?, 0) ON CONFLICT DO NOTHING", (person_id,))


def _due(tx: Transaction, event: Event, at: datetime) -> None:
    tx.execute(
        "INSERT INTO due (person_id, at) VALUES (?, ?) ON CONFLICT DO NOTHING", (str(event.person_id), at.isoformat())
    )


def _match_moved(tx: Transaction, event: MatchTold | MatchClosed) -> None:
    if isinstance(event, MatchTold):
        tx.execute(
            "INSERT INTO matches (match_ref, match_id, stream, person_id, state, told_at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (match_ref) DO UPDATE SET state = excluded.state, told_at = excluded.told_at",
            (
                event.match_ref,
                str(event.match_id),
                str(event.stream),
                str(event.person_id),
                "BOTH_TOLD" if event.told == "both" else "TOLD",
                event.at.isoformat(),
            ),
        )
        _due(tx, event, event.decide_by)
    else:
        tx.execute("UPDATE matches SET state = 'CLOSED' WHERE stream = ?", (str(event.stream),))
