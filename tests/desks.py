"""What a desk refuses, by the code it gives."""

import pytest

from events.errors import Refused


def refused(*codes: str):
    return pytest.raises(Refused, check=lambda error: error.code in codes)
