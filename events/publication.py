"""Putting tokens out towards one country, and saying whether it may be told: the decisions that take two people.

Pure. Tokens leave only while consents C4, naming that country, and C2 stand, for identifiers that are held, approved by
a focal point together with the case worker who recorded C4. A handle is a person's for one country and for life. This
file refuses to let one human alone publish tokens or set a `tell`, and lets the node do neither.
"""

from datetime import date, datetime, timedelta
from typing import Final

from events.base import Act, AgeStatus, Event, Role, counts_as_child
from events.consent import Consents, require_consents
from events.errors import Refused
from events.linkage import GrantReason, GrantSet, Linkage, PublicationReason, TokensPublished
from events.messages import Grant
from events.person import Person, next_of, refuse_erased
from events.rules import expect_ahead, permit, refusing_bad_values

_HOLD_REVIEW: Final = timedelta(days=30)
_Terms = tuple[Grant, datetime, date, date]
"""Grant, its end, the review of a hold, the end of the tokens."""


@refusing_bad_values
def decide_publish_tokens(
    person: Person,
    consents: Consents,
    act: Act,
    *,
    age_status: AgeStatus,
    country: str,
    handle: str,
    epoch: int,
    schema_version: int,
    token_set: bytes,
    grant: Grant,
    grant_until: datetime,
    review_on: date,
    expires_on: date,
    reason: PublicationReason,
) -> list[Event]:
    """Tokens for one country leave: one call a country, though one approval may sign several. Out already: nothing.

    act         by a focal point, signed by the case worker who recorded C4; or by the node alone, for a new epoch
    age_status  of the person's case
    handle      the person's for this country, 32 hex digits: the earlier one if there is one, else a new one
    raises      Refused: role_may_not, second_needed, second_role_may_not, same_person, second_not_recorder,
                node_may_not, consent_missing, country_not_allowed, best_interest_missing, outlives_consent,
                no_identifiers, erased, other_handle, already_published, not_published, date_past, bad_value
    """
    alone = act.by.role is Role.NODE and reason == "epoch"
    permit(TokensPublished, act, second=not alone)
    refuse_erased(person)
    _check_consents(consents, act, country, age_status, expires_on, alone=alone)
    linkage = person.linkages.get(country)
    terms = (grant, grant_until, review_on, expires_on)
    if act.by.role is Role.NODE:
        _check_node(alone, linkage, terms)
    else:
        _check_approval(consents, act, grant_until, review_on)
    if person.record != "HELD" or person.person_id is None:
        raise Refused("no_identifiers", "No identifiers are held to make tokens of. Record them first.")
    _check_handle(person, linkage, country, handle)
    if _is_done(linkage, reason, (epoch, schema_version), token_set, terms):
        return []
    return [
        TokensPublished(
            **next_of(person, person.person_id, act, 1),
            country=country,
            handle=handle,
            reason=reason,
            key_epoch=epoch,
            schema_version=schema_version,
            token_set=token_set,
            grant=grant,
            grant_until=grant_until,
            review_on=review_on,
            expires_on=expires_on,
        )
    ]


def _check_node(alone: bool, linkage: Linkage | None, terms: _Terms) -> None:
    if not (alone and linkage and linkage.live and terms == _terms(linkage)):
        raise Refused(
            "node_may_not",
            "The node publishes by itself only for a new epoch, while tokens are out, with the same grant and dates. "
            "A focal point must approve anything else.",
        )


def _check_approval(consents: Consents, act: Act, grant_until: datetime, review_on: date) -> None:
    if act.second_by is None or act.second_by.staff != consents.recorded_by("C4"):
        raise Refused(
            "second_not_recorder",
            "The case worker who signs must be the one who recorded consent C4. Ask that one to sign, "
            "or let the case worker ask the person again and record the answer.",
        )
    expect_ahead("end of the grant", grant_until, act)
    expect_ahead("review date", review_on, act)


def _check_consents(
    consents: Consents, act: Act, country: str, age_status: AgeStatus, expires_on: date, *, alone: bool
) -> None:
    """`alone`: tokens that are out are made anew. They end with the consent all the same (events.person), so that one
    given anew with an earlier end leaves nobody out of a new epoch.
    """
    require_consents(TokensPublished, consents, act)
    _require_allowed(consents, act, country)
    matching = consents.standing("C4", act.at)
    if matching is None:
        return
    if counts_as_child(age_status) and matching.best_interest_ref is None:
        raise Refused(
            "best_interest_missing",
            "Consent C4 of a child needs a best-interest decision behind it. Record it anew, with that reference.",
        )
    expect_ahead("end of the tokens", expires_on, act)
    if expires_on > matching.expires_on and not alone:
        raise Refused("outlives_consent", "Tokens end with consent C4 or before. Give an earlier end, or renew C4.")


def _require_allowed(consents: Consents, act: Act, country: str) -> None:
    if country not in consents.allowed_countries(act.at):
        raise Refused(
            "country_not_allowed",
            "The person's consent to matching (C4) does not name this country, or is over. Nothing may go there; "
            "if that has changed, record the answer first.",
        )


def _check_handle(person: Person, linkage: Linkage | None, country: str, handle: str) -> None:
    taken = person.by_handle.get(handle)
    if (linkage is not None and linkage.handle != handle) or (taken is not None and taken.country != country):
        raise Refused(
            "other_handle", "A person keeps one handle for one country, for life. Publish under the earlier handle."
        )


def _is_done(
    linkage: Linkage | None, reason: PublicationReason, made_for: tuple[int, int], token_set: bytes, terms: _Terms
) -> bool:
    """Whether exactly this is out already. Refuses a reason that does not fit what is out."""
    if linkage is not None and linkage.live:
        same_keys = made_for == (linkage.epoch, linkage.schema_version)
        if same_keys and terms == _terms(linkage) and (reason == "epoch" or token_set == linkage.tokens):
            return True
        if reason == "first":
            raise Refused(
                "already_published",
                "Tokens for this country are out. Set the grant to change who is told, or publish for another reason.",
            )
        return False
    if reason == "epoch" or (reason == "correction" and linkage is None):
        raise Refused("not_published", "No tokens for this country are out. Publish them first.")
    return False


def _terms(linkage: Linkage) -> _Terms:
    return (linkage.grant, linkage.grant_until, linkage.review_on, linkage.expires_on)


@refusing_bad_values
def decide_set_grant(
    person: Person,
    consents: Consents,
    act: Act,
    *,
    country: str,
    grant: Grant,
    grant_until: datetime,
    review_on: date,
    reason: GrantReason,
) -> list[Event]:
    """A focal point says whether this country may be told; a `tell` takes a second person and consent C4.

    A review that keeps a hold sets it again. The node never comes here: see decide_expire_grants.
    raises  Refused: role_may_not, node_may_not, second_needed, second_role_may_not, same_person, not_published,
            country_not_allowed, erased, date_past, bad_value
    """
    permit(GrantSet, act, second=grant == "tell")
    refuse_erased(person)
    if act.by.role is Role.NODE:
        raise Refused("node_may_not", "Only a human sets a grant; the node ends one when its time is over.")
    linkage = person.linkages.get(country)
    if linkage is None or not linkage.live or person.person_id is None:
        raise Refused("not_published", "No tokens for this country are out: there is no grant to set. Publish first.")
    if grant == "tell":
        _require_allowed(consents, act, country)
    expect_ahead("end of the grant", grant_until, act)
    expect_ahead("review date", review_on, act)
    return [
        GrantSet(
            **next_of(person, person.person_id, act, 1),
            country=country,
            handle=linkage.handle,
            reason=reason,
            grant=grant,
            grant_until=grant_until,
            review_on=review_on,
        )
    ]


def decide_expire_grants(person: Person, act: Act) -> list[Event]:
    """Every `tell` whose time is over becomes a `hold`, to be looked at again within 30 days.

    Of an erased person nothing is done here: all that is left to do with those linkages is to revoke them.
    raises  Refused: role_may_not, same_person
    """
    permit(GrantSet, act, second=False)
    if person.person_id is None:
        return []
    over = [(c, one) for c, one in person.linkages.items() if one.state == "TELL" and one.grant_until <= act.at]
    return [
        GrantSet(
            **next_of(person, person.person_id, act, i),
            country=country,
            handle=one.handle,
            reason="expired",
            grant="hold",
            grant_until=one.grant_until,
            review_on=act.today + _HOLD_REVIEW,
        )
        for i, (country, one) in enumerate(over, 1)
    ]
