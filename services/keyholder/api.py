"""The key holder's API: quotas and state, for security reviewers and operators; refreshes, for custodians."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI

from events.base import Actor, Role
from events.model import PairName, Value
from services.keyholder import views
from services.keyholder.holder import KeyHolder
from services.runtime.signin import SignIn

READERS = (Role.SECURITY_REVIEWER, Role.NODE_OPERATOR)


class Refresh(Value):
    """Of one pair's key, or of all."""

    pair: PairName | None = None


def add_routes(app: FastAPI, holder: KeyHolder, sign_in: SignIn) -> None:
    """GET /api/quotas, /api/status and /api/refreshes; POST /api/refreshes."""
    reader = Annotated[Actor, Depends(sign_in.acting(*READERS))]
    custodian = Annotated[Actor, Depends(sign_in.acting(Role.KEY_CUSTODIAN))]
    watcher = Annotated[Actor, Depends(sign_in.acting(Role.KEY_CUSTODIAN, *READERS))]

    @app.get("/api/quotas")
    def read_quotas(_actor: reader) -> list[dict[str, Any]]:
        """How each country uses each share: what an auditor holds against the charter."""
        return [
            {**asdict(q), "allowances": [a.model_dump(mode="json") for a in q.allowances]} for q in views.quotas(holder)
        ]

    @app.get("/api/status")
    def read_status(_actor: reader) -> dict[str, Any]:
        return asdict(views.health(holder))

    @app.post("/api/refreshes", status_code=202)
    def ask_refresh(form: Refresh, actor: custodian) -> list[dict[str, Any]]:
        """Begin; what is under way goes on. Each pair's `target` is the generation to wait for."""
        return [asdict(one) for one in holder.refreshes.ask(form.pair, actor.staff)]

    @app.get("/api/refreshes")
    def read_refreshes(_actor: watcher) -> list[dict[str, Any]]:
        return [asdict(one) for one in holder.refreshes.progress()]
