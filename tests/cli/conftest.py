"""Data folders with real chat in them."""

import shutil
from pathlib import Path

import pytest

from tests.harness.command import EXCERPT, tideline

DAY = "2013-01-30"


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An IRC log of one day."""
    path = tmp_path_factory.mktemp("logs") / f"{DAY}.txt"
    shutil.copy(EXCERPT, path)
    return path


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Path:
    """A data folder that holds that day; not to be changed."""
    data = tmp_path_factory.mktemp("imported") / "data"
    done = tideline("import", log, "--data", data)
    assert done.status == 0, done
    return data


@pytest.fixture
def data(tmp_path: Path, imported: Path) -> Path:
    """A copy of that folder."""
    return shutil.copytree(imported, tmp_path / "data")
