"""The checks that every decide_* shares: role, second person, machine state, dates. Each refusal has a stable code.

role_may_not            the acting role is not among those that the law names
second_needed           another person must sign, and none has
second_role_may_not     the one who signs has not the role for it
same_person             the second person is the first
wrong_state             the machine is in a state that this event does not start from
date_past               a date that must lie ahead does not
bad_value               a value is malformed: the fields are named, never their content
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import wraps
from typing import ParamSpec, TypeVar

from pydantic import ValidationError

from events.base import Act, Event, Role
from events.errors import Refused

P = ParamSpec("P")
R = TypeVar("R")


def permit(event: type[Event], act: Act, *, second: bool = True) -> None:
    """Refuse an act by the wrong role, or without the second person that the law asks for.

    second  False where the law's `unless` holds; a second signature is then allowed, not needed
    """
    rules = event.rules
    if act.by.role not in rules.roles:
        raise Refused(
            "role_may_not",
            f"The role {act.by.role.words} may not {rules.does}. Roles that may: {_listed(rules.roles)}.",
        )
    if act.second_by is not None and act.second_by.staff == act.by.staff:
        raise Refused("same_person", "Nobody is their own second person. Ask somebody else to sign.")
    if not second or rules.second is None:
        return
    if act.second_by is None:
        raise Refused(
            "second_needed",
            f"It takes two people to {rules.does}. Ask a second one to sign: {_listed(rules.second.roles)}.",
        )
    if act.second_by.role not in rules.second.roles:
        raise Refused(
            "second_role_may_not",
            f"The role {act.second_by.role.words} may not sign when it comes to {rules.does}. "
            f"Roles that may: {_listed(rules.second.roles)}.",
        )


def expect_state(event: type[Event], machine: str, state: str) -> None:
    """Refuse an event that does not start from this state of its machine."""
    origins = [o for m in event.rules.moves if m.machine == machine for o in m.origins]
    if state not in origins:
        raise Refused(
            "wrong_state",
            f"The {machine} is {state}; to {event.rules.does} it must be {' or '.join(origins)}. "
            "Look at what was recorded last.",
        )


def expect_ahead(what: str, moment: date | datetime, act: Act) -> None:
    """Refuse a date before today, or a moment that has come."""
    now: date = act.at if isinstance(moment, datetime) else act.today
    if moment < now or (isinstance(moment, datetime) and moment == now):
        raise Refused("date_past", f"The {what} must lie ahead. Give a later one.")


def refusing_bad_values(decide: Callable[P, R]) -> Callable[P, R]:
    """Turn a value that an event does not take into Refused("bad_value"), without repeating the value."""

    @wraps(decide)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return decide(*args, **kwargs)
        except ValidationError as error:
            raise Refused("bad_value", f"Mend what was entered. {_faults(error)}") from error

    return checked


def _faults(error: ValidationError) -> str:
    first: dict[str, str] = {}
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        first.setdefault(str(fault["loc"][0]) if fault["loc"] else error.title, fault["msg"])
    return " ".join(f"{field}: {message}." for field, message in first.items())


def _listed(roles: Iterable[Role]) -> str:
    return ", ".join(sorted(r.words for r in roles))
