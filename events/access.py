"""The read log: every reading of a person's record, and every refusal of one, in one stream an organisation.

Pure. Export, print and search hits count as reading. It names the fields that were shown, never what stood in them.
"""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID, uuid5

from events.base import Act, Code, Event, Move, Open, Role, Rules, placed
from events.errors import Refused
from events.ids import stream_id
from events.rules import permit, refusing_bad_values

AccessOutcome = Literal["shown", "refused"]
Basis = Literal["owner", "domestic_referral", "desk", "break_glass", "none"]

_ORGANISATIONS: Final = UUID("0f3f8b5e-5d0e-4b43-9c55-0b6f6f0f6a9d")


class RecordAccessed(Event):
    """Somebody read of a person, or was refused. For what: the act's purpose. On what ground: `basis`."""

    rules = Rules(
        aggregate="access",
        does="read a record",
        roles=frozenset(
            {
                Role.FIRST_RESPONDER,
                Role.CASE_WORKER,
                Role.SUPERVISOR,
                Role.IDENTIFICATION_AUTHORITY,
                Role.JUSTICE_LIAISON,
                Role.TRM_FOCAL_POINT,
                Role.MATCH_ADJUDICATOR,
                Role.DATA_PROTECTION_OFFICER,
            }
        ),
        moves=(Move("access", (), "LOGGED"),),
    )

    fields: Open[frozenset[Code]]
    outcome: Open[AccessOutcome]
    basis: Open[Basis]


@dataclass(frozen=True, slots=True)
class AccessLog:
    """Where an organisation's read log stands: all that is needed to add to it."""

    organisation: str
    seq: int


def access_stream(organisation: str) -> UUID:
    return stream_id("access", uuid5(_ORGANISATIONS, organisation))


@refusing_bad_values
def decide_log_access(
    log: AccessLog,
    act: Act,
    *,
    person_id: UUID,
    fields: frozenset[str],
    outcome: AccessOutcome,
    basis: Basis,
) -> list[Event]:
    """A reading or a refusal of the organisation of whoever acts.

    log     `AccessLog(organisation, store.version(access_stream(organisation)))`; nothing else of it need be loaded
    raises  Refused: role_may_not, same_person, no_basis, bad_value
    """
    permit(RecordAccessed, act)
    if outcome == "shown" and basis == "none":
        raise Refused("no_basis", "Nothing is shown without a ground. Name it, or refuse and log the refusal.")
    base = placed(act, access_stream(log.organisation), log.seq + 1, person_id)
    return [RecordAccessed(**base, fields=fields, outcome=outcome, basis=basis)]
