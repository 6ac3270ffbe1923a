"""Whole regions to attack, each with its own files."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from regions import LiveRegion


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Callable[..., LiveRegion]]:
    """(countries, rules) -> a region whose parties know each other."""
    made: list[LiveRegion] = []

    def make(*countries: str, settled: bool = True, **rules: Any) -> LiveRegion:
        made.append(LiveRegion(tmp_path / f"region{len(made)}", countries or ("KH", "TH"), **rules))
        if settled:
            made[-1].settle()
            made[-1].tick()
        return made[-1]

    yield make
    for region in made:
        region.close()
