"""A TCP connection that says exactly what it is told: broken frames, half requests, nobody who reads."""

import asyncio
import base64
import json
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, masked: bool = True) -> bytes:
    """Encode a WebSocket frame as a client does."""
    head = bytearray([opcode | (0x80 if fin else 0)])
    bit, size = (0x80 if masked else 0), len(payload)
    if size < 126:
        head.append(bit | size)
    elif size < 65_536:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    # A mask of zeros is a mask.
    return bytes(head) + (bytes(4) if masked else b"") + payload


class Raw:
    """One connection; a WebSocket after :meth:`upgrade`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self.reader = reader
        self.writer = writer
        self.host = host
        self.frames: list[dict[str, Any]] = []
        self.code: int | None = None

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send(self, *frames: dict[str, Any]) -> None:
        """Send each frame as a WebSocket message of its own, in one go."""
        await self.write(b"".join(frame(json.dumps(each).encode()) for each in frames))

    async def upgrade(self, path: str = "/v1/ws", **headers: str) -> bytes:
        """Ask for a WebSocket; return the head of the response."""
        await self.write(self.upgrade_request(path, **headers))
        async with asyncio.timeout(5):
            return await self.reader.readuntil(b"\r\n\r\n")

    def upgrade_request(self, path: str = "/v1/ws", **headers: str) -> bytes:
        fields = {
            "Host": self.host,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def message(self) -> tuple[int, bytes]:
        """Return the opcode and the payload of the next WebSocket frame.

        Raises:
            asyncio.IncompleteReadError, ConnectionError: if the connection ends.
        """
        opcode, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return opcode & 0xF, await self.reader.readexactly(size)

    async def next(self, timeout: float = 5) -> dict[str, Any]:
        """Return the next frame of the protocol, arrays taken apart."""
        async with asyncio.timeout(timeout):
            while not self.frames:
                opcode, payload = await self.message()
                if opcode == CLOSE:
                    self.code = struct.unpack("!H", payload[:2])[0]
                    raise ConnectionError(f"closed with {self.code}")
                if opcode == TEXT:
                    found = json.loads(payload)
                    self.frames += found if isinstance(found, list) else [found]
        return self.frames.pop(0)

    async def hello(self, token: str, device: str = "phone", **fields: Any) -> dict[str, Any]:
        """Upgrade and say hello; return the welcome."""
        head = await self.upgrade()
        assert head.startswith(b"HTTP/1.1 101"), head
        await self.send({"type": "hello", "id": 1, "token": token, "device": device, "cursor": 0, **fields})
        return await self.next()

    async def closed(self, timeout: float = 5) -> int | None:
        """Read on until the connection ends; return the code of the close frame, if one came."""
        try:
            while True:
                await self.next(timeout)
        except (ConnectionError, asyncio.IncompleteReadError):
            return self.code

    async def ended(self, timeout: float = 5) -> bytes:
        """Return everything up to the end of the connection."""
        async with asyncio.timeout(timeout):
            return await self.reader.read()


@asynccontextmanager
async def raw(url: str, *, limit: int = 2**20) -> AsyncIterator[Raw]:
    """Open a connection to a server; ``limit`` bytes are read ahead."""
    host = urlsplit(url).netloc
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port), limit=limit)
    try:
        yield Raw(reader, writer, host)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
