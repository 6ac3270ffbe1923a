"""Settings in, a service out; a home that is another party's is refused before anything is written."""

from datetime import UTC, datetime

import pytest

from services.demo.region import found_region
from services.keyholder import main as keyholder
from services.keyholder.settings import KeyHolderSettings
from services.matcher import main as matcher
from services.matcher.settings import MatcherSettings
from services.runtime.errors import InputInvalid


@pytest.fixture
def founded(tmp_path):
    return found_region(tmp_path / "region", ("KH", "TH"), now=datetime(2026, 3, 1, tzinfo=UTC), cover=False)


def test_a_key_holder_is_built_from_its_home(founded):
    built = keyholder.build(KeyHolderSettings(home=founded.home("KH.holder"), charter=founded.charter_file))
    assert built.me == "KH.holder"


def test_the_matcher_is_built_from_its_home(founded):
    built = matcher.build(MatcherSettings(home=founded.home("matcher"), charter=founded.charter_file))
    assert built.me == "matcher"


def test_a_key_holder_refuses_the_home_of_a_country(founded):
    with pytest.raises(InputInvalid, match="no key holder"):
        keyholder.build(KeyHolderSettings(home=founded.home("KH"), charter=founded.charter_file))


def test_a_home_that_is_not_there_is_refused(founded, tmp_path):
    with pytest.raises(InputInvalid):
        matcher.build(MatcherSettings(home=tmp_path / "nowhere", charter=founded.charter_file))
