"""The command line as a user runs it: ``tideline …`` in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

EXCERPT = Path(__file__).parents[2] / "lab" / "tideline_lab" / "excerpt" / "ubuntu-irc.txt"
"""Real chat: 320 messages of 56 people."""


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that says what went wrong."""
        (line,) = self.err.splitlines()
        return line


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without settings of a server, but with these."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TIDELINE_")}
    return {**clean, "COLUMNS": "200", **variables}


def tideline(*arguments: object, timeout: float = 60, input: str | None = None, **variables: str) -> Done:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "tideline", *map(str, arguments)],
        input=input,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(**variables),
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def interrupted(*arguments: object, when: Path, number: int = signal.SIGINT, **variables: str) -> Done:
    """Run a command and send it a signal (by default, press Ctrl-C) as soon as a file is there."""
    with subprocess.Popen(
        [sys.executable, "-m", "tideline", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
        # A shell that runs the tests in the background has them, and all they start, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,  # noqa: PLW1509
    ) as process:
        while not when.exists() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return Done(process.returncode, out, err)
