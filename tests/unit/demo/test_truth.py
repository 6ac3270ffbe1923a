"""Scores: what counts, what does not, and what is not known."""

from services.demo.truth import has_common_document, score
from services.demo.world import Pair, Row, World

LA1, TH1, LA2, TH2, LA3, TH3 = ("LA", "1"), ("TH", "1"), ("LA", "2"), ("TH", "2"), ("LA", "3"), ("TH", "3")


def row(number, allowed="", document="", hold=(), citizenship="LA"):
    values = {
        "record_id": number, "x_consent_C4": allowed, "prs_IdentityNumber": document, "prs_Citizenship": citizenship,
    }  # fmt: skip
    return Row(values, frozenset(hold))


TRUTH = (Pair.of(LA1, TH1), Pair.of(LA2, TH2), Pair.of(LA3, TH3))


def world(*, truth=TRUTH, **changed):
    rows = {
        "LA1": row("1", "TH", "pa 12-34"), "LA2": row("2", "TH"), "LA3": row("3", "KH;TH"),
        "TH1": row("1", "LA", "PA1234"), "TH2": row("2", "LA"), "TH3": row("3", "LA"), **changed,
    }  # fmt: skip
    by_country = {cc: tuple(rows[f"{cc}{i}"] for i in (1, 2, 3)) for cc in ("LA", "TH")}
    return World(by_country, truth, invented=True)


def test_everything_found_and_nothing_else_is_perfect():
    result = score(world(), world().truth)
    assert (result.people, result.true_pairs, result.agreed_pairs, result.found_pairs) == (6, 3, 3, 3)
    assert result.precision == result.recall == result.recall_without_document == 1.0
    assert (result.document_pairs, result.document_pairs_found) == (1, 1)
    assert result.unagreed_pairs == 0


def test_a_wrong_pair_costs_precision_and_a_missing_one_recall():
    result = score(world(), [Pair.of(LA1, TH1), Pair.of(LA1, TH2)])
    assert result.precision == 0.5
    assert result.recall == 1 / 3
    assert result.recall_without_document == 0
    assert result.document_pairs_found == 1


def test_a_pair_told_twice_counts_once():
    result = score(world(), [Pair.of(LA1, TH1), Pair.of(TH1, LA1)])
    assert result.found_pairs == 1


def test_a_refusal_on_either_side_takes_a_pair_out_of_what_can_be_found():
    for refusing in ({"LA1": row("1", "refused", "PA1234")}, {"TH1": row("1", "VN", "PA1234")}):
        result = score(world(**refusing), [])
        assert (result.agreed_pairs, result.document_pairs, result.true_pairs) == (2, 0, 3)


def test_a_hold_on_either_side_takes_a_pair_out_too():
    assert score(world(TH2=row("2", "LA", hold=["LA"])), []).agreed_pairs == 2
    assert score(world(LA2=row("2", "TH", hold=["TH"])), []).agreed_pairs == 2


def test_a_hold_towards_another_country_does_not():
    assert score(world(LA3=row("3", "KH;TH", hold=["KH"])), []).agreed_pairs == 3


def test_a_pair_told_against_a_refusal_is_counted_as_such_even_if_it_is_true():
    result = score(world(LA2=row("2", "refused")), [Pair.of(LA2, TH2)])
    assert result.unagreed_pairs == 1
    assert result.precision == 1.0
    assert result.recall == 0


def test_a_document_is_common_whatever_its_hyphens_but_not_of_two_countries():
    rows = world().by_record()
    assert has_common_document(rows, Pair.of(LA1, TH1))
    assert not has_common_document(rows, Pair.of(LA2, TH2))
    other = world(TH1=row("1", "LA", "PA1234", citizenship="VN")).by_record()
    assert not has_common_document(other, Pair.of(LA1, TH1))


def test_without_a_truth_only_counts_are_known():
    result = score(world(truth=None), [Pair.of(LA1, TH1)])
    assert (result.people, result.found_pairs, result.unagreed_pairs) == (6, 1, 0)
    assert result.precision is result.recall is result.true_pairs is None


def test_nothing_found_has_no_precision():
    assert score(world(), []).precision is None
    assert score(world(truth=()), []).recall is None
