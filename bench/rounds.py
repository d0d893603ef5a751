"""Runs the cases: floor, product, floor, product …, each with a fresh process and an empty folder."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from bench.job import Job, Line, Outcome
from bench.machine import synced_write
from bench.scenarios import Case, Measured
from bench.servers import ROOT, Cores, Server, ServerError, environment, running, scratch

_END_SECONDS = 10


@dataclass(frozen=True)
class Plan:
    """How often and how long."""

    servers: tuple[str, ...]
    rounds: int
    seconds: float
    warm_up: float
    quick: bool
    folder: Path
    cores: Cores
    profile: Path | None = None


Watch = Callable[[str, float], None]
"""Called with what runs now, and the share of it that is done."""


async def measure(case: Case, plan: Plan, watch: Watch) -> Measured:
    """Run one case in interleaved rounds. A run that fails is noted and not repeated."""
    measured = Measured(case, plan.quick)
    for number in range(plan.rounds):
        for server in plan.servers:
            label = f"{case.name}: {server}, round {number + 1} of {plan.rounds}"
            watch(label, 0)
            try:
                outcome = await one(case, server, plan, partial(watch, label))
            except ServerError as error:
                measured.failures.append(f"{server}, round {number + 1}: {error}")
                continue
            (measured.floor if server == "floor" else measured.product).append(outcome)
    return measured


async def one(case: Case, server: str, plan: Plan, progress: Callable[[float], None]) -> Outcome:
    """Run one case once against one server."""
    async with scratch(plan.folder) as folder:
        disk = {"fsync_us": synced_write(folder, 50) * 1e6}
        if case.in_process:
            here = Server(url="", secret="", pid=0)
            return disk | await load(job(case, server, plan, folder, here, plan.cores.server), progress)
        async with running(server, plan.cores.server, folder, plan.profile) as started:
            return disk | await load(job(case, server, plan, folder, started, plan.cores.load), progress)


def job(case: Case, server: str, plan: Plan, folder: Path, started: Server, core: int) -> Job:
    return Job(
        load=case.load,
        server=server,
        url=started.url,
        secret=started.secret,
        pid=started.pid,
        core=core,
        folder=str(folder / "data"),
        seconds=plan.seconds,
        warm_up=plan.warm_up,
        parameters=case.parameters | (case.quick if plan.quick else {}),
    )


async def load(work: Job, progress: Callable[[float], None]) -> Outcome:
    """Run a load process and wait for its outcome.

    Raises:
        ServerError: with what the load process says is wrong.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.pinned", str(work.core), sys.executable, "-m", "bench.load"),
        cwd=ROOT,
        env=environment(work.secret),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        process.stdin.write(msgspec.json.encode(work))
        process.stdin.close()
        async for text in process.stdout:
            line = msgspec.json.decode(text, type=Line)
            if line.failure is not None:
                raise ServerError(line.failure)
            if line.outcome is not None:
                return line.outcome
            progress(line.progress or 0)
        raise ServerError((await process.stderr.read()).decode(errors="replace")[-2000:])
    finally:
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)  # it ends by itself, having said its last line
        except TimeoutError:
            process.kill()
            await process.wait()


def count_runs(cases: Sequence[Case], plan: Plan) -> int:
    return len(cases) * plan.rounds * len(plan.servers)
