"""What all tests share: a state folder of their own, so that no test sees or touches that of the person running it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """KOBE_HOME for this process and those it starts."""
    folder, before = tmp_path_factory.mktemp("kobe_home"), os.environ.get("KOBE_HOME")
    os.environ["KOBE_HOME"] = str(folder)
    yield folder
    os.environ.pop("KOBE_HOME")
    if before is not None:
        os.environ["KOBE_HOME"] = before
