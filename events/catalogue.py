"""The closed catalogue: every event that can be stored, by the name it is stored under.

The history law. A released name is never reused; a field is never renamed, retyped or removed; a new field has a
default. Anything else is a new name `.v2`, with an upcast from the old one, whose stored bytes stay as a vector
(tests/vectors/event_history.json). A name that does not stand here is not loaded: rows name events, never code.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from events.access import RecordAccessed
from events.base import Event
from events.case import CaseClosed, CaseReported, VictimIdentified, VictimNotIdentified, VictimScreened
from events.consent import ConsentLapsed, ConsentRecorded, ConsentWithdrawn
from events.linkage import GrantSet, TokensPublished, TokensRevoked
from events.match import MatchClosed, MatchTold
from events.person import IdentifiersRecorded, PersonErased

EVENTS: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {
        "CaseReported": CaseReported,
        "VictimScreened": VictimScreened,
        "VictimIdentified": VictimIdentified,
        "VictimNotIdentified": VictimNotIdentified,
        "CaseClosed": CaseClosed,
        "ConsentRecorded": ConsentRecorded,
        "ConsentWithdrawn": ConsentWithdrawn,
        "ConsentLapsed": ConsentLapsed,
        "IdentifiersRecorded": IdentifiersRecorded,
        "TokensPublished": TokensPublished,
        "GrantSet": GrantSet,
        "TokensRevoked": TokensRevoked,
        "PersonErased": PersonErased,
        "MatchTold": MatchTold,
        "MatchClosed": MatchClosed,
        "RecordAccessed": RecordAccessed,
    }
)
NAMES: Final[Mapping[type[Event], str]] = MappingProxyType({event: name for name, event in EVENTS.items()})
"""The name of each event class."""
