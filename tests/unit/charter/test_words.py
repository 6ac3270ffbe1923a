"""Whatever differs between two versions, a custodian reads of it."""

from datetime import timedelta

import pytest
from charters import HELD, ROOTS, first_draft, offer
from hypothesis import given
from hypothesis import strategies as st

from events.charter import Allowance, Charter
from services.charter import drafts
from services.charter.words import differences, shown

BASE = first_draft("KH", "TH", "LA", cover=False)
ALLOWED = Allowance(holder="KH.holder", country="TH", pair="KH-TH", count=1280, valid_from=BASE.issued,
                    valid_until=BASE.issued + timedelta(days=9), reason="a register of 80")  # fmt: skip
OTHERS = {
    "matching_epoch": 2, "schema_version": 2, "slots": ("DOC",), "cover": True, "tick_seconds": 60.0,
    "outline_seconds": 7.0, "totals_seconds": 7.0, "analyst_batch_seconds": 7.0,
}
ELSEWHERE = drafts.NO_RULES | {"allowances"}
RULES = [name for name in Charter.model_fields if name not in ELSEWHERE]


def charter(draft) -> Charter:
    return Charter.model_construct(**dict(draft))


def said(change, base=BASE):
    return differences(charter(base), charter(change(base)))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_that_changes_is_named_with_both_values(rule):
    before = getattr(BASE, rule)
    after = OTHERS.get(rule, before + 1 if isinstance(before, int) else before)
    (sentence,) = said(lambda draft: draft.model_copy(update={rule: after}))
    assert sentence.startswith(f"{rule}: ")
    assert "no longer" in sentence


@pytest.mark.parametrize("change, part", [
    (lambda d: drafts.without(d, "LA"), "Lao PDR (LA) leaves the region."),
    (lambda d: drafts.without(d, "LA"), "LA.holder takes part no more"),
    (lambda d: drafts.without(d, "LA"), "KH and LA agree no more"),
    (lambda d: drafts.without(d, "KH-TH"), "KH and TH agree no more"),
    (lambda d: drafts.with_member(d, ROOTS["VN"].member), f"Viet Nam (VN) becomes a member. Its roots: {ROOTS['VN'].member.roots[0]}"),
    (lambda d: drafts.with_member(d, ROOTS["VN"].member.model_copy(update={"country": "KH"})), "KH CHANGES ITS ROOTS"),
    (lambda d: drafts.with_key(d, offer("KH", 2)), "KH may sign with the new key KH.signing.2"),
    (lambda d: drafts.with_retired(d, "KH.signing.1", (HELD,)), "is retired. Of it counts: linkage.KH/0 to number 5 of epoch 1."),
    (lambda d: drafts.with_retired(d, "KH.signing.1", ()), "is retired. Nothing of it counts."),
    (lambda d: d.model_copy(update={"allowances": (ALLOWED,)}), "KH.holder answers TH 1,280 more for KH-TH"),
])  # fmt: skip
def test_what_happens_to_members_keys_pairs_and_allowances_is_said(change, part):
    assert any(part in sentence for sentence in said(change)), said(change)


def test_an_allowance_that_stands_twice_is_said_since_it_allows_twice_as_much():
    once = BASE.model_copy(update={"allowances": (ALLOWED,)})
    (sentence,) = said(lambda draft: draft.model_copy(update={"allowances": (ALLOWED, ALLOWED)}), once)
    assert sentence.startswith("KH.holder answers TH 1,280 more")


CHANGES = [
    lambda d: d.model_copy(update={"members": d.members[::-1]}),
    lambda d: d.model_copy(update={"parties": d.parties[::-1]}),
    lambda d: d.model_copy(update={"pairs": d.pairs[::-1]}),
    lambda d: d.model_copy(update={"ended_pairs": ("LA-VN", *d.ended_pairs)}),
    lambda d: d.model_copy(update={"parties": (d.parties[0].model_copy(update={"country": "TH"}), *d.parties[1:])}),
    lambda d: d.model_copy(update={"parties": (d.parties[0].model_copy(update={
        "signing": (d.parties[0].signing[0].model_copy(update={"public": "ab" * 32}),)}), *d.parties[1:])}),
    lambda d: drafts.with_key(d, offer("TH", 2)),
    lambda d: drafts.with_retired(d, "TH.signing.1", ()),
    lambda d: d.model_copy(update={"allowances": (*d.allowances, ALLOWED)}),
    lambda d: d.model_copy(update={"quota_per_day": d.quota_per_day + 1}),
]  # fmt: skip


@given(st.lists(st.sampled_from(CHANGES), max_size=4, unique=True))
def test_nothing_that_differs_goes_unsaid(changes):
    after = BASE
    for change in changes:
        after = change(after)
    assert bool(said(lambda _: after)) is (after != BASE)


def test_a_name_moves_no_cursor_and_turns_no_letters_round():
    assert shown("Lao\x1b[2J \u202ePDR\n") == "Lao?[2J ?PDR?"
