"""What a charter may not say."""

import pytest
from posts import Posts

from events.charter import MONTH


def test_with_cover_totals_come_no_more_often_than_each_thirty_days(tmp_path):
    cover = {"cover": True, "cover_evaluations": 4, "tick_seconds": 3600}
    assert Posts(tmp_path, **cover).charter.totals_seconds == MONTH
    with pytest.raises(ValueError, match="would show what the cover hides"):
        Posts(tmp_path, **cover, totals_seconds=MONTH - 1)
    assert Posts(tmp_path, totals_seconds=2).charter.totals_seconds == 2
