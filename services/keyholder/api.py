"""The key holder's API: quotas and state, for security reviewers and operators. It takes no commands."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI

from events.base import Actor, Role
from services.keyholder import views
from services.keyholder.holder import KeyHolder
from services.runtime.signin import SignIn

READERS = (Role.SECURITY_REVIEWER, Role.NODE_OPERATOR)


def add_routes(app: FastAPI, holder: KeyHolder, sign_in: SignIn) -> None:
    """GET /api/quotas and /api/status."""
    reader = Annotated[Actor, Depends(sign_in.acting(*READERS))]

    @app.get("/api/quotas")
    def read_quotas(_actor: reader) -> list[dict[str, Any]]:
        """How each country uses each share: what an auditor holds against the charter."""
        return [
            {**asdict(q), "allowances": [a.model_dump(mode="json") for a in q.allowances]} for q in views.quotas(holder)
        ]

    @app.get("/api/status")
    def read_status(_actor: reader) -> dict[str, Any]:
        return asdict(views.health(holder))
