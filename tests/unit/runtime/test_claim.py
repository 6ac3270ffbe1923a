"""One process at a time has a home folder."""

import subprocess
import sys

import pytest

from services.runtime.claim import claimed, is_claimed
from services.runtime.errors import HomeInUse, InputInvalid

HOLDS = "import sys; from pathlib import Path; from services.runtime.claim import claimed\nwith claimed(Path(sys.argv[1])): print('has it', flush=True); sys.stdin.read()"


def test_a_home_that_another_process_has_is_refused_and_free_when_that_is_killed(tmp_path):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout.readline() == "has it\n"
        assert is_claimed(tmp_path)
        with pytest.raises(HomeInUse, match="stop it first"), claimed(tmp_path):
            pytest.fail("two processes have it")
        other.kill()
    assert not is_claimed(tmp_path)
    with claimed(tmp_path):
        assert is_claimed(tmp_path)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_it_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), claimed(tmp_path):
        _ = 1 / 0
    assert not is_claimed(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputInvalid, match="nowhere"), claimed(tmp_path / "nowhere"):
        pytest.fail("there is none")
