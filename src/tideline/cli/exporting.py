"""``tideline export``."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import IO, Annotated

import msgspec
from cyclopts import Parameter

from tideline.app import store_path
from tideline.config import Settings
from tideline.gateway.auth import MAIN
from tideline.stores.embedded import EmbeddedSurveys
from tideline.timeline.survey import Survey
from tideline.transfer import exporting
from tideline.transfer.records import AnyRecord, Header

from .configuration import AppName, Config, Data, load

_encode = msgspec.json.Encoder().encode


def export(
    what: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    /,
    *,
    output: Annotated[Path | None, Parameter(help="File to write; default: standard output.")] = None,
    data: Data = Settings.data,
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
    folder = load(data, config).data
    with closing(EmbeddedSurveys(store_path(folder))) as surveys:
        records = _records(surveys.survey(app), what)
        if output is None:
            asyncio.run(_write(records, sys.stdout.buffer))
            return 0
        part = output.with_name(output.name + ".part")
        try:
            with part.open("wb") as file:
                asyncio.run(_write(records, file))
                file.flush()
                os.fsync(file.fileno())
            part.rename(output)
        finally:
            part.unlink(missing_ok=True)
    return 0


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
