"""Pages: escaped, small, without scripts, readable by everyone."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from jinja2 import UndefinedError
from markup import Tags

from events.base import Actor, Role
from services.runtime.errors import Problem
from services.runtime.http import create_app
from services.runtime.pages import Link, Pages, asset_path, number, when

SAMPLE = """{% extends "base.html" %}
{% from "kit.html" import figures, table, facts, badge, notice, field, select, button %}
{% block title %}Sample{% endblock %}
{% block content %}
<h1>{{ name }}</h1>
{{ figures([("Cases", 1204, "3 today"), (name, none, "")]) }}
{{ table("Matches", ["Reference", "Days"], [[name, 3], [badge("good", name), 4]]) }}
{{ table("Rejected", ["Row"], []) }}
{{ facts([(name, name)]) }}
{% call notice("bad", name) %}<p>{{ name }}</p>{% endcall %}
<form method="post" action="/x">
{{ field("reason", name, hint=name) }}{{ select("country", name, [(name, name)]) }}{{ button(name) }}</form>
{% endblock %}
"""

NOY = Actor(staff="noy", organisation="mlsw", role=Role.TRM_FOCAL_POINT)


@pytest.fixture
def pages(tmp_path):
    (tmp_path / "sample.html").write_text(SAMPLE)
    links = [Link("/", "Overview"), Link("/cases", "Cases")]
    return Pages(place="Lao PDR", service="country node", links=links, templates=tmp_path)


def sample(pages, name="ສົມສັກ"):
    return pages.render("sample.html", here="/cases", acting=NOY, name=name).body.decode()


def test_every_tag_of_a_page_is_closed(pages):
    assert Tags(sample(pages)).open == []


def test_no_page_has_a_script_or_a_style_of_its_own(pages):
    for page in (sample(pages), pages.sign_in(True).body.decode()):
        for tag, attributes in Tags(page).seen:
            assert tag not in {"script", "style"}
            assert not any(name == "style" or name.startswith("on") for name in attributes)


def test_everything_that_a_page_loads_is_of_this_origin(pages):
    for _, attributes in Tags(sample(pages)).seen:
        for name in ("src", "href", "action"):
            assert attributes.get(name, "/").startswith(("/", "#"))


def test_values_are_escaped_wherever_they_stand(pages):
    page = sample(pages, name='<b x="\'>&')
    assert "<b x" not in page
    assert page.count("&lt;b x=&#34;&#39;&gt;&amp;") >= 10


def test_every_field_has_a_label_and_a_hint_that_is_its_own(pages):
    tags = Tags(sample(pages)).seen
    labelled = {a["for"] for tag, a in tags if tag == "label"}
    assert labelled == {a["id"] for tag, a in tags if tag in {"input", "select"}} == {"reason", "country"}
    assert {a.get("aria-describedby") for tag, a in tags if tag == "input"} == {"reason-hint"}


def test_a_table_stays_a_table_for_those_who_hear_it(pages):
    tags = Tags(sample(pages)).seen
    cells = [a for tag, a in tags if tag == "td"]
    assert [a["data-label"] for a in cells] == ["Reference", "Days", "Reference", "Days"]
    assert {a["role"] for a in cells} == {"cell"}
    assert all(a["scope"] == "col" for tag, a in tags if tag == "th")


def test_an_empty_table_says_so(pages):
    assert "Nothing here yet." in sample(pages)


def test_the_navigation_marks_where_one_is(pages):
    current = [a["href"] for tag, a in Tags(sample(pages)).seen if a.get("aria-current") == "page"]
    assert current == ["/cases"]


def test_the_head_says_whose_page_it_is_and_who_acts(pages):
    page = sample(pages)
    assert "<title>Sample · Lao PDR · Samaki</title>" in page
    assert "TRM focal point" in page


def test_a_forgotten_value_fails_the_page(pages):
    with pytest.raises(UndefinedError):
        pages.render("sample.html")


def test_an_error_page_says_why_and_where(pages):
    problem = Problem(422, "invalid", "One part is wrong.", fields=[{"where": "body.born", "expected": "a date"}])
    answer = pages.error(problem)
    assert answer.status_code == 422
    assert "One part is wrong." in answer.body.decode()
    assert "body.born: a date" in answer.body.decode()


def test_style_and_mark_are_kept_by_browsers_until_they_change(pages, log, client_of):
    app = create_app("test", log=log)
    pages.add_routes(app)
    answer = client_of(app).get(asset_path("style.css"))
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]
    assert re.fullmatch(r"/static/style\.[0-9a-f]{8}\.css", asset_path("style.css"))
    assert client_of(app).get(asset_path("mark.svg")).headers["content-type"] == "image/svg+xml"


def test_a_first_visit_is_small(pages, log, client_of):
    app = create_app("test", log=log)
    pages.add_routes(app)
    parts = [sample(pages).encode(), *(client_of(app).get(asset_path(n)).content for n in ("style.css", "mark.svg"))]
    assert sum(map(len, parts)) < 20_000


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12345, "12\u202f345"), (0.5, "0.5"), (2.0, "2"), (1234.567, "1\u202f234.57"), (None, "–")],
)
def test_numbers_are_grouped(value, text):
    assert number(value) == text


def test_times_are_in_utc_and_readable_by_machines():
    noon = datetime(2026, 3, 14, 12, 0, 30, tzinfo=timezone(timedelta(hours=7)))
    assert when(noon) == '<time datetime="2026-03-14T05:00:30+00:00">2026-03-14 05:00 UTC</time>'
    assert when(None) == "–"
    assert when(datetime(2026, 1, 1, tzinfo=UTC)).startswith("<time")
