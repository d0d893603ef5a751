"""What a connection has from the gateway that it belongs to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from tideline.observe import Observer
from tideline.protocol.limits import Limits
from tideline.protocol.requests import Request

from .auth import Keyring
from .hub import Hub
from .settings import GatewaySettings

C_contra = TypeVar("C_contra", contravariant=True)


class Host(Protocol[C_contra]):
    """Settings, a clock, and a place among the other connections (``C_contra``)."""

    keyring: Keyring
    limits: Limits
    settings: GatewaySettings
    observer: Observer
    loop: asyncio.AbstractEventLoop
    now: float
    """The loop's clock as of the last sweep: exact enough for timeouts, and free to read."""
    stopping: bool
    """Whether nothing new is to be read, so that what is in flight comes to an end."""

    @property
    def handle(self) -> Callable[[C_contra, Request], Awaitable[None]]:
        """Answer one request of a connection that is no command."""
        ...

    async def hub(self, app: str) -> Hub:
        """Return where an app's connections meet."""
        ...

    def add(self, connection: C_contra) -> None:
        """Watch over a connection."""
        ...

    def discard(self, connection: C_contra) -> None:
        """Forget a connection that has ended."""
        ...

    def gathered(self, connection: C_contra) -> None:
        """Flush a connection before this turn of the event loop ends."""
        ...
