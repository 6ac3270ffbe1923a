"""The node's API for its own officers. Ids in paths are random; nothing about a person is in a path or a query.

Every command bears who asks, in which role and organisation, for which purpose: it stands in the event. Refusals are
problems (RFC 9457) with the domain's code.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, Form, UploadFile
from pydantic import ValidationError

from events.base import Act, Actor, Purpose, Role
from events.model import Value
from services.country import forms
from services.country.desk import CaseFile, MatchRow
from services.country.importer import Stated
from services.country.node import Node
from services.country.signatures import Waiting
from services.runtime.errors import Problem
from services.runtime.signin import SignIn

_WORKERS = (Role.CASE_WORKER, Role.FIRST_RESPONDER, Role.SUPERVISOR)
_REPORTERS = (Role.CASE_WORKER, Role.FIRST_RESPONDER, Role.TRM_FOCAL_POINT)
ERASE = (Role.DATA_PROTECTION_OFFICER, Role.KEY_CUSTODIAN)
_WITHDRAW = (*_WORKERS, Role.DATA_PROTECTION_OFFICER)


class Done(Value):
    """An answer that says only that it was done."""

    done: bool = True


def add_routes(app: FastAPI, node: Node, sign_in: SignIn) -> None:
    """All routes below /api."""
    _add_cases(app, node, sign_in)
    _add_decisions(app, node, sign_in)
    _add_erasures(app, node, sign_in)
    _add_consents(app, node, sign_in)
    _add_signatures(app, node, sign_in)
    _add_matches(app, node, sign_in)
    _add_operation(app, node, sign_in)


def act_of(node: Node, actor: Actor, purpose: Purpose) -> Act:
    return Act(at=node.clock.now(), by=actor, purpose=purpose)


def _add_cases(app: FastAPI, node: Node, sign_in: SignIn) -> None:
    desk = node.desk
    reporter = Annotated[Actor, Depends(sign_in.acting(*_REPORTERS))]
    worker = Annotated[Actor, Depends(sign_in.acting(*_WORKERS))]
    importer = Annotated[Actor, Depends(sign_in.acting(Role.CASE_WORKER))]

    @app.post("/api/cases", status_code=201)
    def report(form: forms.Report, actor: reporter) -> dict[str, UUID]:
        case_id, person_id = desk.report(act_of(node, actor, Purpose.PROTECTION), **dict(form))
        return {"case_id": case_id, "person_id": person_id}

    @app.get("/api/cases")
    def list_cases(actor: worker) -> list[dict[str, Any]]:
        return [vars(row) for row in desk.cases(act_of(node, actor, Purpose.PROTECTION))]

    @app.get("/api/cases/{case_id}")
    def read_case(case_id: UUID, actor: worker) -> dict[str, Any]:
        return case_json(desk.read_case(act_of(node, actor, Purpose.PROTECTION), case_id))

    @app.post("/api/cases/{case_id}/screening")
    def screen(case_id: UUID, form: forms.Screening, actor: worker) -> Done:
        desk.screen(act_of(node, actor, Purpose.IDENTIFICATION), case_id, **dict(form))
        return Done()

    @app.post("/api/cases/{case_id}/closing")
    def close(case_id: UUID, form: forms.Closing, actor: worker) -> Done:
        desk.close(act_of(node, actor, Purpose.PROTECTION), case_id, **dict(form))
        return Done()

    @app.post("/api/cases/{case_id}/identifiers")
    def record_identifiers(case_id: UUID, form: forms.Identifiers, actor: worker) -> Done:
        desk.record_identifiers(act_of(node, actor, Purpose.PROTECTION), case_id, **dict(form))
        return Done()

    @app.post("/api/imports")
    def import_file(
        actor: importer, file: UploadFile, stated: Annotated[str, Form(max_length=4000)] = "{}"
    ) -> dict[str, Any]:
        """A CSV of HTCDS columns, and what the case worker states for the whole file (importer.Stated, as JSON)."""
        try:
            checked = Stated.model_validate_json(stated)
        except ValidationError as error:
            raise Problem(422, "invalid", "What is stated for the file is not as documented.") from error
        report = node.importer.take(act_of(node, actor, Purpose.PROTECTION), file.file.read(), checked)
        return {**vars(report), "rejects": [vars(r) for r in report.rejects]}


def _add_decisions(app: FastAPI, node: Node, sign_in: SignIn) -> None:
    desk = node.desk
    authority = Annotated[Actor, Depends(sign_in.acting(Role.IDENTIFICATION_AUTHORITY))]

    @app.post("/api/cases/{case_id}/identification")
    def identify(case_id: UUID, form: forms.Identification, actor: authority) -> Done:
        desk.identify(act_of(node, actor, Purpose.IDENTIFICATION), case_id, **dict(form))
        return Done()

    @app.post("/api/cases/{case_id}/non-identification")
    def ask_not_identify(case_id: UUID, form: forms.NonIdentification, actor: authority) -> dict[str, str]:
        desk.ask_not_identify(act_of(node, actor, Purpose.IDENTIFICATION), case_id, **dict(form))
        return {"state": "awaits_second_person"}

    @app.get("/api/decisions")
    def list_decisions(actor: authority) -> list[dict[str, Any]]:
        rows = desk.decisions(act_of(node, actor, Purpose.IDENTIFICATION))
        return [{**_waiting_json(w, reference), **w.asked.model_dump(exclude={"by"})} for w, reference in rows]

    @app.post("/api/decisions/{decision_id}/signature")
    def sign_decision(decision_id: UUID, actor: authority) -> Done:
        desk.sign_decision(act_of(node, actor, Purpose.IDENTIFICATION), decision_id)
        return Done()

    @app.post("/api/decisions/{decision_id}/refusal")
    def decline_decision(decision_id: UUID, actor: authority) -> Done:
        desk.decline_decision(act_of(node, actor, Purpose.IDENTIFICATION), decision_id)
        return Done()


def _add_erasures(app: FastAPI, node: Node, sign_in: SignIn) -> None:
    officer = Annotated[Actor, Depends(sign_in.acting(Role.DATA_PROTECTION_OFFICER))]
    custodian = Annotated[Actor, Depends(sign_in.acting(Role.KEY_CUSTODIAN))]
    either = Annotated[Actor, Depends(sign_in.acting(*ERASE))]

    @app.post("/api/cases/{case_id}/erasure")
    def ask_erasure(case_id: UUID, form: forms.Erasure, actor: officer) -> dict[str, str]:
        node.erasures.ask(act_of(node, actor, Purpose.DATA_PROTECTION), case_id, form.basis)
        return {"state": "awaits_second_person"}

    @app.get("/api/erasures")
    def list_erasures(_actor: either) -> list[dict[str, Any]]:
        return [{**_waiting_json(w, None), "basis": w.asked.basis} for w in node.erasures.waiting()]

    @app.post("/api/erasures/{erasure_id}/signature")
    def sign_erasure(erasure_id: UUID, actor: custodian) -> Done:
        node.erasures.sign(act_of(node, actor, Purpose.DATA_PROTECTION), erasure_id)
        return Done()

    @app.post("/api/erasures/{erasure_id}/refusal")
    def decline_erasure(erasure_id: UUID, _actor: either) -> Done:
        node.erasures.decline(erasure_id)
        return Done()


def _add_consents(app: FastAPI, node: Node, sign_in: SignIn) -> None:
    desk = node.desk
    worker = Annotated[Actor, Depends(sign_in.acting(Role.CASE_WORKER, Role.FIRST_RESPONDER))]
    anyone = Annotated[Actor, Depends(sign_in.acting(*_WITHDRAW))]
    asker = Annotated[Actor, Depends(sign_in.acting(Role.CASE_WORKER))]
    puller = Annotated[Actor, Depends(sign_in.acting(Role.TRM_FOCAL_POINT, Role.CASE_WORKER))]

    @app.post("/api/cases/{case_id}/consents")
    def record_consent(case_id: UUID, form: forms.Consent, actor: worker) -> Done:
        desk.record_consent(act_of(node, actor, Purpose.PROTECTION), case_id, **dict(form))
        return Done()

    @app.post("/api/cases/{case_id}/withdrawals")
    def withdraw(case_id: UUID, form: forms.Withdrawal, actor: anyone) -> Done:
        desk.withdraw_consent(act_of(node, actor, Purpose.PROTECTION), case_id, **dict(form))
        return Done()

    @app.post("/api/cases/{case_id}/revocations")
    def revoke(case_id: UUID, form: forms.Revocation, actor: puller) -> Done:
        desk.revoke(act_of(node, actor, Purpose.MATCHING), case_id, form.country)
        return Done()

    @app.post("/api/cases/{case_id}/publication")
    def ask_publication(case_id: UUID, form: forms.PublicationRequest, actor: asker) -> dict[str, int]:
        act = act_of(node, actor, Purpose.MATCHING)
        return {"awaiting": desk.ask_publication(act, case_id, form.countries)}


def _add_signatures(app: FastAPI, node: Node, sign_in: SignIn) -> None:
    desk = node.desk
    focal = Annotated[Actor, Depends(sign_in.acting(Role.TRM_FOCAL_POINT))]

    @app.get("/api/awaiting")
    def awaiting(actor: focal) -> list[dict[str, Any]]:
        rows = desk.awaiting(act_of(node, actor, Purpose.MATCHING))
        return [{**_waiting_json(w, reference), "country": w.asked.country} for w, reference in rows]

    @app.post("/api/signatures")
    def sign(form: forms.Signatures, actor: focal) -> dict[str, int]:
        desk.sign(act_of(node, actor, Purpose.MATCHING), [(s.id, s.grant) for s in form.signed])
        return {"signed": len(form.signed)}

    @app.post("/api/refusals")
    def decline(form: forms.Declined, actor: focal) -> dict[str, int]:
        desk.decline(act_of(node, actor, Purpose.MATCHING), form.ids)
        return {"declined": len(form.ids)}

    @app.post("/api/cases/{case_id}/grants")
    def set_grant(case_id: UUID, form: forms.GrantChange, actor: focal) -> dict[str, str]:
        act = act_of(node, actor, Purpose.MATCHING)
        done = desk.set_grant(act, case_id, form.country, form.grant, form.reason)
        return {"state": "set" if done else "awaits_second_person"}


def _add_matches(app: FastAPI, node: Node, sign_in: SignIn) -> None:
    desk = node.desk
    focal = Annotated[Actor, Depends(sign_in.acting(Role.TRM_FOCAL_POINT))]

    @app.get("/api/matches")
    def list_matches(actor: focal) -> list[dict[str, Any]]:
        return [match_json(row) for row in desk.matches(act_of(node, actor, Purpose.MATCHING))]

    @app.get("/api/matches/{ref}")
    def read_match(ref: str, actor: focal) -> dict[str, Any]:
        return match_json(desk.match(act_of(node, actor, Purpose.MATCHING), ref))

    @app.post("/api/matches/{ref}/grant")
    def grant_match(ref: str, form: forms.MatchGrant, actor: focal) -> dict[str, str]:
        act = act_of(node, actor, Purpose.MATCHING)
        row = desk.match(act, ref)
        done = desk.set_grant(act, row.case_id, row.match.other_country, form.grant, form.reason)
        return {"state": "set" if done else "awaits_second_person"}

    @app.post("/api/matches/{ref}/closing")
    def close_match(ref: str, form: forms.MatchClosing, actor: focal) -> Done:
        desk.close_match(act_of(node, actor, Purpose.MATCHING), ref, form.reason)
        return Done()


def _add_operation(app: FastAPI, node: Node, sign_in: SignIn) -> None:
    operator = Annotated[Actor, Depends(sign_in.acting(Role.NODE_OPERATOR, Role.SECURITY_REVIEWER))]

    @app.get("/api/status")
    def status(_actor: operator) -> dict[str, Any]:
        state = node.status()
        return {**vars(state), "post": {name: getattr(state.post, name) for name in state.post.__slots__}}

    @app.post("/api/pairs/{pair}/resumption")
    def resume(pair: str, _actor: Annotated[Actor, Depends(sign_in.acting(Role.NODE_OPERATOR))]) -> Done:
        node.evaluations.resume(pair)
        return Done()

    @app.get("/api/evidence")
    def evidence(_actor: operator) -> Sequence[dict[str, Any]]:
        return node.evaluations.evidence()


def _waiting_json(waiting: Waiting[Any], reference: str | None) -> dict[str, Any]:
    return {
        "id": waiting.id,
        "kind": waiting.kind,
        "case_id": waiting.case_id,
        "reference": reference,
        "asked_by": waiting.asked.by.staff,
        "asked_at": waiting.asked_at,
    }


def case_json(file: CaseFile) -> dict[str, Any]:
    """A case as its workers see it."""
    case, person = file.case, file.person
    return {
        "case_id": case.case_id,
        "owner_org": case.owner_org,
        "state": case.state,
        "identification": case.identification,
        "reported_on": case.reported_on,
        "age_status": case.age_status,
        "reference": case.reference,
        "summary": case.summary,
        "consents": [
            {
                "consent_id": e.consent_id,
                "purpose": e.purpose,
                "state": e.state,
                "expires_on": e.expires_on,
                "allowed_countries": sorted(e.allowed_countries),
                "receiver_org": e.receiver[0],
                "receiver_country": e.receiver[1],
            }
            for e in file.consents.entries.values()
        ],
        "names": [dict(n) for n in person.names],
        "birth_date": person.birth_date,
        "documents": [dict(d) for d in person.documents],
        "gender": person.gender,
        "citizenships": sorted(person.citizenships),
        "erased": person.erased,
        "publications": [{"country": c, "state": s, "reason": r} for c, s, r in file.publications],
    }


def match_json(row: MatchRow) -> dict[str, Any]:
    """A match as the focal point of this side sees it: nothing of the other side but its country."""
    match = row.match
    return {
        "match_ref": match.match_ref,
        "case_id": row.case_id,
        "reference": row.reference,
        "other_country": match.other_country,
        "state": match.state,
        "band": match.band,
        "slot": match.slot,
        "told_at": match.told_at,
        "decide_by": match.decide_by,
        "own_grant": row.own.grant if row.own else None,
        "own_grant_until": row.own.grant_until if row.own else None,
    }
