"""The key holder's API: quotas, alarms and state to read; and what people change here: bulk allowances, refreshes and
renewals of keys.

An allowance is asked for by a custodian or the operator, and takes two custodians of this country to stand: the
register of this holder's own staff says who they are. Nobody of another country, nor of this country's node, is in it.
A refresh takes one custodian: it changes no key, and the holder begins one by itself when it is due. So does a renewal,
which the other holder follows by itself only once in the charter's days.
The end of an agreement takes two, who say the same.
"""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI

from events.base import Actor, Role
from events.messages import RenewalReason
from events.model import PairName, Value
from services.keyholder import endings, views
from services.keyholder.allowances import NEEDED, Request, Wish
from services.keyholder.holder import KeyHolder
from services.runtime.signin import SignIn

READERS = (Role.SECURITY_REVIEWER, Role.NODE_OPERATOR)
ASKERS = (Role.KEY_CUSTODIAN, Role.NODE_OPERATOR)


class Refresh(Value):
    """Of one pair's key, or of all."""

    pair: PairName | None = None


class Renewal(Value):
    """As a refresh; `reason` is announced."""

    pair: PairName | None = None
    reason: RenewalReason = "period"


def add_routes(app: FastAPI, holder: KeyHolder, sign_in: SignIn) -> None:
    """All routes below /api."""
    _add_reading(app, holder, sign_in)
    _add_allowances(app, holder, sign_in)
    _add_refreshes(app, holder, sign_in)
    _add_renewals(app, holder, sign_in)
    _add_endings(app, holder, sign_in)


def _add_reading(app: FastAPI, holder: KeyHolder, sign_in: SignIn) -> None:
    reader = Annotated[Actor, Depends(sign_in.acting(*READERS))]

    @app.get("/api/quotas")
    def read_quotas(_actor: reader) -> list[dict[str, Any]]:
        """How each country uses each share: what an auditor holds against the charter."""
        return [
            {**asdict(q), "allowances": [a.model_dump(mode="json") for a in q.allowances]} for q in views.quotas(holder)
        ]

    @app.get("/api/alarms")
    def read_alarms(_actor: reader) -> list[dict[str, Any]]:
        """Today's: which countries have used most of their limit."""
        return [asdict(alarm) for alarm in views.alarms_today(holder)]

    @app.get("/api/status")
    def read_status(_actor: reader) -> dict[str, Any]:
        return asdict(views.health(holder))


def _add_allowances(app: FastAPI, holder: KeyHolder, sign_in: SignIn) -> None:
    asker = Annotated[Actor, Depends(sign_in.acting(*ASKERS))]
    custodian = Annotated[Actor, Depends(sign_in.acting(Role.KEY_CUSTODIAN))]
    reader = Annotated[Actor, Depends(sign_in.acting(*READERS, Role.KEY_CUSTODIAN))]

    @app.get("/api/allowances")
    def list_allowances(_actor: reader) -> list[dict[str, Any]]:
        return [_json(request) for request in holder.allowances.listed()]

    @app.post("/api/allowances", status_code=201)
    def ask(wish: Wish, actor: asker) -> dict[str, Any]:
        return {"id": holder.allowances.ask(actor, wish), "state": "asked", "needed": NEEDED}

    @app.post("/api/allowances/{allowance_id}/approval")
    def approve(allowance_id: UUID, actor: custodian) -> dict[str, Any]:
        return _json(holder.allowances.approve(actor, allowance_id))


def _add_refreshes(app: FastAPI, holder: KeyHolder, sign_in: SignIn) -> None:
    custodian = Annotated[Actor, Depends(sign_in.acting(Role.KEY_CUSTODIAN))]
    reader = Annotated[Actor, Depends(sign_in.acting(*READERS, Role.KEY_CUSTODIAN))]

    @app.get("/api/refreshes")
    def read_refreshes(_actor: reader) -> list[dict[str, Any]]:
        return [asdict(one) for one in holder.refreshes.progress()]

    @app.post("/api/refreshes", status_code=202)
    def ask_refresh(form: Refresh, actor: custodian) -> list[dict[str, Any]]:
        """Begin; what is under way goes on. Each pair's `target` is the generation to wait for."""
        return [asdict(one) for one in holder.refreshes.ask(form.pair, actor.staff)]


def _add_renewals(app: FastAPI, holder: KeyHolder, sign_in: SignIn) -> None:
    custodian = Annotated[Actor, Depends(sign_in.acting(Role.KEY_CUSTODIAN))]
    reader = Annotated[Actor, Depends(sign_in.acting(*READERS, Role.KEY_CUSTODIAN))]

    @app.get("/api/renewals")
    def read_renewals(_actor: reader) -> list[dict[str, Any]]:
        return [asdict(one) for one in holder.renewals.progress()]

    @app.post("/api/renewals", status_code=202)
    def ask_renewal(form: Renewal, actor: custodian) -> list[dict[str, Any]]:
        """Begin; what is under way goes on. Each pair's `target` is the epoch to wait for."""
        return [asdict(one) for one in holder.renewals.ask(form.pair, form.reason, actor.staff)]


def _add_endings(app: FastAPI, holder: KeyHolder, sign_in: SignIn) -> None:
    custodian = Annotated[Actor, Depends(sign_in.acting(Role.KEY_CUSTODIAN))]
    reader = Annotated[Actor, Depends(sign_in.acting(*READERS, Role.KEY_CUSTODIAN))]

    @app.get("/api/endings")
    def read_endings(_actor: reader) -> list[dict[str, Any]]:
        return [asdict(one) for one in holder.endings.listed()]

    @app.post("/api/endings", status_code=202)
    def ask_end(wish: endings.Wish, actor: custodian) -> dict[str, Any]:
        """Each custodian says it; the second one decides, and nothing takes it back."""
        return asdict(holder.endings.ask(actor, wish))


def _json(request: Request) -> dict[str, Any]:
    return {
        "id": request.id,
        **request.wish.model_dump(mode="json"),
        "asked_by": request.asked_by,
        "asked_at": request.asked_at,
        "state": request.state,
        "custodians": list(request.custodians),
        "needed": NEEDED,
    }
