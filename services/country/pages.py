"""The node's pages: alive and what it has done, cases, what waits for a second person, matches.

Server-rendered, without JavaScript. Forms post back to the same desk that the API commands.
"""

from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse

from events.base import Actor, Purpose, Role
from events.erasure import WHY as BASES
from events.messages import Grant
from events.person import ErasureBasis
from services.country.api import ERASE, act_of, case_json, match_json
from services.country.node import Node
from services.country.publications import WHY
from services.runtime.pages import Link, Pages
from services.runtime.signin import SignIn

Answer = Literal["tell", "hold", "decline"]
ErasureAnswer = Literal["erase", "decline"]
LINKS = (
    Link("/", "Node"),
    Link("/cases", "Cases"),
    Link("/awaiting", "To sign"),
    Link("/matches", "Matches"),
    Link("/erasures", "Erasures"),
    Link("/keys", "Keys"),
)
STATES = {
    "asked": "waits for a focal point",
    "approved": "approved; waits for the key holders",
    "working": "with the key holders",
    "published": "published",
    "refused": "not published",
    "revoked": "revoked",
    "none": "no tokens",
}


REASONS = WHY | {
    "not_asked": "Nobody has asked for them yet.",
    "declined": "The focal point declined.",
    "not_signed_in_time": "Nobody signed within seven days.",
    "consent_over": "The consent is over.",
    "correction": "The identifiers were corrected; ask again.",
    "expired": "Their time was over.",
    "agreement_ended": "The agreement with that country is over.",
    "unsafe": "They were taken out because that country had become unsafe.",
}


def kit(node: Node, templates: Path) -> Pages:
    """The pages' frame, in this country's name."""
    name = next((m.name for m in node.charter.members if m.country == node.country), node.country)
    return Pages(place=name, service="country node", links=LINKS, templates=templates)


def add_routes(app: FastAPI, node: Node, sign_in: SignIn, pages: Pages) -> None:
    """All pages."""
    _add_home(app, node, sign_in, pages)
    _add_cases(app, node, sign_in, pages)
    _add_awaiting(app, node, sign_in, pages)
    _add_matches(app, node, sign_in, pages)
    _add_erasures(app, node, sign_in, pages)


def _add_home(app: FastAPI, node: Node, sign_in: SignIn, pages: Pages) -> None:
    @app.get("/")
    def show_home(request: Request) -> Response:
        """For anyone: that the node is alive. For signed-in staff: what it has done."""
        acting = sign_in.anyone(request)
        status, now = node.status(), node.clock.now()
        tick = node.charter.tick_at(now)
        operator = acting is not None and acting.role in {Role.NODE_OPERATOR, Role.SECURITY_REVIEWER}
        return pages.render(
            "home.html",
            here="/",
            acting=acting,
            post=status.post,
            work=status if operator else None,
            ended=status.ended if acting is not None else (),
            behind=[(topic, max(0, tick - last)) for topic, last in status.post.ticks.items()],
            charter=node.charter,
            now=now,
            tick=tick,
        )


def _add_cases(app: FastAPI, node: Node, sign_in: SignIn, pages: Pages) -> None:
    worker = Annotated[Actor, Depends(sign_in.acting(Role.CASE_WORKER, Role.SUPERVISOR, Role.FIRST_RESPONDER))]

    @app.get("/cases")
    def show_cases(acting: worker) -> Response:
        rows = node.desk.cases(act_of(node, acting, Purpose.PROTECTION))
        return pages.render("cases.html", here="/cases", acting=acting, rows=rows)

    @app.get("/cases/{case_id}")
    def show_case(case_id: UUID, acting: worker) -> Response:
        file = node.desk.read_case(act_of(node, acting, Purpose.PROTECTION), case_id)
        return pages.render("case.html", here="/cases", acting=acting, case=case_json(file), states=STATES, why=REASONS)


def _add_awaiting(app: FastAPI, node: Node, sign_in: SignIn, pages: Pages) -> None:
    focal = Annotated[Actor, Depends(sign_in.acting(Role.TRM_FOCAL_POINT))]

    @app.get("/awaiting")
    def show_awaiting(acting: focal) -> Response:
        rows = node.desk.awaiting(act_of(node, acting, Purpose.MATCHING))
        return pages.render(
            "awaiting.html", here="/awaiting", acting=acting, rows=rows[:100], count=len(rows)
        )

    @app.post("/awaiting")
    def decide(acting: focal, request_id: Annotated[UUID, Form()], answer: Annotated[Answer, Form()]) -> Response:
        act = act_of(node, acting, Purpose.MATCHING)
        if answer == "decline":
            node.desk.decline(act, [request_id])
        else:
            node.desk.sign(act, [(request_id, answer)])
        return RedirectResponse("/awaiting", status_code=303)


def _add_matches(app: FastAPI, node: Node, sign_in: SignIn, pages: Pages) -> None:
    focal = Annotated[Actor, Depends(sign_in.acting(Role.TRM_FOCAL_POINT))]

    @app.get("/matches")
    def show_matches(acting: focal) -> Response:
        rows = node.desk.matches(act_of(node, acting, Purpose.MATCHING))
        return pages.render("matches.html", here="/matches", acting=acting, rows=[match_json(r) for r in rows])

    @app.get("/matches/{ref}")
    def show_match(ref: str, acting: focal) -> Response:
        row = node.desk.match(act_of(node, acting, Purpose.MATCHING), ref)
        return pages.render("match.html", here="/matches", acting=acting, match=match_json(row))

    @app.post("/matches/{ref}")
    def grant(ref: str, acting: focal, answer: Annotated[str, Form()]) -> Response:
        act = act_of(node, acting, Purpose.MATCHING)
        row = node.desk.match(act, ref)
        chosen: Grant = "tell" if answer == "tell" else "hold"
        node.desk.set_grant(act, row.case_id, row.match.other_country, chosen, "review")
        return RedirectResponse(f"/matches/{row.match.match_ref}", status_code=303)


def _add_erasures(app: FastAPI, node: Node, sign_in: SignIn, pages: Pages) -> None:
    officer = Annotated[Actor, Depends(sign_in.acting(Role.DATA_PROTECTION_OFFICER))]
    custodian = Annotated[Actor, Depends(sign_in.acting(Role.KEY_CUSTODIAN))]
    either = Annotated[Actor, Depends(sign_in.acting(*ERASE))]

    @app.get("/erasures")
    def show_erasures(acting: either) -> Response:
        return pages.render(
            "erasures.html", here="/erasures", acting=acting, rows=node.erasures.waiting(), bases=BASES,
            signs=acting.role is Role.KEY_CUSTODIAN,
        )

    @app.post("/erasures")
    def ask(acting: officer, case_id: Annotated[UUID, Form()], basis: Annotated[ErasureBasis, Form()]) -> Response:
        node.erasures.ask(act_of(node, acting, Purpose.DATA_PROTECTION), case_id, basis)
        return RedirectResponse("/erasures", status_code=303)

    @app.post("/erasures/answer")
    def answer(
        acting: custodian, request_id: Annotated[UUID, Form()], answer: Annotated[ErasureAnswer, Form()]
    ) -> Response:
        if answer == "erase":
            node.erasures.sign(act_of(node, acting, Purpose.DATA_PROTECTION), request_id)
        else:
            node.erasures.decline(request_id)
        return RedirectResponse("/erasures", status_code=303)
