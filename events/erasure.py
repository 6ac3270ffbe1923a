"""The end of a person's record: everything that stands ends, and the key is destroyed. Pure.

Two people: the data protection officer asks, a key custodian signs. The events come first and the key's end after
them (services.country.erasures): a history that says so is kept, a key that is gone cannot be brought back.
"""

from typing import Final
from uuid import UUID

from events.base import Act, Event
from events.consent import Consents, decide_end_consents
from events.person import ErasureBasis, Person, PersonErased, decide_revoke_tokens, next_of
from events.rules import expect_state, permit, refusing_bad_values
from keys.erasure import Farewell

WHY: Final[dict[ErasureBasis, str]] = {
    "retention": "the time to keep it is over",
    "person_asked": "she asked",
    "unlawful": "it should not have been kept",
}
"""What people read for each basis."""


@refusing_bad_values
def decide_erase(
    person: Person, consents: Consents, act: Act, *, person_id: UUID, basis: ErasureBasis, farewell: Farewell
) -> list[Event]:
    """Consents that stand lapse, tokens that are out are revoked, and the record is erased.

    raises   Refused: role_may_not, second_needed, second_role_may_not, same_person, wrong_state (erased already),
             bad_value
    """
    permit(PersonErased, act)
    expect_state(PersonErased, "record", person.record)
    revoked = decide_revoke_tokens(person, act.by_node(), reason="erasure")
    erased = PersonErased(
        **next_of(person, person_id, act, len(revoked) + 1),
        key_id_hash=farewell.key_hash.hex(),
        basis=basis,
        proof=farewell.proof.hex(),
    )
    return [*decide_end_consents(consents, act.by_node(), reason="erasure"), *revoked, erased]
