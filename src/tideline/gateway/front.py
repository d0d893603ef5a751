"""The listener of the one port: reads a request's head, and hands the connection to WebSocket or HTTP.

picows and aiohttp each bring a protocol that wants a connection from its first byte. So the front reads the head
(bounded in size and time), decides by its path, makes the protocol the transport's, and feeds it what was read.
picows' protocol class is not documented API: its version is pinned, and the tests of this file hold it to what is
relied on here.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlsplit

from picows import (
    WSAutoPingStrategy,
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from .connection import Connection
from .gateway import Gateway
from .linger import Link

WEBSOCKET_PATH = b"/v1/ws"
SUBPROTOCOL = "tideline.v1"
_HEAD = 16 * 1024
_HEAD_TIMEOUT = 10.0
_READ_BUFFER = 2048


class Front(asyncio.Protocol):
    """Reads the head of a connection's first request."""

    __slots__ = ("_gateway", "_http", "_read", "_timeout", "_transport")

    def __init__(self, gateway: Gateway, http: Callable[[], asyncio.Protocol]) -> None:
        self._gateway = gateway
        self._http = http
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to read the head."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases
        self._timeout = self._gateway.loop.call_later(_HEAD_TIMEOUT, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Read on, until the head is whole."""
        self._read = (self._read + data).lstrip(b"\r\n")
        end = self._read.find(b"\r\n\r\n")
        if end < 0 and len(self._read) <= _HEAD:
            return
        self._timeout.cancel()
        if end < 0 or end > _HEAD:
            self._transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n")
            self._transport.close()
            return
        line = self._read[: self._read.find(b"\r\n")].split(b" ")
        path = line[1].partition(b"?")[0] if len(line) == 3 else b""
        if path == WEBSOCKET_PATH and line[0] == b"GET":
            become_websocket(self._gateway, self._transport, self._read[:end], self._read[end:])
        else:
            protocol = self._http()
            self._transport.set_protocol(protocol)
            protocol.connection_made(self._transport)
            protocol.data_received(self._read)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting for the head."""
        self._timeout.cancel()


def become_websocket(gateway: Gateway, transport: asyncio.Transport, head: bytes, rest: bytes) -> None:
    """Hand a connection to WebSocket: the request's head was read, without its last four bytes, and the rest."""
    listener = Connection(gateway)
    link = Link(transport)
    protocol = WSProtocol(
        None,  # host and path are the client's side
        None,
        False,
        lambda request: _upgrade(gateway, request, listener),
        Alarm(listener, link),
        True,
        _HEAD_TIMEOUT,
        False,  # pings are the device's business; its own are answered by the listener
        1.0,
        1.0,
        WSAutoPingStrategy.PING_WHEN_IDLE,
        False,
        gateway.limits.frame,
        None,
        _READ_BUFFER,
    )
    transport.set_protocol(protocol)
    protocol.connection_made(link)
    # One value of the header is all that picows reads; browsers may list others beside it.
    view = memoryview(_single_upgrade(head) + rest)
    while view and not transport.is_closing():
        buffer = protocol.get_buffer(-1)
        count = min(len(buffer), len(view))
        buffer[:count] = view[:count]
        protocol.buffer_updated(count)
        view = view[count:]


class Alarm:
    """The logger that picows gets: it says nothing, and hears of a message over the limit.

    picows announces a violation of the protocol to its logger before it closes the connection. A message that is
    too large gets our close code, which is sent first and so is the one that counts; and picows, which would close
    the connection at once, is kept from it.
    """

    __slots__ = ("_connection", "_link")

    def __init__(self, connection: Connection, link: Link) -> None:
        self._connection = connection
        self._link = link

    def error(self, _: str, *args: Any) -> None:
        """Hear of a violation."""
        if args and isinstance(args[0], tuple) and args[0] and int(args[0][0]) == _TOO_BIG:
            self._connection.oversized()
            self._link.linger()

    def isEnabledFor(self, _: int) -> bool:
        """Spare picows its debug messages."""
        return False

    def exception(self, message: str, *args: Any) -> None:
        """Hear of a defect in the listener."""
        self._connection.gateway.observer.defect(message, RuntimeError(*args))

    def _ignore(self, *_: Any, **__: Any) -> None: ...

    debug = info = warning = log = _ignore


_TOO_BIG = 1009


def _single_upgrade(head: bytes) -> bytes:
    lines = head.split(b"\r\n")
    for place, line in enumerate(lines):
        name, _, value = line.partition(b":")
        if name.lower() == b"connection" and b"upgrade" in value.lower():
            lines[place] = b"Connection: Upgrade"
    return b"\r\n".join(lines)


def _upgrade(
    gateway: Gateway, request: WSUpgradeRequest, listener: WSListener
) -> WSListener | WSUpgradeResponseWithListener:
    """Accept the handshake, unless it comes from a page of elsewhere."""
    headers = request.headers
    origin = headers.get("Origin")
    if origin is not None and not origin_allowed(gateway, origin, headers.get("Host", "")):
        refusal = WSUpgradeResponse.create_error_response(403, b"origin is not allowed")
        return WSUpgradeResponseWithListener(refusal, None)
    offered = [part.strip() for part in headers.get("Sec-WebSocket-Protocol", "").split(",")]
    extra = {"Sec-WebSocket-Protocol": SUBPROTOCOL} if SUBPROTOCOL in offered else None
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(extra), listener)


def origin_allowed(gateway: Gateway, origin: str, host: str) -> bool:
    """Tell whether a page of this origin may use the server: its own, or one on the allow-list."""
    allowed = gateway.settings.allowed_origins
    try:
        own = urlsplit(origin).netloc == host != ""
    except ValueError:
        own = False
    return own or origin in allowed or "*" in allowed
