"""The command line of the bench: `python -m bench [scenario …]`."""

import asyncio
import datetime
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import cyclopts
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import machine, report
from bench.rounds import Plan, count_runs, measure
from bench.scenarios import SCENARIOS, Measured
from bench.servers import ROOT, cores

Scenario = Literal["pairs", "latency", "fanout", "catchup", "idle", "growth"]

_WIDTH = 130

app = cyclopts.App(name="bench", help="Measure Tideline next to the floor.", help_format="plaintext")


@app.default
def bench(
    *scenarios: Scenario,
    json: Annotated[Path | None, cyclopts.Parameter(help="where to write the JSON")] = None,
    quick: Annotated[bool, cyclopts.Parameter(help="a smoke run: small, short, once")] = False,
    only: Annotated[Literal["floor", "product"] | None, cyclopts.Parameter(help="measure one side")] = None,
    rounds: Annotated[int, cyclopts.Parameter(help="rounds of floor and product")] = 3,
    seconds: Annotated[float, cyclopts.Parameter(help="length of the measured window")] = 4.0,
    folder: Annotated[Path | None, cyclopts.Parameter(help="where data goes, on a disk")] = None,
) -> int:
    """Run the scenarios (all, when none is named), print tables and write JSON."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    data = folder or Path(tempfile.gettempdir())
    if machine.on_memory(data):
        console.print(f"{data} is in memory, where fsync costs nothing: name a --folder on a disk", style="red")
        return 2
    plan = Plan(
        servers=(only,) if only else ("floor", "product"),
        rounds=1 if quick else rounds,
        seconds=0.5 if quick else seconds,
        warm_up=0.3 if quick else 1.0,
        quick=quick,
        folder=data,
        cores=cores(),
    )
    where = machine.describe(data)
    os.sched_setaffinity(0, {plan.cores.load})
    # Drawing the progress must not delay a load process, which shares this core (children are not affected).
    os.sched_setscheduler(0, os.SCHED_IDLE | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    results = asyncio.run(run(scenarios or tuple(SCENARIOS), plan, console))
    report.show(console, results)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    path = json or ROOT / "bench" / "results" / f"{stamp}.json"
    report.write_json(path, results, where)
    console.print(f"written to {path}", highlight=False)
    return 1 if any(result.failures for result in results) else 0


async def run(scenarios: tuple[str, ...], plan: Plan, console: Console) -> list[Measured]:
    """Measure every case of the scenarios, showing how far it is."""
    cases = [case for name in scenarios for case in SCENARIOS[name]]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    results = []
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        total = progress.add_task("all runs", total=count_runs(cases, plan))
        current = progress.add_task("", total=1.0)

        def watch(label: str, share: float) -> None:
            progress.update(current, description=label, completed=share, refresh=True)

        for case in cases:
            results.append(await measure(case, replace(plan, rounds=1) if case.in_process else plan, watch))
            progress.advance(total, plan.rounds * len(plan.servers))
    return results


if __name__ == "__main__":
    app()
