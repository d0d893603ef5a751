"""Staying on the line after the last word, so that a peer who is still sending gets to read it.

A socket that is closed while data arrives is reset, and the peer may lose what was sent to it before: of a message
over the limit it would learn nothing, come back, and send it again.
"""

import asyncio
from typing import Any, Final

_SCRATCH: Final = memoryview(bytearray(65_536))
"""Where what nobody wants is read to."""


class Link:
    """A connection's transport, which can be told to linger: it then reads on for nobody, and close waits.

    Whoever tells it sees to an end by ``abort``.
    """

    __slots__ = ("_lingers", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Close the transport, unless it lingers: then the peer does."""
        if not self._lingers:
            self._transport.close()

    def linger(self) -> None:
        """Let nothing more reach the present protocol but the end of the connection."""
        if not self._lingers:
            self._lingers = True
            self._transport.set_protocol(_Sink(self._transport.get_protocol()))


class _Sink(asyncio.BufferedProtocol):
    """Reads and forgets."""

    def __init__(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_buffer(self, sizehint: int) -> memoryview:
        """Offer the scratch buffer."""
        return _SCRATCH

    def buffer_updated(self, nbytes: int) -> None:
        """Forget."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on the end."""
        self._protocol.connection_lost(exc)
