"""Every backend of the group, for the suites that hold on each."""

import os
import shutil
from pathlib import Path
from typing import get_args

import pytest

from keys import backend, group
from keys.errors import BackendMissing

NAMES = get_args(backend.Name)


def use(name):
    """Take this backend, or skip the test. In CI only the native one may be missing, where there is no Rust."""
    try:
        group.use(name)
    except BackendMissing as missing:
        if must_have(name):
            raise
        pytest.skip(str(missing))


def each(scope="function"):
    """A fixture that runs every test of its module on each backend in turn; its value is the backend's name."""

    @pytest.fixture(params=NAMES, scope=scope, autouse=True)
    def backend(request):
        before = group._backend
        use(request.param)
        yield request.param
        group._backend = before

    return backend


def must_have(name):
    return os.environ.get("CI") == "true" and (name != "native" or _has_rust())


def _has_rust():
    return shutil.which("cargo") is not None or (Path.home() / ".cargo" / "bin" / "cargo").exists()
