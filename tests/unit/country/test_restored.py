"""A node whose store was set back to an older backup: what it forgot does not come undone at the matcher."""

import shutil

import pytest
from regions import LiveRegion, person


@pytest.fixture
def live(tmp_path):
    made = LiveRegion(tmp_path / "region", ("KH", "TH"))
    made.tick(2)
    yield made
    made.close()


def set_grant(live, grant, *, leaves=True):
    """KH's focal point sets it; a deputy signs a `tell`."""
    desk, act = live.nodes["KH"].desk, live.act("KH", "focal")
    (case,) = desk.cases(live.act("KH", "worker"))
    if not desk.set_grant(act, case.case_id, "TH", grant, "review"):
        deputy = live.act("KH", "deputy")
        desk.sign(deputy, [(waiting.id, "tell") for waiting, _ in desk.awaiting(deputy)])
    if leaves:
        live.tick(3)


@pytest.mark.parametrize("leaves", [True, False])
def test_a_hold_set_after_the_backup_stands_and_the_older_tell_tells_nobody(live, tmp_path, leaves):
    """Whether the older `tell` had left when the backup was made, or was still waiting to."""
    live.import_rows("KH", [person("k1")])
    live.approve("KH", "hold")
    live.tick(3)
    set_grant(live, "tell", leaves=leaves)
    home, backup = live.region.home("KH"), tmp_path / "backup"
    live.kill("KH")
    shutil.copytree(home, backup)
    live.start("KH")
    set_grant(live, "hold")
    live.kill("KH")
    shutil.rmtree(home)
    shutil.copytree(backup, home)
    live.start("KH")
    live.tick(6)
    live.import_rows("TH", [person("t1")])
    live.approve("TH", "tell")
    live.tick(8)
    assert live.matches("TH") == []
    set_grant(live, "tell")
    live.tick(4)
    assert [match[1:3] for match in live.matches("TH")] == [("KH", "BOTH_TOLD")]
