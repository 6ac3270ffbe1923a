"""One country's node in one process, with nobody to talk to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from regions import LiveRegion


@pytest.fixture
def region(tmp_path: Path) -> Iterator[LiveRegion]:
    live = LiveRegion(tmp_path / "region", ("KH", "LA", "TH"))
    yield live
    live.close()
