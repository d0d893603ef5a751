"""The client's own tests, in Node: the shared scenarios of the machine, its parts, and a real server."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[2] / "web" / "client"


def test_the_client_holds_its_promises_in_node() -> None:
    node = shutil.which("node")
    assert node, "node is missing: see scripts/test-packages"
    tests = sorted(str(path) for path in (CLIENT / "test").glob("*.test.js"))
    done = subprocess.run(
        [node, "--test", *tests],
        check=False,
        cwd=CLIENT,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout[-8000:]
