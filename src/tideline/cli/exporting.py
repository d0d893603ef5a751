"""``tideline export``."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import IO, Annotated

import msgspec
from cyclopts import Parameter

from tideline.config import Settings
from tideline.data import surveyed
from tideline.gateway.auth import MAIN
from tideline.protocol.errors import TidelineError
from tideline.timeline.survey import Survey
from tideline.transfer import exporting
from tideline.transfer.records import AnyRecord, Header

from .configuration import AppName, Config, Data, Store, load

_encode = msgspec.json.Encoder().encode


def export(
    what: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    /,
    *,
    output: Annotated[Path | None, Parameter(help="File to write; default: standard output.")] = None,
    data: Data = Settings.data,
    store: Store = None,
    app: AppName = MAIN,
    config: Config = None,
) -> int:
    """Write conversations as JSON lines, which 'tideline import' reads back.

    Works beside a running server, too; then the export is of a moment just before.

    Parameters
    ----------
    what
        Conversations (g:team, d:alice~bob), or users: what a user may read. Without any: everything.
    """
    settings = load(data, config, store=store)
    if output is None:
        asyncio.run(_export(settings, app, what, sys.stdout.buffer))
        return 0
    part = output.with_name(output.name + ".part")
    try:
        with part.open("wb") as file:
            asyncio.run(_export(settings, app, what, file))
            os.fsync(file.fileno())
        part.rename(output)
    finally:
        part.unlink(missing_ok=True)
    return 0


async def _export(settings: Settings, app: str, what: tuple[str, ...], file: IO[bytes]) -> None:
    async with surveyed(settings) as found:
        for survey in found.apps:
            if survey.app == app:
                await _write(_records(survey, what), file)
                return
        raise TidelineError(f"no app {app} in {settings.data if settings.store is None else 'the database'}")


async def _records(survey: Survey, what: tuple[str, ...]) -> AsyncIterator[AnyRecord]:
    if not what:
        async for record in exporting.conversations(survey):
            yield record
    for name in what:
        found = exporting.conversation(survey, name) if ":" in name else exporting.readable(survey, name)
        async for record in found:
            yield record


async def _write(records: AsyncIterator[AnyRecord], file: IO[bytes]) -> None:
    lines = 0
    async with aclosing(records) as found:  # type: ignore[type-var]
        async for record in found:
            if not lines:
                # Only now is it sure that there is something.
                file.write(_encode(Header()) + b"\n")
            file.write(_encode(record) + b"\n")
            lines += 1
    if not lines:
        file.write(_encode(Header()) + b"\n")
    file.flush()
