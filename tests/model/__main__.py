"""``python -m tests.model``: search, and print the number of states; ``--deeper`` raises all bounds."""

import argparse
import sys
import time

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from .rules import MISTAKES
from .scope import SCOPES, Scope
from .search import search
from .state import Budget
from .world import World


def deeper(scope: Scope, by: int) -> Scope:
    """Let everything that may happen in a scope happen more often."""
    return scope._replace(budget=Budget(*(number + by if number else 0 for number in scope.budget)))


def main() -> int:
    """Search the scopes, and with ``--mistakes`` the world with each mistake."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("scopes", nargs="*", help=f"of: {', '.join(SCOPES)}; all by default")
    parser.add_argument("--deeper", type=int, default=0, metavar="N", help="everything may happen N times more")
    parser.add_argument("--limit", type=int, default=0, metavar="STATES", help="stop a scope after so many states")
    parser.add_argument("--mistakes", action="store_true", help="look for each seeded mistake instead")
    options = parser.parse_args()
    console = Console()
    if options.mistakes:
        return _mistakes(console, options.limit)
    table = Table("scope", "what may happen", "states", "steps", "seconds", "found", box=None)
    status = 0
    for name in options.scopes or SCOPES:
        scope = deeper(SCOPES[name], options.deeper)
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        started = time.perf_counter()
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(name, total=None)

            def show(states: int, waiting: int) -> None:
                bar.update(task, description=f"{name}: {states:,} states, {waiting:,} to visit")  # noqa: B023

            found = search(World(scope), limit=options.limit, progress=show)
        outcome = "nothing" if found.whole else "nothing so far"
        if found.broken is not None:
            status, outcome = 1, f"[red]{found.broken}[/]"
        seconds = f"{time.perf_counter() - started:.1f}"
        table.add_row(name, scope.about, f"{found.states:,}", f"{found.steps:,}", seconds, outcome)
        if found.broken is not None:
            console.print(f"[red]{name}: {found.broken}[/], by these steps:")
            for number, label in enumerate(found.trace, 1):
                console.print(f"  {number:3} {label}", highlight=False)
    console.print(table)
    return status


def _mistakes(console: Console, limit: int) -> int:
    table = Table("mistake", "found in", "states until then", "what it breaks", box=None)
    missed = 0
    for name, (scope, make) in MISTAKES.items():
        found = search(World(SCOPES[scope], make()), limit=limit)
        missed += found.broken is None
        told = str(found.broken) if found.broken is not None else "[red]missed[/]"
        table.add_row(name, scope, f"{found.states:,}", told)
    console.print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
