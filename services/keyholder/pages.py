"""The key holder's two pages: alive, for anyone; quotas, for security reviewers and operators."""

from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from events.base import Actor
from services.keyholder import views
from services.keyholder.api import READERS
from services.keyholder.holder import KeyHolder
from services.runtime.pages import Link, Pages, when
from services.runtime.signin import SignIn

TEMPLATES = Path(__file__).parent / "templates"
LINKS = (Link("/", "Key holder"), Link("/quotas", "Quotas"), Link("/keys", "Keys"))


def kit(holder: KeyHolder) -> Pages:
    """The pages' frame, in this holder's name."""
    country = holder.charter.party(holder.me).country
    name = next((m.name for m in holder.charter.members if m.country == country), holder.me)
    return Pages(place=name, service="key holder", links=LINKS, templates=TEMPLATES)


def add_routes(app: FastAPI, holder: KeyHolder, sign_in: SignIn, pages: Pages) -> None:
    """GET / and /quotas."""
    reader = Annotated[Actor, Depends(sign_in.acting(*READERS))]

    @app.get("/")
    def show_home(request: Request) -> Response:
        """For anyone: that it is alive. For its readers: what was asked today."""
        acting = sign_in.anyone(request)
        reads = acting is not None and acting.role in READERS
        today = [(q.pair, q.country, q.spent_today, q.limit_today) for q in views.quotas(holder)] if reads else None
        alarms, health = views.alarms_today(holder) if reads else (), views.health(holder)
        return pages.render("home.html", here="/", acting=acting, health=health, today=today, alarms=alarms)

    @app.get("/quotas")
    def show_quotas(acting: reader) -> Response:
        quotas = views.quotas(holder)
        used = [
            (q.pair, q.country, q.spent_today, q.limit_today, q.per_day, q.most_in_a_day, q.total) for q in quotas
        ]
        allowed = [
            (a.pair, a.country, a.count, when(a.valid_from), when(a.valid_until), a.reason)
            for q in quotas
            for a in q.allowances
        ]
        asked = [
            (r.wish.pair, r.wish.country, r.wish.count, r.state, r.asked_by, ", ".join(r.custodians) or "nobody")
            for r in holder.allowances.listed()
        ]
        alarms = views.alarms_today(holder)
        return pages.render(
            "quotas.html", here="/quotas", acting=acting, used=used, allowed=allowed, asked=asked, alarms=alarms
        )
