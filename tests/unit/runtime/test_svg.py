"""Charts: well-formed, escaped, told in words, without colours of their own."""

from xml.etree import ElementTree as ET

import pytest

from services.runtime.svg import Bar, Cell, bars, matrix

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("KH", "LA", "TH")


def parsed(markup):
    return ET.fromstring(str(markup).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))  # noqa: S314


def texts(chart):
    return [t.text for t in chart.iter(f"{SVG}text")]


def rects(chart, kind):
    return [r for r in chart.iter(f"{SVG}rect") if r.get("class") == kind]


CHARTS = [
    bars("bands", "By band <&>", "Document 4, strong 2.", [Bar("document", 4), Bar("strong", 2), Bar("none", 0)]),
    matrix("pairs", "By pair <&>", "KH-LA 12.", NAMES, {("KH", "LA"): Cell(12), ("TH", "KH"): Cell(None, "<11")}),
    bars("empty", "Nothing <&>", "No rows.", []),
    matrix("none", "Nothing <&>", "No names.", (), {}),
]


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_told_to_those_who_hear_it(chart):
    drawing = parsed(chart).find(f"{SVG}svg")
    assert drawing.get("role") == "img"
    title, description = drawing.find(f"{SVG}title"), drawing.find(f"{SVG}desc")
    assert drawing.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text.endswith("<&>")
    assert description.text


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_has_no_style_that_the_policy_would_drop(chart):
    for element in parsed(chart).iter():
        assert not {"style", "fill", "stroke", "onload"} & set(element.attrib)


def test_bars_are_as_long_as_their_values():
    document, strong, none = (float(r.get("width")) for r in rects(parsed(CHARTS[0]), "chart-bar"))
    assert document == pytest.approx(2 * strong)
    assert none == 0


def test_a_value_that_is_not_shown_leaves_its_reason_and_no_length():
    chart = parsed(bars("a", "t", "d", [Bar("x", 5), Bar("y", None, "under 11")]))
    assert texts(chart) == ["x", "5", "y", "under 11"]
    assert rects(chart, "chart-bar")[1].get("width") == "0"


def test_a_pair_is_found_in_either_order_and_a_hidden_one_has_no_shade():
    chart = parsed(CHARTS[1])
    assert texts(chart) == ["LA", "12", "TH", "<11", "KH", "LA"]
    assert [r.get("fill-opacity") for r in rects(chart, "chart-bar")] == ["0.50", "0.00"]


def test_labels_are_escaped():
    assert "<b>" not in bars("a", "<b>", "<b>", [Bar("<b>", None, "<b>")])
