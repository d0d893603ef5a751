import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("scenario", ["pairs", "growth"])
def test_a_smoke_run_measures_the_floor_and_verifies_every_message(scenario: str, tmp_path: Path) -> None:
    written = tmp_path / "figures.json"
    arguments = [scenario, "--quick", "--only", "floor", "--json", str(written)]
    if sys.platform != "linux" or not hasattr(os, "sched_setaffinity"):
        pytest.skip("the bench pins processes to cores")

    run = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr
    for case in json.loads(written.read_text())["cases"]:
        assert case["failures"] == []
        assert case["median"]["floor"] > 0
