"""Whole regions to attack, each with its own files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
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
