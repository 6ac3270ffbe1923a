"""docs/events.md is written from the code."""

from pathlib import Path

from events.catalogue import EVENTS
from events.describe import document

PAGE = Path(__file__).parents[3] / "docs" / "events.md"


def test_the_events_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == document(), "run: python -m events.describe docs/events.md"


def test_every_event_and_every_field_of_it_stands_on_the_page():
    for name, event in EVENTS.items():
        section = document().split(f"### {name}\n")[1].split("\n## ")[0].split("\n### ")[0]
        own = set(event.model_fields) - set(next(iter(EVENTS.values())).__mro__[1].model_fields)
        assert all(f"| `{field}` |" in section for field in own)
