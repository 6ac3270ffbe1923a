"""Whatever is asked in whatever order, what is decided keeps to the law's machines, and replays to the same state.

The reference is a plain reading of lifecycle_machines.json: roles, second persons, arrows. Ours may refuse more than
the law's arrows do (guards), never less. Commands are tried by the right people or by anybody.
"""

import json
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from events import case, consent, match, person, publication
from events.base import Act, Actor, Purpose, Role
from events.catalogue import NAMES
from events.errors import Refused
from events.ids import new_handle

LAW = json.loads((Path(__file__).parents[2] / "vectors" / "lifecycle_machines.json").read_text(encoding="utf-8"))

ANYBODY = st.builds(
    Actor,
    staff=st.sampled_from(["worker", "focal", "third"]),
    organisation=st.just("shelter"),
    role=st.sampled_from(Role),
)
WHO = st.one_of(st.none(), st.none(), st.tuples(ANYBODY, st.one_of(st.none(), ANYBODY)))
"""None: the right people."""
COUNTRIES = ("TH", "VN")
COUNTRY = st.sampled_from(["TH", "TH", "VN"])
GRANTS = st.sampled_from(["tell", "hold"])


class Reference:
    """The states that the law's arrows lead to, one a machine and instance."""

    def __init__(self):
        self.states = {}

    def take(self, event):
        name = NAMES[type(event)]
        law = LAW["events"][name]
        assert event.by.role in law["roles"]
        self.check_second(event, law["second"])
        moved = set()
        for move in law["moves"]:
            place = (move["machine"], instance(event, move["machine"]))
            state = self.states.get(place, LAW["machines"][move["machine"]]["initial"])
            if place in moved or (state not in move["from"] if move["from"] else state is not None):
                continue
            to = move["to"]
            self.states[place] = to if isinstance(to, str) else to["map"][getattr(event, to["by"])]
            moved.add(place)
        assert len(moved) == len({m["machine"] for m in law["moves"]}), f"the law has no such arrow for {name}"

    def check_second(self, event, second):
        if event.second_by is not None:
            assert event.second_by.staff != event.by.staff
        if second is None:
            return
        free = event.by.role == "node" or (type(event).__name__ == "GrantSet" and event.grant == "hold")
        assert free or event.second_by.role in second["roles"]

    def of(self, machine, key):
        return self.states.get((machine, key), LAW["machines"][machine]["initial"])


def instance(event, machine):
    if machine == "entry":
        return event.consent_id
    if machine == "linkage":
        return event.handle
    return event.stream


class Country(RuleBasedStateMachine):
    """One person, one case, and a shell that does what the node's shell does: fold, and let reactions follow."""

    @initialize(age=st.sampled_from(["adult", "child", "unknown"]), begun=st.integers(0, 2), grant=GRANTS)
    def begin(self, age, begun, grant):
        self.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.person_id, self.case_id = uuid4(), uuid4()
        self.handles = {country: new_handle() for country in COUNTRIES}
        self.reference = Reference()
        self.streams = {}
        self.consents, self.person, self.matches = consent.Consents(), person.Person(), {}
        self.case = None
        self.keep(
            "case",
            case.decide_report(
                self.act(None, "case_worker"),
                case_id=self.case_id,
                person_id=self.person_id,
                owner_org="shelter",
                reported_on=self.now.date(),
                source="self",
                age_status=age,
            ),
        )
        if begun:
            for purpose in ("C1", "C2", "C4"):
                self.record_consent(None, purpose, "given", frozenset(COUNTRIES), 300)
            self.identify(None, "1990-01-01")
            self.publish(None, "TH", "first", grant, 1, False, False)
            assert self.person.live

    def act(self, who, role, second=None):
        """An act of whoever was drawn; None: of these roles, each by a person of its own."""
        people = {"case_worker": "worker", "trm_focal_point": "focal"}
        right = [Actor(staff=people.get(r, r), organisation="shelter", role=r) for r in (role, second) if r]
        by, signs = who or (right[0], right[1] if second else None)
        return Act(at=self.now, by=by, purpose=Purpose.PROTECTION, second_by=signs)

    def ask(self, aggregate, decide, *args, **kwargs):
        """Decide, and keep what was decided. Returns the events; none when refused."""
        try:
            events = decide(*args, **kwargs)
        except Refused as refusal:
            if refusal.code == "bad_value":
                raise
            return []
        self.keep(aggregate, events)
        return events

    def keep(self, aggregate, events):
        for event in events:
            self.reference.take(event)
            stream = self.streams.setdefault(event.stream, [])
            stream.append(event)
            assert event.seq == len(stream)
        if aggregate == "match":
            for event in events:
                self.matches[event.stream] = match.evolve(self.matches.get(event.stream), event)
        elif events:
            module = {"case": case, "consents": consent, "person": person}[aggregate]
            setattr(self, aggregate, reduce(module.evolve, events, getattr(self, aggregate)))

    def follow(self):
        """The reactions that the shell runs in the same transaction."""
        act = self.act(None, "node")
        self.close_matches_of(self.ask("person", person.decide_follow_consents, self.person, self.consents, act))

    def close_matches_of(self, events):
        for revoked in [e for e in events if type(e).__name__ == "TokensRevoked"]:
            for known in list(self.matches.values()):
                act = Act(at=self.now, by=revoked.by, purpose=Purpose.UPKEEP)
                self.ask("match", match.decide_follow_revocation, known, revoked, act)

    @rule(days=st.sampled_from([1, 20, 100]))
    def time_passes(self, days):
        self.now += timedelta(days=days)

    @rule(who=WHO, result=st.sampled_from(["presumed", "unclear"]), means=st.sampled_from(["", "debt"]))
    def screen(self, who, result, means):
        of = {"acts": frozenset({"a"}), "means": frozenset({means} - {""}), "purposes": frozenset({"p"})}
        act, decide = self.act(who, "case_worker"), case.decide_screen
        self.ask("case", decide, self.case, self.consents, act, indicator_set_version="1", result=result, **of)

    @rule(who=WHO, yes=st.booleans(), official=st.sampled_from(["identification_authority", "worker"]))
    def decide_status(self, who, yes, official):
        act = self.act(who, "identification_authority", None if yes else "identification_authority")
        if who is None:
            act = act.model_copy(update={"by": act.by.model_copy(update={"staff": official + "2"})})
        common = {"decided_by": "Police", "decided_on": self.now.date(), "informed_in": "lo"}
        until = self.now.date() + timedelta(days=60)
        decide = case.decide_identify if yes else case.decide_not_identify
        own = {"legal_basis": "law"} if yes else {"reason": "r", "review_until": until}
        self.ask("case", decide, self.case, act, **common, **own)

    @rule(who=WHO)
    def close(self, who):
        self.ask("case", case.decide_close, self.case, self.act(who, "supervisor"), outcome="other")

    @rule(
        who=WHO,
        purpose=st.sampled_from(["C1", "C2", "C4", "C4"]),
        answer=st.sampled_from(["given", "given", "given", "refused"]),
        countries=st.sampled_from([frozenset(COUNTRIES), frozenset(COUNTRIES), frozenset({"TH"}), frozenset()]),
        days=st.sampled_from([30, 300]),
    )
    def record_consent(self, who, purpose, answer, countries, days):
        of = {"capacity": "child_assent_plus_guardian", "guardian": "aunt", "best_interest_ref": uuid4()}
        self.ask(
            "consents",
            consent.decide_record_consent,
            self.consents,
            self.act(who, "case_worker"),
            person_id=self.person_id,
            age_status=self.case.age_status,
            consent_id=uuid4(),
            purpose=purpose,
            answer=answer,
            scope="s",
            language="lo",
            expires_on=self.now.date() + timedelta(days=days),
            allowed_countries=countries,
            **of,
        )
        self.follow()

    @rule(who=WHO, purpose=st.sampled_from(["C1", "C1", "C2", "C4"]))
    def withdraw(self, who, purpose):
        act = self.act(who, "supervisor")
        self.ask("consents", consent.decide_withdraw_consent, self.consents, act, purpose=purpose, by="person")
        self.follow()

    @rule(who=WHO)
    def clocks(self, who):
        act = self.act(who, "node")
        self.ask("consents", consent.decide_lapse_consents, self.consents, act)
        self.follow()
        self.ask("person", publication.decide_expire_grants, self.person, act)
        self.close_matches_of(self.ask("person", person.decide_expire_tokens, self.person, act))
        for known in list(self.matches.values()):
            self.ask("match", match.decide_lapse_match, known, act)

    @rule(who=WHO, birth_date=st.sampled_from(["1990-01-01", "1990-01-01", "1990-01-02"]))
    def identify(self, who, birth_date):
        names = [person.Name(first="a", second="b")]
        of = {"names": names, "birth_date": birth_date, "documents": [], "gender": None, "citizenships": frozenset()}
        act = self.act(who, "case_worker")
        decide = person.decide_record_identifiers
        events = self.ask("person", decide, self.person, self.consents, act, person_id=self.person_id, **of)
        self.close_matches_of(events)

    @rule(
        who=WHO,
        country=COUNTRY,
        reason=st.sampled_from(["first", "correction", "epoch"]),
        grant=GRANTS,
        epoch=st.integers(1, 3),
        same=st.booleans(),
        by_node=st.booleans(),
    )
    def publish(self, who, country, reason, grant, epoch, same, by_node):
        now = self.person.linkages.get(country)
        terms = {
            "grant": grant,
            "grant_until": self.now + timedelta(days=90),
            "review_on": self.now.date() + timedelta(days=30),
            "expires_on": self.now.date() + timedelta(days=30),
        }
        if same and now:
            terms = {name: getattr(now, name) for name in terms}
        self.ask(
            "person",
            publication.decide_publish_tokens,
            self.person,
            self.consents,
            self.act(who, "node") if by_node else self.act(who, "trm_focal_point", "case_worker"),
            age_status=self.case.age_status,
            country=country,
            handle=self.handles[country],
            epoch=epoch,
            schema_version=1,
            token_set=bytes([epoch]) * 32,
            reason=reason,
            **terms,
        )

    @rule(who=WHO, country=COUNTRY, grant=GRANTS)
    def set_grant(self, who, country, grant):
        dates = {"grant_until": self.now + timedelta(days=90), "review_on": self.now.date() + timedelta(days=30)}
        of = {"country": country, "grant": grant, "reason": "review", **dates}
        act = self.act(who, "trm_focal_point", "supervisor")
        self.ask("person", publication.decide_set_grant, self.person, self.consents, act, **of)

    @rule(who=WHO, country=st.sampled_from([None, *COUNTRIES]))
    def revoke(self, who, country):
        decide = person.decide_revoke_tokens
        act = self.act(who, "case_worker")
        self.close_matches_of(self.ask("person", decide, self.person, act, reason="unsafe", country=country))

    @rule(who=WHO, country=COUNTRY, told=st.sampled_from(["this_side", "both"]))
    def tell(self, who, country, told):
        handle = self.handles[country]
        match_id = match.match_id_of(handle, "M-1")
        self.ask(
            "match",
            match.decide_told,
            self.matches.get(match.match_stream(match_id)),
            self.person,
            self.act(who, "matcher"),
            match_id=match_id,
            match_ref="M-1",
            handle=handle,
            other_country=country,
            told=told,
            band="strong",
            slot=1 if told == "both" else None,
            epoch=1,
            half_time=self.now + timedelta(days=45),
            decide_by=self.now + timedelta(days=90),
        )

    @rule(who=WHO, country=COUNTRY)
    def end_match(self, who, country):
        known = self.matches.get(match.match_stream(match.match_id_of(self.handles[country], "M-1")))
        if known:
            self.ask("match", match.decide_close_match, known, self.act(who, "trm_focal_point"), reason="withdrawal")

    @invariant()
    def states_are_the_references(self):
        stream = case.case_stream(self.case_id)
        assert self.reference.of("case", stream) == self.case.state
        assert self.reference.of("identification", stream) == self.case.identification
        assert self.reference.of("protection", stream) == self.case.protection
        assert self.reference.of("record", person.person_stream(self.person_id)) == self.person.record
        for entry in self.consents.entries.values():
            assert self.reference.of("entry", entry.consent_id) == entry.state
        for handle in self.handles.values():
            linkage = self.person.by_handle.get(handle)
            assert self.reference.of("linkage", handle) == (linkage.state if linkage else "UNPUBLISHED")
        for stream, known in self.matches.items():
            assert self.reference.of("match", stream) == known.state

    @invariant()
    def tokens_live_and_die_with_the_consents(self):
        matching = self.consents.given("C4")
        allowed = matching[0].allowed_countries if matching else frozenset()
        for linkage in self.person.live:
            assert linkage.country in allowed
            assert self.consents.given("C2")

    @invariant()
    def a_match_is_live_only_while_its_tokens_are_out(self):
        for known in self.matches.values():
            assert not known.live or self.person.by_handle[known.handle].live

    @invariant()
    def no_tell_without_two_humans(self):
        events = self.streams.get(person.person_stream(self.person_id), [])
        for linkage in self.person.live:
            if linkage.state == "TELL":
                tells = [e for e in events if getattr(e, "grant", "") == "tell" and e.handle == linkage.handle]
                assert any(e.second_by and "node" not in {e.by.role, e.second_by.role} for e in tells)

    def teardown(self):
        for stream, events in getattr(self, "streams", {}).items():
            self.check_replay(stream, events)

    def check_replay(self, stream, events):
        """A prefix and then its suffix fold to what all of it does, and to what we hold."""
        ours = {
            case.case_stream(self.case_id): (case.evolve, None, self.case),
            consent.consents_stream(self.person_id): (consent.evolve, consent.Consents(), self.consents),
            person.person_stream(self.person_id): (person.evolve, person.Person(), self.person),
        }
        evolve, begin, state = ours.get(stream) or (match.evolve, None, self.matches[stream])
        for cut in {0, 1, len(events) // 2, len(events)}:
            assert reduce(evolve, events[cut:], reduce(evolve, events[:cut], begin)) == state


Country.TestCase.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestCountry = Country.TestCase
