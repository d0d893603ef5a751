"""The command itself."""

import asyncio
import sys
from typing import Annotated

from cyclopts import Parameter

from tideline.client import Client
from tideline.protocol.errors import TidelineError
from tideline.protocol.names import is_name

from ..access import Access, User, conversation
from . import store
from .session import Session

_ACCESS = Access()


def chat(
    user: User,
    /,
    *,
    to: Annotated[str | None, Parameter(help="Whom to chat with, or in which conversation (bob, g:team).")] = None,
    device: Annotated[str, Parameter(help="Name of this device: each one keeps its own place.")] = "terminal",
    access: Annotated[Access, Parameter(name="*")] = _ACCESS,
) -> int:
    """Chat in the terminal.

    What was said is kept on this machine, so that a chat can be read, and written to, while the server is away: what
    you write then waits, and goes out when the server is back, also after a restart. /help lists the commands.
    """
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise TidelineError("chat needs a terminal; 'tideline send' and 'tideline tail' are for scripts")
    if not is_name(device):
        raise TidelineError(f"{device!r} is no name of a device")
    if to is not None:
        conversation(user, to)
    access.token_of(user)
    kept = store.path(access.url, access.app, user, device)

    async def token() -> str:
        return access.token_of(user)

    async def run() -> int:
        async with Client(access.url, access.token or token, device=device, store=kept) as client:
            return await Session(client, user).run(to)

    return asyncio.run(run())
