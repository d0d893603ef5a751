"""The load process: pins itself to its core, runs one load, prints progress and the outcome as JSON lines.

A process of its own per run, so that no run inherits another's memory or connections, and so that its
processor time is the generator's cost and nothing else (`python -m bench.load < job.json`).
"""

import gc
import importlib
import os
import sys
from collections.abc import Awaitable, Callable

import msgspec
import uvloop

from bench.device import LoadError
from bench.job import Job, Line, Outcome, Progress

Load = Callable[[Job, Progress], Awaitable[Outcome]]


def say(line: Line) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


async def run(job: Job) -> None:
    load: Load = importlib.import_module(f"bench.loads.{job.load}").run
    try:
        outcome = await load(job, lambda share: say(Line(progress=share)))
    except (LoadError, TimeoutError, OSError) as error:
        say(Line(failure=f"{type(error).__name__}: {error}"))
    else:
        say(Line(outcome=outcome))


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    os.sched_setaffinity(0, {job.core})
    gc.freeze()
    gc.disable()  # a run is short, and its hot path makes no cycles
    uvloop.run(run(job))


if __name__ == "__main__":
    main()
