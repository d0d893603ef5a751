"""What the lab's tests share: a way to run one model in a small way."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

import pytest

from tideline_lab.chat import excerpt
from tideline_lab.parameters import Parameters
from tideline_lab.results import Run
from tideline_lab.run import run_point

SMALL = {"groups": 2, "messages": 10, "rate": 1000, "sync": False, "heartbeat": 10_000, "poll": 50}


class Measure(Protocol):
    def __call__(self, model: str, **circumstances: object) -> Awaitable[Run]: ...


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Run one model with real processes: ``await measure("hint", devices=3)``."""

    async def run(model: str, **circumstances: object) -> Run:
        parameters = Parameters(**{**SMALL, **circumstances})  # type: ignore[arg-type]
        return await run_point("test", "devices", 0, model, parameters, excerpt(), tmp_path)

    return run
