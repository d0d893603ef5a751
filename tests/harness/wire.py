"""A device that speaks the protocol frame by frame: another implementation than the product's own client."""

import asyncio
import itertools
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

Frame = dict[str, Any]


class Closed(Exception):
    """The server closed the connection."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Wire:
    """One WebSocket; frames come out one by one, arrays taken apart."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.ids = itertools.count(1)
        self.buffer: deque[Frame] = deque()
        self.unasked: list[Frame] = []
        """What came while an answer was awaited."""
        self.welcome: Frame = {}
        self.messages: list[str] = []
        """WebSocket messages as they came."""

    async def send(self, *frames: Frame) -> None:
        """Send frames: several go out as one array."""
        await self.raw(json.dumps(frames[0] if len(frames) == 1 else frames, ensure_ascii=False))

    async def raw(self, text: str) -> None:
        await self.socket.send_str(text)

    async def next(self, timeout: float = 5) -> Frame:
        """Return the next frame.

        Raises:
            Closed: if the connection ends before one comes.
        """
        if self.unasked:
            return self.unasked.pop(0)
        return await self._next(timeout)

    async def _next(self, timeout: float) -> Frame:
        async with asyncio.timeout(timeout):
            while not self.buffer:
                message = await self.socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise Closed(self.socket.close_code)
                self.messages.append(message.data)
                found = json.loads(message.data)
                self.buffer.extend(found if isinstance(found, list) else [found])
        return self.buffer.popleft()

    async def expect(self, kind: str, timeout: float = 5) -> Frame:
        """Return the next frame, which must be of this type."""
        frame = await self.next(timeout)
        assert frame["type"] == kind, frame
        return frame

    async def ask(self, kind: str, timeout: float = 5, **fields: Any) -> Frame:
        """Send a request and return its answer; what comes in between is kept for :meth:`next`."""
        id_ = next(self.ids)
        await self.send({"type": kind, "id": id_, **fields})
        return await self.answer(id_, timeout)

    async def answer(self, id_: int, timeout: float = 5) -> Frame:
        for place, frame in enumerate(self.unasked):
            if frame.get("id") == id_:
                return self.unasked.pop(place)
        while True:
            frame = await self._next(timeout)
            if frame.get("id") == id_ and frame["type"] not in ("push", "notify"):
                return frame
            self.unasked.append(frame)

    async def say(self, target: str, text: str, **fields: Any) -> Frame:
        """Send a text to a user or a conversation; return the answer."""
        where: Frame = {"conversation": target} if target[1:2] == ":" else {"to": target}
        return await self.ask("send", **where, **message(text, **fields))

    async def silence(self, seconds: float = 0.3) -> None:
        """Check that nothing comes for a while."""
        try:
            frame = await self.next(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected {frame}")

    async def closed(self, timeout: float = 5) -> int | None:
        """Read on until the connection ends; return the close code."""
        while True:
            try:
                self.unasked.append(await self._next(timeout))
            except Closed as closed:
                return closed.code

    async def close(self) -> None:
        await self.socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def message(text: str, **fields: Any) -> Frame:
    """Return the fields of a send, with a fresh ``client_id`` unless one is given."""
    return {"client_id": secrets.token_hex(12), "body": {"type": "text", "text": text}, **fields}


@asynccontextmanager
async def wire(url: str, **options: Any) -> AsyncIterator[Wire]:
    """Open a WebSocket, without saying hello."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/v1/ws", max_msg_size=0, heartbeat=None, **options) as socket,
    ):
        yield Wire(socket)


@asynccontextmanager
async def device(
    url: str,
    token: str,
    name: str = "phone",
    cursor: int | None = 0,
    epoch: str | None = None,
    **hello: Any,
) -> AsyncIterator[Wire]:
    """Connect and say hello; the welcome is ``wire.welcome``."""
    async with wire(url) as opened:
        opened.welcome = await opened.ask("hello", token=token, device=name, cursor=cursor, epoch=epoch, **hello)
        yield opened
