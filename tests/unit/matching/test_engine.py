import pytest

from matching import engine

RECIPES = ("DOC", "FULL", "FULL", "BYX", "BYX")


def row(handle, country, *values, pair="KH-TH", epoch=1, recipes=RECIPES):
    """One value a slot; '' is a value that nobody else holds."""
    indices = tuple((value or f"{handle}{slot}").encode() for slot, value in enumerate(values))
    return engine.Row(handle, country, pair, epoch, recipes, indices)


def crowd(n, country, value, recipe_slot=1):
    values = ["", "", "", "", ""]
    values[recipe_slot] = value
    return [row(f"{country}{value}{i}", country, *values) for i in range(n)]


def only(rows):
    (match,) = engine.find(rows).matches
    return match


def test_a_common_document_is_a_match_in_the_first_band():
    match = only([row("b", "TH", "d", "", "", "", ""), row("a", "KH", "d", "", "", "", "")])
    assert (match.first, match.second, match.band) == ("a", "b", "document")
    assert match.common == (engine.Common("DOC", 0, 0, raises=True),)


def test_name_and_date_alone_are_possible_with_the_bag_strong():
    name = only([row("a", "KH", "", "f", "", "", ""), row("b", "TH", "", "f", "", "", "")])
    both = only([row("a", "KH", "", "f", "", "x", ""), row("b", "TH", "", "f", "", "x", "")])
    assert (name.band, both.band) == ("possible", "strong")


def test_any_slot_meets_any_slot_of_the_same_recipe():
    match = only([row("a", "KH", "", "f", "", "", "x"), row("b", "TH", "", "", "f", "x", "")])
    assert match.common == (engine.Common("FULL", 1, 2, raises=True), engine.Common("BYX", 4, 3, raises=False))
    assert match.ground == engine.Common("FULL", 1, 2, raises=True)


def test_the_ground_is_the_strongest_raising_value():
    match = only([row("a", "KH", "d", "f", "", "", ""), row("b", "TH", "d", "f", "", "", "")])
    assert match.ground.recipe == "DOC"


def test_a_bag_alone_raises_nothing():
    assert engine.find([row("a", "KH", "", "", "", "x", ""), row("b", "TH", "", "", "", "x", "")]).matches == ()


@pytest.mark.parametrize("other", [
    row("b", "KH", "d", "f", "", "", ""),
    row("b", "TH", "d", "f", "", "", "", epoch=2),
    row("b", "VN", "d", "f", "", "", "", pair="KH-VN"),
    row("b", "TH", "f", "d", "", "", ""),
    row("b", "TH", "d", recipes=("FULL",)),
], ids=["one country", "another epoch", "another pair", "another recipe", "another row of slots"])
def test_equal_bytes_elsewhere_are_nothing_in_common(other):
    assert engine.find([row("a", "KH", "d", "f", "", "", ""), other]).matches == ()


def test_a_value_that_sixteen_hold_raises_and_that_seventeen_hold_is_counted():
    sixteen = [*crowd(8, "KH", "f"), *crowd(8, "TH", "f")]
    assert len(engine.find(sixteen).matches) == 64
    seventeen = [*sixteen, *crowd(9, "KH", "f")]
    assert engine.find(seventeen) == engine.Outcome((), {"DOC": 0, "FULL": 1})


def test_a_hot_value_beside_a_raising_one_is_evidence_but_no_ground():
    hot = [*crowd(20, "KH", "d", recipe_slot=0), *crowd(20, "TH", "d", recipe_slot=0)]
    match = only([*hot, row("a", "KH", "d", "f", "", "", ""), row("b", "TH", "d", "f", "", "", "")])
    assert match.common == (engine.Common("DOC", 0, 0, raises=False), engine.Common("FULL", 1, 1, raises=True))
    assert match.band == "possible"


def test_a_value_in_two_slots_of_a_row_counts_once():
    many = [row(f"k{i}", "KH", "", "f", "f", "", "") for i in range(8)]
    match_rows = [*many, *(row(f"t{i}", "TH", "", "f", "f", "", "") for i in range(8))]
    found = engine.find(match_rows)
    assert len(found.matches) == 64
    assert found.matches[0].common == (engine.Common("FULL", 1, 1, raises=True),)
