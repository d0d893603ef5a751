"""What ``tideline lab`` does: run scenarios, show progress, keep the results; make the report."""

import gc
import os
import platform
import resource
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

import tideline

from .chat import load as load_chat
from .errors import LabError
from .figures import FIGURES
from .models import MODELS
from .parameters import Parameters, change, parse_changes
from .report import page, save_plots
from .results import Machine, Results, Run, load, save
from .run import run_point
from .scenarios import SCENARIOS, Scenario

_SUMMARY = {
    "p50": "p50",
    "p99": "p99",
    "frames": "frames",
    "requests": "pulls",
    "writes": "records",
    "lost": "lost",
    "disorder": "disorder",
    "seen": "new",
}


def run(
    scenarios: Sequence[str],
    models: Sequence[str],
    changes: Sequence[str],
    *,
    quick: bool,
    out: Path,
    chat_folder: Path,
    folder: Path | None,
) -> int:
    """Run scenarios with models; write the results; return an exit status: 1 if a model lost or doubled anything.

    Raises:
        LabError: if a name or a change is not known, or a run could not be finished.
    """
    _check(SCENARIOS, scenarios, "scenario")
    _check(MODELS, models, "model")
    points = _points(scenarios or list(SCENARIOS), models or list(MODELS), changes, quick=quick)
    chat = load_chat(chat_folder)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    results = Results(
        tideline=tideline.__version__,
        taken=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=Machine(os.cpu_count() or 1, platform.python_version(), f"{platform.system()} {platform.machine()}"),
        chat=chat.source,
        quick=quick,
        runs=[],
    )
    _allow_connections()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=len(points))
        for scenario, x, model, parameters in points:
            progress.update(task, description=f"{scenario.name} {scenario.axis}={x:g} {model}")
            gc.collect()
            point = run_point(scenario.name, scenario.axis, x, model, parameters, chat, folder)
            results.runs.append(uvloop.run(point))
            progress.advance(task)
    save(results, out)
    Console().print(_summary(results))
    console.print(f"Results: {out}. The page: [bold]tideline lab report {out}[/]", highlight=False)
    return 1 if any(_broken(one) for one in results.runs) else 0


def report(results: Path, out: Path, plots: Path | None) -> int:
    """Write the report of some results; return an exit status.

    Raises:
        LabError: if they can't be read.
    """
    found = load(results)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(found), encoding="utf-8")
    print(out)
    if plots is not None:
        for file in save_plots(found, plots):
            print(file)
    return 0


def scenarios() -> int:
    """List the scenarios."""
    grid = Grid("scenario", "question", "varied", "values", box=None, header_style="bold")
    for scenario in SCENARIOS.values():
        values = ", ".join(f"{value:g}" for value in scenario.values)
        grid.add_row(scenario.name, scenario.question, scenario.axis, values)
    Console().print(grid)
    return 0


def _allow_connections() -> None:
    """Let this process, and the servers that it starts, have as many connections as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _check(known: Iterable[str], names: Iterable[str], kind: str) -> None:
    for name in names:
        if name not in known:
            raise LabError(f"no {kind} {name!r}; there are {', '.join(known)}")


def _points(
    scenarios: Sequence[str], models: Sequence[str], changes: Sequence[str], *, quick: bool
) -> list[tuple[Scenario, float, str, Parameters]]:
    """Return what is to be run: for every scenario and value, every model."""
    changed = parse_changes(changes)
    points = []
    for name in scenarios:
        scenario = SCENARIOS[name]
        if scenario.axis in changed:
            # What the scenario varies is set: this one value is run.
            only = getattr(change(scenario.base, changed), scenario.axis)
            scenario = scenario._replace(values=(only,), quick=(only,))
        for x, parameters in scenario.points(quick=quick):
            whole = change(parameters, changed)
            points += [(scenario, x, model, whole) for model in models]
    return points


def _broken(run: Run) -> bool:
    return run.wrong.lost > 0 or run.wrong.doubled > 0


def _summary(results: Results) -> Grid:
    caption = (
        "p50, p99: ms from send to applied. frames, pulls: per message and device. records: written and deleted per "
        "message. disorder: % applied after a later one. new: % of the past that a new device has."
    )
    grid = Grid(box=None, header_style="bold", caption=caption, caption_justify="left", padding=(0, 1, 0, 0))
    grid.add_column("scenario", no_wrap=True)
    grid.add_column("model", no_wrap=True)
    for heading in _SUMMARY.values():
        grid.add_column(heading, justify="right", no_wrap=True)
    for run in results.runs:
        values = [FIGURES[name].of(run) for name in _SUMMARY]
        cells = ["–" if value is None else _cell(value) for value in values]
        grid.add_row(f"{run.scenario} {run.x:g}", run.model, *cells, style="red" if _broken(run) else "")
    return grid


def _cell(value: float) -> str:
    digits = 0 if value >= 100 or float(value).is_integer() else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"
