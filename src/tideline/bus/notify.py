"""The bus over PostgreSQL's LISTEN/NOTIFY, for a few nodes and no further server: it carries hints.

All nodes listen to one channel; what gathers while one notification is on its way goes out with the next, so there
is at most one a round trip. It is sent by a transaction of its own after the commit that it tells of: within that
commit, all commits of the database would queue up behind one lock. That transaction need not survive a crash.
"""

import asyncio
import base64
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg
import msgspec

from .contract import Receive

_CHANNEL = "tideline"
_PAYLOAD = 7900
"""Bytes of text that one notification may carry (8000, less something)."""
_RAW = _PAYLOAD * 3 // 4
_QUEUE = 10_000
_TIMEOUT = 3.0
_RETRY = 0.5
_CHECK = 5.0
_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, list[tuple[str, bytes]]]).decode


class NotifyBus:
    """Two connections to the database: one listens, one notifies (implements ``Bus``)."""

    carries = 0

    def __init__(self, url: str, node: str) -> None:
        self.dropped = 0
        self._url = url
        self._node = node
        self._watched: set[str] = set()
        self._queue: list[tuple[str, bytes]] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._listener: Any = None
        self._sender: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._receive: Receive = lambda topic, message: None
        self._resumed: Callable[[], None] = lambda: None

    @property
    def connected(self) -> bool:
        """Whether the listening connection is open."""
        return self._listener is not None and not self._listener.is_closed()

    async def open(self, receive: Receive, resumed: Callable[[], None]) -> None:
        """Listen and notify in the background, again and again."""
        self._receive, self._resumed = receive, resumed
        listening = asyncio.get_running_loop().create_future()
        self._tasks = [asyncio.create_task(self._listen(listening)), asyncio.create_task(self._send())]
        with suppress(TimeoutError):
            await asyncio.wait_for(listening, _TIMEOUT)

    async def _listen(self, listening: "asyncio.Future[None]") -> None:
        while True:
            try:
                connection = await self._connect()
                await connection.add_listener(_CHANNEL, self._take)
            except _LOST:
                await asyncio.sleep(_RETRY)
                continue
            self._listener = connection
            if listening.done():
                self._resumed()
            else:
                listening.set_result(None)
            closed = asyncio.Event()
            connection.add_termination_listener(lambda _, closed=closed: closed.set())
            try:
                while not connection.is_closed():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(closed.wait(), _CHECK)
                    # A half-open connection is noticed by asking.
                    await connection.fetchval("SELECT 1", timeout=_TIMEOUT)
            except _LOST:
                connection.terminate()

    async def _connect(self) -> Any:
        settings = {"application_name": "tideline bus", "synchronous_commit": "off"}
        return await asyncpg.connect(self._url, timeout=_TIMEOUT, command_timeout=_TIMEOUT, server_settings=settings)

    def _take(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        node, messages = _decode(base64.b64decode(payload))
        if node == self._node:
            return
        for topic, message in messages:
            if topic in self._watched:
                self._receive(topic, message)

    async def watch(self, topic: str) -> None:
        """Take notice of a topic."""
        self._watched.add(topic)

    def unwatch(self, topic: str) -> None:
        """Take no more notice of a topic."""
        self._watched.discard(topic)

    def publish(self, topic: str, message: bytes) -> None:
        """Queue a message for the next notification."""
        if len(self._queue) >= _QUEUE or len(message) > _RAW // 2:
            self.dropped += 1
            return
        self._queue.append((topic, message))
        self._idle.clear()
        if not self._wake.is_set():
            self._wake.set()

    async def _send(self) -> None:
        try:
            while True:
                self._idle.set()
                await self._wake.wait()
                self._wake.clear()
                self._idle.clear()
                queue, self._queue = self._queue, []
                try:
                    await self._notify(queue)
                except _LOST:
                    self.dropped += len(queue)
                    self._disconnect()
                    await asyncio.sleep(_RETRY)
        finally:
            self._disconnect()

    async def _notify(self, queue: list[tuple[str, bytes]]) -> None:
        payloads = [base64.b64encode(part).decode() for part in _parts(self._node, queue)]
        if self._sender is None or self._sender.is_closed():
            self._sender = await self._connect()
        await self._sender.execute("SELECT pg_notify($1, p) FROM unnest($2::text[]) AS p", _CHANNEL, payloads)

    def _disconnect(self) -> None:
        if self._sender is not None:
            self._sender.terminate()
            self._sender = None

    async def close(self) -> None:
        """Send what is waiting and disconnect."""
        if self.connected:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), 1)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.terminate()


def _parts(node: str, messages: list[tuple[str, bytes]]) -> list[bytes]:
    """Divide messages into as few payloads as there must be."""
    parts: list[bytes] = []
    gathered: list[tuple[str, bytes]] = []
    size = 0
    for topic, message in messages:
        cost = len(topic) + len(message) + 12
        if gathered and size + cost > _RAW - 100:
            parts.append(_encode((node, gathered)))
            gathered, size = [], 0
        gathered.append((topic, message))
        size += cost
    if gathered:
        parts.append(_encode((node, gathered)))
    return parts
