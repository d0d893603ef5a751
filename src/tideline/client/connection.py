"""A WebSocket to the server: frames in, frames out, nothing decided (protocol, section 2)."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLContext
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import picows

from tideline.protocol import ijson
from tideline.protocol.codec import UnknownFrame, decode_frames
from tideline.protocol.responses import ServerFrame

SUBPROTOCOL: Final = "tideline.v1"
LONGEST: Final = 16 * 1024 * 1024
"""A longer message of the server (bytes) ends the connection."""

_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}

OnFrames = Callable[[list[ServerFrame | UnknownFrame]], None]
OnClosed = Callable[[int, str], None]


def websocket_url(base: str) -> str:
    """Return where to connect for a server's base URL: ``https://host`` gives ``wss://host/v1/ws``.

    Raises:
        ValueError: if the scheme is none of http, https, ws, wss, or there is no host.
    """
    parts = urlsplit(base)
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not parts.netloc:
        raise ValueError(f"not the URL of a server: {base!r}")
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + "/v1/ws", "", ""))


class Connection(picows.WSListener):
    """A connection. ``on_closed`` is called once, with the close code (1006: there was none) and reason."""

    def __init__(self, on_frames: OnFrames, on_closed: OnClosed) -> None:
        self._on_frames = on_frames
        self._on_closed: OnClosed | None = on_closed
        self._transport: picows.WSTransport | None = None
        self._socket: socket.socket | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._code, self._reason = 1006, ""

    async def open(self, url: str, *, ssl_context: SSLContext | None = None) -> None:
        """Connect.

        Raises:
            OSError: if the server can't be reached.
            picows.WSError: if it does not speak WebSocket there.
        """
        try:
            await picows.ws_connect(
                lambda: self,
                url,
                ssl_context=ssl_context,
                max_frame_size=LONGEST,
                extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL},
                logger_name="tideline",
                socket_factory=self._dial,
            )
        except BaseException:
            self.close()
            if self._socket is not None:
                # Given up during the handshake: the transport that owns it is out of reach, and sees its end so.
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            raise

    async def _dial(self, url: picows.WSParsedURL) -> socket.socket:
        """Connect to the first address of the server that answers."""
        loop = asyncio.get_running_loop()
        last: OSError | None = None
        for family, kind, number, _, address in await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM):
            dialled = socket.socket(family, kind, number)
            dialled.setblocking(False)
            try:
                await loop.sock_connect(dialled, address)
            except OSError as error:
                dialled.close()
                last = error
            except BaseException:
                dialled.close()
                raise
            else:
                self._socket = dialled
                return dialled
        raise last or OSError(f"{url.host} has no address")

    @property
    def is_open(self) -> bool:
        """Whether it is open and wanted."""
        return self._transport is not None and self._on_closed is not None

    def send(self, frames: list[bytes], limit: int) -> None:
        """Send frames, as arrays of at most ``limit`` bytes."""
        batch: list[bytes] = []
        size = 2
        for frame in frames:
            if batch and size + len(frame) + 1 > limit:
                self._write(batch)
                batch, size = [], 2
            batch.append(frame)
            size += len(frame) + 1
        if batch:
            self._write(batch)

    def _write(self, batch: list[bytes]) -> None:
        if self._transport is not None:
            text = batch[0] if len(batch) == 1 else b"[%b]" % b",".join(batch)
            self._transport.send(picows.WSMsgType.TEXT, text)

    def pause_reading(self) -> None:
        """Take nothing more from the network for now."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on taking from the network."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()

    def close(self) -> None:
        """Close; nothing is reported any more."""
        self._on_closed = None
        if self._transport is not None:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Keep the transport, if it is still wanted."""
        if self._on_closed is None:
            transport.disconnect(graceful=False)
        else:
            self._transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Put messages together and hand on their frames."""
        kind = frame.msg_type
        if kind == picows.WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            if len(payload) >= 2:
                self._code = int.from_bytes(payload[:2], "big")
                self._reason = payload[2:].decode(errors="replace")
            transport.disconnect()
        elif kind in (picows.WSMsgType.TEXT, picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION):
            self._size += frame.payload_size
            if self._size > LONGEST:
                self._fail(1009, "the server's message is too long")
                return
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                text = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
                self._parts, self._size = [], 0
                self._message(text)

    def _message(self, text: bytes) -> None:
        if self._on_closed is None:
            return
        try:
            frames = decode_frames(text)
        except (ijson.NotJSON, ijson.NotIJSON) as error:
            self._fail(1002, f"the server's message is no JSON: {error}")
            return
        self._on_frames(frames)

    def _fail(self, code: int, reason: str) -> None:
        self._code, self._reason = code, reason
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """Report the end, unless it was asked for."""
        self._transport = None
        on_closed, self._on_closed = self._on_closed, None
        if on_closed is not None:
            on_closed(self._code, self._reason)
