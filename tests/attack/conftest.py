"""Whole regions to attack, each with its own files; and regions of posts to audit."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from audited import PARTIES, World
from posts import Posts
from regions import LiveRegion, regions_in


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Callable[..., LiveRegion]]:
    """(countries, rules) -> a region whose parties know each other."""
    with regions_in(tmp_path) as make:
        yield make


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., LiveRegion]]:
    """(rules) -> LA and TH, who know each other."""
    with regions_in(tmp_path) as made:
        yield lambda **rules: made("LA", "TH", **rules)


@pytest.fixture
def world(region):
    return World(region)


@pytest.fixture
def make_world(tmp_path):
    """A world under other rules."""
    return lambda parties=PARTIES, *, ticks=4, **rules: World(Posts(tmp_path, **rules), parties, ticks=ticks)
