"""``tideline import``."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import Parameter, validators
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from tideline import collector
from tideline.config import MEBIBYTE, Settings
from tideline.data import offline
from tideline.gateway.auth import MAIN
from tideline.observe.logs import configure
from tideline.transfer.importing import Importer
from tideline.transfer.reading import records
from tideline.transfer.sources import open_sources
from tideline.transfer.submitting import Figures

from .configuration import AppName, Config, Data, Store, load

BATCH_RECORDS = 65_536
"""Nobody waits for an answer meanwhile: batches may be large."""
_WRITE_BUFFER = 64 * MEBIBYTE
_WAL = 2 * _WRITE_BUFFER


def import_(
    files: Annotated[list[Path], Parameter(validator=validators.Path(exists=True, dir_okay=False))],
    /,
    *,
    data: Data = Settings.data,
    store: Store = None,
    app: AppName = MAIN,
    config: Config = None,
) -> int:
    """Load chat logs, or what 'tideline export' wrote, into the data folder of a server that is not running.

    What is in already is left alone: a second run adds nothing, and one that was stopped goes on where it was.

    IRC logs: the file 2004-12-25.txt, with lines such as "[09:14] <nick> text", becomes the group g:2004-12-25; its
    members are those who speak in it, and everyone of them may read all of it. Times are in UTC.

    Parameters
    ----------
    files
        Files, or tar archives of files (.tar, .tar.xz, .tar.gz, .tar.bz2).
    """
    settings = load(data, config, store=store)
    settings = replace(
        settings,
        write_buffer=max(settings.write_buffer, _WRITE_BUFFER),
        wal_limit=max(settings.wal_limit, _WAL),
    )
    configure("warning", settings.log_format)
    collector.settle()
    figures = Figures()
    started = time.perf_counter()
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[messages]:,} messages"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    try:
        with progress:
            bar = progress.add_task("Importing", total=sum(file.stat().st_size for file in files), messages=0)

            def show(read: int) -> None:
                progress.update(bar, completed=read, messages=figures.messages + figures.known)

            uvloop.run(_import(settings, app, files, figures, show))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print(f"Stopped; {figures.messages:,} messages are in, and the same command goes on.", highlight=False)
        return 130
    print(_summary(figures, time.perf_counter() - started))
    return 0


async def _import(
    settings: Settings, app: str, files: list[Path], figures: Figures, show: Callable[[int], None]
) -> None:
    batch_records = BATCH_RECORDS if settings.store is None else settings.batch_records
    async with offline(settings, app, batch_records) as (store, engine):
        importer = Importer(store, engine, figures, batch_records)
        for source in open_sources(files, show):
            await importer.take(records(source), source.name)
        await importer.finish()


def _summary(figures: Figures, seconds: float) -> str:
    known = f", {figures.known:,} were in already" if figures.known else ""
    rate = f": {figures.messages / seconds:,.0f} messages/s, {figures.entries / seconds:,.0f} entries/s"
    return (
        f"{figures.messages:,} messages of {figures.conversations:,} conversations imported{known}; "
        f"{figures.entries:,} entries in timelines, in {seconds:.1f} s{rate if figures.messages else ''}"
    )
