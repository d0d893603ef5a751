"""``tideline check``."""

import asyncio
from contextlib import closing
from typing import Annotated

from cyclopts import Parameter, validators
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tideline.app import store_path
from tideline.check import Promise, Report, check
from tideline.check.report import EXAMPLES
from tideline.config import Settings
from tideline.stores.embedded import EmbeddedSurveys
from tideline.stores.postgres import postgres_surveys

from .configuration import Config, Data, load


def check_(
    *,
    data: Data = Settings.data,
    examples: Annotated[
        int, Parameter(help="How many broken things to name, of each kind.", validator=validators.Number(gte=0))
    ] = EXAMPLES,
    store: Annotated[
        str | None, Parameter(env_var="TIDELINE_STORE", help="URL of a PostgreSQL database, instead of the folder.")
    ] = None,
    config: Config = None,
) -> int:
    """Verify everything in a data folder or a database, and say what is broken; exit status 1 if anything is.

    Nothing is changed. Of a folder, stop the server first: what it writes meanwhile may look broken. Of a database,
    one moment is verified, whatever nodes write meanwhile.
    """
    report = Report(examples)
    console = Console(stderr=True)
    if store is not None:
        apps = asyncio.run(_database(store, report))
        _print(report, apps)
        return 0 if report.sound else 1
    folder = load(data, config).data
    with closing(EmbeddedSurveys(store_path(folder))) as surveys:
        if surveys.in_use:
            warning = f"A server has {folder} open: what it writes meanwhile may look broken."
            console.print(warning, style="yellow", highlight=False)
        progress = Progress(
            TextColumn("Checking"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.completed:,.0f} records"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        apps = surveys.apps()
        with progress:
            bar = progress.add_task("", total=surveys.size())
            for app in apps:
                asyncio.run(check(surveys.survey(app), report, lambda records: progress.advance(bar, records)))
    _print(report, apps)
    if not report.sound and surveys.in_use:
        console.print("The server was running: stop it and check again before you believe this.", style="yellow")
    return 0 if report.sound else 1


async def _database(url: str, report: Report) -> list[str]:
    async with postgres_surveys(url) as surveys:
        for survey in surveys:
            await check(survey, report, lambda records: None)
        return [survey.app for survey in surveys]


def _print(report: Report, apps: list[str]) -> None:
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
        of = "1 app" if len(apps) == 1 else f"{len(apps)} apps"
        console.print(Text(f"Everything is as it must be, in {of}.", style="green"))
