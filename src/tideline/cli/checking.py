"""``tideline check``."""

import asyncio
from typing import Annotated

from cyclopts import Parameter, validators
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tideline.check import Promise, Report, check
from tideline.check.report import EXAMPLES
from tideline.config import Settings
from tideline.data import surveyed

from .configuration import Config, Data, Store, load


def check_(
    *,
    data: Data = Settings.data,
    store: Store = None,
    examples: Annotated[
        int, Parameter(help="How many broken things to name, of each kind.", validator=validators.Number(gte=0))
    ] = EXAMPLES,
    config: Config = None,
) -> int:
    """Verify everything in a data folder or a database, and say what is broken; exit status 1 if anything is.

    Nothing is changed. Of a folder, stop the server first: what it writes meanwhile may look broken. Of a database,
    one moment is verified, whatever nodes write meanwhile.
    """
    settings = load(data, config, store=store)
    report = Report(examples)
    console = Console(stderr=True)
    with _progress(console) as progress:
        in_use, apps = asyncio.run(_check(settings, report, console, progress))
    _print(report, apps)
    if not report.sound and in_use:
        console.print("The server was running: stop it and check again before you believe this.", style="yellow")
    return 0 if report.sound else 1


async def _check(settings: Settings, report: Report, console: Console, progress: Progress) -> tuple[bool, int]:
    """Check all apps; return whether a server was running, and how many apps there are."""
    async with surveyed(settings) as found:
        if found.in_use:
            warning = f"A server has {settings.data} open: what it writes meanwhile may look broken."
            console.print(warning, style="yellow", highlight=False)
        bar = progress.add_task("", total=found.size)
        for survey in found.apps:
            await check(survey, report, lambda records: progress.advance(bar, records))
        return found.in_use, len(found.apps)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("Checking"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} records"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _print(report: Report, apps: int) -> None:
    console = Console(highlight=False)
    table = Table(title=None, show_edge=False, pad_edge=False)
    table.add_column("verified")
    table.add_column("looked at", justify="right")
    table.add_column("broken", justify="right")
    for promise in Promise:
        broken = report.broken[promise]
        table.add_row(
            Text(promise.value),
            f"{report.checked[promise]:,}",
            Text(f"{broken:,}", style="bold red" if broken else "green"),
        )
    console.print(table)
    for promise in Promise:
        for example in report.examples[promise]:
            console.print(Text.assemble(("broken: ", "red"), example), soft_wrap=True)
        more = report.broken[promise] - len(report.examples[promise])
        if report.examples[promise] and more > 0:
            console.print(f"        … and {more:,} more of this kind", soft_wrap=True)
    if report.sound:
        of = "1 app" if apps == 1 else f"{apps} apps"
        console.print(Text(f"Everything is as it must be, in {of}.", style="green"))
