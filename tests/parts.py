"""What a machine may lack: its tests are skipped, with one line that says how to get it; with CI=true they fail."""

import os
from typing import NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"


def lack(what: str) -> NoReturn:
    """Skip this test, or fail it where everything has to be there."""
    (pytest.fail if IN_CI else pytest.skip)(what)
    raise AssertionError
