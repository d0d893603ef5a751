"""``tideline conformance``."""

import asyncio
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tideline.conformance import PROMISES, Result, run


def conformance(
    url: str,
    *,
    token: Annotated[
        list[str], Parameter(help="Token of a user; give it twice, of two users, to check what takes two.")
    ],
) -> int:
    """Hold a running server to the protocol's promises, from outside; exit status 1 if it breaks one.

    It sends messages of these users to themselves and to each other, makes groups and devices. Use users who are
    made for it.

    Parameters
    ----------
    url
        Where the server is: http://127.0.0.1:8420.
    """
    console = Console(highlight=False)
    results: list[Result] = []

    async def check() -> None:
        with Console(stderr=True).status("Checking …") as status:
            async for result in run(url, token, PROMISES):
                results.append(result)
                status.update(f"Checking … {len(results)} of {len(PROMISES)}")

    asyncio.run(check())
    table = Table("section", "promise", "holds", show_edge=False, pad_edge=False)
    for result in results:
        table.add_row(result.promise.section, Text(result.promise.text), _word(result))
    console.print(table)
    broken = sum(result.held is False for result in results)
    unchecked = sum(result.held is None for result in results)
    console.print(
        Text(
            f"{len(results) - broken - unchecked} hold, {broken} are broken, {unchecked} were not checked.",
            style="red" if broken else "green",
        )
    )
    return 1 if broken else 0


def _word(result: Result) -> Text:
    if result.held is None:
        return Text(f"not checked: {result.detail}", style="yellow")
    return Text("yes", style="green") if result.held else Text(f"no: {result.detail}", style="bold red")
