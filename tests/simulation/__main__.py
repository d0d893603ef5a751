"""``python -m tests.simulation``: run seeds, with progress; of one that fails, the command that repeats it."""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from .world import Simulation


def one(seed: int, large: bool) -> tuple[int, Counter[str], str | None]:
    """Run a seed; return what happened in it, and what is wrong."""
    simulation = Simulation(seed, large=large)
    try:
        simulation.run()
    except Exception as error:
        return seed, simulation.counts, f"{type(error).__name__}: {error}"
    return seed, simulation.counts, None


def command(seed: int, *, large: bool = False) -> str:
    """Return the command that repeats a seed."""
    return f"python -m tests.simulation --replay {seed}{' --large' if large else ''}"


def main() -> int:
    """Run seeds, or replay one with its trace."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many (default: 200)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (default: 0)")
    parser.add_argument("--large", action="store_true", help="hundreds of users in each")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes (default: all cores)")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one seed and show what its devices got")
    parser.add_argument("--only", default="", metavar="DEVICE", help="with --replay: show this device alone")
    options = parser.parse_args()
    console = Console()
    if options.replay is not None:
        return _replay(console, options.replay, options.large, options.only)
    counts: Counter[str] = Counter()
    failed = 0
    started = time.perf_counter()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as bar, ProcessPoolExecutor(options.jobs) as pool:
        task = bar.add_task("seeds", total=options.seeds)
        runs = [pool.submit(one, options.first + place, options.large) for place in range(options.seeds)]
        for run in as_completed(runs):
            seed, happened, wrong = run.result()
            counts.update(happened)
            if wrong is not None:
                failed += 1
                bar.console.print(f"[red]{wrong}[/]\n  again: {command(seed, large=options.large)}", highlight=False)
            bar.advance(task)
    table = Table("what happened", "times", box=None)
    for name, number in sorted(counts.items()):
        table.add_row(name, f"{number:,}")
    console.print(table)
    seconds = time.perf_counter() - started
    console.print(f"{options.seeds} seeds in {seconds:.1f} s, {options.seeds / seconds:.1f} a second; {failed} failed")
    return 1 if failed else 0


def _replay(console: Console, seed: int, large: bool, only: str) -> int:
    simulation = Simulation(seed, large=large, keep_trace=True)
    wrong: Exception | None = None
    try:
        simulation.run()
    except Exception as error:
        wrong = error
    for line in simulation.traced or ():
        if only in line:
            console.print(line, highlight=False, markup=False)
    console.print(dict(simulation.counts))
    console.print(f"[red]{wrong}[/]" if wrong is not None else "nothing is wrong")
    return 1 if wrong is not None else 0


if __name__ == "__main__":
    sys.exit(main())
