"""A desk with one invented person on it: the shortest way to each state that a rule is about."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import Any
from uuid import UUID, uuid4

import pytest

from events import case, consent, match, person, publication
from events.base import Act, Actor, Event, Purpose, Role
from events.errors import Refused
from events.ids import new_handle

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@dataclass
class Desk:
    now: datetime = NOW
    person_id: UUID = field(default_factory=uuid4)
    case_id: UUID = field(default_factory=uuid4)
    handle: str = field(default_factory=new_handle)

    def actor(self, role: str, staff: str | None = None, organisation: str = "shelter") -> Actor:
        return Actor(staff=staff or role, organisation=organisation, role=Role(role))

    def act(self, role: str = "case_worker", second: Actor | None = None, **of: Any) -> Act:
        at = of.pop("at", self.now)
        return Act(at=at, by=self.actor(role, **of), purpose=Purpose.PROTECTION, second_by=second)

    def approval(self, **of: Any) -> Act:
        """A focal point's act that the case worker signed."""
        return self.act("trm_focal_point", self.actor("case_worker"), organisation="desk", **of)

    def later(self, **span: float) -> datetime:
        return self.now + timedelta(**span)

    def reported(self, **of: Any) -> case.Case:
        given = {
            "case_id": self.case_id,
            "person_id": self.person_id,
            "owner_org": "shelter",
            "reported_on": self.now.date(),
            "source": "self",
            "age_status": "adult",
        }
        return reduce(case.evolve, case.decide_report(self.act(), **{**given, **of}), None)

    def recording(self, ledger: consent.Consents, act: Act | None = None, **of: Any) -> list[Event]:
        given = {
            "person_id": self.person_id,
            "age_status": "adult",
            "consent_id": uuid4(),
            "purpose": "C1",
            "answer": "given",
            "scope": "as explained",
            "language": "lo",
            "capacity": "adult",
            "expires_on": date(2027, 2, 1),
        }
        return consent.decide_record_consent(ledger, act or self.act(), **{**given, **of})

    def consents(self, *purposes: str, countries: tuple[str, ...] = ("TH",), **of: Any) -> consent.Consents:
        ledger = consent.Consents()
        for purpose in purposes:
            allowed = frozenset(countries) if purpose == "C4" else frozenset()
            events = self.recording(ledger, purpose=purpose, allowed_countries=allowed, **of)
            ledger = reduce(consent.evolve, events, ledger)
        return ledger

    def identifying(self, of: person.Person, ledger: consent.Consents, act: Act | None = None, **fields: Any) -> Any:
        given = {
            "person_id": self.person_id,
            "names": [person.Name(first="Invented", second="Person", kind="latin")],
            "birth_date": "1994-02-28",
            "documents": [person.Document(number="X0000000", issuer="LA")],
            "gender": "Female",
            "citizenships": frozenset({"LA"}),
        }
        return person.decide_record_identifiers(of, ledger, act or self.act(), **{**given, **fields})

    def held(self, ledger: consent.Consents | None = None, **fields: Any) -> person.Person:
        ledger = ledger or self.consents("C2")
        return reduce(person.evolve, self.identifying(person.Person(), ledger, **fields), person.Person())

    def publishing(self, of: person.Person, ledger: consent.Consents, act: Act | None = None, **fields: Any) -> Any:
        given = {
            "age_status": "adult",
            "country": "TH",
            "handle": self.handle,
            "epoch": 1,
            "schema_version": 1,
            "token_set": b"t" * 64,
            "grant": "hold",
            "grant_until": self.later(days=90),
            "review_on": date(2026, 4, 1),
            "expires_on": date(2027, 1, 1),
            "reason": "first",
        }
        return publication.decide_publish_tokens(of, ledger, act or self.approval(), **{**given, **fields})

    def published(self, ledger: consent.Consents | None = None, **fields: Any) -> person.Person:
        ledger = ledger or self.consents("C2", "C4")
        held = self.held(ledger)
        return reduce(person.evolve, self.publishing(held, ledger, **fields), held)

    def granting(self, of: person.Person, ledger: consent.Consents, act: Act | None = None, **fields: Any) -> Any:
        second = self.actor("supervisor")
        given = {
            "country": "TH",
            "grant": "tell",
            "grant_until": self.later(days=90),
            "review_on": date(2026, 4, 1),
            "reason": "person_asked",
        }
        signed = act or self.act("trm_focal_point", second, organisation="desk")
        return publication.decide_set_grant(of, ledger, signed, **{**given, **fields})

    def telling(self, of: match.Match | None, who: person.Person, act: Act | None = None, **fields: Any) -> Any:
        given = {
            "match_id": match.match_id_of(self.handle, "M-1"),
            "match_ref": "M-1",
            "handle": self.handle,
            "other_country": "TH",
            "told": "this_side",
            "band": "document",
            "slot": None,
            "epoch": 1,
            "half_time": self.later(days=45),
            "decide_by": self.later(days=90),
        }
        return match.decide_told(of, who, act or self.act("matcher"), **{**given, **fields})

    def told(self, who: person.Person | None = None, **fields: Any) -> match.Match:
        return reduce(match.evolve, self.telling(None, who or self.published(), **fields), None)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def refused() -> Callable[[str], AbstractContextManager[None]]:
    """`with refused("code"):` the block is refused with this code, in a sentence that repeats nothing personal."""

    @contextmanager
    def expected(code: str) -> Iterator[None]:
        with pytest.raises(Refused) as caught:
            yield
        assert caught.value.code == code
        assert caught.value.sentence.endswith(".")
        assert not any(word in caught.value.sentence for word in ("Invented", "1994", "X0000000"))

    return expected
